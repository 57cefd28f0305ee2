"""Streams of replies, as the trio client reads them."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, final

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import chop

from .answers import ANSWERS, answer_frame, answer_next, check_facts, next_request
from .peers import (
    CANCEL,
    DISCOVER,
    END,
    REQUEST,
    RESPONSE,
    UNLIMITED,
    Echo,
    GetValue,
    OutOfStock,
    Peer,
    SetValue,
    Value,
    World,
    frame,
    open_world,
)

STREAM = 9
GOOD: dict[str, Any] = {"success": True, "payload": {"value": 3}}


@acton.message(ipc=True)
class Count(acton.StreamRequest[int]):
    """Asks for numbers."""

    upto: int
    pause: float = 0


@acton.message(ipc=True)
class Watch(acton.StreamRequest[Value]):
    """Asks for values."""


@acton.message(ipc=True)
class Text(acton.StreamRequest[str]):
    """Asks for texts."""


@acton.message
class Unsent(acton.StreamRequest[int]):
    """Asks for a stream, and does not travel."""


@acton.message(ipc=True)
class Trouble(acton.StreamRequest[int]):
    """Asks for a stream that goes wrong after its first reply."""

    how: str


@final
@acton.actor
class Counter:
    """Counts, and notes how far it has come."""

    made: int = 0
    log: list[str] = attrs.field(factory=list[str])

    @acton.act_on
    async def count(self, request: Count) -> AsyncGenerator[int, None]:
        """Count up."""
        try:
            for number in range(request.upto):
                self.made += 1
                yield number
                if request.pause:
                    await trio.sleep(request.pause)
        finally:
            self.log.append("ended")

    @acton.act_on
    async def trouble(self, request: Trouble) -> AsyncGenerator[int, None]:
        """Go wrong."""
        yield 1
        if request.how == "reject":
            raise OutOfStock(3)
        raise KeyError(request.how)


class Office(NamedTuple):
    """A world with a counter in it, and a client of it."""

    world: World
    counter: Counter
    handle: acton.ActorHandle
    client: acton.ipc.Client


@asynccontextmanager
async def open_office(*, lockstep: bool = False) -> AsyncGenerator[Office, None]:
    """Open a world with a counter in it, and a client of it."""
    counter = Counter()
    config = acton.ipc.IpcConfig(rate_limit=UNLIMITED)
    async with open_world(config) as world:
        handle = await world.runtime.start(lambda: counter, name="counter", expose=True)
        door = world.door
        stream = door.connect_in_lockstep() if lockstep else door.connect()
        async with acton.ipc.open_client(stream) as client:
            yield Office(world, counter, handle, client)


@asynccontextmanager
async def open_pair() -> AsyncGenerator[tuple[acton.ipc.Client, Peer], None]:
    """Open a client of a server that the test plays."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with acton.ipc.open_client(ours) as client:
        yield client, Peer(theirs)


async def say(server: Peer, cid: str, *items: dict[str, Any]) -> None:
    """Write frames of a stream."""
    for each in items:
        await server.say(STREAM, {"correlation_id": cid, **each})


def item(number: int, **more: Any) -> dict[str, Any]:
    """Return the body of a reply, whose value is its number."""
    body = {"sequence": number, "is_final": False, "payload": number}
    return {key: value for key, value in (body | more).items() if value is not None}


def end(number: int, **more: Any) -> dict[str, Any]:
    """Return the body of the end."""
    return {"sequence": number, "is_final": True, **more}


async def read_all(stream: AsyncIterator[Any]) -> tuple[list[Any], Exception | None]:
    """Return the replies, and what broke the stream."""
    got: list[Any] = []
    try:
        async for each in stream:
            got.append(each)  # noqa: PERF401 - what came is kept
    except (acton.ActonError, acton.Rejection) as error:
        return got, error
    return got, None


# --- from a server of ours


async def test_replies_come_in_order_and_typed(autojump_clock: MockClock) -> None:
    """The same block as inside the process, over real frames."""
    async with open_office() as office:
        async with office.client.actor("counter").stream(Count(500)) as numbers:
            got = [each async for each in numbers]
        async with office.client.actor("counter").stream(Count(0)) as numbers:
            nothing = [each async for each in numbers]

    assert got == list(range(500))
    assert nothing == []


