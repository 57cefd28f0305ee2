"""Requests whose message is built in the same pass as all that is around it.

A request says in one field what type the other one is of.  To read it in two
steps, the message last, takes a look at each of its bytes twice.  So for each
type that is asked for there is a class of requests of its own, and one decoder
for all of them picks the class by that field: as fast with hundreds as with one.

Only what is right is read here.  Whatever is refused, for whatever reason, is
read again in two steps, and what those find is what the peer is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, Union, cast, final

import attrs
import msgspec
from msgspec import UNSET, Raw, UnsetType

from .._base.formats import Format
from .._messages.codec import codec_of
from .._messages.registry import MessageRegistry
from .._messages.shapes import fields_of
from .._wire.envelopes import Request

__all__ = ["RequestReader", "TypedRequest", "message_of"]

_Decode: TypeAlias = Callable[[bytes], Request]

_TAG: Final = "message_type"

# The type is what the class stands for, and no field to be read.  So that has a
# key which no peer uses; what does come under it is refused, whatever it is.
_ELSEWHERE: Final = {_TAG: "(message_type)"}


class TypedRequest(Request, frozen=True, gc=False):
    """A request whose message is built."""

    payload: Any = UNSET
    """The message; ``None`` or ``UNSET`` if none was written."""


def message_of(request: Request) -> object | None:
    """Return the message of *request*, if it was built together with that."""
    payload: Any = request.payload
    return None if payload is UNSET or type(payload) is Raw else payload


class _Nothing(msgspec.Struct, tag_field=_TAG, tag=""):
    """Read as nothing at all; as there is a choice, a request must say its type."""

    never: UnsetType


@final
@attrs.define(eq=False)
class RequestReader:
    """Reads the requests for what is registered; lives as long as a listener.

    It learns a type when the first request of it has been read without help.
    """

    _registry: MessageRegistry
    _classes: dict[str, type[Request]] = attrs.field(
        factory=dict[str, type[Request]], init=False
    )
    _read: dict[Format, _Decode] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._read = _decoders(_Nothing)

    def read(self, body: bytes, body_format: Format) -> Request | None:
        """Return the request that *body* is, or ``None`` if it has to be read in two steps.

        That is not to say that anything is wrong with it.
        """
        try:
            return self._read[body_format](body)
        except Exception:  # noqa: BLE001 - a validator raises whatever it likes
            return None

    def learn(self, name: str) -> None:
        """Read requests of the type *name*, which is registered, in one pass from now on."""
        if name in self._classes:
            return
        cls = self._registry.find(name)
        assert cls is not None
        self._classes[name] = _requests_of(name, cls)
        self._read = _decoders(_Nothing, *self._classes.values())


def _decoders(*classes: type) -> dict[Format, _Decode]:
    """Return what reads any of these, in each format."""
    union = cast("type[Request]", Union[classes])  # noqa: UP007 - of any number
    return {
        Format.JSON: msgspec.json.Decoder(union).decode,
        Format.MESSAGEPACK: msgspec.msgpack.Decoder(union).decode,
    }


def _requests_of(name: str, cls: type) -> type[Request]:
    """Return what requests of the type *name* are read as."""
    fields: list[Any] = [(_TAG, UnsetType, name)]
    base: type[Request] = Request
    if codec_of(cls).native:
        base = TypedRequest
        # Acton writes a message without fields as null.
        message = cast("Any", cls if fields_of(cls) else cls | None)
        fields.append(("payload", message | UnsetType, UNSET))
    made = msgspec.defstruct(
        base.__name__,
        fields,
        bases=(base,),
        frozen=True,
        gc=False,
        tag_field=_TAG,
        tag=name,
        rename=_ELSEWHERE,
    )
    return cast("type[Request]", made)
