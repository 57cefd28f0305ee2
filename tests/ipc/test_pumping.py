"""Plain sockets, which one task of a listener listens to: what holds for them alone."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, final

import pytest
import trio
from trio.testing import MockClock, assert_no_checkpoints, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._ipc import poller
from acton_trio._ipc.doors import SocketDoor as BurstDoor, door_of
from acton_trio._ipc.ears import SocketEar, StreamEar
from acton_trio._ipc.requests import Requests
from acton_trio._ipc.turns import Turns
from acton_trio.testing import MemoryListener

from .peers import (
    END,
    HEARTBEAT,
    REQUEST,
    TRANSPORT,
    UNLIMITED,
    Peer,
    SocketDoor,
    World,
    frame,
    open_world,
)

IpcConfig, IpcLimits = acton.ipc.IpcConfig, acton.ipc.IpcLimits

BEAT: Final = frame(HEARTBEAT, b"{}")


@pytest.fixture(autouse=True)
def sockets() -> Iterator[None]:
    """Have the connections of a world be sockets."""
    with ExitStack() as held:
        TRANSPORT.new_door = lambda: SocketDoor(held)
        try:
            yield
        finally:
            TRANSPORT.new_door = MemoryListener


def ear_of(world: World) -> object:
    """Return the ear of the only connection."""
    (session,) = world.listener._reception.sessions
    return session._ear


def request(cid: str, message_type: str, payload: Any, **more: Any) -> bytes:
    """Return a request to the service."""
    body = {
        "correlation_id": cid,
        "target": "service",
        "message_type": message_type,
        "payload": payload,
        "expects_reply": True,
    }
    return frame(REQUEST, json.dumps(body | more).encode())


async def test_plain_socket_is_polled_and_other_streams_are_not(
    autojump_clock: MockClock,
) -> None:
    """What is no socket is listened to by its own task, as ever."""
    async with open_world() as w:
        peer = w.peer()
        await peer.ask("GetValue")
        assert isinstance(ear_of(w), SocketEar)
        await peer.stream.aclose()
        await wait_all_tasks_blocked()

        other = Peer(w.door.connect_in_lockstep())
        assert (await other.ask("GetValue"))["success"]
        assert isinstance(ear_of(w), StreamEar)


async def test_what_waits_and_what_does_not_is_dealt_with_in_order(
    autojump_clock: MockClock,
) -> None:
    """However often a connection has to wait for room, nothing overtakes anything."""
    config = IpcConfig(rate_limit=UNLIMITED, limits=IpcLimits(max_in_flight=3))
    async with open_world(config) as w:
        peer, number = w.peer(), 300
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                for n in range(number):
                    data = request(f"{n}", "SetValue", {"value": n})
                    if n % 7 == 0:
                        data += BEAT
                    if n % 31 == 0:
                        await wait_all_tasks_blocked()
                    await peer.write(data)

            nursery.start_soon(ask)
            answers = [await peer.read() for _ in range(number + number // 7 + 1)]

        said = [body["correlation_id"] for kind, body in answers if kind != HEARTBEAT]
        assert said == [f"{n}" for n in range(number)]
        assert w.service.values == [*range(number)]


async def test_chunk_of_many_frames_is_answered_in_order(
    autojump_clock: MockClock,
) -> None:
    """It takes the peer several turns to be heard, and a frame may be cut anywhere."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        peer, number = w.peer(), 400
        data = b"".join(
            request(f"{n}", "Echo", {"text": f"{n}"}) for n in range(number)
        )
        other = w.peer()
        async with trio.open_nursery() as nursery:

            async def write() -> None:
                for start in range(0, len(data), 1000):
                    await peer.write(data[start : start + 1000])

            nursery.start_soon(write)
            for _ in range(20):
                assert (await other.ask("GetValue"))["success"]
            answers = [(await peer.read())[1] for _ in range(number)]

        assert [each["payload"] for each in answers] == [f"{n}" for n in range(number)]


