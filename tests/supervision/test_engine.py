"""Whatever happens to a tree of actors, and when: what is promised of it holds.

``ACTON_TREE_RUNS=20000`` looks at more programs than the usual number.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

import attrs
import trio
from hypothesis import HealthCheck, given, note, settings
from trio.testing import MockClock

import acton_trio as acton
from acton_trio._kernel.seat import Seat
from acton_trio._supervision.events import SupervisionEvent
from acton_trio._testing.scheduling import TaskOrder, ordered
from acton_trio.testing import crash

from .programs import (
    Action,
    Fail,
    FailSoon,
    Happening,
    Leave,
    Node,
    NodeSpec,
    PlannedError,
    Program,
    Record,
    paths,
    programs,
)

RUNS = int(os.environ.get("ACTON_TREE_RUNS", "600"))

MESSAGES = {"fail": Fail(), "leave": Leave(), "background": FailSoon()}


# --- running a program


async def run(program: Program, record: Record) -> None:
    """Run *program*, and write down what is seen of it."""
    async with trio.open_nursery() as waiters:
        scope = trio.CancelScope()
        try:
            with scope:
                await live(program, record, scope, waiters)
        except BaseExceptionGroup as error:
            record.left = error
        # Whoever waits for an actor that is no more has heard of it by now.
        await trio.sleep(1)
        record.complaints += ["a wait goes on"] * record.waits
        waiters.cancel_scope.cancel()


async def live(
    program: Program,
    record: Record,
    scope: trio.CancelScope,
    waiters: trio.Nursery,
) -> None:
    """Have the tree, do what is to be done, and leave."""
    tree = program.tree
    async with acton.open_runtime() as runtime:
        watch(runtime, record)
        top = await runtime.start(
            Node,
            tree,
            record,
            tree.name,
            name=tree.name,
            strategy=tree.strategy,
            escalation=tree.escalation,
            restart_policy=tree.policy,
            restart_limit=tree.limit,
        )
        for path in paths(tree):
            handle = runtime.find(path)
            if handle is not None:
                record.waits += 2
                waiters.start_soon(wait, record, partial(handle.wait_generation, 3))
                waiters.start_soon(wait, record, handle.wait_stopped)
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            for action in program.actions:
                if action.time < program.leave_at:
                    nursery.start_soon(do, action, start, record)
            await trio.sleep(program.leave_at)
            if program.is_cancelled:
                scope.cancel()
            nursery.cancel_scope.cancel()
        assert top.name == tree.name
        await trio.lowlevel.checkpoint_if_cancelled()


async def wait(record: Record, what: Callable[[], Awaitable[None]]) -> None:
    """Wait for what may never come."""
    with suppress(acton.ActonError):
        await what()
    record.waits -= 1


def watch(runtime: acton.Runtime, record: Record) -> None:
    """Write down what the runtime tells, when it does."""
    household = runtime.root.household
    announce = household.announce

    def announce_and_note(event: SupervisionEvent, told: Seat | None) -> object:
        record.log.append((trio.current_time(), event))
        return announce(event, told)

    household.announce = announce_and_note


async def do(action: Action, start: float, record: Record) -> None:
    """Do one thing, if it can be done then."""
    await trio.sleep_until(start + action.time)
    handle = record.handles.get(action.path)
    if handle is None:
        return
    parent = record.handles.get(action.path.rpartition("/")[0])
    try:
        match action.kind:
            case "crash":
                if handle.status.state is acton.ActorState.RUNNING:
                    crash(handle, record.error(f"{action.path} crash"))
            case "stop":
                await handle.stop()
            case "unsupervise" if parent is not None:
                await parent.unsupervise(handle)
            case "release" if parent is not None:
                await parent.release(handle)
                record.released.add(action.path)
            case "fail" | "leave" | "background":
                handle.send_nowait(MESSAGES[action.kind])
            case _:
                pass
    except acton.ActonError:
        pass


# --- what is promised


def complaints(program: Program, record: Record) -> Iterator[str]:
    """Return all that is wrong with what was seen."""
    yield from record.complaints
    yield from (f"{path} {serial} is left" for path, serial in record.alive)
    yield from about_owners(record)
    # One that was released has another supervisor, and its old path.
    if not record.released:
        for spec, path in supervisors(program.tree, program.tree.name):
            if spec.strategy is acton.SupervisionStrategy.ONE_FOR_ONE:
                for child in spec.children:
                    yield from about_limits(record, child, f"{path}/{child.name}")
            else:
                yield from about_groups(record, spec, path)


def supervisors(spec: NodeSpec, path: str) -> Iterator[tuple[NodeSpec, str]]:
    """Return all actors that have children, with their paths."""
    if spec.children:
        yield spec, path
    for child in spec.children:
        yield from supervisors(child, f"{path}/{child.name}")


def about_owners(record: Record) -> Iterator[str]:
    """Every failure has exactly one owner."""
    owners = [*owners_of(record)]
    for error in record.raised:
        count = sum(error in parts for parts in owners)
        # A restart that failed and was followed by another one is only told of
        # by what came of it.
        is_retried = " 0 " not in str(error) and (
            "lifespan in" in str(error) or "before_start" in str(error)
        )
        if count > 1 or (count == 0 and not is_retried):
            yield f"{error!r} has {count} owners"


def owners_of(record: Record) -> Iterator[set[PlannedError]]:
    """Return what each owner of failures has."""
    for _, event in record.log:
        match event:
            case acton.ChildRestarted(error=error) if error is not None:
                yield parts_of(error)
            case acton.ChildTerminated(error=error, owned_by_supervisor=False) if (
                error is not None
            ):
                yield parts_of(error)
            case _:
                pass
    yield from map(parts_of, record.told)
    if isinstance(record.left, BaseExceptionGroup):
        yield from map(parts_of, record.left.exceptions)


def parts_of(error: BaseException | None) -> set[PlannedError]:
    """Return all planned errors that are in *error*, or behind it."""
    if error is None:
        return set()
    parts = {error} if isinstance(error, PlannedError) else set()
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            parts |= parts_of(each)
    return parts | parts_of(error.__cause__) | parts_of(error.__context__)


def about_limits(record: Record, spec: NodeSpec, path: str) -> Iterator[str]:
    """A child that is alone is restarted as often, and as late, as its limit says."""
    ends: list[float] = []
    for time, what in record.log:
        match what:
            case Happening("gone", where) if where == path:
                ends.append(time)
            case acton.ChildRestarted(child=child) if child == path:
                recent = count_recent(ends, spec.limit)
                if recent >= spec.limit.max_restarts:
                    yield f"{path} restarted at {time} after {ends}"
            case acton.ChildSupervised(child=child) if child == path:
                # Starts that failed before it are not counted.
                ends.clear()
            case acton.ChildTerminated(child=child, error=error) if child == path:
                recent = count_recent(ends, spec.limit)
                is_given_up = (
                    isinstance(error, acton.RestartLimitError) and error.actor == path
                )
                if is_given_up and recent != spec.limit.max_restarts:
                    yield f"{path} given up at {time} after {ends}"
                ends.clear()
            case _:
                pass


def count_recent(ends: list[float], limit: acton.RestartLimit) -> int:
    """Return how many ends before the last one are in the window."""
    return sum(ends[-1] - end < limit.window for end in ends[:-1])


def about_groups(record: Record, spec: NodeSpec, path: str) -> Iterator[str]:
    """Who comes back in a group starts in order, when all are down."""
    group = _Group(tuple(f"{path}/{child.name}" for child in spec.children))
    for number, each in enumerate(record.happenings):
        if each.path == path and each.what == "gone":
            group = _Group(group.order)
        if each.path not in group.order:
            continue
        match each.what:
            case "built":
                yield from group.built(each, number)
            case "runs":
                group.runs(each, number)
            case "gone":
                group.gone(each, number)
            case _:
                pass


@attrs.define
class _Group:
    """What is known of the children of one incarnation, as one reads on."""

    order: tuple[str, ...]
    alive: set[str] = attrs.field(factory=set[str])
    first_run: dict[str, int] = attrs.field(factory=dict[str, int])
    starting: str | None = None
    first_end: int | None = None
    """When the restart of the group began that goes on."""

    def built(self, each: Happening, number: int) -> Iterator[str]:
        """Complain of a start at the wrong time, unless it is a first one."""
        if each.path in self.first_run:
            if self.starting in self.first_run and self.starting != each.path:
                yield f"{each} beside the start of {self.starting}"
            if still_up := self.known_after(each.path, number) & self.alive:
                yield f"{each} while {still_up} are up"
        self.starting = each.path
        self.alive.add(each.path)

    def known_after(self, path: str, number: int) -> set[str]:
        """Return those after *path* whose first start was over when it began."""
        if self.first_end is None:
            return set()
        later = self.order[self.order.index(path) + 1 :]
        return {
            name for name in later if self.first_run.get(name, number) < self.first_end
        }

    def runs(self, each: Happening, number: int) -> None:
        """Take note of one that runs."""
        self.first_run.setdefault(each.path, number)
        self.starting = None
        if self.alive >= self.first_run.keys():
            self.first_end = None

    def gone(self, each: Happening, number: int) -> None:
        """Take note of one that is no more."""
        self.alive.discard(each.path)
        if self.starting == each.path:
            self.starting = None
        if self.first_end is None and each.path in self.first_run:
            self.first_end = number


@settings(
    max_examples=RUNS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs())
def test_tree_keeps_its_promises_whatever_happens(program: Program) -> None:
    """No two incarnations at once, all owned, in order, within limits, none left."""
    record = Record()
    with ordered(TaskOrder(program.order)):
        trio.run(run, program, record, clock=MockClock(autojump_threshold=0))

    for each in record.log:
        note(str(each))
    assert list(complaints(program, record)) == []
