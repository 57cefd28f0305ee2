"""A pool whose workers crash, and which goes on without the one that is broken.

One sees three workers start, and jobs handed out to them in turn.  A job whose
worker has crashed is not handed out again by itself: it is the pool that hears
of it, gives it to the next worker if it may be begun twice, and says of any
other that it is lost.  A worker may come back once; the one called ``cy``
crashes at every job, and is given up at the second.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from typing import Final

import trio

import acton_trio as acton

LIMIT: Final = acton.RestartLimit(max_restarts=1, initial_backoff=0.05)


@acton.message
class Job(acton.Request[str]):
    """Something to be done; answered with who has done it."""

    number: int
    makes_sense: bool = True
    may_repeat: bool = True


@acton.message
class JobLost(acton.Rejection):
    """A worker crashed at the job, and nobody can tell how far it had come."""

    why: str


@acton.actor
class Worker:
    """Does one job after the other, each at most once."""

    is_broken: bool

    @acton.mutate_on
    def work(self, job: Job, ctx: acton.Context) -> str:
        """Do the job, or crash at it."""
        if self.is_broken:
            raise OSError(errno.ENOSPC, "no space left")
        if not job.makes_sense:
            raise ValueError(job)
        return f"done by {ctx.handle.name}, generation {ctx.generation}"


@acton.actor
class Pool:
    """Hands jobs out to its workers; what crashes them does it no harm."""

    @acton.before_start
    async def hire(self, ctx: acton.Context) -> None:
        """Start the workers."""
        for name in ("ann", "bob", "cy"):
            broken = name == "cy"
            await ctx.supervise(Worker, broken, name=name, restart_limit=LIMIT)

    @acton.act_on
    async def hand_out(self, job: Job, ctx: acton.Context) -> str:
        """Have a worker do the job; if it crashes, the next one if that may be."""
        team, crashes = ctx.children, ""
        for number in range(job.number, job.number + 1 + job.may_repeat):
            worker = team[number % len(team)]
            try:
                return crashes + await worker.ask(job)
            except acton.HandlerFailedError as error:
                crashes += f"{worker.name} crashed with {error.error}; "
        raise JobLost(crashes + "it is lost")


async def submit(pool: acton.ActorHandle, job: Job) -> None:
    """Show what becomes of a job."""
    try:
        outcome = await pool.ask(job)
    except JobLost as lost:
        outcome = lost.why
    print(f"job {job.number}: {outcome}")


async def watch(events: AsyncIterator[object], count: int) -> None:
    """Show the next *count* things that become of children."""
    for _ in range(count):
        match await anext(events):
            case acton.ChildSupervised(supervisor, child):
                print(f"  {child} has started under {supervisor}")
            case acton.ChildRestarted(_, child, generation, _, backoff):
                print(f"  {child} is back after {backoff:g} s, generation {generation}")
            case acton.ChildTerminated(_, child, _, error):
                print(f"  {child} is down for good: {error!r}")
            case _:
                pass


async def main() -> None:
    """Run the pool, and watch it."""
    news = acton.ChildSupervised, acton.ChildRestarted, acton.ChildTerminated
    go_on = acton.Escalation.NOTIFY_PARENT
    # What happens is printed, so the log may keep quiet.
    quiet = acton.Config(behavior=acton.Behavior(enable_tracing=False))
    async with (
        acton.open_runtime(quiet) as runtime,
        runtime.broker.subscribe(*news) as events,
    ):
        pool = await runtime.start(Pool, name="pool", escalation=go_on)
        await watch(events, 4)
        for number in range(4):
            await submit(pool, Job(number))
        await watch(events, 1)
        await submit(pool, Job(4, makes_sense=False, may_repeat=False))
        await watch(events, 1)
        await submit(pool, Job(5))
        await watch(events, 1)
        await submit(pool, Job(6))
        await submit(pool, Job(7))


if __name__ == "__main__":
    trio.run(main)
