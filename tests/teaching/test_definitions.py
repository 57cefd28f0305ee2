"""Classes that are wrong: the error shows the line that was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import acton_trio as acton

from .lessons import (
    GetValue,
    Query,
    SetValue,
    Watch,
    lines,
    said,
)


def no_annotation() -> None:
    """Say nothing of the message."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, request):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            return 1


def no_self() -> None:
    """Forget the actor."""

    @acton.actor
    class A:
        @acton.act_on
        async def f(request: GetValue) -> int:  # type: ignore[misc]  # noqa: N805
            return 1


def no_message() -> None:
    """Forget the message."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self) -> int:
            return 1


def no_message_of_an_error() -> None:
    """Forget the message that had the error."""

    @acton.actor
    class A:
        @acton.on_error
        def f(self, error: ValueError) -> None: ...


def no_error_annotation() -> None:
    """Say nothing of the error."""

    @acton.actor
    class A:
        @acton.on_error
        def f(self, error, message: SetValue) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


def context_first() -> None:
    """Take the context before the message."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, ctx: acton.Context, request: GetValue) -> int:
            return 1


def too_many() -> None:
    """Take more than there is."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, request: GetValue, ctx: acton.Context, more: int) -> int:
            return 1


def undecorated() -> None:
    """Handle what is no message."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, request: Query) -> int:
            return 1


def builtin() -> None:
    """Handle a text."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, request: str) -> int:
            return 1


def generic() -> None:
    """Handle whatever asks for a number."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, request: acton.Request[int]) -> int:
            return 1


def static() -> None:
    """Decorate a static method."""

    @acton.actor
    class A:
        @acton.act_on
        @staticmethod
        def f(request: GetValue) -> int:  # noqa: ARG004 - as a handler
            return 1


def static_outside() -> None:
    """Make a handler static."""

    @acton.actor
    class A:
        @staticmethod
        @acton.act_on
        def f(request: GetValue) -> int:  # noqa: ARG004 - as a handler
            return 1


def class_method() -> None:
    """Make a handler one of the class."""

    @acton.actor
    class A:
        @classmethod
        @acton.act_on
        def f(cls, request: GetValue) -> int:  # noqa: ARG003 - as a handler
            return 1


def another_reply() -> None:
    """Promise a text where a number is asked for."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, request: GetValue) -> str:
            return ""


def returned_stream() -> None:
    """Return what is to be yielded."""

    @acton.actor
    class A:
        @acton.act_on
        async def f(self, request: Watch) -> list[int]:
            return [1]


def sync_stream() -> None:
    """Yield, and forget ``async``."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, request: Watch) -> Any:
            yield 1


def yielded_reply() -> None:
    """Yield what is to be returned."""

    @acton.actor
    class A:
        @acton.act_on
        async def f(self, request: GetValue) -> Any:
            yield 1


def exclusive_stream() -> None:
    """Keep everything else out."""

    @acton.actor
    class A:
        @acton.mutate_on
        async def f(self, request: Watch) -> Any:
            yield 1


def wrong_hook() -> None:
    """Take more than a hook is given."""

    @acton.actor
    class A:
        @acton.before_start
        async def f(self, ctx: acton.Context, more: int) -> None: ...


def shared_list() -> None:
    """Have a list for all."""

    @acton.actor
    class A:
        items: list[int] = []  # noqa: RUF012 - the mistake


def decorated_function() -> None:
    """Make an actor of a function."""

    def f(x: int) -> None: ...

    thing: Any = f
    acton.actor(thing)


def both() -> None:
    """Make an actor of a message."""

    @acton.actor
    @acton.message
    class A: ...


def dataclass_too() -> None:
    """Make a message of a dataclass."""
    import dataclasses  # noqa: PLC0415 - the mistake

    @acton.message
    @dataclasses.dataclass
    class A:
        x: int


def named_by_place() -> None:
    """Name a message as if it were done by place."""
    thing: Any = "Reset"
    acton.message(thing)


def ipc_by_place() -> None:
    """Say by place that a message may travel."""
    thing: Any = True
    acton.message(thing)


def wrong_ipc() -> None:
    """Number a message."""
    thing: Any = 3
    acton.message(ipc=thing)


def parentheses(decorator: Callable[..., object], thing: object) -> Callable[[], None]:
    """Return what puts *thing* in the parentheses of *decorator*."""

    def decorate() -> None:
        decorator(thing)

    return decorate


