"""What a supervisor hears of its children: who has ended, why, and with what."""

from __future__ import annotations

import attrs
import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio import RestartPolicy, TerminationReason
from acton_trio.testing import expect_event, open_test_runtime

from .families import GetGeneration, Leave, Witness, Worker, fail_and_return, told
from .items import covers


@acton.message
class Withdraw:
    """Makes an account fail, if there is too little in it."""

    amount: int


class OverdrawnError(Exception):
    """A failure with a text that is put together."""

    def __init__(self, balance: int, amount: int) -> None:
        super().__init__(f"cannot take {amount} out of {balance}")


class ClosingError(Exception):
    """A failure of the very last hook."""


@acton.actor
class Account:
    """Fails as it is told to, and perhaps once more at its end."""

    balance: int = 0
    closes_badly: bool = False

    @acton.mutate_on
    def withdraw(self, order: Withdraw) -> None:
        """Take it out."""
        if order.amount > self.balance:
            raise OverdrawnError(self.balance, order.amount)
        self.balance -= order.amount

    @acton.mutate_on
    def leave(self, _message: Leave, ctx: acton.Context) -> None:
        """End."""
        ctx.stop()

    @acton.after_stop
    def close(self) -> None:
        """Go wrong, or not."""
        if self.closes_badly:
            msg = "cannot close the books"
            raise ClosingError(msg)


@attrs.define
class Bank:
    """A supervisor, one account of its, and what the supervisor has heard."""

    handle: acton.ActorHandle
    account: acton.ActorHandle
    heard: list[object]

    async def news(self) -> list[object]:
        """Return what the supervisor has heard, once it has handled that."""
        await self.handle.ask(GetGeneration())
        return self.heard


async def found(
    runtime: acton.Runtime, policy: RestartPolicy, *, closes_badly: bool = False
) -> Bank:
    """Start a bank, whose only account has 10 in it."""
    heard: list[object] = []
    bank = await runtime.start(Witness, [], 0, 0, heard, name="bank")
    account = await bank.supervise(
        Account, 10, closes_badly, name="account", restart_policy=policy
    )
    await bank.ask(GetGeneration())
    heard.clear()
    return Bank(bank, account, heard)


@covers(53)
async def test_supervisor_hears_which_child_has_failed_and_how(
    autojump_clock: MockClock,
) -> None:
    """The event has the names of both, the reason, and the exception itself."""
    async with open_test_runtime() as runtime:
        bank = await found(runtime, RestartPolicy.TEMPORARY)
        await bank.account.send(Withdraw(11))
        event = await expect_event(runtime, acton.ChildTerminated)
        await bank.account.wait_stopped()

        assert (event.supervisor, event.child) == ("bank", "bank/account")
        assert event.reason is TerminationReason.FAILED
        assert isinstance(event.error, OverdrawnError)
        assert await bank.news() == [event]
        assert bank.account.status.last_failure is event.error
        assert bank.handle.status.state is acton.ActorState.RUNNING


@covers(54)
async def test_failure_keeps_its_words_and_where_it_happened(
    autojump_clock: MockClock,
) -> None:
    """What was put together at the time is read later, with a note on its origin."""
    async with open_test_runtime() as runtime:
        bank = await found(runtime, RestartPolicy.TEMPORARY)
        await bank.account.send(Withdraw(4))
        await bank.account.send(Withdraw(7))
        event = await expect_event(runtime, acton.ChildTerminated)

        assert str(event.error) == "cannot take 7 out of 6"
        (note,) = getattr(event.error, "__notes__", [])
        assert "bank/account" in note
        assert "Withdraw" in note


@covers(54)
async def test_failed_transient_child_comes_back_and_its_supervisor_hears_that(
    autojump_clock: MockClock,
) -> None:
    """Its policy has it back after a failure, which its status keeps."""
    async with open_test_runtime() as runtime:
        bank = await found(runtime, RestartPolicy.TRANSIENT)
        await bank.account.send(Withdraw(11))
        event = await expect_event(runtime, acton.ChildRestarted)

        assert event.reason is TerminationReason.FAILED
        assert (event.child, event.generation) == ("bank/account", 1)
        assert str(bank.account.status.last_failure) == "cannot take 11 out of 10"
        assert await bank.news() == [event]