async def test_answers_that_a_socket_does_not_take_at_once_follow(
    autojump_clock: MockClock,
) -> None:
    """Each is whole and in its place, also what is said while the rest waits."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        peer = w.peer()
        for n in range(5):
            size = 700_000 if n % 2 else 10
            await peer.request(f"{n}", "Echo", {"text": f"{n}", "times": size})
        await peer.say(HEARTBEAT, {})
        await wait_all_tasks_blocked()
        await trio.sleep(10)
        answers = [await peer.read() for _ in range(6)]
        again = await peer.ask("GetValue")

        by_id = {body.get("correlation_id"): body for _, body in answers}
        assert by_id["1"]["payload"] == "1" * 700_000
        assert by_id["3"]["payload"] == "3" * 700_000
        assert by_id["4"]["payload"] == "4" * 10
        assert by_id[None] == {}
        assert again["success"]
        assert w.listener.statistics().in_flight_requests == 0


async def test_peer_that_reads_nothing_is_disconnected_in_time(
    autojump_clock: MockClock,
) -> None:
    """The time for writing is the same for what could not be written at once."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Echo", {"text": "x", "times": 900_000})
        await trio.sleep(29)
        assert w.listener.statistics().connections_active == 1
        await trio.sleep(2)

        assert w.listener.statistics().connections_active == 0


async def test_peer_that_stops_reading_is_still_listened_to_for_a_while(
    autojump_clock: MockClock,
) -> None:
    """What it said before is handled, though nobody hears the answers."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        peer = w.peer()
        await peer.write(request("1", "SetValue", {"value": 1}) * 3)
        assert isinstance(peer.stream, trio.SocketStream)
        peer.stream.socket.shutdown(socket.SHUT_RD)
        await peer.write(request("2", "SetValue", {"value": 2}, expects_reply=False))
        await trio.sleep(1)

        assert w.service.values[-1] == 2
        assert w.listener.statistics().in_flight_requests == 0
        assert w.listener.statistics().connections_active == 0


async def test_what_was_said_before_the_end_is_handled(
    autojump_clock: MockClock,
) -> None:
    """Also if the end comes together with it, or with the last of it."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        for number in (1, 3, 200):
            peer, before = w.peer(), len(w.service.values)
            for n in range(number):
                await peer.request("r", "SetValue", {"value": n}, expects_reply=False)
            await peer.say_no_more()
            await wait_all_tasks_blocked()

            assert len(w.service.values) - before == number
            assert (await peer.answer())["payload"] == {"status": "delivered"}


async def test_silence_is_noticed_though_nobody_moves_a_deadline(
    autojump_clock: MockClock,
) -> None:
    """The minute begins with the last frame, and a subscriber has all the time."""
    async with open_world() as w:
        peer = w.peer()
        for _ in range(5):
            await trio.sleep(50)
            await peer.say(HEARTBEAT, {})
            assert await peer.read() == (HEARTBEAT, {})
        answer = await peer.answer()
        assert answer["error_code"] == "CONNECTION_CLOSED"
        assert trio.current_time() == pytest.approx(310)

        peer = w.peer()
        subscription = {"correlation_id": "s", "message_types": ["News"]}
        await peer.say(6, subscription)
        assert (await peer.answer())["success"]
        await trio.sleep(1000)
        await peer.say(7, subscription)
        assert (await peer.answer())["success"]
        start = trio.current_time()
        assert (await peer.answer())["error_code"] == "CONNECTION_CLOSED"
        assert trio.current_time() == pytest.approx(start + 60)


async def test_half_a_frame_of_a_subscriber_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    """Its deadline moves to before the one that was set."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(6, {"correlation_id": "s", "message_types": ["News"]})
        assert (await peer.answer())["success"]
        await trio.sleep(1000)
        await peer.write(BEAT + BEAT[:3])
        assert await peer.read() == (HEARTBEAT, {})
        answer = await peer.answer()

        assert answer["error_code"] == "CONNECTION_CLOSED"
        assert trio.current_time() == pytest.approx(1060)


async def test_flood_does_not_hold_up_who_says_little(
    autojump_clock: MockClock,
) -> None:
    """Of what many have said at once no more than a few turns come before it."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        floods, quiet = [w.peer() for _ in range(20)], w.peer()
        await quiet.ask("GetValue")
        for each in floods:
            await each.write(BEAT * 1000)
        counted: list[int] = []
        for _ in range(10):
            before = sum(session._share._said for session in sessions_of(w))
            await quiet.ask("GetValue")
            after = sum(session._share._said for session in sessions_of(w))
            counted.append(after - before)

        # A turn of each flood, and a pass for each of the few switches on the way;
        # they are more as long as the floods have just come.
        assert max(counted[1:]) <= 20 * 4 + 8 * 32
        assert counted[0] < 1000


