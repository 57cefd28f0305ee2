"""What the trio client makes of a server that means well."""

from __future__ import annotations

import contextlib
import math
import socket
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .answers import ANSWERS, answer_frame, answer_next, check_facts, next_request
from .peers import (
    CANCEL,
    END,
    ERROR,
    HEARTBEAT,
    REQUEST,
    UNLIMITED,
    Done,
    Echo,
    Flush,
    GetHeaders,
    GetValue,
    Grind,
    Nap,
    Peer,
    Private,
    SetValue,
    Unlisted,
    Value,
    frame,
    open_world,
)

GOOD: dict[str, Any] = {"success": True, "payload": {"value": 3}}


@pytest.mark.parametrize(("body", "error"), ANSWERS)
async def test_each_answer_is_raised_as_what_it_is(
    autojump_clock: MockClock, body: dict[str, Any], error: type[Exception]
) -> None:
    """An asker over a socket gets what an asker in the process would get."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(answer_next, Peer(theirs), body)
        with pytest.raises(error) as caught:
            await client.actor("a").ask(GetValue())

    assert type(caught.value) is error
    check_facts(caught.value, body)


@pytest.mark.parametrize(("body", "error"), ANSWERS)
async def test_each_answer_is_returned_where_types_are_not_at_hand(
    autojump_clock: MockClock, body: dict[str, Any], error: type[Exception]
) -> None:
    """Only the lack of an answer is raised."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(answer_next, Peer(theirs), body)
        try:
            response = await client.request("a", "GetValue")
        except acton.RemoteProtocolError as caught:
            response = None
            assert error is type(caught)  # noqa: PT017 - it is one of many

    if response is None:
        return
    assert error is not acton.RemoteProtocolError
    assert response.success is body["success"]
    assert response.error_code == body.get("error_code")
    assert (response.error or "") == body.get("error", "")
    assert response.payload == body.get("payload")
    assert response.message_type == body.get("message_type")


async def test_ask_and_send_over_memory_streams(autojump_clock: MockClock) -> None:
    """The same calls as inside the process, over real frames."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        service = client.actor("service")
        await service.send(SetValue(42))
        found = await client.discover()

        assert await service.ask(GetValue()) == Value(42)
        assert await service.ask(Flush()) == Done()
        assert await service.ask(Echo("é", 3)) == "ééé"
        assert [each.name for each in found.actors] == ["service"]
        assert "SetValue" in found.actors[0].accepts
        assert found.actors[0].ern == w.handle.id
        assert {"messagepack", "cancel"} <= found.capabilities
        assert "GetValue" in found.message_types


async def test_request_without_types_returns_errors_too(
    autojump_clock: MockClock,
) -> None:
    """Only the lack of an answer is raised."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        good = await client.request("service", "GetValue", {})
        bad = await client.request("nobody", "GetValue", {})

        assert (good.success, good.payload, good.message_type) == (
            True,
            {"value": 0},
            "Value",
        )
        assert (bad.success, bad.error_code) == (False, "ACTOR_NOT_FOUND")


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(2.0001, 2001), (2, 2000), (0.0001, 1), (10**6, 10**9), (math.inf, 30000)],
)
async def test_deadline_of_the_caller_travels(
    autojump_clock: MockClock, seconds: float, milliseconds: int
) -> None:
    """The peer hears how many milliseconds are left, rounded up."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        server = Peer(theirs)
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with trio.move_on_after(seconds):
                    await client.actor("a").ask(GetValue())

            nursery.start_soon(ask)
            request = await answer_next(server, GOOD)

    assert request["response_timeout_ms"] == milliseconds
    assert request["payload"] is None
    assert request["expects_reply"] is True
    assert not request.get("expects_stream", False)
    assert (request["target"], request["message_type"]) == ("a", "GetValue")


async def test_mute_server_does_not_keep_its_askers(autojump_clock: MockClock) -> None:
    """Without a deadline every call ends after 30 seconds, with one when that is."""
    ours, _theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        handle = client.actor("a")
        with pytest.raises(acton.AskTimeoutError):
            await handle.ask(GetValue())
        with pytest.raises(acton.AskTimeoutError):
            await handle.send(SetValue(1))
        with pytest.raises(acton.AskTimeoutError):
            await client.request("a", "B")
        with pytest.raises(acton.AskTimeoutError):
            await client.discover()
        with trio.move_on_after(3) as scope:
            await handle.ask(GetValue())

    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(123)


async def test_send_waits_for_the_acknowledgement(autojump_clock: MockClock) -> None:
    """It returns when the message is in the mailbox, not when it is written."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.actor("a").send, SetValue(1))
        request = await next_request(server)
        await wait_all_tasks_blocked()
        waiting = len(nursery.child_tasks)
        body = {"success": True, "payload": {"status": "delivered"}}
        await server.write(answer_frame(request["correlation_id"], body))

    assert waiting == 1
    assert not request.get("expects_reply", False)
    assert request["payload"] == {"value": 1}


