"""What it costs to read a request: from the body of a frame to the message."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import cattrs.preconf.msgspec
import msgspec
from harness import Contender, Plan, Question
from samples import chunks

import acton_trio as acton
from acton_trio._base.formats import Format
from acton_trio._ipc.reading import RequestReader, message_of
from acton_trio._messages.registry import MessageRegistry
from acton_trio._wire.bodies import decode_body
from acton_trio._wire.envelopes import Request
from acton_trio._wire.frames import Frame, FrameType
from acton_trio._wire.versions import CURRENT_VERSION


@acton.message(ipc=True)
class Small:
    """A message as small as most are: 27 bytes in JSON."""

    number: int
    text: str


@acton.message(ipc=True)
class Item:
    """A part of a larger one."""

    sku: str
    quantity: int
    price: float


@acton.message(ipc=True)
class Order:
    """A message of twenty fields, 1 kB in JSON."""

    number: int
    customer: str
    street: str
    city: str
    country: str
    phone: str
    mail: str
    currency: str
    total: float
    tax: float
    discount: float
    weight: float
    is_paid: bool
    is_gift: bool
    note: str
    voucher: str | None
    tags: tuple[str, ...]
    items: tuple[Item, ...]
    visits: tuple[int, ...]
    ratings: dict[str, int]


SMALL: Final = Small(1, "twelve chars")
ORDER: Final = Order(
    number=20261125,
    customer="Wilhelmina Featherstonehaugh",
    street="17 Upper Lower Street",
    city="Llanfairpwllgwyngyll",
    country="Wales",
    phone="+44 1248 555 0123",
    mail="wilhelmina@example.org",
    currency="GBP",
    total=1234.56,
    tax=205.76,
    discount=0.15,
    weight=12.75,
    is_paid=True,
    is_gift=False,
    note="Leave it with the neighbours if nobody is at home, please.",
    voucher=None,
    tags=("fragile", "express", "returning", "large"),
    items=tuple(
        Item(f"SKU-{10_000 + each}", each, 9.75 * each) for each in range(1, 9)
    ),
    visits=tuple(range(1_700_000_000, 1_700_000_008)),
    ratings={"speed": 5, "price": 3, "packing": 4, "support": 5},
)

MESSAGES: Final[dict[str, object]] = {"27 B": SMALL, "1 kB": ORDER}


def frame_of(message: object) -> Frame:
    """Return the frame that asks with *message*."""
    request = Request(
        "1",
        target="orders",
        message_type=type(message).__name__,
        payload=msgspec.Raw(msgspec.json.encode(message)),
        expects_reply=True,
    )
    body = msgspec.json.encode(request)
    return Frame(CURRENT_VERSION, FrameType.REQUEST, Format.JSON, body)


def as_server(message: object) -> Callable[[bytes], object]:
    """Return what a server does with the body of a request."""
    registry = MessageRegistry()
    registry.register(type(message))
    reader, frame = RequestReader(registry), frame_of(message)
    # As it does when the first one of a type has come.
    reader.learn(type(message).__name__)

    def decode(_payload: bytes) -> object:
        # What it is was seen by those who have put it in the frame.
        request: Any = decode_body(frame, reader.read)
        return message_of(request)

    return decode


def as_body(message: object) -> Callable[[bytes], object]:
    """Return what msgspec does with the whole body, if that is all there is to know."""
    fields: list[Any] = [
        ("correlation_id", str),
        ("target", str),
        ("message_type", str),
        ("payload", type(message)),
        ("expects_reply", bool),
    ]
    decode = msgspec.json.Decoder(msgspec.defstruct("Body", fields)).decode
    body = frame_of(message).payload
    return lambda _payload: decode(body)


def as_cattrs(message: object) -> Callable[[bytes], object]:
    """Return what cattrs does with the payload, at its most thorough."""
    converter = cattrs.preconf.msgspec.make_converter()
    return converter.get_loads_hook(type(message))


def as_msgspec(message: object) -> Callable[[bytes], object]:
    """Return the decoder of the class, kept: the floor."""
    return msgspec.json.Decoder(type(message)).decode


def decodes(
    decode: Callable[[bytes], object], message: object, count: int
) -> list[float]:
    """Decode the same bytes again and again."""
    return chunks(partial(decode, msgspec.json.encode(message)), count)


def contenders(plan: Plan) -> list[Contender]:
    """Return each way of reading, for a small message and a large one."""
    found: list[Contender] = []
    ways: dict[str, Callable[[object], Any]] = {
        "msgspec": as_msgspec,
        "msgspec, whole body": as_body,
        "acton_trio": as_server,
        "cattrs": as_cattrs,
        "json, untyped": lambda _message: json.loads,
    }
    for size, message in MESSAGES.items():
        for name, way in ways.items():
            run = partial(decodes, way(message), message, plan.count(10_000))
            found.append(Contender(f"{name}, {size}", run))
    return found


QUESTION = Question(
    "codec", "from a body to a message", "msgspec, 1 kB", contenders, rounds=15
)

if __name__ == "__main__":
    QUESTION.main()
