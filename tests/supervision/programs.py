"""Random trees of actors, what is done to them, and all that was seen of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import attrs
import trio
from hypothesis import strategies as st

import acton_trio as acton

MOMENTS = ("lifespan in", "before_start", "before_stop", "lifespan out", "after_stop")


class PlannedError(Exception):
    """Goes wrong on purpose; no two are the same."""


@attrs.frozen
class NodeSpec:
    """How one actor of the tree is, and its children."""

    name: str
    strategy: acton.SupervisionStrategy
    escalation: acton.Escalation
    policy: acton.RestartPolicy
    limit: acton.RestartLimit
    start: float
    stop: float
    faults: frozenset[tuple[int, str]]
    """In which incarnation, counted from 0, what goes wrong."""

    children: tuple[NodeSpec, ...] = ()


@attrs.frozen
class Action:
    """Something that is done to an actor at some time."""

    time: float
    kind: str
    path: str


@attrs.frozen
class Program:
    """A tree, what is done to it, and how it ends."""

    tree: NodeSpec
    actions: tuple[Action, ...]
    leave_at: float
    is_cancelled: bool
    order: int


TIMES = st.sampled_from([0.0, 0.0, 0.5, 1.0])
LIMITS = st.builds(
    acton.RestartLimit,
    max_restarts=st.integers(0, 3),
    window=st.sampled_from([2.0, 5.0, 60.0]),
    initial_backoff=st.sampled_from([0.0, 0.1, 1.0]),
)
FAULTS = st.frozensets(
    st.tuples(st.integers(0, 3), st.sampled_from(MOMENTS)), max_size=2
)


def nodes(depth: int) -> st.SearchStrategy[NodeSpec]:
    """Return trees with *depth* generations below their root, or fewer."""
    children: st.SearchStrategy[tuple[NodeSpec, ...]] = st.just(())
    if depth:
        several = st.lists(nodes(depth - 1), max_size=3 if depth > 1 else 2)
        children = several.map(_named)
    return st.builds(
        NodeSpec,
        name=st.just("top"),
        strategy=st.sampled_from(acton.SupervisionStrategy),
        escalation=st.sampled_from(acton.Escalation),
        policy=st.sampled_from(acton.RestartPolicy),
        limit=LIMITS,
        start=TIMES,
        stop=TIMES,
        faults=FAULTS,
        children=children,
    )


def _named(children: list[NodeSpec]) -> tuple[NodeSpec, ...]:
    return tuple(
        attrs.evolve(child, name=name)
        for name, child in zip("abc", children, strict=False)
    )


def paths(spec: NodeSpec, prefix: str = "") -> Iterator[str]:
    """Return the paths of all actors of a tree."""
    path = f"{prefix}{spec.name}"
    yield path
    for child in spec.children:
        yield from paths(child, f"{path}/")


KINDS = ("crash", "fail", "leave", "background", "stop", "unsupervise", "release")


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Draw a program."""
    # The root starts at the first try: else there would be nothing to see.
    tree = draw(nodes(2))
    tree = attrs.evolve(tree, faults=frozenset(f for f in tree.faults if f[0]))
    action = st.builds(
        Action,
        st.integers(0, 60).map(lambda tenths: tenths / 10),
        st.sampled_from(KINDS),
        st.sampled_from(list(paths(tree))),
    )
    actions = draw(st.lists(action, max_size=8))
    return Program(
        tree,
        tuple(sorted(actions, key=lambda each: each.time)),
        draw(st.integers(0, 100)) / 10,
        draw(st.booleans()),
        draw(st.integers(0, 2**16)),
    )


@attrs.frozen
class Happening:
    """What an actor did, and when."""

    what: str
    path: str
    serial: int
    """Which incarnation of the path it was, from 0 on."""

    time: float


