"""What becomes of frames on the way: headers that are wrong, bytes that are lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from .bodies import KINDS

__all__ = ["faulty", "framed", "hurt_in_the_body", "wound"]


def header(size: int, version: int, kind: int, form: int) -> bytes:
    """Return a header; version 1 has no byte for the format."""
    head = (size & 0xFFFFFFFF).to_bytes(4, "big") + bytes([version, kind])
    return head if version == 1 else head + bytes([form])


def framed(payload: bytes, version: int, kind: int, form: int) -> bytes:
    """Return *payload* behind its header."""
    return header(len(payload), version, kind, form) + payload


def faulty(chance: random.Random) -> bytes:
    """Return what no stream goes on after, or what never becomes a frame."""
    kind = chance.choice(list(KINDS)).code
    body = chance.randbytes(chance.randint(0, 40))
    size = len(body)
    odd: list[Callable[[], bytes]] = [
        lambda: header(size, chance.choice([0, 3, 4, 127, 255]), kind, 1) + body,
        lambda: header(size, 2, chance.choice([0, 11, 12, 128, 255]), 1) + body,
        lambda: header(size, 1, chance.choice([0, 5, 6, 9, 10, 255]), 1) + body,
        lambda: header(size, 2, kind, chance.choice([0, 3, 4, 255])) + body,
        lambda: header(chance.choice(_SIZES), 2, kind, chance.choice([1, 2])) + body,
        lambda: header(chance.choice(_SIZES), 1, 1, 1) + body,
        lambda: header(size + 1 + chance.randint(0, 99), 2, kind, 1) + body,
        lambda: header(size, 2, kind, 1)[: chance.randint(1, 6)],
        lambda: chance.randbytes(chance.randint(1, 60)),
        lambda: b"GET / HTTP/1.1\r\n\r\n",
    ]
    return chance.choice(odd)()


_SIZES: Final = (2**32 - 1, 2**31, 2**24 + 1, 2**24, 2**20 + 1, 2**20)


def _flip(chance: random.Random, data: bytearray, at: int) -> None:
    data[at] ^= 1 << chance.randrange(8)


def _overwrite(chance: random.Random, data: bytearray, at: int) -> None:
    data[at] = chance.choice(b'\0\x01\x7f\x80\xff"{}[],:\\')


def _cut_out(chance: random.Random, data: bytearray, at: int) -> None:
    del data[at : at + chance.randint(1, 20)]


def _insert(chance: random.Random, data: bytearray, at: int) -> None:
    data[at:at] = chance.randbytes(chance.randint(1, 8))


def _repeat(chance: random.Random, data: bytearray, at: int) -> None:
    data[at:at] = data[at : at + chance.randint(1, 40)]


def _splice(chance: random.Random, data: bytearray, at: int) -> None:
    start = chance.randrange(len(data))
    data[at:at] = data[start : start + chance.randint(1, 40)]


_WOUNDS: Final = (_flip, _flip, _overwrite, _cut_out, _insert, _repeat, _splice)


def wound(chance: random.Random, data: bytes) -> bytes:
    """Return *data* with some bytes changed, gone, or come in between."""
    hurt = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if hurt:
            chance.choice(_WOUNDS)(chance, hurt, chance.randrange(len(hurt)))
    return bytes(hurt)


def hurt_in_the_body(chance: random.Random, frame: bytes) -> bytes:
    """Return *frame* with another body, perhaps, and a header that fits."""
    begin = 6 if frame[4] == 1 else 7
    if chance.random() < 0.5 or len(frame) > 5000:
        return frame
    payload = wound(chance, frame[begin:])
    return len(payload).to_bytes(4, "big") + frame[4:begin] + payload
