"""`@actor`, the lifecycle hooks, and what a class declares with them.

Pure declaration: nothing here runs an actor.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, dataclass_transform

import attrs

from .._base.teaching import class_line, def_line, lesson
from .._base.util import name_of, publish_names, shown
from .._messages.declare import is_message
from .declarations import declared_error_handlers, declared_handlers
from .handlers import ErrorTable, Handler, HandlerTable, positional_parameters

__all__ = [
    "NO_BEHAVIOUR",
    "Behaviour",
    "Hook",
    "HookName",
    "actor",
    "after_start",
    "after_stop",
    "before_start",
    "before_stop",
    "behaviour_of",
    "lifespan",
    "make_hook",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

HookName = Literal[
    "before_start", "after_start", "before_stop", "after_stop", "lifespan"
]

_BEHAVIOUR: Final = "__acton_behaviour__"
_HOOK: Final = "__acton_hook__"
_SHARED: Final[tuple[type, ...]] = (list, dict, set, bytearray, deque)
_START_HOOKS: Final = frozenset({"lifespan", "before_start", "after_start"})


@attrs.frozen(eq=False)
class Hook:
    """One function to call at a turn of an actor's life."""

    function: Callable[..., Any]
    wants_context: bool


def _types_of(behaviour: Behaviour) -> frozenset[type]:
    return frozenset(behaviour.handlers)


def _exclusive_types_of(behaviour: Behaviour) -> frozenset[type]:
    handlers = behaviour.handlers
    return frozenset(each for each in handlers if handlers[each].exclusive)


def _plain_functions_of(behaviour: Behaviour) -> Mapping[type, Callable[..., Any]]:
    handlers = behaviour.handlers.items()
    return {kind: each.function for kind, each in handlers if each.is_plain}


@attrs.frozen(eq=False)
class Behaviour:
    """All that an actor does, by message type and turn of life.

    A class has one, made when it is decorated; an `IdleActor` has its own.
    """

    handlers: HandlerTable = attrs.field(factory=dict[type, Handler])
    error_handlers: ErrorTable = attrs.field(factory=dict[type, dict[type, Handler]])
    hooks: Mapping[str, Hook] = attrs.field(factory=dict[str, Hook])

    types: frozenset[type] = attrs.field(
        default=attrs.Factory(_types_of, takes_self=True), init=False
    )
    """The message types that are surely handled."""

    exclusive_types: frozenset[type] = attrs.field(
        default=attrs.Factory(_exclusive_types_of, takes_self=True), init=False
    )
    """Those that are handled alone."""

    plain: Mapping[type, Callable[..., Any]] = attrs.field(
        default=attrs.Factory(_plain_functions_of, takes_self=True), init=False
    )
    """The functions that are given the message alone, and cannot wait."""

    @property
    def has_start_hooks(self) -> bool:
        """Whether something of the actor runs before it takes messages."""
        return not _START_HOOKS.isdisjoint(self.hooks)

    def updated(self, other: Behaviour) -> Behaviour:
        """Return this, with what *other* does in its place where both do it."""
        error_handlers = {**self.error_handlers}
        for message_type, by_error in other.error_handlers.items():
            known = error_handlers.get(message_type, {})
            error_handlers[message_type] = {**known, **by_error}
        return Behaviour(
            {**self.handlers, **other.handlers},
            error_handlers,
            {**self.hooks, **other.hooks},
        )


NO_BEHAVIOUR: Final = Behaviour()
"""That of an actor that is not built yet: it does nothing."""


def before_start(method: F) -> F:
    """Declare a method to be called before the actor starts.

    Nobody can find the actor yet.  What is sent to ``ctx.handle`` waits in the
    mailbox.  A failure goes to whoever starts the actor.
    """
    return _mark_hook(method, "before_start")


def after_start(method: F) -> F:
    """Declare a method to be called before the first message, once started."""
    return _mark_hook(method, "after_start")


def before_stop(method: F) -> F:
    """Declare a method to be called on a graceful stop, while sends still work.

    It is skipped when the actor is cancelled or has failed.
    """
    return _mark_hook(method, "before_stop")


def after_stop(method: F) -> F:
    """Declare a method to be called when all is over, whatever ended it.

    It runs in a cancellation too, shielded for ``timeouts.actor_shutdown``.
    """
    return _mark_hook(method, "after_stop")


