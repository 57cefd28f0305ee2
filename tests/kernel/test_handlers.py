"""Handlers: what a method may look like, and what is wrong about the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Add:
    """Is counted."""

    amount: int


@acton.message
class Subtract:
    """Is counted the other way."""

    amount: int


@acton.message
class Total(acton.Request[int]):
    """Asks for the sum."""


@acton.message
class SlowTotal(acton.Request[int]):
    """Asks for the sum, in a while."""


@acton.message
class WhoAmI(acton.Request[tuple[str, bool, float]]):
    """Asks for what the context says."""


@acton.message
class WhoAmIAlone(acton.Request[tuple[str, bool, float]]):
    """The same, from an exclusive handler."""


@acton.message
class Special(Add):
    """Derives from a message that has a handler."""


@acton.actor
class Counter:
    """Has a handler of every shape."""

    total: int = 0

    @acton.mutate_on
    def change(self, message: Add | Subtract) -> None:
        """Serve two types by one annotation."""
        sign = 1 if isinstance(message, Add) else -1
        self.total += sign * message.amount

    @acton.act_on
    def tell(self, _request: Total) -> int:
        """Serve without waiting."""
        return self.total

    @acton.act_on
    async def tell_slowly(self, _request: SlowTotal) -> int:
        """Serve while waiting."""
        await trio.sleep(1)
        return self.total

    @acton.act_on
    async def look(
        self, request: WhoAmI, ctx: acton.Context
    ) -> tuple[str, bool, float]:
        """Serve with a context."""
        return ctx.handle.name, ctx.message is request, ctx.deadline

    @acton.mutate_on
    def look_alone(
        self, request: WhoAmIAlone, ctx: acton.Context
    ) -> tuple[str, bool, float]:
        """Serve with a context, without waiting, alone."""
        return ctx.handle.name, ctx.message is request, ctx.deadline


async def test_union_registers_one_handler_for_several_types(
    autojump_clock: MockClock,
) -> None:
    """A handler annotated with a union serves each of its members."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Counter)
        await handle.send(Add(5))
        await handle.send(Subtract(2))

        assert await handle.ask(Total()) == 3
        assert await handle.ask(SlowTotal()) == 3