def sessions_of(world: World) -> list[Any]:
    """Return the connections, as far as this test looks into them."""
    return [session._hearing for session in world.listener._reception.sessions]


async def test_what_fails_in_one_connection_ends_that_one(
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who listens for all of them goes on."""
    take = Requests.take

    def stumble(self: Requests, request: Any, version: int, form: Any) -> None:
        if request.correlation_id == "bad":
            msg = "a mistake of ours"
            raise LookupError(msg)
        take(self, request, version, form)

    monkeypatch.setattr(Requests, "take", stumble)
    async with open_world() as w:
        peer, other = w.peer(), w.peer()
        await peer.request("bad", "GetValue", None)

        assert await peer.read_frame() == END
        assert (await other.ask("GetValue"))["success"]
        assert w.listener.statistics().connections_active == 1
    assert "a mistake of ours" in caplog.text


async def test_news_of_what_is_read_already_are_none(
    autojump_clock: MockClock,
) -> None:
    """More may come while a socket is read, and is told of afterwards."""
    async with open_world() as w:
        peer = w.peer()
        await peer.ask("GetValue")
        ear = ear_of(w)
        assert isinstance(ear, SocketEar)
        ear.note_news(is_end=False)
        w.listener._host.turns.begin_passes()
        await wait_all_tasks_blocked()

        assert (await peer.ask("GetValue"))["success"]


async def test_connection_that_breaks_has_ended(autojump_clock: MockClock) -> None:
    """A peer that hangs up on an answer is gone, and nothing is wrong."""
    async with open_world() as w:
        peer = w.peer()
        await peer.request("1", "GetValue", None)
        await peer.request("2", "Nap", {"seconds": 99})
        await wait_all_tasks_blocked()
        await peer.stream.aclose()
        await wait_all_tasks_blocked()

        assert w.listener.statistics().connections_active == 0
        assert w.listener.statistics().errors == 0
        assert w.service.log == ["nap began", "nap cancelled"]


async def test_number_of_a_closed_socket_is_used_again(
    autojump_clock: MockClock,
) -> None:
    """Whoever gets it is not taken for the one before."""
    async with open_world() as w:
        numbers: set[int] = set()
        for _ in range(20):
            peer = w.peer()
            assert (await peer.ask("GetValue"))["success"]
            ear = ear_of(w)
            assert isinstance(ear, SocketEar)
            numbers.add(ear.socket)
            await peer.stream.aclose()
            await wait_all_tasks_blocked()
            assert w.listener._host.poller is not None
            assert not w.listener._host.poller._watched

        assert len(numbers) < 20


async def test_nothing_is_written_to_the_number_of_a_closed_socket(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes too late for a connection does not go to whoever has its number."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        peer = w.peer()
        await peer.ask("GetValue")
        (session,) = w.listener._reception.sessions
        outbox, told, written = session._outbox, list[str](), list[bytes]()
        await peer.stream.aclose()
        await wait_all_tasks_blocked()
        monkeypatch.setattr(os, "write", lambda _, data: written.append(data))
        outbox.put(b"late", lambda: told.append("late"))
        outbox.flush()
        session._start_writing()

        assert told == ["late"]
        assert not written


async def test_listener_that_stops_leaves_nobody_behind(
    autojump_clock: MockClock,
) -> None:
    """Whether they wait for news, for their turn, for room, or for a reader."""
    config = IpcConfig(rate_limit=UNLIMITED, limits=IpcLimits(max_in_flight=1))
    async with open_world(config) as w:
        idle, busy, full, slow = (w.peer() for _ in range(4))
        await idle.ask("GetValue")
        await slow.request("r", "Echo", {"text": "x", "times": 900_000})
        await full.write(request("r", "Nap", {"seconds": 99}) * 3)
        await wait_all_tasks_blocked()
        await busy.write(BEAT * 5000)
        await w.listener.stop()

        assert w.listener.statistics().connections_active == 0
        assert w.listener.statistics().in_flight_requests == 0


async def test_leaving_listener_deals_with_what_has_come(
    autojump_clock: MockClock,
) -> None:
    """A peer that has said much is answered all of it."""
    async with open_world(IpcConfig(rate_limit=UNLIMITED)) as w:
        peer, other = w.peer(), w.peer()
        await peer.ask("GetValue")
        await other.ask("GetValue")
        await peer.write(BEAT * 500)
        await other.write(BEAT * 500)
        await w.listener.shutdown_gracefully()
        beats = 0
        while await peer.read_frame() != END:
            beats += 1

        assert beats == 500


@pytest.mark.parametrize("watch", ["none", "no descriptors", "no memory"])
async def test_without_a_poller_each_listens_alone(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, watch: str
) -> None:
    """It is slower, and all the same."""

    def fail(*_: object) -> None:
        raise OSError

    if watch == "none":
        monkeypatch.setattr(poller, "_select", SimpleNamespace())
    elif watch == "no descriptors":
        monkeypatch.setattr(poller, "new_watch", fail)
    else:
        monkeypatch.setattr(poller.EpollWatch, "add", fail)
    async with open_world() as w:
        peer = w.peer()
        await peer.request("r", "Echo", {"text": "x", "times": 900_000})
        await wait_all_tasks_blocked()
        assert isinstance(ear_of(w), StreamEar)
        assert len((await peer.answer())["payload"]) == 900_000


class FakeKqueue:
    """Notes what it is to watch, and has news."""

    def __init__(self) -> None:
        self.changes: list[Any] = []
        self.is_closed = False

    def fileno(self) -> int:
        """Return a number."""
        return 77

    def control(self, changes: list[Any] | None, most: int, *_: float) -> list[Any]:
        """Note changes, or tell news."""
        if changes is not None:
            self.changes += changes
            return []
        assert most
        return [
            SimpleNamespace(ident=5, flags=0),
            SimpleNamespace(ident=6, flags=0x8000),
        ]

    def close(self) -> None:
        """Note that."""
        self.is_closed = True


def test_kqueue_is_asked_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells once of what has come, and of the end with it."""
    kqueue = FakeKqueue()
    fake = SimpleNamespace(
        kqueue=lambda: kqueue,
        kevent=lambda *arguments: arguments,
        KQ_FILTER_READ=-1,
        KQ_EV_ADD=1,
        KQ_EV_DELETE=2,
        KQ_EV_CLEAR=0x20,
        KQ_EV_EOF=0x8000,
    )
    monkeypatch.setattr(poller, "_select", fake)
    watch = poller.new_watch()
    assert watch is not None
    watch.add(5)
    watch.remove(5)

    assert kqueue.changes == [(5, -1, 0x21), (5, -1, 2)]
    assert [*watch.news()] == [(5, False), (6, True)]
    assert watch.fileno() == 77
    watch.close()
    assert kqueue.is_closed


# --- accepting


@contextmanager
def crowd_at(path: Path, number: int) -> Generator[socket.socket]:
    """Have so many wait at a socket; give that."""
    with ExitStack() as held:
        door = held.enter_context(socket.socket(socket.AF_UNIX))
        door.bind(str(path))
        door.listen(number)
        for _ in range(number):
            each = held.enter_context(socket.socket(socket.AF_UNIX))
            each.connect(str(path))
        yield door


async def test_crowd_is_let_in_at_once(tmp_path: Path) -> None:
    """Not one each time that all tasks have had their turn; but no more than some."""
    with crowd_at(tmp_path / "s", 20) as waiting:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(waiting))
        async with door_of(listener) as door:
            streams = [await door.accept()]
            with assert_no_checkpoints():
                streams += [await door.accept() for _ in range(15)]
            streams += [await door.accept() for _ in range(4)]
            with trio.move_on_after(0.01) as patience:
                await door.accept()

        assert patience.cancelled_caught
        for each in streams:
            await each.aclose()


