"""What becomes of requests: deadlines, failures, and who is asked."""

from __future__ import annotations

import gc
import math
import weakref
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .peers import (
    END,
    JSON,
    MESSAGEPACK,
    Echo,
    GetValue,
    OutOfStock,
    Peer,
    World,
    open_world,
)

pytestmark = pytest.mark.usefixtures("each_transport")

IpcConfig, IpcTimeouts = acton.ipc.IpcConfig, acton.ipc.IpcTimeouts
CLOSED_TEXT = "I/O error: Recipient channel is closed"


async def occupy(w: World, peer: Peer, seconds: float) -> None:
    """Have the service work alone for *seconds*, on behalf of *peer*."""
    more = {"response_timeout_ms": 10**9}
    await peer.request("occupy", "Grind", {"seconds": seconds}, **more)
    await wait_all_tasks_blocked()

    assert w.service.log == ["grind began"]


@pytest.mark.parametrize(
    "milliseconds", [2**53 - 1, 2**63 - 1, 2**63, 2**64 - 1], ids=str
)
@pytest.mark.parametrize("expects_reply", [True, False])
async def test_huge_timeout_is_a_timeout(
    autojump_clock: MockClock, milliseconds: int, *, expects_reply: bool
) -> None:
    """Whatever fits in 64 bits is waited for."""
    async with open_world() as w:
        answer = await w.peer().ask(
            "Nap",
            {"seconds": 40},
            response_timeout_ms=milliseconds,
            expects_reply=expects_reply,
        )

        assert answer["payload"] == (40 if expects_reply else {"status": "delivered"})


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(-1, id="negative"),
        pytest.param(2**64, id="65 bits"),
        pytest.param(5000.0, id="float"),
        pytest.param(5000.5, id="fraction"),
        pytest.param("5000", id="string"),
        pytest.param(True, id="boolean"),
    ],
)
async def test_timeout_that_is_none_is_refused(
    autojump_clock: MockClock, wrong: Any
) -> None:
    """Nothing is coerced, and the id is salvaged."""
    async with open_world() as w:
        answer = await w.peer().ask("SetValue", {"value": 1}, response_timeout_ms=wrong)

        assert answer["error_code"] == "SERIALIZATION_ERROR"
        assert answer["error"].startswith(
            "Failed to parse envelope: Serialization error: "
        )
        assert answer["correlation_id"] == "r"
        assert w.service.values == []


async def test_missing_timeout_is_the_configured_one(
    autojump_clock: MockClock,
) -> None:
    """A request that names no time gets what the server gives to all."""
    config = IpcConfig(timeouts=IpcTimeouts(request_timeout=7.0))
    async with open_world(config) as w:
        answer = await w.peer().ask("Nap", {"seconds": 8})

        assert answer["error_code"] == "TIMEOUT"
        assert "after 7000 ms" in answer["error"]
        assert trio.current_time() == pytest.approx(7)


async def test_configured_timeout_may_be_for_ever(autojump_clock: MockClock) -> None:
    """Infinity is a number of seconds, too."""
    config = IpcConfig(timeouts=IpcTimeouts(request_timeout=math.inf))
    async with open_world(config) as w:
        answer = await w.peer().ask("Nap", {"seconds": 10**6})

        assert answer["payload"] == 10**6


async def test_default_timeout_is_half_a_minute(autojump_clock: MockClock) -> None:
    """The reference's default is kept."""
    async with open_world() as w:
        answer = await w.peer().ask("Nap", {"seconds": 31})

        assert answer["error"] == (
            "Request timed out after 30000 ms waiting for response"
        )


async def test_timeout_calls_the_reader_back(autojump_clock: MockClock) -> None:
    """A handler that only reads ends with the deadline of its message."""
    async with open_world() as w:
        answer = await w.peer().ask("Nap", {"seconds": 9}, response_timeout_ms=1000)
        await wait_all_tasks_blocked()

        assert answer["error_code"] == "TIMEOUT"
        assert w.service.log == ["nap began", "nap cancelled"]
        assert trio.current_time() == pytest.approx(1)


