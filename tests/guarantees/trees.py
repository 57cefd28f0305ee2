"""Actors that supervise and are supervised, and write down when that was."""

from __future__ import annotations

import attrs
import trio

import acton_trio as acton
from acton_trio.testing import crash

from .workers import Diary, Work

ONE, ALL, REST = acton.SupervisionStrategy
PERMANENT, TRANSIENT, TEMPORARY = acton.RestartPolicy
STOP_SUPERVISOR, NOTIFY_PARENT = acton.Escalation

ONCE = acton.RestartLimit(max_restarts=1)


@attrs.define
class Habits:
    """How long a node takes for things, and what goes wrong in it."""

    start: float = 0
    stop: float = 0
    broken_starts: set[int] = attrs.field(factory=set[int])
    """The generations that cannot start at the first try."""


@acton.message
class Step(acton.Request[None]):
    """Makes the actor end itself."""


@acton.message
class Hire(acton.Request[str]):
    """Makes the actor take a child that takes that long to start."""

    seconds: float = 0


@acton.message
class AskOf(acton.Request[str]):
    """Makes the actor ask another one of its runtime for work."""

    path: str
    after: float = 0


@acton.actor
class Node:
    """Writes down when it is up and when it is down."""

    diary: Diary
    label: str
    habits: Habits = attrs.field(factory=Habits)
    news: list[object] = attrs.field(factory=list[object])

    @acton.before_start
    async def before_start(self, ctx: acton.Context) -> None:
        """Take the time for it."""
        await trio.sleep(self.habits.start)
        if ctx.generation in self.habits.broken_starts:
            self.habits.broken_starts.remove(ctx.generation)
            self.diary.write(f"{self.label} cannot start")
            message = f"{self.label} cannot start"
            raise ValueError(message)
        self.diary.write(f"{self.label} up")

    @acton.after_stop
    async def after_stop(self) -> None:
        """Take the time for it."""
        await trio.sleep(self.habits.stop)
        self.diary.write(f"{self.label} down")

    @acton.mutate_on
    async def work(self, request: Work) -> str:
        """Take a while, alone."""
        await trio.sleep(request.seconds)
        self.diary.write(f"{self.label} did {request.name}")
        return request.name

    @acton.mutate_on
    def step_down(self, _request: Step, ctx: acton.Context) -> None:
        """End itself."""
        ctx.stop()

    @acton.mutate_on
    async def hire(self, request: Hire, ctx: acton.Context) -> str:
        """Take a child, and do not wait for it."""
        habits = Habits(start=request.seconds)
        ctx.start_soon(ctx.supervise, Node, self.diary, "hired", habits)
        return "hired"

    @acton.act_on
    async def ask_of(self, request: AskOf, ctx: acton.Context) -> str:
        """Ask another one."""
        await trio.sleep(request.after)
        other = ctx.runtime.find(request.path)
        reply: str = await other.ask(Work(f"work for {self.label}"))
        return reply


@acton.actor
class Boss(Node):
    """Hears of its children, and of theirs."""

    @acton.mutate_on
    def hear(self, event: acton.SupervisionEscalated) -> None:
        """Keep it."""
        self.news.append(event)


async def family(
    runtime: acton.Runtime,
    diary: Diary,
    strategy: acton.SupervisionStrategy,
    names: str = "abcd",
    **policies: acton.RestartPolicy,
) -> list[acton.ActorHandle]:
    """Start a boss with children, and return their handles, the boss first."""
    boss = await runtime.start(Node, diary, "boss", name="boss", strategy=strategy)
    children = [
        await boss.supervise(
            Node,
            diary,
            name,
            name=name,
            mailbox_capacity=2,
            restart_policy=policies.get(name, PERMANENT),
        )
        for name in names
    ]
    diary.lines.clear()
    return [boss, *children]


async def fail(handle: acton.ActorHandle, text: str = "on purpose") -> None:
    """Have an actor fail, and let what follows at once happen."""
    crash(handle, ValueError(text))
    await trio.testing.wait_all_tasks_blocked()


async def restarts_of(handle: acton.ActorHandle, times: int) -> None:
    """Have an actor fail as often, each time as soon as it runs again."""
    for generation in range(times):
        await handle.wait_generation(generation)
        await fail(handle)