DEFINITIONS: dict[str, tuple[Callable[[], None], str]] = {
    "no annotation": (
        no_annotation,
        """
        @act_on no_annotation.A.f: the message has no annotation, so nobody can tell what it handles.
          incorrect: def f(self, request): ...
          correct:   def f(self, request: MyMessage): ...
        """,
    ),
    "no self": (
        no_self,
        """
        @act_on no_self.A.f: the actor itself comes first, and is not taken.
          incorrect: async def f(request: GetValue): ...
          correct:   async def f(self, request: GetValue): ...
        """,
    ),
    "no message": (
        no_message,
        """
        @act_on no_message.A.f: it takes no message, and no annotation says what it handles.
          incorrect: def f(self): ...
          correct:   def f(self, message: MyMessage): ...
        """,
    ),
    "no message of an error": (
        no_message_of_an_error,
        """
        @on_error no_message_of_an_error.A.f: it takes no message, and no annotation says what it handles.
          incorrect: def f(self, error: ValueError): ...
          correct:   def f(self, error: ValueError, message: MyMessage): ...
        """,
    ),
    "no annotation of an error": (
        no_error_annotation,
        """
        @on_error no_error_annotation.A.f: the error has no annotation, so nobody can tell what it handles.
          incorrect: def f(self, error, message: SetValue): ...
          correct:   def f(self, error: ValueError, message: SetValue): ...
        """,
    ),
    "context first": (
        context_first,
        """
        @act_on context_first.A.f: the message comes before the context.
          incorrect: def f(self, ctx: acton.Context, request: GetValue): ...
          correct:   def f(self, request: GetValue, ctx: acton.Context): ...
        """,
    ),
    "too many": (
        too_many,
        """
        @act_on too_many.A.f: a handler takes (self, message) or (self, message, ctx), not (self, request, ctx, more).
          incorrect: def f(self, request: GetValue, ctx: acton.Context, more: int): ...
          correct:   def f(self, message, ctx): ...
        """,
    ),
    "undecorated message": (
        undecorated,
        """
        @act_on undecorated.A.f: Query is not a message; decorate it with @message.
          incorrect: class Query(Request[int]): ...
          correct:   @message
                     class Query(Request[int]): ...
        """,
    ),
    "built-in type": (
        builtin,
        """
        @act_on builtin.A.f: str is not a message; a class says what it is to mean.
          incorrect: message: str
          correct:   @message
                     class MyMessage:
                         value: str
        """,
    ),
    "generic type": (
        generic,
        """
        @act_on generic.A.f: handlers are found by exact type, and Request[int] is none; derive a message from it.
          incorrect: message: Request[int]
          correct:   @message
                     class MyMessage(Request[int]): ...
        """,
    ),
    "static method": (
        static,
        """
        @act_on decorates a method with its actor as `self`, not a staticmethod.
          incorrect: @act_on
                     @staticmethod
                     def f(request: GetValue): ...
          correct:   @act_on
                     def f(self, request: GetValue): ...
        """,
    ),
    "static handler": (
        static_outside,
        """
        @act_on static_outside.A.f: a handler is a plain method, with its actor as `self`, not a staticmethod.
          incorrect: @staticmethod
                     @act_on
                     def f(request: GetValue): ...
          correct:   @act_on
                     def f(self, request: GetValue): ...
        """,
    ),
    "handler of the class": (
        class_method,
        """
        @act_on class_method.A.f: a handler is a plain method, with its actor as `self`, not a classmethod.
          incorrect: @classmethod
                     @act_on
                     def f(cls, request: GetValue): ...
          correct:   @act_on
                     def f(self, request: GetValue): ...
        """,
    ),
    "another reply": (
        another_reply,
        """
        @act_on another_reply.A.f: it gives str, but GetValue is answered with int.
          incorrect: def f(self, request: GetValue) -> str: ...
          correct:   def f(self, request: GetValue) -> int: ...
        """,
    ),
    "returned stream": (
        returned_stream,
        """
        @act_on returned_stream.A.f: Watch is a StreamRequest, which an async generator serves.
          incorrect: def f(self, request: Watch): return ...
          correct:   async def f(self, request: Watch): yield ...
        """,
    ),
    "sync stream": (
        sync_stream,
        """
        @act_on sync_stream.A.f: a stream is served by an async generator.
          incorrect: def f(self, request: Watch): yield ...
          correct:   async def f(self, request: Watch): yield ...
        """,
    ),
    "yielded reply": (
        yielded_reply,
        """
        @act_on yielded_reply.A.f: it yields, but GetValue is answered once.
          incorrect: class GetValue(Request[int]): ...
          correct:   class GetValue(StreamRequest[int]): ...
        """,
    ),
    "exclusive stream": (
        exclusive_stream,
        """
        @mutate_on exclusive_stream.A.f: a stream would keep everything else out for as long as it runs.
          incorrect: @mutate_on
                     async def f(self, request: Watch): ...
          correct:   @act_on
                     async def f(self, request: Watch): ...
        """,
    ),
    "hook": (
        wrong_hook,
        """
        @before_start wrong_hook.A.f: a hook takes (self) or (self, ctx), not (self, ctx, more).
          incorrect: async def f(self, ctx: acton.Context, more: int): ...
          correct:   async def f(self, ctx): ...
        """,
    ),
    "act_on(message)": (
        parentheses(acton.act_on, GetValue),
        """
        @act_on decorates a method, not GetValue; what it handles is read from the method's annotation.
          incorrect: @act_on(GetValue)
          correct:   @act_on
                     def handler(self, message: GetValue): ...
        """,
    ),
    "mutate_on(name)": (
        parentheses(acton.mutate_on, "SetValue"),
        """
        @mutate_on decorates a method, not 'SetValue'; what it handles is read from the method's annotation.
          incorrect: @mutate_on('SetValue')
          correct:   @mutate_on
                     def handler(self, message: SetValue): ...
        """,
    ),
    "on_error(error)": (
        parentheses(acton.on_error, ValueError),
        """
        @on_error decorates a method, not ValueError; what it handles is read from the method's annotation.
          incorrect: @on_error(ValueError)
          correct:   @on_error
                     def handler(self, error: ValueError, message: MyMessage): ...
        """,
    ),
    "on_error(message)": (
        parentheses(acton.on_error, SetValue),
        """
        @on_error decorates a method, not SetValue; what it handles is read from the method's annotation.
          incorrect: @on_error(SetValue)
          correct:   @on_error
                     def handler(self, error: ValueError, message: SetValue): ...
        """,
    ),
    "shared list": (
        shared_list,
        """
        A.items: all incarnations would share this one list.
          incorrect: items: list[int] = []
          correct:   items: list[int] = attrs.field(factory=list)
        """,
    ),
    "function as an actor": (
        decorated_function,
        """
        @actor decorates a class, not f.
          incorrect: @actor
                     def f(x: int): ...
          correct:   @actor
                     class MyService: ...
        """,
    ),
    "instance as an actor": (
        parentheses(acton.actor, 3),
        """
        @actor decorates a class, not 3.
          incorrect: actor(3)
          correct:   @actor
                     class MyService: ...
        """,
    ),
    "message as an actor": (
        both,
        """
        A is a message, and so cannot be an actor.
          incorrect: @actor
                     @message
                     class A: ...
          correct:   @actor
                     class A: ...
        """,
    ),
    "dataclass as a message": (
        dataclass_too,
        """
        A is a dataclass already; @message alone makes its fields.
          incorrect: @message
                     @dataclass
                     class A: ...
          correct:   @message
                     class A: ...
        """,
    ),
    "message(name)": (
        named_by_place,
        """
        @message decorates a class, not 'Reset'.
          incorrect: @message('Reset')
          correct:   @message(ipc='Reset')
                     class MyMessage: ...
        """,
    ),
    "message(True)": (
        ipc_by_place,
        """
        @message decorates a class, not True.
          incorrect: @message(True)
          correct:   @message(ipc=True)
                     class MyMessage: ...
        """,
    ),
    "message(ipc=3)": (
        wrong_ipc,
        """
        ipc is True, False or a name, not 3.
          incorrect: @message(ipc=3)
          correct:   @message(ipc=True)
        """,
    ),
}


@pytest.mark.parametrize(
    ("define", "text"),
    [pytest.param(*DEFINITIONS[name], id=name) for name in DEFINITIONS],
)
def test_wrong_definition_shows_the_right_one(
    define: Callable[[], None], text: str
) -> None:
    """The mistake is a `TypeError` when the class is defined, in the user's names."""
    with pytest.raises(TypeError) as caught:
        define()

    assert said(caught.value) == lines(text)


def test_message_may_be_called_ctx() -> None:
    """It is the annotation that counts."""

    @acton.actor
    class A:
        @acton.act_on
        def f(self, ctx: GetValue) -> int:
            return 1

    assert A().f(GetValue()) == 1