async def test_timeout_does_not_hurt_a_change(autojump_clock: MockClock) -> None:
    """A handler that changes things completes, and its late reply is dropped."""
    async with open_world() as w:
        peer = w.peer()
        answer = await peer.ask("Grind", {"seconds": 5}, response_timeout_ms=1000)
        after = await peer.ask("GetValue")

        assert answer["error_code"] == "TIMEOUT"
        assert w.service.log == ["grind began", "grind ended"]
        assert after["payload"] == {"value": 0}


async def test_request_out_of_time_in_the_queue_never_runs(
    autojump_clock: MockClock,
) -> None:
    """An expired message is not handled when its turn comes."""
    async with open_world() as w:
        peer = w.peer()
        await occupy(w, peer, 5)
        late = await peer.ask("SetValue", {"value": 1}, response_timeout_ms=1000)
        await peer.answer()
        await peer.ask("Flush")

        assert late["error_code"] == "TIMEOUT"
        assert w.service.values == []


@pytest.mark.parametrize("milliseconds", [0, 1, None])
async def test_message_without_reply_has_no_deadline(
    autojump_clock: MockClock, milliseconds: int | None
) -> None:
    """It is handled whenever its turn comes, whatever it says."""
    more: dict[str, Any] = {"expects_reply": False}
    if milliseconds is not None:
        more["response_timeout_ms"] = milliseconds
    async with open_world() as w:
        peer = w.peer()
        await occupy(w, peer, 100)
        answer = await peer.ask("SetValue", {"value": 1}, **more)
        await trio.sleep(101)

        assert answer["payload"] == {"status": "delivered"}
        assert w.service.values == [1]


async def test_payload_is_judged_before_the_mailbox(autojump_clock: MockClock) -> None:
    """A request that would be refused anyway is not told to come again."""
    async with open_world(mailbox_capacity=1) as w:
        peer = w.peer()
        await occupy(w, peer, 5)
        await peer.request("fills", "SetValue", {"value": 1})
        wrong = await peer.ask("SetValue", {"value": "x"})
        unknown = await peer.ask("Nothing")
        busy = await peer.ask("SetValue", {"value": 2})
        unacknowledged = await peer.ask("SetValue", {"value": 2}, expects_reply=False)

        assert wrong["error_code"] == "SERIALIZATION_ERROR"
        assert unknown["error_code"] == "UNKNOWN_MESSAGE_TYPE"
        assert busy["error_code"] == "TARGET_BUSY"
        assert unacknowledged["error_code"] == "TARGET_BUSY"


async def test_message_that_does_not_travel_is_unknown(
    autojump_clock: MockClock,
) -> None:
    """That an actor handles it does not expose it."""
    async with open_world() as w:
        answer = await w.peer().ask("Private")

        assert answer["error_code"] == "UNKNOWN_MESSAGE_TYPE"


async def test_actor_is_found_by_its_exposed_name_only(
    autojump_clock: MockClock,
) -> None:
    """Neither its id nor a hidden name leads to it."""
    async with open_world() as w:
        peer = w.peer()
        by_id = await peer.ask("GetValue", target=w.handle.id)
        w.runtime.ipc_expose("alias", w.handle)
        by_alias = await peer.ask("GetValue", target="alias")
        w.runtime.ipc_hide("alias")
        w.runtime.ipc_hide("service")
        hidden = [await peer.ask("GetValue", target=t) for t in ("alias", "service")]

        assert by_id["error_code"] == "ACTOR_NOT_FOUND"
        assert by_alias["success"]
        assert [each["error_code"] for each in hidden] == ["ACTOR_NOT_FOUND"] * 2


async def test_type_registered_by_hand_is_known_from_then_on(
    autojump_clock: MockClock,
) -> None:
    """The registry is open while the server runs."""
    async with open_world() as w:
        peer = w.peer()
        before = await peer.ask("Fetch")
        w.runtime.ipc_registry.register(GetValue, "Fetch")
        after = await peer.ask("Fetch")

        assert before["error_code"] == "UNKNOWN_MESSAGE_TYPE"
        assert after["payload"] == {"value": 0}


