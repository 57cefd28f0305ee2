"""Which messages may cross the process boundary, and what they are called there."""

from __future__ import annotations

import inspect
import typing

import attrs

from .._base.errors import DuplicateNameError
from .._base.formats import Format
from .._base.util import name_of
from .codec import Buffer, Codec, codec_of
from .declare import Request, StreamRequest, is_message, reply_type_of, wire_name_of
from .shapes import free_variables_of, is_kind_of

__all__ = ["MessageRegistry"]


@attrs.define(eq=False)
class MessageRegistry:
    """Which classes may cross the process boundary, and under which names.

    It lives as long as its runtime and is open for registration all the time.
    Nothing that is not registered is ever built from bytes.
    """

    _classes: dict[str, type] = attrs.field(factory=dict, init=False)
    _names: dict[type, str] = attrs.field(factory=dict, init=False)
    _all_names: dict[type, tuple[str, ...]] = attrs.field(factory=dict, init=False)
    _codecs: dict[str, Codec[object]] = attrs.field(
        factory=dict, init=False, repr=False
    )

    def register(self, cls: type, name: str | None = None) -> None:
        """Let messages of *cls* cross the process boundary.

        A class may have several names: it is read under each, and sent under
        the one that was registered last.

        Args:
            cls: A message class.
            name: Its name on the wire; by default the one it was declared
                with.

        Raises:
            TypeError: If the class, or what it is answered with, cannot
                travel; names the class, the field and a remedy.
            DuplicateNameError: If another class has the name.
        """
        _refuse_unfit(cls)
        wire_name = _name_for(cls, name)
        codec: Codec[object] = codec_of(cls)
        if is_kind_of(cls, Request) or is_kind_of(cls, StreamRequest):
            _refuse_reply_of(cls)
        holder = self._classes.setdefault(wire_name, cls)
        if holder is not cls:
            raise DuplicateNameError(wire_name, f"the message {name_of(holder)}")
        self._codecs[wire_name] = codec
        self._names[cls] = wire_name
        if wire_name not in self.names_of(cls):
            self._all_names[cls] = (*self.names_of(cls), wire_name)

    def is_registered(self, name: str) -> bool:
        """Return whether a class has this name."""
        return name in self._classes

    def type_names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        return tuple(sorted(self._classes))

    def __len__(self) -> int:
        return len(self._classes)

    def find(self, name: str) -> type | None:
        """Return the class that has this name."""
        return self._classes.get(name)

    def name_of(self, cls: type) -> str | None:
        """Return the name that messages of exactly this class are sent under."""
        return self._names.get(cls)

    def names_of(self, cls: type) -> tuple[str, ...]:
        """Return all names that messages of exactly this class are read under."""
        return self._all_names.get(cls, ())

    def decode(self, name: str, data: Buffer, format: Format) -> object:  # noqa: A002 - the word of the wire
        """Build the message that *data* describes.

        Raises:
            SerializationError: If it describes none; says where.
            KeyError: If no class has this name: ask `is_registered` first.
        """
        return self._codecs[name].decode(data, format)

    def encode(self, message: object, format: Format) -> bytes:  # noqa: A002 - as in decode
        """Write *message* down, without its name.

        Raises:
            SerializationError: If the format has no way to write it.
            KeyError: If its class is not registered: ask `name_of` first.
        """
        return self._codecs[self._names[type(message)]].encode(message, format)


def _refuse_unfit(cls: object) -> None:
    generic = typing.get_origin(cls)
    if generic is not None:
        msg = (
            f"{cls} has no name of its own that could travel.\n"
            f"  incorrect: register({cls})\n"
            f"  correct:   class Concrete{name_of(generic)}({cls}), "
            "decorated with @message(ipc=True)"
        )
        raise TypeError(msg)
    if not inspect.isclass(cls):
        msg = (
            f"only a class can be registered, not {name_of(cls)}.\n"
            "  incorrect: register(MyMessage())\n"
            "  correct:   register(MyMessage)"
        )
        raise TypeError(msg)
    _refuse_undeclared(cls)


def _refuse_undeclared(cls: type) -> None:
    if not is_message(cls):
        msg = f"{name_of(cls)} is no message: decorate it with @message(ipc=True)"
        raise TypeError(msg)
    free = free_variables_of(cls)
    if free:
        variables = ", ".join(map(str, free))
        msg = (
            f"{name_of(cls)} leaves {variables} open. "
            f"Make it concrete: class Int{cls.__name__}({cls.__name__}[int])"
        )
        raise TypeError(msg)


def _name_for(cls: type, name: object) -> str:
    wire_name = wire_name_of(cls) if name is None else name
    if wire_name is None:
        msg = (
            f"{name_of(cls)} is not declared for other processes. Say "
            f'@message(ipc=True), or register({cls.__name__}, "{cls.__name__}")'
        )
        raise TypeError(msg)
    if not isinstance(wire_name, str) or not wire_name:
        msg = f"the name of a message is a non-empty str, not {wire_name!r}"
        raise TypeError(msg)
    return wire_name


def _refuse_reply_of(cls: type) -> None:
    reply = reply_type_of(cls)
    if free_variables_of(reply):
        msg = (
            f"{name_of(cls)} is answered with {reply}, which is left open. "
            "Name a concrete type: Request[int]"
        )
        raise TypeError(msg)
    try:
        codec_of(reply)
    except TypeError as error:
        msg = f"the reply to {name_of(cls)} cannot travel: {error}"
        raise TypeError(msg) from error