async def test_many_tasks_share_a_client(autojump_clock: MockClock) -> None:
    """Each gets the answer to its own question, in whatever order they come."""
    answers: list[tuple[str, str]] = []
    config = acton.ipc.IpcConfig(rate_limit=UNLIMITED)
    async with (
        open_world(config) as w,
        acton.ipc.open_client(w.door.connect()) as client,
    ):
        service = client.actor("service")

        async def ask(text: str) -> None:
            answers.append((text, await service.ask(Echo(text))))

        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(ask, f"{number}")

    assert len(answers) == 300
    assert all(asked == answer for asked, answer in answers)


async def test_answers_in_reverse_find_their_askers(autojump_clock: MockClock) -> None:
    """Answers are matched by id alone, and ids do not repeat."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    got: dict[int, Value] = {}
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def ask(number: int) -> None:
            await trio.sleep(number)
            got[number] = await client.actor("a").ask(GetValue())

        for number in range(5):
            nursery.start_soon(ask, number)
        ids = [(await next_request(server))["correlation_id"] for _ in range(5)]
        for number, cid in reversed(list(enumerate(ids))):
            body = GOOD | {"payload": {"value": number}}
            await server.write(answer_frame(cid, body))

    assert got == {number: Value(number) for number in range(5)}
    assert len(set(ids)) == 5


async def test_asker_that_gives_up_leaves_at_once_and_its_answer_goes_nowhere(
    autojump_clock: MockClock,
) -> None:
    """A late answer never reaches another asker."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            await client.actor("a").ask(GetValue())
        left_at = trio.current_time()
        abandoned = await next_request(server)
        nursery.start_soon(answer_next, server, GOOD)
        late = GOOD | {"payload": {"value": 666}}
        await server.write(answer_frame(abandoned["correlation_id"], late))

        assert await client.actor("a").ask(GetValue()) == Value(3)
    assert left_at == pytest.approx(1)


async def test_deadline_reaches_the_work(autojump_clock: MockClock) -> None:
    """A handler that only reads is cancelled when its asker is out of time."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        with trio.move_on_after(2):
            await client.actor("service").ask(Nap(50))
        await trio.sleep(1)

        assert w.service.log == ["nap began", "nap cancelled"]


async def test_giving_up_reaches_the_work(autojump_clock: MockClock) -> None:
    """So it is when its asker is cancelled without a deadline."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        await client.discover()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.actor("service").ask, Nap(20))
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await trio.sleep(1)

        assert w.service.log == ["nap began", "nap cancelled"]


async def test_giving_up_reaches_the_work_of_a_server_not_asked_for_it(
    autojump_clock: MockClock,
) -> None:
    """Whoever asks need not know what the server can do."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.actor("service").ask, Nap(20))
            nursery.start_soon(client.request, "service", "Nap", {"seconds": 20})
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await trio.sleep(1)

        assert sorted(w.service.log) == ["nap began"] * 2 + ["nap cancelled"] * 2
        assert w.listener.statistics().in_flight_requests == 0


async def test_only_what_is_asked_is_called_back(autojump_clock: MockClock) -> None:
    """What was sent is the actor's own; what was answered is over."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.discover)
            _, question = await server.read()
            able = dict.fromkeys(
                ("messagepack", "streaming", "push", "discovery", "cancel"), True
            )
            version = {
                "current": 2,
                "min_supported": 1,
                "max_supported": 2,
                "description": "",
                "capabilities": able,
            }
            body = {"success": True, "protocol_version": version}
            await server.write(answer_frame(question["correlation_id"], body))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_next, server, GOOD)
            await client.actor("a").ask(GetValue())
        with trio.move_on_after(1):
            await client.actor("a").send(SetValue(1))
        with trio.move_on_after(1):
            await client.actor("a").ask(GetValue())
        await wait_all_tasks_blocked()
    frames = [await server.read() for _ in range(4)]
    kinds = [kind for kind, _ in frames]
    asked, cancelled = frames[1][1], frames[2][1]

    assert kinds == [REQUEST, REQUEST, CANCEL, 0]
    assert asked["message_type"] == "GetValue"
    assert cancelled == {"correlation_id": asked["correlation_id"]}