async def test_streams_and_asks_share_a_connection(autojump_clock: MockClock) -> None:
    """Each reader gets its own replies, and each asker its answer."""
    got: dict[int, list[int]] = {}
    texts: list[str] = []
    async with open_office() as office, trio.open_nursery() as nursery:

        async def read(upto: int) -> None:
            async with office.client.actor("counter").stream(Count(upto)) as numbers:
                got[upto] = [each async for each in numbers]

        async def ask(text: str) -> None:
            texts.append(await office.client.actor("service").ask(Echo(text)))

        for number in range(0, 300, 20):
            nursery.start_soon(read, number)
            nursery.start_soon(ask, str(number))

    assert got == {upto: list(range(upto)) for upto in range(0, 300, 20)}
    assert sorted(texts, key=int) == [str(number) for number in range(0, 300, 20)]


async def test_stream_over_bytes_cut_anywhere(autojump_clock: MockClock) -> None:
    """However the network cuts the frames, the replies are the same."""
    async with open_office() as office:
        stream = chop(office.world.door.connect())
        async with (
            acton.ipc.open_client(stream) as client,
            client.actor("counter").stream(Count(30)) as numbers,
        ):
            assert [each async for each in numbers] == list(range(30))


@pytest.mark.parametrize(
    ("how", "error"),
    [("reject", acton.Rejection), ("raise", acton.HandlerFailedError)],
)
async def test_handler_that_breaks_off_breaks_the_stream(
    autojump_clock: MockClock, how: str, error: type[Exception]
) -> None:
    """Its reader gets what came before, then the error, once, and then the end."""
    async with (
        open_office() as office,
        office.client.actor("counter").stream(Trouble(how)) as numbers,
    ):
        got = await anext(numbers)
        with pytest.raises(error) as caught:
            await anext(numbers)
        with pytest.raises(StopAsyncIteration):
            await anext(numbers)

    assert got == 1
    if how == "reject":
        assert isinstance(caught.value, OutOfStock)
        assert caught.value.left == 3


async def test_actor_that_stops_ends_its_streams(autojump_clock: MockClock) -> None:
    """Their readers learn of it at once, and so does who comes later."""
    async with open_office() as office:
        handle = office.client.actor("counter")
        async with handle.stream(Count(9, pause=1)) as numbers:
            await anext(numbers)
            await office.handle.stop()
            _, first = await read_all(numbers)
        async with handle.stream(Count(9)) as numbers:
            _, second = await read_all(numbers)

    assert isinstance(first, acton.ActorStoppedError)
    assert isinstance(second, acton.ActorStoppedError | acton.PeerRejectedError)


async def test_unknown_actor_is_told_in_the_stream(autojump_clock: MockClock) -> None:
    """Entering the block does not wait for the peer; reading does."""
    async with (
        open_office() as office,
        office.client.actor("nobody").stream(Count(9)) as numbers,
    ):
        got, error = await read_all(numbers)

    assert got == []
    assert isinstance(error, acton.PeerRejectedError)
    assert (error.code, error.detail) == ("STREAM_ERROR", "Actor not found: nobody")


@pytest.mark.parametrize("knows", [False, True])
async def test_leaving_the_block_reaches_the_work(
    autojump_clock: MockClock, *, knows: bool
) -> None:
    """The handler is cancelled, whether or not the peer was asked if it can be."""
    async with open_office() as office:
        if knows:
            await office.client.discover()
        async with office.client.actor("counter").stream(Count(9, pause=9)) as numbers:
            await anext(numbers)
        await trio.sleep(1)
        log = list(office.counter.log)
        statistics = office.world.listener.statistics()

        assert log == ["ended"]
        assert statistics.in_flight_requests == 0
        assert await office.client.actor("service").ask(GetValue()) == Value(0)


async def test_cancelled_reader_reaches_the_work(autojump_clock: MockClock) -> None:
    """So does a deadline around the block; it travels with the request, too."""
    async with open_office() as office:
        with trio.move_on_after(5) as scope:
            async with office.client.actor("counter").stream(
                Count(99, pause=2)
            ) as numbers:
                await read_all(numbers)
        await trio.sleep(1)

        assert scope.cancelled_caught
        assert office.counter.made == 3
        assert office.counter.log == ["ended"]


async def test_cancelled_read_loses_no_reply(autojump_clock: MockClock) -> None:
    """Reading goes on where it was."""
    got: list[int] = []
    async with (
        open_office() as office,
        office.client.actor("counter").stream(Count(20, pause=1)) as numbers,
    ):
        while len(got) < 20:
            with trio.move_on_after(0.3):
                got.append(await anext(numbers))

    assert got == list(range(20))


