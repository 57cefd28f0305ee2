"""What an actor is: state, messages to itself, hooks, and an identity."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class Joke:
    """Is told after a while."""


@acton.message
class Laughter:
    """Follows a joke."""


@acton.message
class CountJokes(acton.Request[int]):
    """Asks how many jokes were told."""


@acton.actor
class Comedian:
    """Tells jokes, and hears the laughter as a message of its own."""

    log: list[str]
    jokes: int = 0
    laughs: int = 0

    @acton.after_start
    def enter(self) -> None:
        """Note it."""
        self.log.append("enters")

    @acton.mutate_on
    async def tell(self, _joke: Joke, ctx: acton.Context) -> None:
        """Tell it, and have it laughed at."""
        self.jokes += 1
        await trio.sleep(1)
        await ctx.handle.send(Laughter())

    @acton.mutate_on
    def hear(self, _laughter: Laughter) -> None:
        """Count it."""
        self.laughs += 1

    @acton.act_on
    def count(self, _request: CountJokes) -> int:
        """Tell how many."""
        return self.jokes

    @acton.after_stop
    def leave(self) -> None:
        """Note how it went."""
        self.log.append(f"leaves after {self.jokes} jokes, {self.laughs} laughs")


@covers(1)
async def test_handler_both_changes_state_and_waits(autojump_clock: MockClock) -> None:
    """What a handler changes, and what it sends after a wait, both come about."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        comedian = await runtime.start(Comedian, log)
        for _ in range(2):
            await comedian.send(Joke())
        assert await comedian.ask(CountJokes()) == 2

    assert log[-1] == "leaves after 2 jokes, 2 laughs"
    assert trio.current_time() == 2


@covers(2)
async def test_messages_are_counted_between_the_hooks(
    autojump_clock: MockClock,
) -> None:
    """The state that `after_stop` sees is what all messages have left."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        comedian = await runtime.start(Comedian, log)
        for _ in range(4):
            await comedian.send(Laughter())
        await comedian.stop()

    assert log == ["enters", "leaves after 0 jokes, 4 laughs"]


@covers(9)
async def test_actor_that_is_stopped_at_once_has_its_hooks_run(
    autojump_clock: MockClock,
) -> None:
    """An actor that is stopped as soon as it has started goes in and out."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        comedian = await runtime.start(Comedian, log)
        await comedian.stop()

        assert log == ["enters", "leaves after 0 jokes, 0 laughs"]
        assert comedian.status.state is acton.ActorState.DOWN


@acton.message
class Knock:
    """Is heard at the second time."""


@acton.message
class Open:
    """Is what the actor tells itself then."""


@acton.message
class Greet:
    """Is what it tells itself after that."""


@acton.message
class GetCalls(acton.Request[tuple[str, ...]]):
    """Asks for what was done, and who said that it should be."""


@acton.actor
class Doorman:
    """Tells itself what to do next."""

    calls: list[str] = attrs.field(factory=list[str])

    def note(self, what: str, ctx: acton.Context) -> None:
        """Write down what was said, and by whom."""
        by = "itself" if ctx.sender is ctx.handle else "others"
        self.calls.append(f"{what} by {by}")

    @acton.mutate_on
    async def knock(self, _message: Knock, ctx: acton.Context) -> None:
        """Open at the second knock."""
        self.note("knock", ctx)
        if len(self.calls) == 2:
            await ctx.handle.send(Open())

    @acton.act_on
    async def open(self, _message: Open, ctx: acton.Context) -> None:
        """Greet afterwards."""
        self.note("open", ctx)
        await ctx.handle.send(Greet())

    @acton.mutate_on
    def greet(self, _message: Greet, ctx: acton.Context) -> None:
        """Do no more."""
        self.note("greet", ctx)

    @acton.act_on
    def get_calls(self, _request: GetCalls) -> tuple[str, ...]:
        """Tell."""
        return tuple(self.calls)


