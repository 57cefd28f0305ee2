"""Spans of handled messages, and how they find their parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.instruments import (
    Instrument,
    MessageBegan,
    MessageSent,
    OpenTelemetryInstrument,
)
from acton_trio.testing import open_ipc_pair, wait_idle

pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode


@acton.message(ipc=True)
class Price(acton.Request[int]):
    """Asks for a price."""

    item: str = "tea"


@acton.message(ipc=True)
class Note:
    """Is written down."""

    text: str = ""


@acton.message
class Nap(acton.Request[None]):
    """Takes a while."""


class NotForSaleError(acton.Rejection):
    """There is no such item."""


@acton.actor
class Book:
    """Is written in."""

    @acton.mutate_on
    def note(self, note: Note) -> None:
        """Write."""
        if note.text == "spill ink":
            raise ValueError(note.text)


@acton.actor
class Shop:
    """Sells, and has it written down."""

    book: acton.ActorHandle

    @acton.act_on
    async def price(self, request: Price) -> int:
        """Tell."""
        if request.item != "tea":
            raise NotForSaleError
        await self.book.send(Note(request.item))
        return 3

    @acton.act_on
    async def nap(self, _request: Nap) -> None:
        """Sleep."""
        await trio.sleep(10)


@acton.actor
class Gateway:
    """Reaches a shop and its book in another process."""

    client: acton.ipc.Client

    @acton.act_on
    async def price(self, request: Price) -> int:
        """Ask the shop."""
        await self.client.actor("book").send(Note())
        return await self.client.actor("shop").ask(request)


class Spans:
    """What was traced."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def __getitem__(self, name: str) -> ReadableSpan:
        (span,) = [
            each for each in self.exporter.get_finished_spans() if each.name == name
        ]
        return span

    def names(self) -> list[str]:
        """Return the names of the spans in the order of their ends."""
        return [each.name for each in self.exporter.get_finished_spans()]

    def parent(self, name: str) -> str | None:
        """Return the name of the span that the one called *name* is in."""
        parent = self[name].parent
        if parent is None:
            return None
        (found,) = [
            each.name
            for each in self.exporter.get_finished_spans()
            if each.context is not None and each.context.span_id == parent.span_id
        ]
        return found


@pytest.fixture
def spans() -> Iterator[Spans]:
    """What was traced in a test."""
    spans = Spans()
    yield spans
    spans.provider.shutdown()


async def test_span_of_a_message_is_in_that_of_its_sender(spans: Spans) -> None:
    """One request through three places is one trace."""
    tracer = spans.provider.get_tracer("test")
    instrument = OpenTelemetryInstrument(spans.provider)
    async with acton.open_runtime(instruments=[instrument]) as runtime:
        book = await runtime.start(Book, name="book")
        shop = await runtime.start(Shop, book, name="shop")
        with tracer.start_as_current_span("customer"):
            assert await shop.ask(Price()) == 3

    assert spans.parent("book Note") == "shop Price"
    assert spans.parent("shop Price") == "customer"
    assert spans.parent("customer") is None


async def test_message_without_a_sender_begins_a_trace(spans: Spans) -> None:
    """The span in which an actor was started is nobody's parent."""
    tracer = spans.provider.get_tracer("test")
    instrument = OpenTelemetryInstrument(spans.provider)
    with tracer.start_as_current_span("start"):
        async with acton.open_runtime(instruments=[instrument]) as runtime:
            book = await runtime.start(Book, name="book")
            with trace.use_span(trace.INVALID_SPAN):
                await book.send(Note())

    assert spans.parent("book Note") is None


async def test_span_is_over_with_its_message(spans: Spans) -> None:
    """What an actor does next is no part of what it did before."""
    tracer = spans.provider.get_tracer("test")
    instrument = OpenTelemetryInstrument(spans.provider)
    async with acton.open_runtime(instruments=[instrument]) as runtime:
        book = await runtime.start(Book, name="book")
        with tracer.start_as_current_span("one"):
            await book.send(Note())
        await book.send(Note())

    first, second = (
        each for each in spans.exporter.get_finished_spans() if each.name != "one"
    )
    assert first.parent is not None
    assert second.parent is None


async def test_span_tells_what_was_handled(spans: Spans) -> None:
    """Kind, names and the time in the queue are there."""
    instrument = OpenTelemetryInstrument(spans.provider)
    async with acton.open_runtime(instruments=[instrument]) as runtime:
        book = await runtime.start(Book, name="book")
        shop = await runtime.start(Shop, book, name="shop")
        await shop.ask(Price())

    asked, sent = spans["shop Price"], spans["book Note"]
    assert (asked.kind, sent.kind) == (SpanKind.SERVER, SpanKind.CONSUMER)
    assert asked.attributes is not None
    assert asked.attributes["acton.handler"] == "Shop.price"
    assert asked.attributes["acton.ending"] == "returned"
    assert sent.attributes is not None
    assert sent.attributes["acton.sender"] == "shop"
    assert "acton.seconds_queued" in sent.attributes


