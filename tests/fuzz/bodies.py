"""What the frames of each type may say, field by field, as bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, final

import attrs
import msgspec

from acton_trio._base.formats import Format
from acton_trio._wire.answers import PROTOCOL_VERSION, ActorEntry
from acton_trio._wire.envelopes import (
    Cancel,
    Discover,
    Heartbeat,
    Push,
    Request,
    Response,
    StreamItem,
    Subscribe,
    Unsubscribe,
)

__all__ = ["KINDS", "Bytes", "Field", "Kind", "dump", "join", "strange_value"]


class Bytes(bytes):
    """A value that stays encoded until its type is known: a payload."""


# --- writing


def dump(value: object, form: Format) -> bytes:
    """Return *value* in that format; JSON by the standard library."""
    if form is Format.MESSAGEPACK:
        return msgspec.msgpack.encode(value)
    plain = msgspec.to_builtins(value)
    return json.dumps(plain, ensure_ascii=len(repr(value)) % 2 == 0).encode()


@final
@attrs.frozen
class Field:
    """A field as it is written down."""

    name: str
    value: object
    """What has to be read; nothing in particular if nobody knows the field."""

    data: bytes
    misfits: tuple[object, ...] = ()
    """Values of other types, that it may not have."""

    is_required: bool = False
    is_known: bool = True

    def saying(self, value: object, form: Format) -> Field:
        """Return the same field with another value."""
        return attrs.evolve(self, value=value, data=_written(value, form))


def _written(value: object, form: Format) -> bytes:
    return bytes(value) if isinstance(value, Bytes) else dump(value, form)


def join(fields: Iterable[Field], form: Format) -> bytes:
    """Return the object that has these fields, in this order."""
    listed = list(fields)
    if form is Format.JSON:
        pairs = (dump(each.name, form) + b":" + each.data for each in listed)
        return b"{" + b",".join(pairs) + b"}"
    size = len(listed)
    head = bytes([0x80 | size]) if size < 16 else b"\xde" + size.to_bytes(2, "big")
    return head + b"".join(dump(each.name, form) + each.data for each in listed)


# --- values


_Value: TypeAlias = Callable[[random.Random, Format], object]
_Values: TypeAlias = tuple[object, ...]

_TEXTS: Final = (
    "",
    "a",
    "x" * 300,
    'q"u\\o/te',
    "\0\x01\x1f\x7f",
    "\u2028\ufeff\ufffd\u202e",
    "e\u0301 é ǆ ß İ",
    "𝄞👩‍👩‍👧",
    "null",
    "\r\n\t",
    "acton-chain",
    "traceparent",
)

_IDS: Final = (
    *[f"r{number}" for number in range(40)],
    "",
    "unknown",
    "__acton_connection_rejected__",
    "req_01h455vb4pex5vsknk084sn02q",
    "\0",
    'q"\\',
    "é" * 512,
    "𝄞" * 256,
    "x" * 1024,
)


def _text(chance: random.Random, form: Format) -> str:
    return chance.choice(_TEXTS)


def _id(chance: random.Random, form: Format) -> str:
    return chance.choice(_IDS)


def _flag(chance: random.Random, form: Format) -> bool:
    return chance.random() < 0.5


def _names(chance: random.Random, form: Format) -> tuple[str, ...]:
    if chance.random() < 0.03:
        # Two of these are more than anybody may subscribe to.
        first = chance.randrange(5000)
        return tuple(f"T{number}" for number in range(first, first + 700))
    known = ["Value", "SetValue", "Done", "Nothing", *_TEXTS]
    return tuple(chance.choices(known, k=chance.choice((0, 1, 1, 2, 5, 60))))


def _texts(chance: random.Random, form: Format) -> dict[str, str]:
    return dict(zip(_names(chance, form), _TEXTS, strict=False))


def _timeout(chance: random.Random, form: Format) -> int:
    return chance.choice((0, 1, 500, 5000, 30_000, 2**53, 2**63, 2**64 - 1))


def _natural(chance: random.Random, form: Format) -> int:
    return chance.choice((0, 1, 2, 255, 65_536, 2**53, 2**63 - 1))


def _sequence(chance: random.Random, form: Format) -> int:
    return chance.choice((0, 1, 2, 127, 128, 2**31, 2**32 - 1))


def strange_value(chance: random.Random, depth: int = 0) -> object:
    """Return any value."""
    scalars: tuple[object, ...] = (
        None, True, 0, -1, 2**63 - 1, -(2**63), 2**64 - 1, 0.1, -0.0, 1e300, 5e-324,
    )  # fmt: skip
    if depth == 4 or chance.random() < 0.5:
        return chance.choice(scalars + _TEXTS)
    size = chance.choice((0, 1, 2, 3))
    inner = [strange_value(chance, depth + 1) for _ in range(size)]
    if chance.random() < 0.5:
        return inner
    return dict(zip(chance.choices(_TEXTS, k=size), inner, strict=True))


def _payload(chance: random.Random, form: Format) -> Bytes:
    return Bytes(dump(strange_value(chance), form))


def _versions(chance: random.Random, form: Format) -> object:
    return PROTOCOL_VERSION


def _actors(chance: random.Random, form: Format) -> object:
    entries = (ActorEntry("a", "ern:a"), ActorEntry("b/c", "ern:b", ("T", "")))
    return entries[: chance.randint(0, 2)]


def _schemas(chance: random.Random, form: Format) -> object:
    return {name: {"type": "null", "x": [1]} for name in _names(chance, form)}


_NO_TEXT: Final[_Values] = (5, None, [], {}, True, 1.5)
_NO_FLAG: Final[_Values] = (1, 0, "true", None, [])
_NO_NUMBER: Final[_Values] = (5.5, "5", None, -1, [], 1e300)
_NO_NAMES: Final[_Values] = ({}, "x", [1], [None], 5, ["a", ["b"]])
_NO_TEXTS: Final[_Values] = ([], "x", {"a": 1}, {"a": None}, None)

# --- the types of frames


@final
@attrs.frozen
class Part:
    """A field that the frames of a type have, or may have."""

    name: str
    value: _Value
    misfits: tuple[object, ...] = ()
    is_required: bool = True

    def draw(self, chance: random.Random, form: Format) -> Field:
        """Return the field, with some value."""
        value = self.value(chance, form)
        data = _written(value, form)
        return Field(self.name, value, data, self.misfits, self.is_required)


@final
@attrs.frozen(eq=False)
class Kind:
    """A type of frame."""

    code: int
    struct: Any
    asks: bool | None
    """Whether a client sends it; ``None`` if both sides do."""

    share: int
    parts: tuple[Part, ...] = ()

    @property
    def required(self) -> list[Part]:
        """What no such frame may lack."""
        return [each for each in self.parts if each.is_required]

    def fields(self, chance: random.Random, form: Format) -> list[Field]:
        """Return the fields of a frame that is as it should be."""
        often = chance.choice((0.1, 0.5, 0.9))
        fields = [
            each.draw(chance, form)
            for each in self.parts
            if each.is_required or chance.random() < often
        ]
        return _with_message(chance, form, fields) if self.code == 1 else fields


_CID: Final = Part("correlation_id", _id, _NO_TEXT)

_WAYS_TO_BREAK: Final = (
    "reject",
    "reject in private",
    "reject unwritably",
    "silence",
    "nonsense",
    "unspeakable",
    "no text",
    "",
)

_MESSAGES: Final[tuple[tuple[str, Callable[[random.Random], object]], ...]] = (
    ("GetValue", lambda _: None),
    ("GetValue", lambda _: {}),
    ("SetValue", lambda chance: {"value": chance.randint(-(2**63), 2**63 - 1)}),
    ("Flush", lambda _: None),
    ("Echo", lambda chance: {"text": chance.choice(_TEXTS)}),
    ("GetHeaders", lambda _: {}),
    ("Nap", lambda chance: {"seconds": chance.choice((0, 0.25, 2))}),
    ("Grind", lambda chance: {"seconds": chance.choice((0, 0.25))}),
    ("GetPrivate", lambda _: {}),
    ("Spoil", lambda _: {}),
    ("Break", lambda chance: {"how": chance.choice(_WAYS_TO_BREAK)}),
    ("SetValue", lambda chance: {"value": chance.choice(["7", None, 1.5, 2**64 - 1])}),
    ("SetValue", strange_value),
    ("Count", lambda chance: {"upto": chance.choice((0, 1, 9))}),
    ("Count", lambda chance: {"upto": 3, "pause": chance.choice((0.25, 2))}),
    ("Nothing", strange_value),
)


def _with_message(
    chance: random.Random, form: Format, fields: list[Field]
) -> list[Field]:
    """Have most requests make sense to the service of the tests."""
    if chance.random() < 0.1:
        return fields
    name, make = chance.choice(_MESSAGES)
    payload = Bytes(dump(make(chance), form))
    said: dict[str, object] = {"message_type": name, "payload": payload}
    if chance.random() < 0.95:
        said["target"] = "counter" if name == "Count" else "service"
    return [
        each.saying(said[each.name], form) if each.name in said else each
        for each in fields
    ]


KINDS: Final = (
    Kind(
        0x01,
        Request,
        asks=True,
        share=30,
        parts=(
            _CID,
            Part("target", _text, _NO_TEXT),
            Part("message_type", _text, _NO_TEXT),
            Part("payload", _payload, is_required=False),
            Part("expects_reply", _flag, _NO_FLAG, is_required=False),
            Part("expects_stream", _flag, _NO_FLAG, is_required=False),
            Part("response_timeout_ms", _timeout, _NO_NUMBER, is_required=False),
            Part("headers", _texts, _NO_TEXTS, is_required=False),
        ),
    ),
    *[
        Kind(
            code,
            Response,
            asks=False,
            share=12,
            parts=(
                _CID,
                Part("success", _flag, _NO_FLAG),
                Part("error", _text, _NO_TEXT, is_required=False),
                Part("error_code", _text, _NO_TEXT, is_required=False),
                Part("payload", _payload, is_required=False),
                Part("message_type", _text, _NO_TEXT, is_required=False),
                Part("subscribed_types", _names, _NO_NAMES, is_required=False),
                Part("protocol_version", _versions, _NO_NAMES, is_required=False),
                Part("actors", _actors, _NO_NAMES, is_required=False),
                Part("message_types", _names, _NO_NAMES, is_required=False),
                Part("schemas", _schemas, ([], "x", None), is_required=False),
            ),
        )
        for code in (0x02, 0x03)
    ],
    Kind(0x04, Heartbeat, asks=None, share=4),
    Kind(
        0x05,
        Push,
        asks=False,
        share=8,
        parts=(
            Part("notification_id", _text, _NO_TEXT),
            Part("message_type", _text, _NO_TEXT),
            Part("source_actor", _text, _NO_TEXT, is_required=False),
            Part("payload", _payload),
            Part("timestamp_ms", _natural, _NO_NUMBER),
            Part("dropped", _natural, _NO_NUMBER, is_required=False),
        ),
    ),
    *[
        Kind(
            code,
            struct,
            asks=True,
            share=6,
            parts=(_CID, Part("message_types", _names, _NO_NAMES)),
        )
        for code, struct in ((0x06, Subscribe), (0x07, Unsubscribe))
    ],
    Kind(
        0x08,
        Discover,
        asks=True,
        share=4,
        parts=(
            _CID,
            Part("include_actors", _flag, _NO_FLAG, is_required=False),
            Part("include_message_types", _flag, _NO_FLAG, is_required=False),
            Part("include_schemas", _flag, _NO_FLAG, is_required=False),
        ),
    ),
    Kind(
        0x09,
        StreamItem,
        asks=False,
        share=10,
        parts=(
            _CID,
            Part("sequence", _sequence, _NO_NUMBER),
            Part("is_final", _flag, _NO_FLAG, is_required=False),
            Part("error", _text, _NO_TEXT, is_required=False),
            Part("error_code", _text, _NO_TEXT, is_required=False),
            Part("payload", _payload, is_required=False),
            Part("message_type", _text, _NO_TEXT, is_required=False),
        ),
    ),
    Kind(0x0A, Cancel, asks=True, share=8, parts=(_CID,)),
)