async def test_failing_change_tells_its_type_only(autojump_clock: MockClock) -> None:
    """The actor fails and comes back; what was queued is handled then."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "Spoil", None)
        await peer.request("2", "GetValue", None)
        failed, after = await peer.answer(), await peer.answer()

        assert failed["error_code"] == "HANDLER_FAILED"
        assert "LookupError" in failed["error"]
        assert "secret" not in str(failed)
        assert after["success"]
        assert w.handle.status.generation == 1


async def test_failure_of_a_sent_message_is_a_dead_letter(
    autojump_clock: MockClock,
) -> None:
    """A peer cannot make an actor fail by sending what its reader chokes on."""
    async with open_world() as w:
        letters = w.runtime.broker.subscribe(acton.DeadLetter)
        async with letters as events:
            answer = await w.peer().ask("Break", {"how": "raise"}, expects_reply=False)
            letter = await anext(aiter(events))

        assert answer["payload"] == {"status": "delivered"}
        assert isinstance(letter.error, ValueError)
        assert w.handle.status.generation == 0


async def test_rejection_that_does_not_travel_has_no_payload(
    autojump_clock: MockClock,
) -> None:
    """What is not registered keeps its code and its words."""
    async with open_world() as w:
        answer = await w.peer().ask("Break", {"how": "reject in private"})

        assert answer["error_code"] == "REJECTED"
        assert "payload" not in answer


async def test_rejection_is_told_in_its_own_words(autojump_clock: MockClock) -> None:
    """The text is that of the rejection."""
    async with open_world() as w:
        answer = await w.peer().ask("Break", {"how": "reject"})

        assert answer["error"] == str(OutOfStock(3))


@pytest.mark.parametrize(
    "form", [pytest.param(JSON, id="JSON"), pytest.param(MESSAGEPACK, id="MessagePack")]
)
async def test_rejection_that_cannot_be_written_is_one_all_the_same(
    autojump_clock: MockClock, form: int
) -> None:
    """Another code would say that nothing was handled, and a retry is safe."""
    async with open_world() as w:
        peer = w.peer()
        answer = await peer.ask("Break", {"how": "reject unwritably"}, form=form)
        after = await peer.ask("GetValue")

        assert answer["error_code"] == "REJECTED"
        assert answer["message_type"] == "NotThere"
        assert "payload" not in answer
        assert after["success"]


@pytest.mark.parametrize(
    ("how", "name"), [("unspeakable", "UnspeakableError"), ("no text", "ValueError")]
)
@pytest.mark.parametrize("expose", [True, False])
async def test_failure_with_unusable_words_is_answered(
    autojump_clock: MockClock, how: str, name: str, *, expose: bool
) -> None:
    """An exception whose text cannot be had, or written, is still a failure."""
    errors = acton.ipc.IpcErrors(expose_details=expose)
    async with open_world(IpcConfig(errors=errors)) as w:
        peer = w.peer()
        answer = await peer.ask("Break", {"how": how})
        after = await peer.ask("GetValue")

        assert answer["error_code"] == "HANDLER_FAILED"
        assert answer["error"].startswith(f"Handler failed: {name}")
        assert after["success"]


async def test_reply_larger_than_any_frame_is_an_error(
    autojump_clock: MockClock,
) -> None:
    """The asker hears of it, and the connection goes on."""
    async with open_world() as w:
        peer = w.peer()
        answer = await peer.ask("Echo", {"text": "x" * 1024, "times": 17 * 1024})
        after = await peer.ask("GetValue")

        assert answer["correlation_id"] == "r"
        assert not answer["success"]
        assert after["success"]


async def test_reply_that_is_no_text_is_an_error(autojump_clock: MockClock) -> None:
    """A lone surrogate cannot be written in UTF-8."""

    def surrogate(_model: object, _message: object) -> str:
        return "\udcff"

    async with open_world() as w:
        idle = w.runtime.new_actor(dict[str, int], name="odd")
        odd = idle.act_on(Echo, surrogate)
        await odd.expose_for_ipc().start()
        peer = w.peer()
        answer = await peer.ask("Echo", {"text": ""}, target="odd")
        after = await peer.ask("GetValue")

        assert answer["error_code"] == "SERIALIZATION_ERROR"
        assert after["success"]


async def test_headers_are_strings_and_optional(autojump_clock: MockClock) -> None:
    """The handler sees what was sent, and nothing where nothing was."""
    async with open_world() as w:
        peer = w.peer()
        none = await peer.ask("GetHeaders")
        some = await peer.ask("GetHeaders", headers={"traceparent": "00", "é": ""})
        wrong = await peer.ask("GetHeaders", headers={"traceparent": 5})

        assert none["payload"] == {}
        assert some["payload"] == {"traceparent": "00", "é": ""}
        assert wrong["error_code"] == "SERIALIZATION_ERROR"


async def test_actor_that_is_stopping_has_a_closed_mailbox(
    autojump_clock: MockClock,
) -> None:
    """What was queued is answered; what comes later is not taken."""
    async with open_world() as w:
        peer = w.peer()
        await occupy(w, peer, 1)
        await peer.request("queued", "Grind", {"seconds": 5})
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.handle.stop)
            first = await peer.answer()
            await wait_all_tasks_blocked()
            late = await peer.ask("GetValue")
            queued = await peer.answer()

        assert (first["correlation_id"], first["payload"]) == ("occupy", 1)
        assert (late["error_code"], late["error"]) == ("IO_ERROR", CLOSED_TEXT)
        assert (queued["correlation_id"], queued["payload"]) == ("queued", 5)


async def test_actor_that_does_not_stop_in_time_closes_its_channel(
    autojump_clock: MockClock,
) -> None:
    """Who still waits then hears that nobody is there."""
    timeouts = acton.Timeouts(actor_shutdown=2.0)
    async with open_world(runtime_config=acton.Config(timeouts=timeouts)) as w:
        peer = w.peer()
        await occupy(w, peer, 1)
        await peer.request("runs", "Grind", {"seconds": 20})
        await peer.request("queued", "GetValue", None)
        await wait_all_tasks_blocked()
        await w.handle.stop()
        first, *others = [await peer.answer() for _ in range(3)]

        assert first["success"]
        assert {each["correlation_id"] for each in others} == {"runs", "queued"}
        assert {each["error_code"] for each in others} == {"IO_ERROR"}
        assert {each["error"] for each in others} == {CLOSED_TEXT}


async def test_actor_that_fails_for_good_closes_its_channel(
    autojump_clock: MockClock,
) -> None:
    """What was queued behind the failure hears that nobody is there."""
    policy = acton.RestartPolicy.TEMPORARY
    async with open_world(restart_policy=policy) as w:
        peer = w.peer()
        await peer.request("1", "Spoil", None)
        await peer.request("2", "GetValue", None)
        failed, orphan = await peer.answer(), await peer.answer()
        gone = await peer.ask("GetValue")

        assert failed["error_code"] == "HANDLER_FAILED"
        assert (orphan["error_code"], orphan["error"]) == ("IO_ERROR", CLOSED_TEXT)
        assert gone["error_code"] == "ACTOR_NOT_FOUND"


async def test_end_of_stream_from_the_peer_still_gets_no_more(
    autojump_clock: MockClock,
) -> None:
    """A peer that has said all it has to say is closed, and nothing is left."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say_no_more()

        assert await peer.read_frame() == END
        await wait_all_tasks_blocked()
        assert w.listener.statistics().connections_active == 0


@acton.message(ipc=True)
class Keep(acton.Request[int]):
    """Has its own reply address kept in it."""

    kept: list[int]


class Marker:
    """Shows whether what it is kept with is gone."""


@acton.actor
class Keeper:
    """Keeps addresses where they lead back to themselves."""

    markers: list[weakref.ref[Marker]]

    @acton.mutate_on
    def keep(self, request: Keep, ctx: acton.Context) -> None:
        """Keep one, and answer."""
        address, kept, marker = ctx.reply_address, cast("Any", request.kept), Marker()
        self.markers.append(weakref.ref(marker))
        kept += [address, marker]
        address.send_nowait(7)


async def test_answered_request_that_leads_back_to_itself_is_freed(
    autojump_clock: MockClock,
) -> None:
    """The garbage collector does not look at every part of it."""
    markers = list[weakref.ref[Marker]]()
    async with open_world() as w:
        await w.runtime.start(Keeper, markers, name="keeper", expose=True)
        peer = w.peer()
        for _ in range(3):
            answer = await peer.ask("Keep", {"kept": []}, target="keeper")
            assert answer["payload"] == 7
        gc.collect()

    assert len(markers) == 3
    assert not [each for each in markers if each() is not None]
