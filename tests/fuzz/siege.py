"""A server among hostile peers, and one well-behaved peer who must not notice.

`besiege` opens a runtime in virtual time, in an order of tasks that the seed
decides, lets peers send the cases of the grammar, and looks at what the server
answers, what it logs, and what is left of it when they have gone.
"""

from __future__ import annotations

import gc
import logging
import random
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Final, final

import attrs
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio._testing.scheduling import TaskOrder, ordered
from acton_trio._wire.envelopes import Correlated
from acton_trio._wire.states import Role
from acton_trio.ipc import IpcConfig, IpcLimits, IpcRateLimit, IpcTimeouts

from ..ipc.peers import (
    DISCOVER,
    END,
    ERROR,
    HEARTBEAT,
    MESSAGEPACK,
    RESPONSE,
    Peer,
    Value,
    World,
    open_world,
)
from .dialogues import MIB, QUESTIONS, Seen, read_by_hand
from .grammar import Bad, Case, Good
from .victims import Counting, Quiet

__all__ = ["besiege", "left_over"]

STREAM: Final = 0x09
PUSH: Final = 0x05

PEERS: Final = 12

# Cases by world: no two worlds have the same.
STRIDE: Final = 64

# Longer than any request may take, in seconds.
PATIENCE: Final = 4000

CONFIGS: Final = tuple(
    IpcConfig(
        rate_limit=IpcRateLimit(enabled=limited),
        limits=IpcLimits(max_in_flight=room, max_response_timeout=60),
        timeouts=IpcTimeouts(subscription_read_timeout=60),
    )
    for limited, room in ((False, 64), (False, 64), (False, 2), (True, 64))
)


def besiege(seed: int) -> int:
    """Run the siege of that seed; return how many frames the server had to read.

    Raises:
        Exception: Any: none belongs to the siege.
    """
    with ordered(TaskOrder(seed)), _no_errors_logged():
        return trio.run(_besiege, seed, clock=MockClock(autojump_threshold=0))


async def _besiege(seed: int) -> int:
    chance = random.Random(f"siege {seed}")
    endless = acton.RestartLimit(enabled=False)
    config = chance.choice(CONFIGS)
    cases = [Case.of(seed * STRIDE + n, Role.SERVER) for n in range(PEERS)]
    async with open_world(config, restart_limit=endless) as world:
        await world.runtime.start(Counting, name="counter", expose=True)
        await world.runtime.start(Quiet, name="quiet", expose=True)
        good = _Good(world)
        await good.ask_everything()
        # Looking at all objects takes as long as a siege.
        looks = seed % 5 == 0
        before, objects = _descendants(), left_over() if looks else Counter[str]()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(good.keep_asking)
            async with trio.open_nursery() as hostile:
                foes = [_Foe(case, world) for case in cases]
                for foe in foes:
                    hostile.start_soon(foe.attack, name="foe")
                    if chance.random() < 0.5:
                        await trio.sleep(chance.random())
            nursery.cancel_scope.cancel()
        await good.ask_everything()
        # The last of them may have been told why it was cut off.
        await trio.sleep(PATIENCE / 1000)
        statistics = world.listener.statistics()
        assert statistics.connections_active == 1, statistics
        assert statistics.in_flight_requests == 0, statistics
        assert statistics.connections_accepted == 1 + PEERS, statistics
        assert _descendants() == before, _descendants()
        frames = sum(each.frames for each in foes)
        del foes
        grown = left_over() - objects if looks else Counter[str]()
        # The last of them may still be held, but not all.
        assert all(number <= 2 for number in grown.values()), grown
    return frames


@final
@attrs.define(eq=False)
class _Good:
    """A peer that does all as it should; lives as long as the world."""

    world: World
    peer: Peer = attrs.field(init=False)
    value: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.peer = self.world.peer()

    async def keep_asking(self) -> None:
        """Ask, for as long as there are foes."""
        for pause in count(1):
            with trio.CancelScope(shield=True):
                await self.ask_everything()
            # More often at first, when there is more to be disturbed by, and
            # often enough not to be taken for one that has gone.
            await trio.sleep(min(pause**2 / 10, 50))

    async def ask_everything(self) -> None:
        """Ask for all that can be asked for, and have it all answered at once."""
        start = trio.current_time()
        for form in (1, MESSAGEPACK):
            self.value += 7
            answer = await self.peer.ask(
                "Raise", {"by": 7}, target="quiet", form=form, response_timeout_ms=999
            )
            expected = {"correlation_id": "r", "success": True, "payload": self.value}
            assert answer == expected, answer
        await self.peer.say(HEARTBEAT, {})
        assert await self.peer.read() == (HEARTBEAT, {})
        await self.peer.say(DISCOVER, {"correlation_id": "d"})
        found = await self.peer.answer()
        names = [each["name"] for each in found["actors"]]
        assert names == ["counter", "quiet", "service"], found
        assert trio.current_time() - start <= 1, "the well-behaved had to wait"
        # For those who have subscribed to it.
        await self.world.runtime.broker.broadcast(Value(self.value))