@covers(55)
async def test_failure_at_the_end_of_a_failed_child_hides_nothing(
    autojump_clock: MockClock,
) -> None:
    """The supervisor hears of both, as a group: what came first is first."""
    async with open_test_runtime() as runtime:
        bank = await found(runtime, RestartPolicy.TEMPORARY, closes_badly=True)
        await bank.account.send(Withdraw(11))
        event = await expect_event(runtime, acton.ChildTerminated)
        await bank.account.wait_stopped()

        assert event.reason is TerminationReason.FAILED
        assert isinstance(event.error, ExceptionGroup)
        first, second = event.error.exceptions
        assert str(first) == "cannot take 11 out of 10"
        assert isinstance(second, ClosingError)
        assert await bank.news() == [event]


@covers(56)
@pytest.mark.parametrize("ordered", [False, True], ids=["leaves", "is stopped"])
async def test_failure_at_a_clean_end_is_a_failure(
    *, ordered: bool, autojump_clock: MockClock
) -> None:
    """An end that goes wrong in its last hook is no normal one, nor an ordered one."""
    async with open_test_runtime() as runtime:
        bank = await found(runtime, RestartPolicy.TEMPORARY, closes_badly=True)
        if ordered:
            await bank.account.stop()
        else:
            await bank.account.send(Leave())
        event = await expect_event(runtime, acton.ChildTerminated)
        await bank.account.wait_stopped()

        assert event.reason is TerminationReason.FAILED
        assert isinstance(event.error, ClosingError)
        assert await bank.news() == [event]


class Once:
    """Makes accounts of which only the first closes badly."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self) -> Account:
        """Make one."""
        self.built += 1
        return Account(10, closes_badly=self.built == 1)


@covers(56)
async def test_transient_child_comes_back_after_a_normal_end_that_fails(
    autojump_clock: MockClock,
) -> None:
    """It would not have come back from the same end without the failure."""
    async with open_test_runtime() as runtime:
        bank = await runtime.start(Witness)
        account = await bank.supervise(Once(), restart_policy=RestartPolicy.TRANSIENT)
        await account.send(Leave())
        event = await expect_event(runtime, acton.ChildRestarted)
        assert event.reason is TerminationReason.FAILED
        assert isinstance(account.status.last_failure, ClosingError)
        await account.send(Leave())
        await account.wait_stopped()

        assert account.status.generation == 1


@covers(56)
async def test_failure_at_an_ordered_end_is_for_who_is_above(
    autojump_clock: MockClock,
) -> None:
    """A child that is not to come back cannot be mended: its supervisor fails."""
    async with open_test_runtime() as runtime:
        bank = await runtime.start(Witness, name="bank")
        account = await bank.supervise(Once(), name="account")
        await account.stop()
        event = await expect_event(runtime, acton.ChildTerminated)
        await bank.wait_generation(1)

        assert isinstance(event.error, ClosingError)
        assert bank.status.last_failure is event.error


@covers(119)
async def test_supervisor_that_hears_of_a_restart_does_not_stand_in_its_way(
    autojump_clock: MockClock,
) -> None:
    """Its handler runs, and the child comes back all the same: neither is told twice."""
    heard: list[object] = []

    async with (
        open_test_runtime() as runtime,
        runtime.broker.subscribe(acton.ChildRestarted) as restarts,
    ):
        boss = await runtime.start(Witness, [], 0, 0, heard, name="boss")
        child = await boss.supervise(Worker, name="child")
        await fail_and_return(child)
        await wait_all_tasks_blocked()

        (event,) = told(restarts)
        assert heard[1:] == [event]
        assert (event.supervisor, event.child) == ("boss", "boss/child")
        assert (event.generation, event.backoff) == (1, 0.1)
        assert event.reason is TerminationReason.FAILED
        assert await child.ask(GetGeneration()) == 1
        assert boss.status.generation == 0


@covers(119)
async def test_supervisor_hears_of_its_own_children_only(
    autojump_clock: MockClock,
) -> None:
    """Neither of its children's children, nor of anybody else's."""
    heard: list[object] = []

    async with open_test_runtime() as runtime:
        boss = await runtime.start(Witness, [], 0, 0, heard, name="boss")
        other = await runtime.start(Worker)
        child = await boss.supervise(Worker, name="child")
        grandchild = await child.supervise(Worker)
        stranger = await other.supervise(Worker)
        heard.clear()
        for each in (grandchild, stranger):
            await fail_and_return(each)
            await each.stop()
        assert await boss.ask(GetGeneration()) == 0
        assert heard == []
        await child.stop()
        assert await boss.ask(GetGeneration()) == 0

        assert heard == [
            acton.ChildTerminated("boss", "boss/child", TerminationReason.STOPPED)
        ]