async def test_slow_reader_holds_the_handler_back(autojump_clock: MockClock) -> None:
    """Nothing is kept for it without end: the handler waits, and loses nothing."""
    async with (
        open_office(lockstep=True) as office,
        office.client.actor("counter").stream(Count(2000)) as numbers,
    ):
        await anext(numbers)
        await wait_all_tasks_blocked(0.1)
        made = office.counter.made
        rest = [each async for each in numbers]

    # What waits here, what is on the way, and what waits there.
    assert made < 300
    assert rest == list(range(1, 2000))


async def test_reader_that_asks_over_the_same_connection_gets_its_answer(
    autojump_clock: MockClock,
) -> None:
    """An answer does not wait for replies that nobody reads, and none is lost."""
    async with open_office(lockstep=True) as office:
        service = office.client.actor("service")
        async with office.client.actor("counter").stream(Count(1000)) as numbers:
            await wait_all_tasks_blocked(0.1)
            got = [await anext(numbers)]
            for number in range(20):
                assert await service.ask(Echo(f"{number}")) == f"{number}"
                await service.send(SetValue(number))
                got.append(await anext(numbers))
            got += [each async for each in numbers]

    assert got == list(range(1000))
    assert trio.current_time() < 5


async def test_reader_of_two_streams_may_read_them_in_any_order(
    autojump_clock: MockClock,
) -> None:
    """Who waits for the one is not kept by what nobody reads of the other."""
    async with open_office(lockstep=True) as office:
        counter = office.client.actor("counter")
        async with (
            counter.stream(Count(500)) as first,
            counter.stream(Count(500)) as second,
        ):
            await wait_all_tasks_blocked(0.1)
            assert [each async for each in second] == list(range(500))
            assert [each async for each in first] == list(range(500))


async def test_leaving_a_stream_that_is_full_lets_others_go_on(
    autojump_clock: MockClock,
) -> None:
    """What was not read is dropped with the block."""
    async with open_office(lockstep=True) as office:
        async with office.client.actor("counter").stream(Count(10**6)) as numbers:
            await anext(numbers)
            await wait_all_tasks_blocked(0.1)
        await trio.sleep(1)

        assert await office.client.actor("service").ask(GetValue()) == Value(0)
        assert office.counter.log == ["ended"]


# --- from a server that the test plays


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(2.0001, 2001), (2, 2000), (math.inf, 2**53 - 1)]
)
async def test_request_for_a_stream(
    autojump_clock: MockClock, seconds: float, milliseconds: int
) -> None:
    """It expects a stream and no reply, and has no deadline but the caller's."""
    request: dict[str, Any] = {}
    got: tuple[list[Any], Exception | None] | None = None
    async with open_pair() as (client, server):
        with trio.move_on_after(seconds):
            async with client.actor("a").stream(Count(1)) as numbers:
                request = await next_request(server)
                await say(server, request["correlation_id"], item(0), end(1))
                got = await read_all(numbers)

    assert got == ([0], None)
    assert request["expects_stream"] is True
    assert not request.get("expects_reply", False)
    assert request["response_timeout_ms"] == milliseconds
    assert (request["target"], request["message_type"]) == ("a", "Count")
    assert request["payload"] == {"upto": 1, "pause": 0}


async def test_stream_without_a_deadline_has_no_backstop(
    autojump_clock: MockClock,
) -> None:
    """Its next reply may take as long as it takes."""
    async with (
        open_pair() as (client, server),
        client.actor("a").stream(Count(1)) as numbers,
    ):
        cid = (await next_request(server))["correlation_id"]
        async with trio.open_nursery() as nursery:

            async def answer_late() -> None:
                await trio.sleep(1000)
                await say(server, cid, item(0), end(1))

            nursery.start_soon(answer_late)
            assert await read_all(numbers) == ([0], None)