@final
@attrs.define(eq=False)
class _Foe:
    """A peer that sends a case; lives until it has seen what comes of it."""

    case: Case
    world: World
    frames: int = attrs.field(default=0, init=False)
    """How many the server had to read."""

    answered: Counter[str] = attrs.field(factory=Counter[str], init=False)
    read: int = attrs.field(default=0, init=False)
    is_over: bool = attrs.field(default=False, init=False)
    forms: dict[str, set[tuple[int, int]]] | None = None
    """By id, the versions and formats of its questions, if all are known."""

    singles: set[str] = attrs.field(factory=set[str], init=False)
    """Ids of which there is one question each, if all are known."""

    sequences: Counter[str] = attrs.field(factory=Counter[str], init=False)
    """By id, how many items of its stream were read."""

    progress: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    async def attack(self) -> None:
        """Send it all, read what there is to read, and leave in some way."""
        chance = random.Random(self.case.seed + 2)
        expected = list(read_by_hand(self.case.stream, MIB))
        self.frames = len(expected)
        ways = [self._be_polite, self._leave_at_once, self._say_no_more]
        ways += [self._fall_silent, self._be_deaf]
        await chance.choices(ways, (5, 1, 1, 1, 1))[0](chance, expected)

    async def _be_polite(self, chance: random.Random, expected: list[Seen]) -> None:
        """Wait until everything is answered that has to be."""
        peer = self.world.peer()
        due, known = self._due(expected)
        self.forms = self._forms(expected)
        if self.forms is not None:
            self.singles = {each for each, number in known.items() if number == 1}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, peer)
            await self._send(peer, chance)
            if self._ends_cleanly(expected):
                with trio.move_on_after(PATIENCE):
                    while self.read < due and not self.is_over:
                        await self.progress.park()
                await trio.sleep(1)
                assert self.read == due, f"{self.read} answers, not {due}"
                assert known <= self.answered, known - self.answered
            elif expected and expected[-1].fault is not None:
                with trio.fail_after(PATIENCE):
                    while not self.is_over:
                        await self.progress.park()
                assert self.answered["unknown"] > 0, "it did not say why"
            nursery.cancel_scope.cancel()
        await peer.stream.aclose()

    async def _leave_at_once(self, chance: random.Random, _: list[Seen]) -> None:
        peer = self.world.peer()
        await self._send(peer, chance)
        await peer.stream.aclose()

    async def _say_no_more(self, chance: random.Random, _: list[Seen]) -> None:
        """Close one half, and read the other to its end."""
        peer = self.world.peer()
        await self._send(peer, chance)
        with suppress(trio.BrokenResourceError):
            await peer.say_no_more()
        with trio.fail_after(PATIENCE):
            await self._read(peer)
        await peer.stream.aclose()

    async def _fall_silent(self, chance: random.Random, _: list[Seen]) -> None:
        """Wait to be shown the door."""
        peer = self.world.peer()
        await self._send(peer, chance)
        with trio.fail_after(PATIENCE):
            await self._read(peer)
        await peer.stream.aclose()

    async def _be_deaf(self, chance: random.Random, _: list[Seen]) -> None:
        """Read nothing, so that nothing can be written."""
        peer = Peer(self.world.door.connect_in_lockstep())
        with trio.move_on_after(PATIENCE):
            await self._send(peer, chance)
            await trio.sleep_forever()
        await peer.stream.aclose()

    async def _send(self, peer: Peer, chance: random.Random) -> None:
        sizes = self.case.sizes()
        # Not each byte for itself: that is a switch of tasks each.
        least = len(self.case.stream) // 200
        hurry = chance.random()
        stream, start = self.case.stream, 0
        while start < len(stream):
            size = max(next(sizes), least) or 1
            try:
                await peer.write(stream[start : start + size])
            except trio.BrokenResourceError:
                return
            start += size
            if chance.random() > hurry:
                await trio.sleep(chance.choice((0, 0, 0.1)))

    async def _read(self, peer: Peer) -> None:
        """Read answers as long as there are any, and look at them."""
        try:
            while (seen := await peer.read_frame()) is not END:
                self._take(seen.version, seen.kind, seen.form, seen.body)
        except trio.BrokenResourceError:
            pass
        self.is_over = True
        self.progress.unpark_all()

    def _take(self, version: int, kind: int, form: int, body: Any) -> None:
        assert version in (1, 2), version
        assert form in (1, 2), form
        if kind == HEARTBEAT:
            assert body == {}, body
            self.read += 1
            self.progress.unpark_all()
        elif kind in (RESPONSE, ERROR):
            assert body["success"] is (kind == RESPONSE), body
            self._count(body["correlation_id"], version, form)
        elif kind == STREAM:
            assert version == 2, body
            self._check_order(body)
            if body["is_final"]:
                self._count(body["correlation_id"], version, form)
        else:
            assert kind == PUSH, kind
            assert body["message_type"] == "Value", body

    def _check_order(self, item: Any) -> None:
        correlation_id, sequence = item["correlation_id"], item["sequence"]
        if correlation_id in self.singles:
            assert sequence == self.sequences[correlation_id], item
            self.sequences[correlation_id] += 1

    def _count(self, correlation_id: str, version: int, form: int) -> None:
        if self.forms is not None and correlation_id != "unknown":
            assert (version, form) in self.forms[correlation_id], correlation_id
        self.read += 1
        self.progress.unpark_all()
        self.answered[correlation_id] += 1

    def _ends_cleanly(self, expected: list[Seen]) -> bool:
        end = expected[-1].end if expected else 0
        is_sane = not expected or expected[-1].fault is None
        return is_sane and end == len(self.case.stream)

    def _due(self, expected: list[Seen]) -> tuple[int, Counter[str]]:
        """Return how many answers have to come, and of which ids at least."""
        asked = [self._id_of(each) for each in expected if each.kind in QUESTIONS]
        beats = sum(each.kind == HEARTBEAT for each in expected)
        return len(asked) + beats, Counter(each for each in asked if each is not None)

    def _forms(self, expected: list[Seen]) -> dict[str, set[tuple[int, int]]] | None:
        forms: dict[str, set[tuple[int, int]]] = {}
        for each in expected:
            if each.kind in QUESTIONS:
                correlation_id = self._id_of(each)
                if correlation_id is None:
                    return None
                forms.setdefault(correlation_id, set()).add((each.version, each.form))
        return forms

    def _id_of(self, seen: Seen) -> str | None:
        """Return of which id the answer has to be; ``None`` if that is not known."""
        frame = self.case.stream[seen.start : seen.end]
        outcome = self.case.corpus.outcomes.get(frame)
        if isinstance(outcome, Good) and isinstance(outcome.body, Correlated):
            return outcome.body.correlation_id
        return outcome.correlation_id if isinstance(outcome, Bad) else None


