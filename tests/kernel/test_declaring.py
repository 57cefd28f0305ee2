"""Mistakes in declarations are errors where they are made, and teach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

import pytest

import acton_trio as acton
from acton_trio._kernel.actor import behaviour_of

T = TypeVar("T")


@acton.message
class Ping:
    """Is sent."""


@acton.message
class Get(acton.Request[int]):
    """Is asked."""


@acton.message
class Tail(acton.StreamRequest[int]):
    """Is answered with a stream."""


@acton.message
class Page(Generic[T]):
    """Is generic."""

    items: tuple[T, ...]


class Plain:
    """Is no message."""


def no_annotation() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message): ...  # type: ignore[no-untyped-def]  # pyright: ignore  # noqa: ANN001, ANN202, PGH003


def undecorated_message() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Plain) -> None: ...


def parametrised_generic() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Page[int]) -> None: ...


def two_handlers() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        def first(self, message: Ping) -> None: ...

        @acton.mutate_on
        def second(self, message: Ping | Get) -> None: ...


def contradicting_return() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Get) -> str:
            return ""


def unknown_name() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Later) -> None: ...  # type: ignore[name-defined]  # pyright: ignore  # noqa: F821, PGH003


def wrong_signature() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Ping, ctx: acton.Context, more: int) -> None: ...


def stream_for_a_request() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        async def handle(self, message: Get) -> AsyncIterator[int]:
            yield 1


def reply_for_a_stream() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        async def handle(self, message: Tail) -> int:
            return 1


def exclusive_stream() -> None:
    @acton.actor
    class Wrong:
        @acton.mutate_on
        async def handle(self, message: Tail) -> AsyncIterator[int]:
            yield 1


def wrong_items() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        async def handle(self, message: Tail) -> AsyncIterator[str]:
            yield ""


def sync_generator() -> None:
    @acton.actor
    class Wrong:
        @acton.act_on
        def handle(self, message: Tail) -> Any:
            yield 1


def decorated_with_an_argument() -> None:
    acton.act_on(Ping)


def hook_with_arguments() -> None:
    @acton.actor
    class Wrong:
        @acton.before_start
        def hook(self, ctx: acton.Context, more: int) -> None: ...


def two_hooks() -> None:
    @acton.actor
    class Wrong:
        @acton.after_stop
        def first(self) -> None: ...

        @acton.after_stop
        def second(self) -> None: ...


def lifespan_without_yield() -> None:
    @acton.actor
    class Wrong:
        @acton.lifespan
        async def life(self) -> None: ...


def hook_that_is_no_method() -> None:
    acton.before_start(3)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def error_handler_for_no_error() -> None:
    @acton.actor
    class Wrong:
        @acton.on_error
        def sorry(self, error: int, message: Ping) -> None: ...


def error_handler_that_yields() -> None:
    @acton.actor
    class Wrong:
        @acton.on_error
        async def sorry(self, error: ValueError, message: Ping) -> AsyncIterator[int]:
            yield 1


def actor_of_an_instance() -> None:
    acton.actor(Plain())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def message_of_an_instance() -> None:
    acton.message(Plain())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


MISTAKES = [
    (no_annotation, "Wrong.handle .*no annotation"),
    (undecorated_message, "Plain is not a message; decorate it with @message"),
    (parametrised_generic, "derive a message from it"),
    (two_handlers, "Ping is already handled by .*first"),
    (contradicting_return, "gives str, but Get is answered with int"),
    (unknown_name, "define the message before its handler"),
    (wrong_signature, r"takes \(self, message\) or \(self, message, ctx\)"),
    (stream_for_a_request, r"correct: +class Get\(StreamRequest"),
    (reply_for_a_stream, "async generator"),
    (exclusive_stream, "act_on"),
    (wrong_items, "gives str, but Tail is answered with int"),
    (sync_generator, "async def"),
    (decorated_with_an_argument, "correct: +@act_on"),
    (hook_with_arguments, r"takes \(self\) or \(self, ctx\)"),
    (two_hooks, "an actor has one of each"),
    (lifespan_without_yield, "yields once"),
    (hook_that_is_no_method, "decorates a method"),
    (error_handler_for_no_error, "int is not an exception class"),
    (error_handler_that_yields, "does not yield"),
    (actor_of_an_instance, "decorates a class"),
    (message_of_an_instance, "decorates a class"),
]


@pytest.mark.parametrize(("mistake", "words"), MISTAKES)
def test_mistake_is_a_type_error_that_teaches(mistake: Any, words: str) -> None:
    """The error comes when the class is defined, and says what would be right."""
    with pytest.raises(TypeError, match=f"(?s){words}"):
        mistake()


def test_mistake_names_class_method_and_line() -> None:
    """A tired person finds the place at once."""
    with pytest.raises(TypeError, match=r"@act_on .*Wrong\.handle \(.*\.py:\d+\)"):
        undecorated_message()


def test_subclass_overrides_by_name() -> None:
    """A handler is overridden as any method is."""

    @acton.actor
    class Base:
        @acton.act_on
        def handle(self, message: Get) -> int:
            return 1

    @acton.actor
    class Derived(Base):
        @acton.act_on
        def handle(self, message: Get) -> int:
            return 2

    assert Derived().handle(Get()) == 2


def test_inherited_handler_means_what_it_meant_where_it_was_written() -> None:
    """A subclass elsewhere need not know the names of its base."""

    def base() -> type:
        @acton.message
        class Hidden:
            """Known in here only."""

        @acton.actor
        class Base:
            """Handles it."""

            @acton.act_on
            def hidden(self, message: Hidden) -> None:
                """Do nothing."""

        return Base

    inherited: Any = base()

    @acton.actor
    class Derived(inherited):  # type: ignore[misc]
        """Inherits the handler."""

    behaviour = behaviour_of(Derived)
    assert behaviour is not None
    assert [each.__name__ for each in behaviour.handlers] == ["Hidden"]


def test_method_is_decorated_as_a_handler_once() -> None:
    """A method cannot read and change at the same time."""

    def handle(self: object, message: Get) -> int:
        return 1

    with pytest.raises(TypeError, match="it is a handler already, by @mutate_on"):
        acton.act_on(acton.mutate_on(handle))