@attrs.define(eq=False)
class Record:
    """All that was seen of one run."""

    log: list[tuple[float, object]] = attrs.field(factory=list[tuple[float, object]])
    """What the actors did, and what was told of them."""

    raised: list[PlannedError] = attrs.field(factory=list[PlannedError])
    told: list[BaseException] = attrs.field(factory=list[BaseException])
    """What the starters of children were told."""

    left: BaseException | None = None
    """What has left the runtime."""

    waits: int = 0
    """How many waits are going on."""

    serials: dict[str, int] = attrs.field(factory=dict[str, int])
    alive: set[tuple[str, int]] = attrs.field(factory=set[tuple[str, int]])
    complaints: list[str] = attrs.field(factory=list[str])
    released: set[str] = attrs.field(factory=set[str])
    handles: dict[str, acton.ActorHandle] = attrs.field(
        factory=dict[str, acton.ActorHandle]
    )

    @property
    def happenings(self) -> list[Happening]:
        """What the actors did."""
        return [each for _, each in self.log if isinstance(each, Happening)]

    def write(self, what: str, node: Node) -> None:
        """Write down what *node* does now."""
        now = trio.current_time()
        self.log.append((now, Happening(what, node.path, node.serial, now)))

    def has_released(self, path: str) -> bool:
        """Return whether the actor at *path*, or one above it, was released."""
        return any(f"{path}/".startswith(f"{each}/") for each in self.released)

    def error(self, text: str) -> PlannedError:
        """Return a new error, and remember it."""
        self.raised.append(error := PlannedError(f"{len(self.raised)}: {text}"))
        return error


@acton.message
class Fail:
    """Makes the handler raise."""


@acton.message
class Leave:
    """Makes the actor end itself."""


@acton.message
class FailSoon:
    """Makes a background task raise."""


@acton.actor
class Node:
    """Does as its spec says, and writes it down."""

    spec: NodeSpec
    record: Record
    path: str
    serial: int = 0

    def __attrs_post_init__(self) -> None:
        """Begin to be."""
        record = self.record
        self.serial = record.serials.get(self.path, -1) + 1
        record.serials[self.path] = self.serial
        for path, serial in record.alive:
            if path == self.path and not record.has_released(path):
                record.complaints.append(f"{path} {serial} lives beside {self.serial}")
        record.alive.add((self.path, self.serial))
        record.write("built", self)

    def go_wrong_now(self, moment: str) -> None:
        """Raise."""
        where = f"{self.path} {self.serial} {moment}"
        raise self.record.error(where)

    def go_wrong(self, moment: str) -> None:
        """Raise, if the spec says so."""
        if (self.serial, moment) in self.spec.faults:
            self.go_wrong_now(moment)

    @acton.lifespan
    async def life(self) -> AsyncIterator[None]:
        """Go wrong, or not."""
        self.go_wrong("lifespan in")
        yield
        self.go_wrong("lifespan out")

    @acton.before_start
    async def before_start(self, ctx: acton.Context) -> None:
        """Take the time for it, and have children."""
        self.record.handles[self.path] = ctx.handle
        await trio.sleep(self.spec.start)
        self.go_wrong("before_start")
        for child in self.spec.children:
            await self.take(child, ctx)

    async def take(self, child: NodeSpec, ctx: acton.Context) -> None:
        """Start a child, and do without it if it cannot."""
        try:
            await ctx.supervise(
                Node,
                child,
                self.record,
                f"{self.path}/{child.name}",
                name=child.name,
                strategy=child.strategy,
                escalation=child.escalation,
                restart_policy=child.policy,
                restart_limit=child.limit,
            )
        except (PlannedError, ExceptionGroup, acton.RestartLimitError) as error:
            self.record.told.append(error)
        except acton.ActorStoppedError:
            pass

    @acton.after_start
    def after_start(self) -> None:
        """Note it."""
        self.record.write("runs", self)

    @acton.before_stop
    def before_stop(self) -> None:
        """Note it, and go wrong, or not."""
        self.record.write("stops", self)
        self.go_wrong("before_stop")

    @acton.after_stop
    async def after_stop(self) -> None:
        """Take the time for it, and be no more."""
        try:
            await trio.sleep(self.spec.stop)
            self.go_wrong("after_stop")
        finally:
            self.record.write("gone", self)
            self.record.alive.discard((self.path, self.serial))
            prefix = f"{self.path}/"
            left = [
                path
                for path, _ in self.record.alive
                if path.startswith(prefix) and not self.record.has_released(path)
            ]
            if left:
                self.record.complaints.append(f"{self.path} ends before {left}")

    @acton.mutate_on
    def fail(self, _message: Fail) -> None:
        """Raise."""
        self.go_wrong_now("handler")

    @acton.mutate_on
    def leave(self, _message: Leave, ctx: acton.Context) -> None:
        """End."""
        ctx.stop()

    @acton.mutate_on
    def fail_soon(self, _message: FailSoon, ctx: acton.Context) -> None:
        """Raise, in a background task."""

        async def run() -> None:
            await trio.sleep(0.25)
            self.go_wrong_now("background")

        ctx.start_soon(run)