def lifespan(method: F) -> F:
    """Declare an async generator that is around the whole life of an incarnation.

    It yields once: what is before that is the first thing to happen, and what
    is after it the last but `after_stop`.  It is the place for ``async with``
    and for nurseries.  A failing incarnation raises its failure at the
    ``yield``; swallowing it changes nothing.
    """
    return _mark_hook(method, "lifespan")


def _mark_hook(method: F, name: HookName) -> F:
    if not inspect.isfunction(method):
        msg = f"@{name} decorates a method, not {name_of(method)}"
        raise TypeError(msg)
    setattr(method, _HOOK, name)
    return typing.cast("F", method)


@dataclass_transform(eq_default=False, field_specifiers=(attrs.field,))
def actor(cls: type[T]) -> type[T]:
    """Make an attrs class of *cls* whose fields are an actor's state.

    The methods decorated as handlers and hooks are collected here, once, and
    every mistake in them that can be seen now is a `TypeError` now, naming
    class, method and line.  Annotations are resolved in the module's names and
    those of the function around the class.
    """
    if not inspect.isclass(cls):
        name = name_of(cls)
        fault = f"@actor decorates a class, not {name}."
        written = (
            f"@actor\n{def_line(cls)}" if inspect.isfunction(cls) else f"actor({name})"
        )
        raise TypeError(lesson(fault, written, "@actor\nclass MyService: ..."))
    if is_message(cls):
        line = class_line(cls)
        fault = f"{name_of(cls)} is a message, and so cannot be an actor."
        raise TypeError(lesson(fault, f"@actor\n@message\n{line}", f"@actor\n{line}"))
    names = sys._getframe(1).f_locals  # noqa: SLF001 - the enclosing function's names
    declared = attrs.define(cls, eq=False)
    _refuse_shared_defaults(declared)
    behaviour = Behaviour(
        declared_handlers(declared, names),
        declared_error_handlers(declared, names),
        _declared_hooks(declared),
    )
    setattr(declared, _BEHAVIOUR, behaviour)
    return declared


def _refuse_shared_defaults(cls: type) -> None:
    """Refuse a default that all incarnations, and all such actors, would share."""
    for field in attrs.fields(cls):
        default: Any = field.default
        name = field.name
        if not issubclass(type(default), _SHARED):
            continue
        kind = type(default).__name__
        hint = name_of(field.type) if isinstance(field.type, type) else field.type
        written = f"{name}: {hint or kind}"
        msg = lesson(
            f"{name_of(cls)}.{name}: all incarnations would share this one {kind}.",
            f"{written} = {shown(default, 40)}",
            f"{written} = attrs.field(factory={kind})",
        )
        raise TypeError(msg)


def _declared_hooks(cls: type) -> dict[str, Hook]:
    hooks: dict[str, Hook] = {}
    for name, member in inspect.getmembers_static(cls, inspect.isfunction):
        turn = getattr(member, _HOOK, None)
        if turn is None:
            continue
        where = f"@{turn} {cls.__qualname__}.{name}"
        if turn in hooks:
            other = name_of(hooks[turn].function)
            msg = f"{where}: {other} is that hook already; an actor has one of each"
            raise TypeError(msg)
        hooks[turn] = make_hook(turn, member, where)
    return hooks


def make_hook(name: HookName, function: Callable[..., Any], where: str) -> Hook:
    """Return the hook that *function* is at the turn *name*.

    Raises:
        TypeError: If it takes anything but ``(self)`` or ``(self, ctx)``, or
            is a lifespan and no async generator.
    """
    count = positional_parameters(function)
    if count not in (1, 2):
        names = ", ".join(inspect.signature(function).parameters)
        msg = lesson(
            f"{where}: a hook takes (self) or (self, ctx), not ({names}).",
            def_line(function),
            def_line(function, takes="(self, ctx)"),
        )
        raise TypeError(msg)
    if inspect.isasyncgenfunction(function) != (name == "lifespan"):
        msg = (
            f"{where}: a lifespan is an async generator that yields once; "
            "the other hooks do not yield"
        )
        raise TypeError(msg)
    return Hook(function, wants_context=count == 2)


def behaviour_of(cls: type) -> Behaviour | None:
    """Return what *cls* declares, if it is itself decorated with `actor`."""
    behaviour: Behaviour | None = cls.__dict__.get(_BEHAVIOUR)
    return behaviour


publish_names(
    globals(),
    ["actor", "after_start", "after_stop", "before_start", "before_stop", "lifespan"],
)
