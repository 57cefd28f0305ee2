"""What the reference's pages show of handlers: what they do, and refuse."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class InsufficientFunds(acton.Rejection):
    """There is less than was to be withdrawn."""

    balance: float


@acton.message
class Deposit:
    """Is paid in."""

    amount: float


@acton.message
class Withdraw(acton.Request[float]):
    """Is paid out, if there is enough; answered with what is left."""

    amount: float


@acton.message
class WithdrawOrFlag:
    """Is paid out, if there is enough, or flagged."""

    amount: float


@acton.message
class Status:
    """How an account is."""

    balance: float
    is_flagged: bool


@acton.message
class GetStatus(acton.Request[Status]):
    """Asks for it."""


@acton.actor
class Account:
    """Has money, or not enough."""

    balance: float = 0
    is_flagged: bool = False

    @acton.mutate_on
    def deposit(self, command: Deposit) -> None:
        """Pay in."""
        self.balance += command.amount

    @acton.mutate_on
    def withdraw(self, command: Withdraw | WithdrawOrFlag) -> float:
        """Pay out."""
        if command.amount > self.balance:
            raise InsufficientFunds(self.balance)
        self.balance -= command.amount
        return self.balance

    @acton.on_error
    def flag(self, _error: InsufficientFunds, _message: WithdrawOrFlag) -> None:
        """Remember it."""
        self.is_flagged = True

    @acton.act_on
    def get_status(self, _request: GetStatus) -> Status:
        """Tell."""
        return Status(self.balance, self.is_flagged)


@covers(211)
@pytest.mark.parametrize(
    ("deposits", "balance"),
    [([100, 25], 125), ([100, 25, 25], 150), ([0.75, 1.5], 2.25)],
)
async def test_balance_is_what_was_paid_in(
    deposits: list[float], balance: float, autojump_clock: MockClock
) -> None:
    """The state of an actor is any value of Python's, changed by its messages."""
    async with open_test_runtime() as runtime:
        account = await runtime.start(Account)
        for amount in deposits:
            await account.send(Deposit(amount))

        assert await account.ask(GetStatus()) == Status(balance, is_flagged=False)


@covers(209)
async def test_rejection_leaves_the_state_and_reaches_the_asker(
    autojump_clock: MockClock,
) -> None:
    """An expected failure comes back with its fields; nothing was changed."""
    async with open_test_runtime() as runtime:
        account = await runtime.start(Account, 68)
        assert await account.ask(Withdraw(18)) == 50
        with pytest.raises(InsufficientFunds) as rejection:
            await account.ask(Withdraw(51))

        assert rejection.value.balance == 50
        assert await account.ask(GetStatus()) == Status(50, is_flagged=False)


@covers(209)
async def test_on_error_changes_the_state(autojump_clock: MockClock) -> None:
    """What an actor does about an error may be a change of its state."""
    async with open_test_runtime() as runtime:
        account = await runtime.start(Account, 50)
        await account.send(WithdrawOrFlag(51))

        assert await account.ask(GetStatus()) == Status(50, is_flagged=True)


@acton.message
class LookUp(acton.Request[str]):
    """Asks for what takes a second to find."""

    key: str


@acton.message
class Batch:
    """Is taken apart, into messages that the actor sends to itself."""

    tasks: tuple[int, ...]


@acton.message
class Task(acton.Request[int]):
    """Is to be done."""

    number: int


@acton.message
class Completed:
    """Says that a task was done."""

    number: int


@acton.message
class GetCompleted(acton.Request[tuple[int, ...]]):
    """Asks for the tasks that were done."""


@acton.actor
class Worker:
    """Does tasks, and nothing else."""

    completed: list[int] = attrs.field(factory=list[int])

    @acton.act_on
    async def look_up(self, request: LookUp) -> str:
        """Find it."""
        await trio.sleep(1)
        return request.key.upper()

    @acton.mutate_on
    async def take_apart(self, batch: Batch, ctx: acton.Context) -> None:
        """Tell itself each task."""
        for number in batch.tasks:
            await ctx.handle.send(Task(number))

    @acton.act_on
    async def work(self, task: Task, ctx: acton.Context) -> int:
        """Do it, and tell itself that it did."""
        await trio.sleep(1)
        await ctx.handle.send(Completed(task.number))
        return task.number

    @acton.mutate_on
    def complete(self, message: Completed) -> None:
        """Note it."""
        self.completed.append(message.number)

    @acton.act_on
    def get_completed(self, _request: GetCompleted) -> tuple[int, ...]:
        """Tell."""
        return tuple(sorted(self.completed))


@covers(209)
async def test_two_look_ups_take_the_time_of_one(autojump_clock: MockClock) -> None:
    """Readers of one actor do not wait for each other."""
    found: set[str] = set()

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        worker = await runtime.start(Worker)

        async def look_up(key: str) -> None:
            found.add(await worker.ask(LookUp(key)))

        for key in ("a", "b"):
            nursery.start_soon(look_up, key)

    assert found == {"A", "B"}
    assert trio.current_time() == 1


@covers(209)
async def test_batch_is_done_by_messages_to_itself(autojump_clock: MockClock) -> None:
    """One message can become many, of which none is lost."""
    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker)
        await worker.send(Batch((1, 2, 3, 4, 5)))
        await trio.sleep(1)
        await wait_all_tasks_blocked()

        assert await worker.ask(GetCompleted()) == (1, 2, 3, 4, 5)


@covers(209)
async def test_completion_is_handled_before_what_is_asked_later(
    autojump_clock: MockClock,
) -> None:
    """What a handler sends to itself before it answers is handled before the next ask.

    Not because it is the actor's own: it was sent earlier.
    """
    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker)
        assert await worker.ask(Task(7)) == 7

        assert await worker.ask(GetCompleted()) == (7,)


@covers(211)
async def test_tasks_are_spread_over_actors(autojump_clock: MockClock) -> None:
    """Three actors do six tasks, two each; their names say who they are."""
    async with open_test_runtime() as runtime:
        workers = [
            await runtime.start(Worker, name=f"worker-{number}") for number in range(3)
        ]
        for number in range(6):
            await workers[number % 3].send(Task(number))
        await trio.sleep(1)
        await wait_all_tasks_blocked()
        done = [await worker.ask(GetCompleted()) for worker in workers]

        assert done == [(0, 3), (1, 4), (2, 5)]
        assert [worker.name for worker in workers] == [
            "worker-0",
            "worker-1",
            "worker-2",
        ]
        assert runtime.find("worker-1") is workers[1]


@covers(211)
async def test_actor_handles_its_own_messages_only(autojump_clock: MockClock) -> None:
    """An actor with one concern refuses what is another's, and goes on."""
    async with acton.open_runtime() as runtime:
        worker = await runtime.start(Worker)
        with pytest.raises(acton.UnhandledMessageError):
            await worker.ask(GetStatus())

        assert await worker.ask(Task(7)) == 7
