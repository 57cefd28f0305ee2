"""What can be said: message classes, and the reply type that a request names.

Nothing here knows how a message is delivered or written down.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from typing import Generic, TypeVar, dataclass_transform, overload

import attrs
from attrs.exceptions import FrozenInstanceError

from .._base.errors import DuplicateNameError
from .._base.teaching import class_line, lesson
from .._base.util import name_of, publish_names, shown
from .shapes import substitute

__all__ = [
    "Rejection",
    "RemoteRejection",
    "Request",
    "StreamRequest",
    "is_message",
    "is_question",
    "message",
    "rejection_named",
    "reply_type_of",
    "wire_name_of",
]

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

_MARK = "__acton_wire_name__"
_rejections: dict[str, type[Rejection]] = {}


class Request(Generic[R_co]):
    """A message that is answered with one ``R``; lives as long as any message.

    ``class GetBalance(Request[int])`` makes ``await handle.ask(GetBalance())``
    an ``int`` for type checkers, and checks the reply when it comes.
    """

    __slots__ = ()


class StreamRequest(Generic[R_co]):
    """A message that is answered with any number of ``R``, one after another.

    It is for ``handle.stream(request)``, and served by an async generator.
    """

    __slots__ = ()


class Rejection(Exception):  # noqa: N818 - it is expected, not an error
    """An expected, typed failure: base class of the user's own.

    Raised in a handler it reaches the asker as itself, with the same fields,
    and does the actor no harm.  Declare it as a message::

        @message(ipc=True)
        class OutOfStock(Rejection):
            left: int

    It is an `Exception`, but neither an `ActonError` nor an `AskError`: it is
    not something that went wrong with the asking.
    """

    def __str__(self) -> str:
        return repr(self)


@attrs.define(eq=False, getstate_setstate=False)
class RemoteRejection(Rejection):
    """A rejection from a peer whose class is not known on this side."""

    type_name: str
    """Its name on the wire."""

    fields: object = None
    """Its fields, as plain data; ``None`` if they did not travel."""

    detail: str = ""
    """Its text."""

    def __str__(self) -> str:
        return self.detail or self.type_name


@overload
def message(cls: type[T], /) -> type[T]: ...
@overload
def message(*, ipc: bool | str = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(attrs.field,))
def message(
    cls: type[T] | None = None, /, *, ipc: bool | str = False
) -> type[T] | Callable[[type[T]], type[T]]:
    """Declare a class as a message: immutable, slotted, compared by value.

    Args:
        cls: The class; its annotations become the message's fields.
        ipc: Whether messages of this class may cross the process boundary.
            They travel under the class name, or under the name given here.
            Once published a name must not change, whatever happens to the
            class.

    Returns:
        The class, as an attrs class.

    Raises:
        TypeError: If it is no class, or the name is empty.
        DuplicateNameError: If it is a `Rejection` and another one travels
            under that name.

    A message is frozen, not copied: what a field refers to is shared by the
    sender and every receiver.  Use tuples and frozensets.
    """
    if not isinstance(ipc, bool | str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not be checked
        fault = f"ipc is True, False or a name, not {shown(ipc)}."
        incorrect = f"@message(ipc={shown(ipc, 40)})"
        raise TypeError(lesson(fault, incorrect, "@message(ipc=True)"))
    if isinstance(ipc, str) and not ipc:
        msg = "the name of a message on the wire must not be empty"
        raise TypeError(msg)
    if cls is None:
        return lambda cls: _declare(cls, ipc=ipc)
    return _declare(cls, ipc=ipc)


def _declare(cls: type[T], *, ipc: bool | str) -> type[T]:
    if not inspect.isclass(cls):
        raise TypeError(_not_a_class(cls))
    if "__dataclass_fields__" in cls.__dict__:
        line = class_line(cls)
        msg = lesson(
            f"{name_of(cls)} is a dataclass already; @message alone makes its fields.",
            f"@message\n@dataclass\n{line}",
            f"@message\n{line}",
        )
        raise TypeError(msg)
    wire_name = ipc if isinstance(ipc, str) else cls.__name__ if ipc else None
    rejection = issubclass(cls, Rejection)
    if rejection:
        # Compared by identity, as exceptions are: two failures with the same
        # facts are still two failures.
        declared = attrs.frozen(cls, eq=False, getstate_setstate=False)
        _refuse_unordered_fields(declared)
    else:
        declared = attrs.frozen(cls)
    _teach_that_it_is_frozen(declared)
    setattr(declared, _MARK, wire_name)
    if rejection and wire_name is not None:
        _announce_rejection(typing.cast("type[Rejection]", declared), wire_name)
    return declared


def _not_a_class(thing: object) -> str:
    correct = "@message"
    if isinstance(thing, str):
        correct = f"@message(ipc={thing!r})"
    elif isinstance(thing, bool):
        correct = f"@message(ipc={thing})"
    return lesson(
        f"@message decorates a class, not {name_of(thing)}.",
        f"@message({name_of(thing)})",
        f"{correct}\nclass MyMessage: ...",
    )


def _teach_that_it_is_frozen(cls: type) -> None:
    """Have whoever changes a message of *cls* be told what to do instead.

    attrs refuses it, without a word on what of.
    """
    refuse_set: Callable[..., None] = cls.__setattr__
    refuse_delete: Callable[..., None] = cls.__delattr__

    def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807 - it is
        try:
            refuse_set(self, name, value)
        except FrozenInstanceError:
            raise _frozen(_how_to_change(self, name, shown(value, 40))) from None

    def __delattr__(self: object, name: str) -> None:  # noqa: N807 - it is
        try:
            refuse_delete(self, name)
        except FrozenInstanceError:
            raise _frozen(_how_to_change(self, name, "...")) from None

    cls.__setattr__ = __setattr__  # type: ignore[assignment, method-assign]
    cls.__delattr__ = __delattr__  # type: ignore[assignment, method-assign]


def _how_to_change(message: object, name: str, value: str) -> str:
    cls: type = type(message)
    kind = cls.__name__
    if name not in attrs.fields_dict(cls):
        return lesson(
            f"{kind} has no field {name!r}: the fields of a message are declared.",
            f"message.{name} = {value}",
            f"class {kind}:\n    {name}: int",
        )
    if not hasattr(message, name):
        # While it is being made, by a method of its own.
        return lesson(
            f"{kind} sets its field {name!r} itself: @message does that.",
            f"self.{name} = {value}",
            f"class {kind}:\n    {name}: int",
        )
    return lesson(
        f"{kind} is a message, and does not change: others may have it too.",
        f"message.{name} = {value}",
        f"message = attrs.evolve(message, {name}={value})",
    )


def _frozen(text: str) -> FrozenInstanceError:
    # Its own constructor takes no text.
    error = FrozenInstanceError.__new__(FrozenInstanceError, text)
    error.msg = text
    return error


def _refuse_unordered_fields(cls: type) -> None:
    # Pickle and copy rebuild an exception from its positional arguments.
    for field in attrs.fields(cls):
        if field.kw_only:
            msg = (
                f"{name_of(cls)}.{field.name}: the fields of a Rejection are "
                "positional; remove kw_only"
            )
            raise TypeError(msg)


def _announce_rejection(cls: type[Rejection], wire_name: str) -> None:
    known = _rejections.setdefault(wire_name, cls)
    if known is not cls:
        raise DuplicateNameError(wire_name, f"the rejection {name_of(known)}")


def is_message(cls: object) -> bool:
    """Return whether *cls* is itself decorated with `message`.

    A subclass of a message is none until it is decorated too.
    """
    return isinstance(cls, type) and _MARK in cls.__dict__


def wire_name_of(cls: type) -> str | None:
    """Return the name that *cls* declared for the wire, if it may travel."""
    name: str | None = cls.__dict__.get(_MARK)
    return name


def rejection_named(wire_name: str) -> type[Rejection] | None:
    """Return the rejection that this process declared under *wire_name*."""
    return _rejections.get(wire_name)


def is_question(cls: type) -> bool:
    """Return whether messages of *cls* are answered, with one reply or many."""
    return issubclass(cls, (Request, StreamRequest))


def reply_type_of(cls: type) -> object:
    """Return the ``R`` of a ``Request[R]`` or ``StreamRequest[R]``.

    It is looked for through generic base classes, with their type variables
    replaced, and evaluated where the class was written.

    Raises:
        TypeError: If the class names no reply type, or one that is not known.
    """
    found = _find_reply_type(cls, {})
    if found is None:
        msg = (
            f"{name_of(cls)} does not say what it is answered with.\n"
            f"  incorrect: class {cls.__name__}(Request)\n"
            f"  correct:   class {cls.__name__}(Request[int])"
        )
        raise TypeError(msg)
    return _resolve(found, cls)


def _find_reply_type(cls: type, known: dict[object, object]) -> object | None:
    for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin = typing.get_origin(base) or base
        arguments = [substitute(each, known) for each in typing.get_args(base)]
        if origin in (Request, StreamRequest):
            return arguments[0] if arguments else None
        parameters = getattr(origin, "__parameters__", ())
        # Fewer arguments than parameters: the base was named without any.
        found = _find_reply_type(origin, dict(zip(parameters, arguments, strict=False)))
        if found is not None:
            return found
    return None


def _resolve(hint: object, cls: type) -> object:
    module = sys.modules.get(cls.__module__)
    holder = type(cls.__name__, (), {"__annotations__": {"reply": hint}})
    try:
        hints = typing.get_type_hints(
            holder, vars(module) if module else {}, include_extras=True
        )
    except NameError as error:
        msg = (
            f"{name_of(cls)} is answered with {hint!r}, but {error}. "
            "Define the reply type first, at the top level of the module"
        )
        raise TypeError(msg) from error
    return hints["reply"]


publish_names(globals(), ["Rejection", "RemoteRejection", "Request", "StreamRequest"])