async def test_asker_that_was_cancelled_before_sends_nothing(
    autojump_clock: MockClock,
) -> None:
    """As everywhere in trio, what begins cancelled has no effect."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.actor("a").send(SetValue(1))
        await wait_all_tasks_blocked()

    assert scope.cancelled_caught
    assert await Peer(theirs).read_frame() == END


async def test_server_that_cannot_cancel_is_not_told_to(
    autojump_clock: MockClock,
) -> None:
    """A frame that a reference server does not know would end the connection."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.actor("a").ask, GetValue())
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    kinds: list[int] = []
    while (kind := (await server.read())[0]) != 0:
        kinds.append(kind)

    assert REQUEST in kinds
    assert CANCEL not in kinds


async def test_change_goes_on_though_its_asker_is_out_of_time(
    autojump_clock: MockClock,
) -> None:
    """Half a change would be worse."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        with trio.move_on_after(2):
            await client.actor("service").ask(Grind(5))
        value = await client.actor("service").ask(GetValue())

        assert value == Value(0)
        assert w.service.log == ["grind began", "grind ended"]


async def test_asker_that_gives_up_while_writing_breaks_no_frame(
    autojump_clock: MockClock,
) -> None:
    """What others write behind it is still understood."""
    async with open_world() as w:
        # Holds no byte by itself: whoever writes waits for who reads.
        ours, theirs = trio.testing.lockstep_stream_pair()
        async with acton.ipc.open_client(ours) as client:
            with trio.move_on_after(1):
                await client.actor("a").ask(Echo("x" * 100_000))
            server = Peer(theirs)
            async with trio.open_nursery() as nursery:
                got: list[Value] = []

                async def ask() -> None:
                    got.append(await client.actor("a").ask(GetValue()))

                nursery.start_soon(ask)
                request = await next_request(server)
                while request["message_type"] != "GetValue":
                    request = await next_request(server)
                await server.write(answer_frame(request["correlation_id"], GOOD))

            assert got == [Value(3)]
        assert w.service.log == []


async def test_idle_client_sends_heartbeats(autojump_clock: MockClock) -> None:
    """An idle client is not cut off."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        await trio.sleep(1000)

        assert await client.actor("service").ask(GetValue()) == Value(0)
        assert w.listener.statistics().connections_accepted == 1


async def test_traffic_is_as_good_as_a_heartbeat(autojump_clock: MockClock) -> None:
    """One is sent when nothing was for half of what a server allows, and not before."""
    ours, theirs = trio.testing.memory_stream_pair()
    server = Peer(theirs)
    seen: list[tuple[float, int]] = []
    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:

        async def listen() -> None:
            while True:
                kind, _ = await server.read()
                seen.append((trio.current_time(), kind))

        nursery.start_soon(listen)
        for _ in range(5):
            await trio.sleep(20)
            with trio.move_on_after(0):
                await client.actor("a").send(SetValue(1))
            with trio.move_on_after(1):
                await client.actor("a").send(SetValue(1))
        await trio.sleep(65)
        nursery.cancel_scope.cancel()

    times = [(round(time), kind) for time, kind in seen]
    assert [each for each in times if each[1] == REQUEST] == [
        (at, REQUEST) for at in (20, 41, 62, 83, 104)
    ]
    assert [each for each in times if each[1] != REQUEST] == [
        (134, HEARTBEAT),
        (164, HEARTBEAT),
    ]