@pytest.mark.parametrize(
    ("frames", "got", "error"),
    [
        pytest.param([end(0)], [], None, id="nothing"),
        pytest.param([item(0), end(1)], [0], None, id="one"),
        pytest.param([item(0), end(1, payload=7)], [0, 7], None, id="end with a reply"),
        pytest.param([item(1)], [], acton.RemoteProtocolError, id="starts late"),
        pytest.param(
            [item(0), item(2), end(3)], [0], acton.RemoteProtocolError, id="gap"
        ),
        pytest.param(
            [item(0), item(0), end(1)], [0], acton.RemoteProtocolError, id="repeated"
        ),
        pytest.param(
            [item(0), item(1), item(0)],
            [0, 1],
            acton.RemoteProtocolError,
            id="going back",
        ),
        pytest.param(
            [item(0), end(2)], [0], acton.RemoteProtocolError, id="lost before the end"
        ),
        pytest.param(
            [item(0), end(0)], [0], acton.RemoteProtocolError, id="early number at end"
        ),
        pytest.param(
            [item(0, payload=None), end(1)],
            [],
            acton.RemoteProtocolError,
            id="reply without payload",
        ),
        pytest.param(
            [item(0), item(1, payload="x"), end(2)],
            [0],
            acton.UnexpectedReplyError,
            id="another type",
        ),
        pytest.param(
            [item(0), item("x"), end(2)],  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            [0],
            acton.RemoteProtocolError,
            id="no frame of a stream",
        ),
        pytest.param(
            [item(0), end(7, error="e", error_code="TIMEOUT")],
            [0],
            acton.AskTimeoutError,
            id="error with any number",
        ),
        pytest.param(
            [item(0, error="e", error_code="TIMEOUT"), item(1)],
            [],
            acton.AskTimeoutError,
            id="error that is not said to be final",
        ),
        pytest.param(
            [end(0, error_code="STREAM_ERROR", error="nobody")],
            [],
            acton.PeerRejectedError,
            id="no actor",
        ),
        pytest.param(
            [
                end(
                    0,
                    error_code="STREAM_ERROR",
                    error="I/O error: Recipient channel is closed",
                )
            ],
            [],
            acton.ActorStoppedError,
            id="stopped",
        ),
        pytest.param(
            [end(0, error="words alone")], [], acton.PeerRejectedError, id="no code"
        ),
        pytest.param(
            [end(0, error_code="TARGET_BUSY")],
            [],
            acton.PeerRejectedError,
            id="no words",
        ),
        pytest.param(
            [item(0), end(1), item(2), end(3)], [0], None, id="more after the end"
        ),
    ],
)
async def test_frames_of_a_stream(
    autojump_clock: MockClock,
    frames: list[dict[str, Any]],
    got: list[int],
    error: type[Exception] | None,
) -> None:
    """What is out of order breaks the stream, after what came in order."""
    async with open_pair() as (client, server):
        async with client.actor("a").stream(Count(1)) as numbers:
            cid = (await next_request(server))["correlation_id"]
            await say(server, cid, *frames)
            read, broken = await read_all(numbers)
            again = await read_all(numbers)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_past_noise, server)

            assert await client.actor("a").ask(GetValue()) == Value(3)

    assert read == got
    assert type(broken) is (type(None) if error is None else error)
    assert again == ([], None)


def is_failure(answer: Any) -> bool:
    """Return whether one of the answers is an error."""
    return "error" in answer.values[0]


async def answer_past_noise(server: Peer) -> None:
    """Answer the next request, whatever else is said before it."""
    kind, body = await server.read()
    while kind != REQUEST:
        kind, body = await server.read()
    await server.write(answer_frame(body["correlation_id"], GOOD))


@pytest.mark.parametrize(
    ("body", "error"),
    [each for each in ANSWERS if is_failure(each)],
)
@pytest.mark.parametrize("is_plain", [False, True])
async def test_each_failure_is_raised_as_of_an_ask(
    autojump_clock: MockClock,
    body: dict[str, Any],
    error: type[Exception],
    *,
    is_plain: bool,
) -> None:
    """In the last frame of the stream, and in one that is not of the stream."""
    async with (
        open_pair() as (client, server),
        client.actor("a").stream(Watch()) as values,
    ):
        cid = (await next_request(server))["correlation_id"]
        good = item(0, payload={"value": 1})
        if is_plain:
            await say(server, cid, good)
            await server.write(answer_frame(cid, body))
        else:
            facts = {key: body[key] for key in body if key != "success"}
            await say(server, cid, good, end(1, **facts))
        got = [await anext(values)]
        with pytest.raises(error) as caught:
            await anext(values)

    assert got == [Value(1)]
    assert type(caught.value) is error
    if type(caught.value) is not acton.AskTimeoutError:
        check_facts(caught.value, body)


async def test_plain_reply_is_a_stream_of_one(autojump_clock: MockClock) -> None:
    """A server that knows no streams is understood."""
    async with (
        open_pair() as (client, server),
        client.actor("a").stream(Watch()) as values,
    ):
        cid = (await next_request(server))["correlation_id"]
        await server.write(answer_frame(cid, GOOD))

        assert await read_all(values) == ([Value(3)], None)


async def test_broken_stream_is_called_back_and_an_ended_one_is_not(
    autojump_clock: MockClock,
) -> None:
    """The peer is asked whether it can be told, and told no more than once."""
    for frames, kinds in (
        ([item(0), end(1)], [0]),
        ([item(1)], [DISCOVER, 0]),
        ([item(0), item(1, payload="x")], [DISCOVER, 0]),
    ):
        async with open_pair() as (client, server):
            async with client.actor("a").stream(Count(1)) as numbers:
                cid = (await next_request(server))["correlation_id"]
                await say(server, cid, *frames)
                await read_all(numbers)
            await wait_all_tasks_blocked()
        seen = [(await server.read_frame()).kind]
        while seen[-1] != END.kind:
            seen.append((await server.read_frame()).kind)

        assert seen == kinds
        assert CANCEL not in seen


