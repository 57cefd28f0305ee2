"""Requests that are read in one pass: never otherwise than in two steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import UNSET
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._base.errors import SerializationError
from acton_trio._base.formats import Format
from acton_trio._ipc.reading import RequestReader, TypedRequest
from acton_trio._messages.registry import MessageRegistry
from acton_trio._wire.bodies import decode_body
from acton_trio._wire.envelopes import Body, Request
from acton_trio._wire.frames import Frame, FrameDecoder, FrameType
from acton_trio._wire.malformed import Malformed

from ..fuzz.grammar import corpus_of
from ..fuzz.victims import Count
from .peers import (
    ERROR,
    RESPONSE,
    Break,
    Echo,
    GetHeaders,
    GetValue,
    Grind,
    Nap,
    SetValue,
    open_world,
)

JSON, MESSAGEPACK = Format.JSON, Format.MESSAGEPACK


@acton.message(ipc=True)
class Convert:
    """What msgspec alone does not do justice."""

    number: int = attrs.field(converter=int)


@acton.message(ipc=True)
class Even(acton.Request[int]):
    """Refuses what is odd, in a way of its own, and keeps count."""

    number: int

    def __attrs_post_init__(self) -> None:
        built.append(self.number)
        if self.number % 2:
            raise LookupError(self.number)


built: Final[list[int]] = []
"""What was to become an `Even`."""

TYPES: Final = (
    Break, Convert, Count, Echo, Even, GetHeaders, GetValue, Grind, Nap, SetValue,
)  # fmt: skip


def open_registry() -> MessageRegistry:
    """Return a registry of all these, one of them with a second name."""
    registry = MessageRegistry()
    for each in TYPES:
        registry.register(each)
    registry.register(SetValue, "Set")
    return registry


REGISTRY: Final = open_registry()
READER: Final = RequestReader(REGISTRY)
for each in REGISTRY.type_names():
    READER.learn(each)


@attrs.frozen
class Understood:
    """A request and its message, however they were read."""

    rest: tuple[object, ...]
    message: object


def understand(body: Body | Malformed, form: Format) -> object:
    """Return what *body* comes to, or what is wrong with it."""
    if not isinstance(body, Request):
        return body
    rest = tuple(
        getattr(body, each) for each in Request.__struct_fields__ if each != "payload"
    )
    if isinstance(body, TypedRequest) and body.payload not in (None, UNSET):
        return Understood(rest, body.payload)
    if not REGISTRY.is_registered(body.message_type):
        return Understood(rest, None)
    null = b"null" if form is JSON else b"\xc0"
    try:
        message = REGISTRY.decode(body.message_type, body.payload or null, form)
    except SerializationError as error:
        message = str(error)
    return Understood(rest, message)


def read_both_ways(payload: bytes, form: Format, version: int = 2) -> bool:
    """Check that one pass finds what two steps do; return whether it was enough."""
    frame = Frame(version, FrameType.REQUEST, form, payload)
    body = decode_body(frame, READER.read)

    assert understand(body, form) == understand(decode_body(frame), form)
    return isinstance(body, TypedRequest)


def requests_of(stream: bytes) -> Iterator[Frame]:
    """Yield the requests in *stream*."""
    decoder = FrameDecoder(2**24)
    decoder.receive_data(stream)
    frames = iter(decoder.next_frame, None)
    return (each for each in frames if each.type is FrameType.REQUEST)


@pytest.mark.parametrize("seed", range(4))
def test_requests_of_any_kind_are_read_as_in_two_steps(seed: int) -> None:
    """Good, bad, huge, deep, wounded: what comes of them is the same."""
    frames = list(requests_of(b"".join(corpus_of(seed).questions)))
    typed = [read_both_ways(each.payload, each.format, each.version) for each in frames]

    assert len(frames) > 300
    assert sum(typed) > 100


values: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, 1, -1, 2**63, 2**64 - 1, 1.5, "", "a", "x" * 300, [], {}, ["a"]]
) | st.dictionaries(st.sampled_from("ab"), st.text(max_size=3), max_size=2)
messages = st.sampled_from([*REGISTRY.type_names(), "Nobody"])
payloads = (
    st.builds(lambda each: {"value": each}, values)
    | st.builds(lambda each: {"number": each}, values)
    | st.fixed_dictionaries({"text": values}, optional={"times": values, "x": values})
    | values
)
fields = (
    st.tuples(st.just("message_type"), messages | values)
    | st.tuples(st.just("payload"), payloads)
    | st.tuples(
        st.sampled_from(
            [
                "correlation_id", "target", "expects_reply", "expects_stream",
                "response_timeout_ms", "headers", "(message_type)", "never", "x",
            ]
        ),
        values,
    )
)  # fmt: skip


def _sound(name: str, payload: Any) -> list[tuple[str, Any]]:
    return [
        ("correlation_id", "r"),
        ("target", "a"),
        ("message_type", name),
        ("payload", payload),
    ]


def packed(pairs: list[tuple[str, Any]]) -> bytes:
    """Return a map that has these pairs, in MessagePack."""
    parts = [msgspec.msgpack.encode(part) for pair in pairs for part in pair]
    return bytes([0x80 | len(pairs)]) + b"".join(parts)


def written(pairs: list[tuple[str, Any]]) -> bytes:
    """Return an object that has these pairs, in JSON."""
    parts = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs]
    return ("{" + ",".join(parts) + "}").encode()


@given(
    st.builds(_sound, messages, payloads),
    st.lists(fields, max_size=4),
    st.randoms(use_true_random=False),
)
def test_fields_in_any_order_and_twice_are_read_as_in_two_steps(
    sound: list[tuple[str, Any]], more: list[tuple[str, Any]], chance: Any
) -> None:
    """Whatever else is said, and whatever is said again."""
    pairs = sound + more
    chance.shuffle(pairs)
    read_both_ways(written(pairs), JSON)
    read_both_ways(packed(pairs), MESSAGEPACK)


@pytest.mark.parametrize(
    ("words", "is_enough"),
    [
        ('"message_type":"SetValue","payload":{"value":1}', True),
        ('"message_type":"Set","payload":{"value":1}', True),
        ('"message_type":"\\u0053et","payload":{"value":1}', True),
        ('"payload":{"value":1},"message_type":"Set"', True),
        ('"message_type":"Set","payload":{"value":1},"message_type":"Set"', True),
        ('"message_type":"GetValue","payload":null', True),
        ('"message_type":"GetValue"', True),
        ('"message_type":"Set","payload":{"value":1},"message_type":"Even"', False),
        ('"message_type":"Set","payload":{"value":""},"payload":{"value":1}', False),
        ('"message_type":"Set","payload":{"value":1},"(message_type)":"Set"', False),
        ('"message_type":"Set","payload":{"value":1},"(message_type)":null', False),
        ('"payload":{"value":1}', False),
        ('"message_type":"","payload":{"value":1}', False),
        ('"message_type":"","never":null', False),
        ('"message_type":"Convert","payload":{"number":"1"}', False),
        ('"message_type":"Even","payload":{"number":1}', False),
        ('"message_type":"GetValue","response_timeout_ms":18446744073709551615', True),
        ('"message_type":"GetValue","response_timeout_ms":18446744073709551616', False),
        ('"message_type":"GetValue","response_timeout_ms":-1', False),
    ],
)
def test_what_one_pass_cannot_read_is_left_to_two(words: str, is_enough: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """In any case the same comes of it."""
    body = '{"correlation_id":"r","target":"a",' + words + "}"

    assert read_both_ways(body.encode(), JSON) is is_enough


def test_type_is_learned_when_it_is_needed() -> None:
    """One that nobody asks for costs nothing, however many there are."""
    reader = RequestReader(REGISTRY)
    body = b'{"correlation_id":"r","target":"a","message_type":"GetValue"}'

    assert reader.read(body, JSON) is None
    reader.learn("SetValue")
    assert reader.read(body, JSON) is None
    reader.learn("GetValue")
    assert isinstance(reader.read(body, JSON), TypedRequest)


@acton.actor
class Halver:
    """Halves even numbers, sooner or later."""

    @acton.act_on
    def halve(self, request: Even) -> int:
        """Answer."""
        return request.number // 2


async def test_nothing_is_built_of_what_is_not_looked_at(
    autojump_clock: MockClock,
) -> None:
    """Not even when its type is known already."""
    limit = acton.ipc.IpcRateLimit(requests_per_second=1, burst_size=3)
    async with open_world(acton.ipc.IpcConfig(rate_limit=limit)) as w:
        await w.runtime.start(Halver, name="halver", expose=True)
        peer = w.peer()
        built.clear()
        for number in range(9):
            await peer.request(f"{number}", "Even", {"number": 2}, target="halver")
        kinds = [(await peer.read_frame()).kind for _ in range(9)]

        assert sorted(kinds) == [RESPONSE] * 3 + [ERROR] * 6
        assert built == [2] * 3


async def test_nothing_is_built_of_what_waits_for_room(
    autojump_clock: MockClock,
) -> None:
    """What is kept for later takes no more room than its bytes do."""
    limits = acton.ipc.IpcLimits(max_in_flight=1)
    async with open_world(acton.ipc.IpcConfig(limits=limits)) as w:
        await w.runtime.start(Halver, name="halver", expose=True)
        peer = w.peer()
        await peer.ask("Even", {"number": 2}, target="halver")
        built.clear()
        await peer.request("nap", "Nap", {"seconds": 5})
        for number in range(3):
            await peer.request(f"{number}", "Even", {"number": 2}, target="halver")
        await wait_all_tasks_blocked()
        meanwhile = len(built)
        kinds = [(await peer.read_frame()).kind for _ in range(4)]

        assert meanwhile == 0
        assert kinds == [RESPONSE] * 4
        assert built == [2] * 3


async def test_errors_are_told_as_ever(autojump_clock: MockClock) -> None:
    """The second time the type is known, and the answer no other one."""
    async with open_world() as w:
        await w.runtime.start(Halver, name="halver", expose=True)
        peer = w.peer()
        ask: Callable[..., Any] = peer.ask
        await ask("Even", {"number": 4}, target="halver")
        odd = await ask("Even", {"number": 3}, target="halver")
        text = await ask("Even", {"number": "4"}, target="halver")

        assert odd["error"] == "Serialization error: LookupError: 3"
        assert text["error"] == (
            "Serialization error: Expected `int`, got `str` - at `$.number`"
        )
