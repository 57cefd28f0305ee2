"""Handlers that fail, and the messages that come after."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class Divide(acton.Request[int]):
    """Makes an exclusive handler divide."""

    number: int
    by: int


@acton.message
class Peek(acton.Request[int]):
    """Makes a reading handler divide."""

    number: int
    by: int


@acton.message
class GetGeneration(acton.Request[int]):
    """Asks how often the actor was started again."""


class WrongDivisorError(Exception):
    """A failure with a text that is put together."""

    def __init__(self, number: int, by: int) -> None:
        super().__init__(f"cannot divide {number} by {by}")


@acton.actor
class Calculator:
    """Divides, and writes down every result."""

    results: list[int] = attrs.field(factory=list[int])

    def quotient(self, number: int, by: int) -> int:
        """Return it, and note it."""
        if by == 0:
            raise WrongDivisorError(number, by)
        self.results.append(number // by)
        return self.results[-1]

    @acton.mutate_on
    def divide(self, request: Divide) -> int:
        """Divide."""
        return self.quotient(request.number, request.by)

    @acton.act_on
    async def peek(self, request: Peek) -> int:
        """Divide."""
        return self.quotient(request.number, request.by)

    @acton.act_on
    def get_generation(self, _request: GetGeneration, ctx: acton.Context) -> int:
        """Tell which one this is."""
        return ctx.generation


@covers(49, 50)
@pytest.mark.parametrize("kind", [Divide, Peek])
async def test_messages_behind_a_failing_one_are_handled(
    kind: type[Divide | Peek], autojump_clock: MockClock
) -> None:
    """A message that was sent fails its actor; the next incarnation has the rest."""
    results: list[int] = []

    async with open_test_runtime() as runtime:
        calculator = await runtime.start(Calculator, results)
        await calculator.send(kind(7, 0))
        await calculator.send(Divide(6, 3))
        await calculator.send(Divide(9, 3))

        assert await calculator.ask(GetGeneration()) == 1
        assert results == [2, 3]


@covers(49)
async def test_failing_answer_of_an_exclusive_handler_costs_the_state(
    autojump_clock: MockClock,
) -> None:
    """A half changed state is not kept: asked or not, the actor starts anew."""
    async with open_test_runtime() as runtime:
        calculator = await runtime.start(Calculator)
        with pytest.raises(acton.HandlerFailedError) as failure:
            await calculator.ask(Divide(7, 0))

        assert failure.value.owned_by_supervisor
        assert await calculator.ask(Divide(6, 3)) == 2
        assert await calculator.ask(Divide(9, 3)) == 3
        assert await calculator.ask(GetGeneration()) == 1


@covers(50)
async def test_failing_answer_of_a_reader_costs_nothing(
    autojump_clock: MockClock,
) -> None:
    """A reader has changed nothing: its asker has the failure, the actor none."""
    async with open_test_runtime() as runtime:
        calculator = await runtime.start(Calculator)
        with pytest.raises(acton.HandlerFailedError) as failure:
            await calculator.ask(Peek(7, 0))

        assert not failure.value.owned_by_supervisor
        assert await calculator.ask(Peek(6, 3)) == 2
        assert await calculator.ask(Peek(9, 3)) == 3
        assert await calculator.ask(GetGeneration()) == 0


@covers(51)
@pytest.mark.parametrize("kind", [Divide, Peek])
async def test_asker_reads_what_the_failure_says(
    kind: type[Divide | Peek], autojump_clock: MockClock
) -> None:
    """The failure's own words reach the asker, with the exception itself."""
    async with open_test_runtime() as runtime:
        calculator = await runtime.start(Calculator)
        with pytest.raises(acton.HandlerFailedError) as failure:
            await calculator.ask(kind(7, 0))

        assert isinstance(failure.value.__cause__, WrongDivisorError)
        assert str(failure.value.__cause__) == "cannot divide 7 by 0"
        assert await calculator.ask(kind(6, 3)) == 2


@covers(51)
async def test_failure_is_kept_as_it_was(autojump_clock: MockClock) -> None:
    """The status of a restarted actor has the last failure, words and all."""
    async with open_test_runtime() as runtime:
        calculator = await runtime.start(Calculator)
        await calculator.send(Divide(7, 0))
        await calculator.wait_generation(1)

        assert isinstance(calculator.status.last_failure, WrongDivisorError)
        assert str(calculator.status.last_failure) == "cannot divide 7 by 0"


@covers(51)
async def test_failure_that_nobody_could_mend_leaves_the_block(
    autojump_clock: MockClock,
) -> None:
    """Where no restart is allowed, the failure is raised, not only logged."""
    never = acton.RestartLimit(max_restarts=0)

    with pytest.RaisesGroup(acton.RestartLimitError) as raised:
        async with open_test_runtime() as runtime:
            calculator = await runtime.start(Calculator, restart_limit=never)
            await calculator.send(Divide(7, 0))
            await trio.sleep_forever()

    assert str(raised.value.exceptions[0].__cause__) == "cannot divide 7 by 0"


@covers(52)
async def test_failures_between_messages_lose_no_message(
    autojump_clock: MockClock,
) -> None:
    """Every other message fails its actor, and all that do not are handled."""
    results: list[int] = []

    async with open_test_runtime() as runtime:
        calculator = await runtime.start(Calculator, results)
        for number in (3, 6, 9):
            await calculator.send(Divide(7, 0))
            await calculator.send(Divide(number, 3))
        assert await calculator.ask(GetGeneration()) == 3

        assert results == [1, 2, 3]
        # Each restart waits twice as long as the one before.
        assert trio.current_time() == pytest.approx(0.1 + 0.2 + 0.4)


@covers(52)
async def test_failures_between_asks_spoil_no_answer(
    autojump_clock: MockClock,
) -> None:
    """Every other question fails, and all that do not are answered as before."""
    results: list[int] = []

    async with open_test_runtime() as runtime:
        calculator = await runtime.start(Calculator, results)
        for number in (3, 6, 9):
            with pytest.raises(acton.HandlerFailedError):
                await calculator.ask(Peek(7, 0))
            assert await calculator.ask(Peek(number, 3)) == number // 3

        assert results == [1, 2, 3]
        assert await calculator.ask(GetGeneration()) == 0
        assert trio.current_time() == 0