async def test_span_tells_how_a_handler_failed(
    spans: Spans, autojump_clock: MockClock
) -> None:
    """A failure is an error with its exception; a rejection is an answer."""
    instrument = OpenTelemetryInstrument(spans.provider)
    async with acton.open_runtime(instruments=[instrument]) as runtime:
        book = await runtime.start(Book, name="book")
        shop = await runtime.start(Shop, book, name="shop")
        await book.send(Note("spill ink"))
        with pytest.raises(NotForSaleError):
            await shop.ask(Price("coffee"))
        await book.wait_generation(1)

    failed, rejected = spans["book Note"], spans["shop Price"]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "ValueError: spill ink"
    assert [each.name for each in failed.events] == ["exception"]
    assert rejected.status.status_code is StatusCode.UNSET


async def test_span_of_a_cancelled_handler_ends(
    spans: Spans, autojump_clock: MockClock
) -> None:
    """Whoever gives up leaves no span open."""
    instrument = OpenTelemetryInstrument(spans.provider)
    async with acton.open_runtime(instruments=[instrument]) as runtime:
        shop = await runtime.start(Shop, await runtime.start(Book), name="shop")
        with trio.move_on_after(1):
            await shop.ask(Nap())
        await wait_all_tasks_blocked()

    attributes = spans["shop Nap"].attributes
    assert attributes is not None
    assert attributes["acton.ending"] == "cancelled"


async def test_trace_goes_on_with_what_is_broadcast(spans: Spans) -> None:
    """Each subscriber's span is in that of the broadcaster."""
    tracer = spans.provider.get_tracer("test")
    instrument = OpenTelemetryInstrument(spans.provider)
    async with acton.open_runtime(instruments=[instrument]) as runtime:
        for name in ("first", "second"):
            book = await runtime.start(Book, name=name)
            book.subscribe(Note)
        with tracer.start_as_current_span("news"):
            await runtime.broker.broadcast(Note())

    assert spans.parent("first Note") == spans.parent("second Note") == "news"


async def test_trace_goes_on_in_another_process(spans: Spans) -> None:
    """What a client sends, to be asked or not, carries the span it is sent in."""
    tracer = spans.provider.get_tracer("test")
    instrument = OpenTelemetryInstrument(spans.provider)
    async with acton.open_runtime(instruments=[instrument]) as runtime:
        book = await runtime.start(Book, name="book", expose=True)
        await runtime.start(Shop, book, name="shop", expose=True)
        async with open_ipc_pair(runtime) as pair:
            gateway = await runtime.start(Gateway, pair.client, name="gateway")
            with tracer.start_as_current_span("customer"):
                assert await gateway.ask(Price()) == 3
            await wait_idle(runtime)

    assert spans.parent("gateway Price") == "customer"
    assert spans.parent("shop Price") == "gateway Price"
    # From the shop, and over the connection from the gateway.
    notes = [
        each for each in spans.exporter.get_finished_spans() if "Note" in each.name
    ]
    trace_ids = {each.context.trace_id for each in notes if each.context is not None}
    assert len(notes) == 2
    assert len(trace_ids) == 1


async def test_instrument_of_a_client_adds_headers() -> None:
    """Plain code has no runtime: the client itself is given who looks in."""
    seen: list[tuple[str, dict[str, str]]] = []

    class Stamp(Instrument):
        def message_sent(self, event: MessageSent) -> Mapping[str, str]:
            return {"stamp": event.target}

    class Watcher(Instrument):
        def message_began(self, event: MessageBegan) -> None:
            seen.append((event.message_type, dict(event.headers)))
            assert event.is_remote

    async with acton.open_runtime(instruments=[Watcher()]) as runtime:
        await runtime.start(Book, name="book", expose=True)
        async with open_ipc_pair(runtime, instruments=[Stamp()]) as pair:
            await pair.client.actor("book").send(Note())
            await pair.client.request("book", "Note", {"text": "x"})

    assert seen == [("Note", {"stamp": "book"})] * 2


async def test_without_a_client_instrument_nothing_is_added() -> None:
    """A peer of a plain client sees no headers at all."""
    seen: list[Mapping[str, str]] = []

    class Watcher(Instrument):
        def message_began(self, event: MessageBegan) -> None:
            seen.append(event.headers)

    async with acton.open_runtime(instruments=[Watcher()]) as runtime:
        await runtime.start(Book, name="book", expose=True)
        async with open_ipc_pair(runtime) as pair:
            await pair.client.actor("book").send(Note())

    assert seen == [{}]