@pytest.mark.parametrize("request_", [WhoAmI(), WhoAmIAlone()], ids=["async", "sync"])
async def test_handler_that_takes_a_context_gets_one(
    autojump_clock: MockClock, request_: WhoAmI | WhoAmIAlone
) -> None:
    """The context knows the actor, the message and its deadline."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Counter, name="counter")
        with trio.fail_after(7):
            answer = await handle.ask(request_)

        assert answer == ("counter", True, 7)


async def test_dispatch_is_by_exact_type(autojump_clock: MockClock) -> None:
    """There is no inheritance between messages: a subclass has no handler here."""
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Counter)
        await handle.send(Special(5))

        assert await handle.ask(Total()) == 0


async def test_optional_context_counts_as_one(autojump_clock: MockClock) -> None:
    """A third parameter is the context, with a default or without."""
    seen: list[acton.Context | None] = []

    def note(_model: object, _message: Add, ctx: acton.Context | None = None) -> None:
        seen.append(ctx)

    async with open_test_runtime() as runtime:
        handle = await runtime.new_actor(SimpleNamespace).act_on(Add, note).start()
        await handle.send(Add(1))

    assert [type(each) for each in seen] == [acton.Context]


async def test_partial_of_an_async_function_is_a_handler(
    autojump_clock: MockClock,
) -> None:
    """What calling gives is what counts, however the callable is wrapped."""

    async def add(base: int, _model: object, _request: Total) -> int:
        await trio.lowlevel.checkpoint()
        return base + 1

    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(SimpleNamespace)
        handle = await idle.act_on(Total, partial(add, 41)).start()

        assert await handle.ask(Total()) == 42


def test_handler_stays_an_ordinary_method() -> None:
    """A decorated method can be called, and tested, without any runtime."""
    counter = Counter(1)
    counter.change(Add(2))

    assert counter.tell(Total()) == 3


def test_actor_is_an_attrs_class_with_identity() -> None:
    """Fields are state: they have defaults and a repr; equality is identity."""
    assert Counter().total == 0
    assert repr(Counter(3)).endswith("Counter(total=3)")
    assert Counter(3) != Counter(3)


# --- what is wrong about the others


def none_in_a_union() -> None:
    """Expect nothing, or a message."""

    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Add | None) -> None: ...


def any_message() -> None:
    """Expect anything."""

    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Any) -> None: ...


def message_alone() -> None:
    """Forget the actor itself."""

    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self) -> None: ...


def contradiction_of_an_async_handler() -> None:
    """Promise something else than the request does."""

    @acton.actor
    class Wrong:
        @acton.mutate_on
        async def handle(self, message: Total) -> tuple[int, int]:
            return 1, 2


def second_handler_in_a_subclass() -> None:
    """Handle what the base class handles, under another name."""

    @acton.actor
    class Wrong(Counter):
        @acton.mutate_on
        def handle(self, message: Add) -> None: ...


def generator() -> None:
    """Answer by yielding."""

    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Total) -> Any:
            yield 1


def argument_of_mutate_on() -> None:
    """Name the message where it is not asked for."""
    acton.mutate_on(Add)


def argument_of_on_error() -> None:
    """Name the error where it is not asked for."""
    acton.on_error(ValueError)


def keyword_only_context() -> None:
    """Take the context by a name that is never passed."""

    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Add, *, ctx: acton.Context) -> None: ...


def keyword_only_context_of_a_hook() -> None:
    """Take the context by a name that is never passed, in a hook."""

    @acton.actor
    class Wrong:
        @acton.before_start
        def handle(self, *, ctx: acton.Context) -> None: ...


def static_method() -> None:
    """Hide the handler from those who look for methods."""

    @acton.actor
    class Wrong:
        @staticmethod
        @acton.act_on
        def handle(message: Add) -> None: ...


def class_method() -> None:
    """Hide the handler in a class method."""

    @acton.actor
    class Wrong:
        @classmethod
        @acton.act_on
        def handle(cls, message: Add) -> None: ...


def missing_attribute() -> None:
    """Name a message that its module does not have yet."""

    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: math.Later) -> None: ...  # type: ignore[name-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownParameterType]


MISTAKES = [
    pytest.param(none_in_a_union, "NoneType is not a message", id="none in a union"),
    pytest.param(any_message, "Any is not a message", id="anything"),
    pytest.param(message_alone, "no annotation", id="no message"),
    pytest.param(
        contradiction_of_an_async_handler,
        "Total is answered with int",
        id="another reply",
    ),
    pytest.param(
        second_handler_in_a_subclass,
        "Add is already handled by",
        id="a second handler in a subclass",
    ),
    pytest.param(generator, "async generator", id="generator"),
    pytest.param(
        argument_of_mutate_on, r"incorrect: @mutate_on\(", id="mutate_on(...)"
    ),
    pytest.param(argument_of_on_error, r"incorrect: @on_error\(", id="on_error(...)"),
    pytest.param(keyword_only_context, "a handler takes", id="keyword-only context"),
    pytest.param(
        keyword_only_context_of_a_hook, "a hook takes", id="keyword-only in a hook"
    ),
    pytest.param(static_method, "handle", id="static method"),
    pytest.param(class_method, "handle", id="class method"),
    pytest.param(missing_attribute, "define the message", id="missing attribute"),
]


@pytest.mark.parametrize(("mistake", "words"), MISTAKES)
def test_wrong_handler_is_a_type_error_when_its_class_is_defined(
    mistake: Callable[[], None], words: str
) -> None:
    """Whatever can be seen to be wrong with a handler is a `TypeError` at once."""
    with pytest.raises(TypeError, match=f"(?s){words}"):
        mistake()


@pytest.mark.parametrize(
    "mistake",
    [none_in_a_union, contradiction_of_an_async_handler],
)
def test_error_names_class_method_and_line(mistake: Callable[[], None]) -> None:
    """The text leads to the method: class, name, file and line of its decorator."""
    first = mistake.__code__.co_firstlineno
    with pytest.raises(TypeError) as caught:
        mistake()
    place, _, _ = str(caught.value).partition("):")
    path, _, line = place.rpartition(":")

    assert f"{mistake.__name__}.<locals>.Wrong.handle" in path
    assert path.endswith(__file__)
    assert first < int(line) < first + 10