@covers(5)
async def test_actor_sends_messages_to_itself(autojump_clock: MockClock) -> None:
    """A handler, exclusive or not, sends to its own actor, which is the sender."""
    async with open_test_runtime() as runtime:
        doorman = await runtime.start(Doorman)
        await doorman.send(Knock())
        await doorman.send(Knock())
        await trio.testing.wait_all_tasks_blocked()

        assert await doorman.ask(GetCalls()) == (
            "knock by others",
            "knock by others",
            "open by itself",
            "greet by itself",
        )


@acton.message
class Enter:
    """Is a new row."""

    text: str


@acton.message
class CountRows(acton.Request[int]):
    """Asks how many rows there are."""


@acton.message
class Break:
    """Makes the handler fail."""


@contextmanager
def open_books() -> Generator[list[sqlite3.Connection], None, None]:
    """Provide a place for connections, which are closed afterwards."""
    books: list[sqlite3.Connection] = []
    yield books
    for book in books:
        book.close()


@acton.actor
class Bookkeeper:
    """Keeps what only the thread that made it may touch: a connection.

    It can be neither copied nor pickled, and refuses other threads.
    """

    book: sqlite3.Connection
    log: list[str]

    @classmethod
    def begin(cls, books: list[sqlite3.Connection], log: list[str]) -> Bookkeeper:
        """Make one with a book of its own."""
        books.append(sqlite3.connect(":memory:"))
        books[-1].execute("CREATE TABLE entries (text)")
        return cls(books[-1], log)

    def rows(self) -> int:
        """Return how many there are."""
        (count,) = self.book.execute("SELECT count(*) FROM entries").fetchone()
        assert isinstance(count, int)
        return count

    @acton.before_start
    def before_start(self) -> None:
        """Look into the book."""
        self.log.append(f"before_start: {self.rows()}")

    @acton.after_start
    async def after_start(self) -> None:
        """Look into the book."""
        self.log.append(f"after_start: {self.rows()}")

    @acton.before_stop
    def before_stop(self) -> None:
        """Look into the book."""
        self.log.append(f"before_stop: {self.rows()}")

    @acton.after_stop
    async def after_stop(self) -> None:
        """Look into the book."""
        self.log.append(f"after_stop: {self.rows()}")

    @acton.mutate_on
    def enter(self, message: Enter) -> None:
        """Write it down."""
        self.book.execute("INSERT INTO entries VALUES (?)", (message.text,))

    @acton.act_on
    async def count(self, _request: CountRows) -> int:
        """Tell how many."""
        return self.rows()

    @acton.mutate_on
    def fail(self, _message: Break) -> None:
        """Raise."""
        raise ZeroDivisionError


@covers(10)
async def test_state_may_be_bound_to_its_thread(autojump_clock: MockClock) -> None:
    """Factory, handlers and all four hooks run in the thread that trio runs in."""
    log: list[str] = []

    with open_books() as books:
        async with open_test_runtime() as runtime:
            keeper = await runtime.start(Bookkeeper.begin, books, log)
            await keeper.send(Enter("first"))
            await keeper.send(Enter("second"))
            assert await keeper.ask(CountRows()) == 2

    assert log == [
        "before_start: 0",
        "after_start: 0",
        "before_stop: 2",
        "after_stop: 2",
    ]


@covers(11)
async def test_restarted_actor_has_new_state_under_its_old_id(
    autojump_clock: MockClock,
) -> None:
    """A restart makes the state again, in its thread; handle and id stay."""
    with open_books() as books:
        async with open_test_runtime() as runtime:
            keeper = await runtime.start(Bookkeeper.begin, books, [])
            before = keeper.id
            await keeper.send(Enter("lost"))
            await keeper.send(Break())
            await keeper.wait_generation(1)

            assert await keeper.ask(CountRows()) == 0
            assert keeper.id == before
            assert len(books) == 2

    assert trio.current_time() == pytest.approx(0.1)
