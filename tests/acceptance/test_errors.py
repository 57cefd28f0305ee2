"""Errors of handlers, and what an actor has declared to do about them."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class Deposit:
    """Makes an exclusive handler raise, if it is told an error."""

    error: Exception | None = None


@acton.message
class Withdraw:
    """The same."""

    error: Exception | None = None


@acton.message
class Check(acton.Request[int]):
    """Makes a reading handler raise, after a while, if it is told an error."""

    error: Exception | None = None
    seconds: float = 0


@acton.message
class CheckUnguarded(acton.Request[int]):
    """The same, and no `on_error` is for it."""

    error: Exception | None = None


@acton.message
class CountErrors(acton.Request[int]):
    """Asks how many errors were dealt with, once all readers are done."""


@acton.message
class GetGeneration(acton.Request[int]):
    """Asks how often the actor was started again."""


@acton.actor
class Account:
    """Deals with some errors of some messages."""

    log: list[tuple[object, ...]] = attrs.field(factory=list[tuple[object, ...]])
    balance: int = 0
    errors: int = 0

    @acton.mutate_on
    def deposit(self, command: Deposit) -> None:
        """Change the state, or raise."""
        if command.error is not None:
            raise command.error
        self.balance += 1

    @acton.mutate_on
    async def withdraw(self, command: Withdraw) -> None:
        """Change the state, or raise."""
        if command.error is not None:
            raise command.error
        self.balance -= 1

    @acton.act_on
    async def check(self, request: Check) -> int:
        """Read the state, or raise."""
        await trio.sleep(request.seconds)
        if request.error is not None:
            raise request.error
        return self.balance

    @acton.act_on
    async def check_unguarded(self, request: CheckUnguarded) -> int:
        """Read the state, or raise."""
        if request.error is not None:
            raise request.error
        return self.balance

    @acton.on_error
    def wrong_deposit(self, error: ValueError, message: Deposit) -> None:
        """Note which one this is."""
        self.log.append(("wrong deposit", error, message))

    @acton.on_error
    def wrong_withdrawal(self, error: ValueError, message: Withdraw) -> None:
        """Note which one this is."""
        self.log.append(("wrong withdrawal", error, message))

    @acton.on_error
    async def unknown_withdrawal(self, error: LookupError, message: Withdraw) -> None:
        """Note which one this is."""
        self.log.append(("unknown withdrawal", error, message))

    @acton.on_error
    async def wrong_check(self, error: ValueError, message: Check) -> int:
        """Note it, and change the state between two waits."""
        self.log.append(("wrong check", error, message))
        errors = self.errors
        await trio.sleep(message.seconds)
        self.errors = errors + 1
        return -1

    @acton.mutate_on
    def count_errors(self, _request: CountErrors) -> int:
        """Tell how many."""
        return self.errors

    @acton.act_on
    def get_generation(self, _request: GetGeneration, ctx: acton.Context) -> int:
        """Tell which one this is."""
        return ctx.generation


@covers(28)
async def test_error_goes_to_the_on_error_of_its_message_and_type(
    autojump_clock: MockClock,
) -> None:
    """Each pair of message and error has its own `on_error`, which runs once."""
    log: list[tuple[object, ...]] = []
    first, second, third = ValueError(), ValueError(), LookupError()

    async with open_test_runtime() as runtime:
        account = await runtime.start(Account, log)
        for command in (Deposit(first), Withdraw(second), Withdraw(third)):
            await account.send(command)

    assert log == [
        ("wrong deposit", first, Deposit(first)),
        ("wrong withdrawal", second, Withdraw(second)),
        ("unknown withdrawal", third, Withdraw(third)),
    ]


@covers(29)
async def test_on_error_of_a_reader_gets_the_very_error_and_message(
    autojump_clock: MockClock,
) -> None:
    """Error and message arrive as the objects that they were; the answer counts."""
    log: list[tuple[object, ...]] = []
    request = Check(ValueError("balance unknown"))

    async with open_test_runtime() as runtime:
        account = await runtime.start(Account, log)
        assert await account.ask(request) == -1

    (entry,) = log
    assert entry[1] is request.error
    assert entry[2] is request


@covers(30)
async def test_unhandled_error_of_an_asked_reader_is_the_askers(
    autojump_clock: MockClock,
) -> None:
    """Without an `on_error` the asker has the error; the actor goes on as it was."""
    async with open_test_runtime() as runtime:
        account = await runtime.start(Account)
        await account.send(Deposit())
        error = LookupError("no such account")
        with pytest.raises(acton.HandlerFailedError) as failure:
            await account.ask(CheckUnguarded(error))

        assert failure.value.__cause__ is error
        assert not failure.value.owned_by_supervisor
        assert await account.ask(CheckUnguarded()) == 1
        assert await account.ask(GetGeneration()) == 0


@covers(30)
async def test_unhandled_error_without_an_asker_is_the_supervisors(
    autojump_clock: MockClock,
) -> None:
    """Where nobody waits for an answer the actor fails, and is restarted."""
    async with open_test_runtime() as runtime:
        account = await runtime.start(Account)
        await account.send(Deposit())
        await account.send(CheckUnguarded(LookupError("no such account")))
        await account.wait_generation(1)

        assert await account.ask(CheckUnguarded()) == 0
        assert await account.ask(GetGeneration()) == 1


@acton.message
class Overdrawn(acton.Rejection):
    """An expected failure."""


@covers(30)
async def test_unhandled_rejection_harms_no_actor(autojump_clock: MockClock) -> None:
    """An expected failure that nobody handles leaves the actor as it was."""
    commands = (Deposit(Overdrawn()), CheckUnguarded(Overdrawn()))

    async with (
        acton.open_runtime() as runtime,
        runtime.broker.subscribe(acton.DeadLetter) as letters,
    ):
        account = await runtime.start(Account)
        for command in commands:
            await account.send(command)
            letter = await anext(letters)
            assert (letter.message, letter.error) == (command, command.error)

        assert await account.ask(GetGeneration()) == 0


@covers(31)
async def test_errors_of_overlapping_readers_are_dealt_with_one_by_one(
    autojump_clock: MockClock,
) -> None:
    """Readers that fail overlap like others; their `on_error`s are exclusive."""
    log: list[tuple[object, ...]] = []

    async with open_test_runtime() as runtime:
        account = await runtime.start(Account, log)
        for number in range(10):
            error = ValueError(number) if number % 2 else None
            await account.send(Check(error, 0.3))

        assert await account.ask(CountErrors()) == 5
        assert len(log) == 5
        # The readers together, then five `on_error`s, one after the other.
        assert trio.current_time() == pytest.approx(0.3 + 5 * 0.3)


@covers(32)
async def test_on_error_has_nothing_to_do_where_all_is_well(
    autojump_clock: MockClock,
) -> None:
    """A handler that returns has changed the state, and no `on_error` runs."""
    log: list[tuple[object, ...]] = []

    async with open_test_runtime() as runtime:
        account = await runtime.start(Account, log)
        for command in (Deposit(), Deposit(), Withdraw()):
            await account.send(command)

        assert await account.ask(Check()) == 1
        assert log == []