# --- what is left


def _descendants() -> Counter[str]:
    """Return the names of the tasks that the server has."""
    found = Counter[str]()

    def walk(task: trio.lowlevel.Task, *, inside: bool) -> None:
        for nursery in task.child_nurseries:
            for child in nursery.child_tasks:
                within = inside or child.name.endswith("_ipc.server.serve")
                found.update([child.name] if within else [])
                walk(child, inside=within)

    root = trio.lowlevel.current_root_task()
    assert root is not None
    walk(root, inside=False)
    assert found, "there is no server"
    return found


def left_over() -> Counter[str]:
    """Return how many objects of the server there are, by class."""
    # Until nothing more is found: not all of them are looked into, so that what only
    # they hold is found to be free once they are.
    while gc.collect():
        pass
    found = Counter(map(type, gc.get_objects()))
    ours = "acton_trio._ipc."
    names = {each: f"{each.__module__}.{each.__qualname__}" for each in found}
    return Counter({names[e]: n for e, n in found.items() if names[e].startswith(ours)})


@contextmanager
def _no_errors_logged() -> Generator[None, None, None]:
    """See that nothing in the block is logged that is somebody's mistake."""
    records = _Records()
    logger = logging.getLogger("acton_trio")
    before = logger.level, logger.propagate
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    logger.addHandler(records)
    try:
        yield
    finally:
        logger.removeHandler(records)
        level, logger.propagate = before
        # The logger remembers what it has found out under another level.
        logger.setLevel(level)
    assert not records.lines, "\n".join(records.lines)


@final
class _Records(logging.Handler):
    """Keeps what is logged; lives for one siege."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(self.format(record))
