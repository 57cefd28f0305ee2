"""What the reference's pages show of commands, from others and from itself."""

from __future__ import annotations

import enum

import attrs
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


class Order(enum.Enum):
    """What a machine can be told."""

    START = "start"
    STOP = "stop"
    SET = "set"


@attrs.frozen
class Setting:
    """Part of a message."""

    value: int


@acton.message
class Tell:
    """Has fields of many types."""

    order: Order
    setting: Setting | None = None
    tags: tuple[str, ...] = ()


@acton.message
class GetMachine(acton.Request[tuple[bool, int]]):
    """Asks whether it runs, and how it is set."""


@acton.message
class Step:
    """Is told to itself until the last step."""

    number: int
    last: int


@acton.actor
class Machine:
    """Follows orders."""

    running: bool = False
    value: int = 0
    told: list[Tell] = attrs.field(factory=list[Tell])
    steps: list[int] = attrs.field(factory=list[int])

    @acton.mutate_on
    def tell(self, command: Tell) -> None:
        """Do what the order is."""
        self.told.append(command)
        match command:
            case Tell(Order.START):
                self.running = True
            case Tell(Order.STOP):
                self.running = False
            case Tell(Order.SET, Setting(value)):
                self.value = value
            case _:
                raise AssertionError(command)

    @acton.act_on
    def get(self, _request: GetMachine) -> tuple[bool, int]:
        """Tell."""
        return self.running, self.value

    @acton.mutate_on
    async def step(self, command: Step, ctx: acton.Context) -> None:
        """Take one step, and tell itself the next."""
        self.steps.append(command.number)
        if command.number < command.last:
            await ctx.handle.send(Step(command.number + 1, command.last))


@covers(210)
async def test_field_that_is_an_enum_says_what_to_do(
    autojump_clock: MockClock,
) -> None:
    """One message with an enum serves for a set of commands, matched by a handler."""
    orders = (
        Tell(Order.START),
        Tell(Order.SET, Setting(42), ("loud", "clear")),
        Tell(Order.STOP),
    )
    told: list[Tell] = []

    async with open_test_runtime() as runtime:
        machine = await runtime.start(lambda: Machine(told=told))
        for order in orders:
            await machine.send(order)

        assert await machine.ask(GetMachine()) == (False, 42)
        assert told == [*orders]


@covers(210)
async def test_actor_goes_from_step_to_step_by_itself(
    autojump_clock: MockClock,
) -> None:
    """A handler has its own actor at hand, to tell it what comes next."""
    steps: list[int] = []

    async with open_test_runtime() as runtime:
        machine = await runtime.start(lambda: Machine(steps=steps))
        await machine.send(Step(1, last=2))
        await wait_all_tasks_blocked()

    assert steps == [1, 2]