async def test_who_is_not_let_in_any_more_is_hung_up_on(tmp_path: Path) -> None:
    """Nobody is left connected to a door that is closed."""
    with crowd_at(tmp_path / "s", 3) as waiting:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(waiting))
        async with door_of(listener) as door:
            stream = await door.accept()
        assert isinstance(door, BurstDoor)
        assert door._twin.fileno() == -1
        await stream.aclose()


async def test_door_that_cannot_be_doubled_is_trios_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a descriptor for that it goes on, only slower."""

    def fail(*_: object) -> None:
        raise OSError

    with crowd_at(tmp_path / "s", 1) as waiting:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(waiting))
        monkeypatch.setattr(socket, "fromfd", fail)

        assert door_of(listener) is listener
        await listener.aclose()


# --- turns


async def test_turns_go_to_who_has_said_least(autojump_clock: MockClock) -> None:
    """Each turn counts, also one in which nothing was said."""
    turns, log = Turns(), list[str]()

    def turn(name: str) -> Callable[[], int]:
        def begin() -> int:
            log.append(name)
            return 0

        return begin

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.run)
        await wait_all_tasks_blocked()
        turns.line_up(5, turn("much"))
        turns.line_up(1, turn("little"))
        for _ in range(100):
            turns.line_up(9, turn("flood"))
        turns.begin_pass()
        in_one_pass = len(log)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert log[:2] == ["little", "much"]
    assert in_one_pass == 32
    assert len(log) == 102


async def test_followers_go_on_at_the_end_of_a_pass(autojump_clock: MockClock) -> None:
    """In their order, and also if a turn has failed."""
    log: list[str] = []

    class Follower:
        def __init__(self, name: str) -> None:
            self.name = name

        def hold(self) -> None:
            log.append(f"{self.name} waits")

        def go_on(self) -> None:
            log.append(f"{self.name} goes on")

    def fail() -> int:
        log.append("a turn")
        raise LookupError

    turns = Turns([Follower("actors"), Follower("writer")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.run)
        await wait_all_tasks_blocked()
        turns.line_up(0, fail)
        with pytest.raises(LookupError):
            turns.begin_pass()
        nursery.cancel_scope.cancel()

    assert log == [
        "actors waits",
        "writer waits",
        "a turn",
        "actors goes on",
        "writer goes on",
    ]


async def test_followers_go_on_also_if_one_of_them_cannot_be_held(
    autojump_clock: MockClock,
) -> None:
    """Nobody is held for ever: they may outlive the listener."""
    held = {"first": False, "second": False}

    class Follower:
        def __init__(self, name: str) -> None:
            self.name = name

        def hold(self) -> None:
            held[self.name] = True
            if self.name == "second":
                raise KeyboardInterrupt

        def go_on(self) -> None:
            held[self.name] = False

    turns = Turns([Follower("first"), Follower("second")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.run)
        await wait_all_tasks_blocked()
        with pytest.raises(KeyboardInterrupt):
            turns.begin_pass()
        nursery.cancel_scope.cancel()

    assert held == {"first": False, "second": False}


@acton.message(ipc=True)
class GetLength(acton.Request[int]):
    """Asks how long a text is."""

    text: str


@acton.actor
class Ruler:
    """Measures, by a plain function."""

    @acton.act_on
    def measure(self, request: GetLength) -> int:
        """Measure a text."""
        return len(request.text)


@final
class Steps(trio.abc.Instrument):
    """Notes which tasks take a step."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note it."""
        self.names.append(task.name)


async def test_request_is_read_handled_and_answered_in_one_pass(
    autojump_clock: MockClock,
) -> None:
    """Between the news of it and its answer neither actors nor the writer wake up."""
    steps = Steps()
    async with open_world() as world:
        await world.runtime.start(Ruler, name="ruler", expose=True)
        peer = world.peer()
        await peer.ask("GetLength", {"text": "one"}, target="ruler")
        trio.lowlevel.add_instrument(steps)
        answer = await peer.ask("GetLength", {"text": "four"}, target="ruler")
        trio.lowlevel.remove_instrument(steps)
        await peer.stream.aclose()

    assert answer["payload"] == 4
    assert steps.names
    assert "plain functions" not in steps.names
    assert not [each for each in steps.names if "writ" in each or "flush" in each]