@pytest.mark.parametrize("half", [False, True])
async def test_lost_connection_ends_streams_after_what_came(
    autojump_clock: MockClock, *, half: bool
) -> None:
    """Their readers hear of it, and nothing that came is lost."""
    async with open_pair() as (client, server):
        async with client.actor("a").stream(Count(1)) as numbers:
            cid = (await next_request(server))["correlation_id"]
            await say(server, cid, item(0), item(1))
            if half:
                data = json.dumps({"correlation_id": cid, **item(2)}).encode()
                await server.write(frame(STREAM, data)[:-1])
            await server.stream.aclose()
            got, error = await read_all(numbers)
        with pytest.raises(acton.PeerLostError):
            async with client.actor("a").stream(Count(1)):
                pass

    assert got == [0, 1]
    assert isinstance(error, acton.PeerLostError)
    assert trio.current_time() == 0


async def test_stream_that_runs_away_from_its_reader_is_given_up(
    autojump_clock: MockClock,
) -> None:
    """What others wait for comes through, memory has an end, and the peer is told."""
    big = "x" * 1_000_000
    async with (
        open_pair() as (client, server),
        client.actor("a").stream(Text()) as texts,
        trio.open_nursery() as nursery,
    ):
        cid = (await next_request(server))["correlation_id"]

        async def write() -> None:
            request = await next_request(server)
            for number in range(30):
                await say(server, cid, item(number, payload=big))
            await server.write(answer_frame(request["correlation_id"], GOOD))

        nursery.start_soon(write)
        answer = await client.actor("a").ask(GetValue())
        told = (await server.read())[0]
        got, error = await read_all(texts)

    assert answer == Value(3)
    assert told == DISCOVER
    assert 16 <= len(got) < 20
    assert isinstance(error, acton.PeerLostError)
    assert "a client of its own" in str(error)


async def test_stream_is_not_given_up_while_nobody_else_waits(
    autojump_clock: MockClock,
) -> None:
    """A slow reader alone may be as slow as it likes."""
    big = "x" * 1_000_000
    async with (
        open_pair() as (client, server),
        client.actor("a").stream(Text()) as texts,
    ):
        cid = (await next_request(server))["correlation_id"]
        for number in range(30):
            await say(server, cid, item(number, payload=big))
        await say(server, cid, end(30))
        await wait_all_tasks_blocked()
        got, error = await read_all(texts)

    assert got == [big] * 30
    assert error is None


async def test_reader_beyond_the_block_is_told_so(autojump_clock: MockClock) -> None:
    """A task that still reads when the block is left does not wait for ever."""
    async with open_pair() as (client, _), trio.open_nursery() as nursery:

        async def read(values: AsyncIterator[Value]) -> None:
            with pytest.raises(trio.ClosedResourceError):
                await anext(values)

        async with client.actor("a").stream(Watch()) as values:
            nursery.start_soon(read, values)  # noqa: ASYNC111 - what is tested
            await wait_all_tasks_blocked()


async def test_what_is_no_stream_request_is_a_type_error(
    autojump_clock: MockClock,
) -> None:
    """The mistake is named where it is made, before anything is sent."""
    async with open_pair() as (client, server):
        handle: Any = client.actor("a")
        for thing, match in (
            (GetValue(), "not answered with a stream"),
            (SetValue(1), "not answered with a stream"),
            (Unsent(), "ipc=True"),
            (3, "not a message"),
        ):
            with pytest.raises(TypeError, match=match):
                async with handle.stream(thing):
                    pass
        with pytest.raises(TypeError, match=r"actor\.stream"):
            await handle.ask(Watch())

    assert await server.read_frame() == END


async def test_frames_for_a_stream_that_was_left_go_nowhere(
    autojump_clock: MockClock,
) -> None:
    """Late replies harm nobody."""
    async with open_pair() as (client, server):
        async with client.actor("a").stream(Count(1)):
            cid = (await next_request(server))["correlation_id"]
        await say(server, cid, item(0), item(5), end(9))
        await server.say(RESPONSE, {"correlation_id": cid, "success": True})
        assert (await server.read())[0] == DISCOVER
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_next, server, GOOD)

            assert await client.actor("a").ask(GetValue()) == Value(3)
