"""Actors that start others, all of which talk by broadcasts."""

from __future__ import annotations

from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class Launch:
    """Has somebody start another one, so many levels down."""

    levels: int
    log: list[str]


@acton.message
class Lift:
    """Is broadcast to all that were started."""


@acton.message
class GetLifted(acton.Request[int]):
    """Asks how often somebody was lifted."""


@acton.actor
class Rocket:
    """Starts others, and is lifted by broadcasts."""

    log: list[str]
    lifted: int = 0

    @acton.before_start
    def set_up(self, ctx: acton.Context) -> None:
        """Subscribe."""
        ctx.handle.subscribe(Lift)

    @acton.mutate_on
    async def launch(self, command: Launch, ctx: acton.Context) -> None:
        """Start one, which is the runtime's, and have it start the next."""
        name = f"{ctx.handle.name}.{command.levels}"
        rocket = await ctx.runtime.start(Rocket, command.log, name=name)
        if command.levels > 1:
            await rocket.send(Launch(command.levels - 1, command.log))
        else:
            await ctx.broker.broadcast(Lift())

    @acton.mutate_on
    def lift(self, _lift: Lift) -> None:
        """Count."""
        self.lifted += 1

    @acton.act_on
    def get_lifted(self, _request: GetLifted) -> int:
        """Tell."""
        return self.lifted

    @acton.after_stop
    def land(self, ctx: acton.Context) -> None:
        """Note it."""
        self.log.append(f"{ctx.handle.name} was lifted {self.lifted} times")


@covers(145)
async def test_actors_start_actors_that_hear_each_other(
    autojump_clock: MockClock,
) -> None:
    """Whoever has started whom: all get what one of them broadcasts, and all end."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        rocket = await runtime.start(Rocket, log, name="r")
        async with runtime.broker.subscribe(Lift) as lifts:
            await rocket.send(Launch(3, log))
            await anext(lifts)
        names = [each.name for each in runtime.actors()]

        assert names == ["r", "r.3", "r.3.2", "r.3.2.1"]
    # Each level was lifted once, and the last one started ended first.
    assert log == [
        "r.3.2.1 was lifted 1 times",
        "r.3.2 was lifted 1 times",
        "r.3 was lifted 1 times",
        "r was lifted 1 times",
    ]


@covers(146)
async def test_actors_started_one_after_the_other_are_all_there(
    autojump_clock: MockClock,
) -> None:
    """The same kind can be started many times, and each is reached."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        rockets = [await runtime.start(Rocket, log) for _ in range(2)]
        child = await rockets[0].supervise(Rocket, log)
        for _ in range(3):
            await runtime.broker.broadcast(Lift())

        assert runtime.actors() == tuple(rockets)
        assert [await each.ask(GetLifted()) for each in (*rockets, child)] == [3, 3, 3]
        await runtime.shutdown_all()
        assert runtime.actors() == ()
    assert len(log) == 3