async def test_headers_are_none_of_a_plain_asker(autojump_clock: MockClock) -> None:
    """Plain code has nothing to send beside its message."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        assert await client.actor("service").ask(GetHeaders()) == {}


async def test_writing_that_fails_is_found_by_reading(
    autojump_clock: MockClock,
) -> None:
    """The peer's last words are still read, and are the reason that is given."""
    ours, theirs = trio.testing.memory_stream_pair()
    words = b'{"correlation_id":"unknown","success":false,"error":"bye"}'

    async def fail() -> None:
        await theirs.send_all(frame(ERROR, words))
        raise trio.BrokenResourceError

    ours.send_stream.send_all_hook = fail
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(acton.PeerLostError, match="bye"):
            await client.actor("a").ask(GetValue())

    assert trio.current_time() == 0


async def test_stream_is_closed_with_the_block(autojump_clock: MockClock) -> None:
    """The server sees the end, however the block is left."""
    for error in (None, KeyError):
        ours, theirs = trio.testing.memory_stream_pair()
        try:
            async with acton.ipc.open_client(ours):
                if error:
                    raise error
        except KeyError:
            pass

        assert await Peer(theirs).read_frame() == END


async def test_handle_of_a_closed_client_raises_at_once(
    autojump_clock: MockClock,
) -> None:
    """It does not wait for an answer that cannot come."""
    ours, _theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        handle = client.actor("a")
    with pytest.raises(acton.PeerLostError):
        await handle.ask(GetValue())
    with pytest.raises(acton.PeerLostError):
        await handle.send(SetValue(1))

    assert trio.current_time() == 0


async def test_who_waits_when_the_client_is_closed_hears_of_it(
    autojump_clock: MockClock,
) -> None:
    """An asker that outlives the block is not left waiting."""
    ours, _theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery, acton.ipc.open_client(ours) as client:

        async def ask() -> None:
            with pytest.raises(acton.PeerLostError, match="closed"):
                await client.actor("a").ask(GetValue())

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()

    assert trio.current_time() == 0


async def test_body_error_leaves_the_client_as_it_is(autojump_clock: MockClock) -> None:
    """The client's own tasks wrap nothing in groups."""
    ours, _theirs = trio.testing.memory_stream_pair()
    with pytest.raises(KeyError, match="mine"):
        async with acton.ipc.open_client(ours):
            raise KeyError("mine")  # noqa: EM101


@pytest.mark.parametrize("thing", [Private(), Unlisted(1), 3, GetValue, None])
async def test_what_does_not_travel_is_a_type_error(
    autojump_clock: MockClock, thing: Any
) -> None:
    """The mistake is named where it is made, before anything is sent."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(TypeError, match="ipc=True"):
            await client.actor("a").send(thing)

    assert await Peer(theirs).read_frame() == END


async def test_asking_what_has_no_reply_is_a_type_error(
    autojump_clock: MockClock,
) -> None:
    """So is asking with a message that is only sent."""
    ours, _theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        with pytest.raises(TypeError, match="without a reply"):
            await client.actor("a").ask(SetValue(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(acton.SerializationError):
            await client.request("a", "B", object())


async def test_client_waits_where_others_are_in_line(tmp_path: Path) -> None:
    """A server that is behind with accepting is not taken for one that is lost."""
    path = str(tmp_path / "s")
    with contextlib.ExitStack() as held:
        busy = held.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(path)
        busy.listen(0)
        for _ in range(2):
            other = held.enter_context(socket.socket(socket.AF_UNIX))
            other.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                other.connect(path)
        async with trio.open_nursery() as nursery:
            entered = trio.Event()

            async def enter() -> None:
                async with acton.ipc.open_client(path):
                    entered.set()

            nursery.start_soon(enter)
            await wait_all_tasks_blocked()
            assert not entered.is_set()
            busy.accept()[0].close()
            await entered.wait()


async def test_ask_that_is_given_up_unwritten_is_never_sent(
    autojump_clock: MockClock,
) -> None:
    """The peer hears neither of it nor of its end."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    server = Peer(theirs)
    async with acton.ipc.open_client(ours) as client:
        service = client.actor("service")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.send, SetValue(1))
            await wait_all_tasks_blocked()
            with trio.move_on_after(1):
                await service.ask(GetValue())
            nursery.start_soon(service.send, SetValue(2))
            await wait_all_tasks_blocked()
            values = [(await server.answer())["payload"] for _ in range(2)]
            nursery.cancel_scope.cancel()

    assert values == [{"value": 1}, {"value": 2}]
