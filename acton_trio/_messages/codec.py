"""From a value to bytes and back, in both formats, along one of two ways.

msgspec's own decoders build most classes, at the speed of C.  What they
would get wrong, `fidelity` says, goes through `converter`.  Which way was
taken cannot be told from the value or from the error.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Generic, TypeAlias, TypeVar, final, overload

import attrs
import msgspec

from .._base.errors import SerializationError
from .._base.formats import Format
from .._base.util import name_of
from .carriage import refuse_uncarried
from .converter import reader_of, writer_of
from .fidelity import why_unfaithful
from .misfit import located
from .shapes import fields_of, is_record

__all__ = ["Buffer", "Codec", "codec_of"]

T = TypeVar("T")

Buffer: TypeAlias = bytes | bytearray | memoryview | msgspec.Raw
"""What can be decoded; it is read, and not kept."""

_Read: TypeAlias = Callable[[Buffer], Any]
_Write: TypeAlias = Callable[[object], bytes]

_JSON: Final = Format.JSON
_write_json: Final[_Write] = msgspec.json.Encoder().encode
_write_messagepack: Final[_Write] = msgspec.msgpack.Encoder().encode


# In characters.
_LONGEST_WORDS: Final = 1000


@final
@attrs.frozen(eq=False)
class Codec(Generic[T]):
    """Writes and reads the values of one type; lives as long as the process.

    It is made by `codec_of` and nothing else.
    """

    _read_json: _Read = attrs.field(repr=False)
    _read_messagepack: _Read = attrs.field(repr=False)
    _write_json: _Write = attrs.field(repr=False)
    _write_messagepack: _Write = attrs.field(repr=False)

    native: bool = attrs.field(kw_only=True)
    """Whether msgspec alone carries the type faithfully."""

    def encode(self, value: T, format: Format) -> bytes:  # noqa: A002 - the word of the wire
        """Write *value* down.

        A ``float`` that is no number is written as ``null`` in JSON.

        Raises:
            SerializationError: If the format has no way to write it.
        """
        write = self._write_json if format == _JSON else self._write_messagepack
        try:
            return write(value)
        except Exception as error:
            words = f"cannot write {name_of(type(value))}: {located(error)}"
            raise SerializationError(words) from error

    def decode(self, data: Buffer, format: Format) -> T:  # noqa: A002 - as in encode
        """Build the value that *data* describes; unknown keys are ignored.

        Raises:
            SerializationError: If it describes none, or the value's own class
                refuses it; says where: ``Expected `int`, got `str` - at
                `$.value` ``.
        """
        read = self._read_json if format == _JSON else self._read_messagepack
        try:
            return typing.cast("T", read(data))
        except Exception as error:
            # Whatever a validator raises is about the data, so it ends here.
            raise SerializationError(_words_of(error)) from error


@overload
def codec_of(type_: type[T]) -> Codec[T]: ...
@overload
def codec_of(type_: object) -> Codec[Any]: ...
def codec_of(type_: object) -> Codec[Any]:
    """Return the codec for values of *type_*, the same one each time.

    Raises:
        TypeError: If they cannot travel; names the class, the field and what
            to do about it.
    """
    return _make_codec(type_)


@cache
def _make_codec(type_: object) -> Codec[Any]:
    if why_unfaithful(type_) is None:
        return _make_native_codec(type_)
    refuse_uncarried(type_)
    return _make_converting_codec(type_)


def _make_native_codec(type_: object) -> Codec[Any]:
    wanted = typing.cast("Any", type_)
    fieldless = _is_fieldless(type_)
    if fieldless:
        wanted = wanted | None
    read_json: _Read = msgspec.json.Decoder(wanted).decode
    read_messagepack: _Read = msgspec.msgpack.Decoder(wanted).decode
    if fieldless:
        read_json = _or_new(type_, read_json)
        read_messagepack = _or_new(type_, read_messagepack)
    return Codec(
        read_json, read_messagepack, _write_json, _write_messagepack, native=True
    )


def _make_converting_codec(type_: object) -> Codec[Any]:
    build, lower = reader_of(type_), writer_of(type_)
    fieldless = _is_fieldless(type_)

    def reading(parse: _Read) -> _Read:
        if fieldless:
            return lambda data: build(_object_for(parse(data)))
        return lambda data: build(parse(data))

    def writing(write: _Write) -> _Write:
        return lambda value: write(lower(value))

    return Codec(
        reading(msgspec.json.Decoder().decode),
        reading(msgspec.msgpack.Decoder().decode),
        writing(_write_json),
        writing(_write_messagepack),
        native=False,
    )


def _object_for(plain: object) -> object:
    return {} if plain is None else plain


def _is_fieldless(type_: object) -> bool:
    return is_record(type_) and not fields_of(type_)


def _or_new(type_: object, read: _Read) -> _Read:
    # Acton writes a unit struct, a message without fields, as null.
    make = typing.cast("Callable[[], object]", type_)

    def read_or_make(data: Buffer) -> object:
        value = read(data)
        return make() if value is None else value

    return read_or_make


def _words_of(error: Exception) -> str:
    # msgspec's own words have their place already.
    known = isinstance(error, msgspec.MsgspecError)
    text = str(error if known else located(error))
    # The value is repeated in full, whoever made it; the place is at the end.
    if len(text) > _LONGEST_WORDS:
        half = _LONGEST_WORDS // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return text
