"""`check_codec`: what every codec promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from .._base.errors import SerializationError
from .._base.formats import Format
from .._base.util import publish_names, shown
from .contracts import promised, refused, same

__all__ = ["AnyCodec", "check_codec"]

T = TypeVar("T")

# No value in either format: the one ends too soon, the other was never begun.
_NONSENSE: Final = {
    Format.JSON: [b"", b"{", b'{"a":}', b"\xff\xfe"],
    Format.MESSAGEPACK: [b"", b"\x92\x01", b"\xc1"],
}


class AnyCodec(Protocol[T]):
    """Writes and reads the values of one type, in every format."""

    def encode(self, value: T, format: Format) -> bytes:  # noqa: A002 - the word of the wire
        """Write *value* down in *format*."""
        ...

    def decode(self, data: Any, format: Format) -> T:  # noqa: A002 - as in encode
        """Build the value that *data*, in *format*, describes."""
        ...


def check_codec(codec: AnyCodec[T], samples: Sequence[T]) -> None:
    """Check what every codec promises, with values of its type.

    Args:
        codec: What is checked, in every format.
        samples: Values to be written and read; at least one.

    Raises:
        ContractError: If it breaks a promise; says which, and with what.
    """
    promised("there are samples to check a codec with", holds=bool(samples))
    for form in Format:
        for sample in samples:
            _check_way_and_back(codec, sample, form)
        for data in _NONSENSE[form]:
            what = f"bytes that are no {form.name} are refused, {data!r}"
            with refused(what, SerializationError):
                codec.decode(data, form)


def _check_way_and_back(codec: AnyCodec[T], sample: T, form: Format) -> None:
    where = f"in {form.name}, {shown(sample)}"
    data = codec.encode(sample, form)
    same(f"what is written is bytes {where}", type(data), bytes)
    same(f"a value is always written alike {where}", codec.encode(sample, form), data)
    for kind in (bytes, bytearray, memoryview):
        value = codec.decode(kind(data), form)
        what = f"what is read from {kind.__name__} is what was written {where}"
        same(what, value, sample)
        same(
            f"what is read is of the type that was written {where}",
            type(value),
            type(sample),
        )
    buffer = bytearray(data)
    value = codec.decode(buffer, form)
    buffer[:] = bytes(len(buffer))
    same(f"what is read keeps nothing of the buffer {where}", value, sample)


publish_names(globals(), ["AnyCodec"], "acton_trio.testing")
