"""A pipeline that crashes in the middle, and is restarted from there on.

One sees four stages start, and what comes out at the end.  Then ``parse``
crashes: the stages after it stop, the last one first, and all three start
again in order, while ``read``, which comes before them, runs on.  The line at
which it crashed is lost.  The one that was sent right behind it is not, nor
the one that is sent while they are down: they wait in the mailboxes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import trio

import acton_trio as acton

LIMIT: Final = acton.RestartLimit(initial_backoff=0.2)


@acton.message
class Line:
    """Something on its way through the pipeline."""

    text: str


@acton.message
class Seen:
    """Something that one can watch."""

    what: str


@acton.actor
class Stage:
    """Does its work on each line, and hands it on."""

    work: Callable[[str], object]
    following: str

    @acton.mutate_on
    async def handle(self, line: Line, ctx: acton.Context) -> None:
        """Do the work, or crash at it."""
        result = str(self.work(line.text))
        following: acton.ActorHandle | None = ctx.runtime.find(self.following)
        if following is not None:
            await following.send(Line(result))
        else:
            await ctx.broker.broadcast(Seen(f"{ctx.handle.name}: {result}"))

    @acton.after_stop
    async def tell(self, ctx: acton.Context) -> None:
        """Tell whoever watches that this incarnation has ended."""
        await ctx.broker.broadcast(Seen(f"{ctx.handle.name} has ended"))


@acton.actor
class Pipeline:
    """Runs its stages, each of which depends on those before it."""

    @acton.before_start
    async def build(self, ctx: acton.Context) -> None:
        """Start the stages."""
        for name, work, following in (
            ("read", str.strip, "pipeline/parse"),
            ("parse", int, "pipeline/double"),
            ("double", double, "pipeline/write"),
            ("write", "<{}>".format, ""),
        ):
            await ctx.supervise(Stage, work, following, name=name, restart_limit=LIMIT)


def double(number: str) -> int:
    """Return the double of a number."""
    return 2 * int(number)


async def watch(events: AsyncIterator[object], count: int) -> None:
    """Show the next *count* things that are to be seen."""
    for _ in range(count):
        match await anext(events):
            case acton.ChildSupervised(_, child):
                print(f"{child} has started")
            case acton.ChildRestarted(_, child, _, reason):
                print(f"{child} has started again, having {reason.value}")
            case Seen(what):
                print(what)
            case _:
                pass


async def main() -> None:
    """Run the pipeline, and watch it."""
    rest = acton.SupervisionStrategy.REST_FOR_ONE
    news = acton.ChildSupervised, acton.ChildRestarted, Seen
    # What happens is printed, so the log may keep quiet.
    quiet = acton.Config(behavior=acton.Behavior(enable_tracing=False))
    async with (
        acton.open_runtime(quiet) as runtime,
        runtime.broker.subscribe(*news) as events,
    ):
        pipeline = await runtime.start(Pipeline, name="pipeline", strategy=rest)
        read, parse, *_ = pipeline.children
        await watch(events, 5)
        await read.send(Line(" 1\n"))
        await read.send(Line(" 2\n"))
        await watch(events, 2)
        await read.send(Line(" three\n"))
        await read.send(Line(" 4\n"))
        await watch(events, 3)
        await read.send(Line(" 5\n"))
        await watch(events, 5)
        print("lost:", parse.status.last_failure)
        for stage in pipeline.children:
            print(f"{stage.name} is in generation {stage.status.generation}")


if __name__ == "__main__":
    trio.run(main)
