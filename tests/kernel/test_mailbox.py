"""The mailbox: bounded, first come first served, and never leaking."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import attrs
import pytest
import trio
from hypothesis import given, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._kernel.actor import Behaviour
from acton_trio._kernel.envelope import Ask, Envelope, Result
from acton_trio._kernel.handlers import make_handler
from acton_trio._kernel.mailbox import Mailbox
from acton_trio.instruments import MessageBegan
from acton_trio.testing import open_test_runtime


@acton.message
class Note:
    """Is written down."""

    text: str


@acton.message
class Hold(acton.Request[None]):
    """Keeps the actor busy, alone."""

    seconds: float


@acton.message
class GetNotes(acton.Request[tuple[str, ...]]):
    """Asks for what was written down."""


@acton.actor
class Pad:
    """Writes down what it is sent."""

    notes: list[str] = attrs.field(factory=list[str])

    @acton.mutate_on
    def note(self, message: Note) -> None:
        """Write it down."""
        self.notes.append(message.text)

    @acton.mutate_on
    async def hold(self, request: Hold) -> None:
        """Take a while."""
        await trio.sleep(request.seconds)

    @acton.act_on
    def get_notes(self, _request: GetNotes) -> tuple[str, ...]:
        """Tell."""
        return tuple(self.notes)


async def start_busy(
    runtime: acton.Runtime, seconds: float = 10, capacity: int | None = None
) -> acton.ActorHandle:
    """Start a pad that handles nothing for some time."""
    handle = await runtime.start(Pad, name="pad", mailbox_capacity=capacity)
    await handle.send(Hold(seconds))
    await wait_all_tasks_blocked()
    return handle


def fill(handle: acton.ActorHandle) -> int:
    """Send until there is no more room; return how often that was possible."""
    sent = 0
    while True:
        try:
            handle.send_nowait(Note(str(sent)))
        except acton.MailboxFullError:
            return sent
        sent += 1


@pytest.mark.parametrize(
    ("config", "capacity", "expected"),
    [
        pytest.param(acton.Config(), None, 512, id="by default"),
        pytest.param(
            acton.Config(limits=acton.Limits(actor_inbox_capacity=7)),
            None,
            7,
            id="by the configuration",
        ),
        pytest.param(
            acton.Config(limits=acton.Limits(actor_inbox_capacity=7)),
            3,
            3,
            id="by its own capacity",
        ),
    ],
)
async def test_mailbox_is_bounded(
    autojump_clock: MockClock,
    config: acton.Config,
    capacity: int | None,
    expected: int,
) -> None:
    """A mailbox holds 512 messages unless the runtime or its actor says otherwise."""
    async with acton.open_runtime(config) as runtime:
        handle = await start_busy(runtime, capacity=capacity)

        assert fill(handle) == expected


async def test_full_mailbox_is_a_would_block(autojump_clock: MockClock) -> None:
    """`send_nowait` says which mailbox is full, as a `trio.WouldBlock`."""
    async with open_test_runtime() as runtime:
        handle = await start_busy(runtime, capacity=1)
        handle.send_nowait(Note("fits"))
        with pytest.raises(trio.WouldBlock) as caught:
            handle.send_nowait(Note("does not"))

        assert isinstance(caught.value, acton.MailboxFullError)
        assert (caught.value.actor, caught.value.capacity) == ("pad", 1)
        await handle.ask(Hold(0))
        assert await handle.ask(GetNotes()) == ("fits",)


async def test_senders_wait_first_come_first_served(
    autojump_clock: MockClock,
) -> None:
    """Whoever waits for room gets it in the order of arrival."""
    expected = [str(number) for number in range(20)]

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await start_busy(runtime, capacity=2)
        for text in expected:
            nursery.start_soon(handle.send, Note(text))
            await wait_all_tasks_blocked()
        await handle.ask(Hold(0))

        assert await handle.ask(GetNotes()) == tuple(expected)


async def test_nobody_overtakes_those_who_wait(autojump_clock: MockClock) -> None:
    """Room that comes free belongs to whoever waits, not to `send_nowait`."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await start_busy(runtime, seconds=1, capacity=1)
        handle.send_nowait(Hold(10))
        nursery.start_soon(handle.send, Note("waits"))
        await trio.sleep(5)

        with pytest.raises(acton.MailboxFullError):
            handle.send_nowait(Note("overtakes"))


async def test_cancelled_sender_leaves_the_line(autojump_clock: MockClock) -> None:
    """A message whose sender gave up waiting is not put in, the others are."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await start_busy(runtime, capacity=1)
        handle.send_nowait(Note("first"))

        async def send(text: str, patience: float) -> None:
            with trio.move_on_after(patience):
                await handle.send(Note(text))

        for text, patience in (("a", 99), ("gives up", 1), ("b", 99)):
            nursery.start_soon(send, text, patience)
            await wait_all_tasks_blocked()
        await handle.ask(Hold(0))

        assert await handle.ask(GetNotes()) == ("first", "a", "b")


async def test_withdrawn_message_frees_its_room_at_once(
    autojump_clock: MockClock,
) -> None:
    """The room of an ask that gave up goes to whoever waits, in that moment."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await start_busy(runtime, capacity=1)

        async def ask() -> None:
            with trio.move_on_after(1):
                await handle.ask(GetNotes())

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        await handle.send(Note("waited"))

        assert trio.current_time() == pytest.approx(1)


async def test_ask_in_line_can_be_withdrawn(autojump_clock: MockClock) -> None:
    """An ask that gives up while it waits for room was never put in."""
    async with open_test_runtime() as runtime:
        handle = await start_busy(runtime, capacity=1)
        handle.send_nowait(Note("first"))
        with trio.move_on_after(1):
            await handle.ask(Hold(1000))
        await handle.ask(GetNotes())

        assert trio.current_time() == pytest.approx(10)


async def test_closing_mailbox_rejects_the_new_and_drains_the_old(
    autojump_clock: MockClock,
) -> None:
    """What is queued at a stop is handled; what waits for room, or comes, is not."""
    pad = Pad()
    refused: list[acton.ActorStoppedError] = []
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        idle = runtime.new_actor(lambda: pad, name="pad", mailbox_capacity=2)
        handle = await idle.mutate_on(Note, Pad.note).mutate_on(Hold, Pad.hold).start()
        await handle.send(Hold(1))
        await wait_all_tasks_blocked()
        handle.send_nowait(Note("a"))
        handle.send_nowait(Note("b"))

        async def refuse(message: Note | Hold) -> None:
            call = handle.send if isinstance(message, Note) else handle.ask
            with pytest.raises(acton.ActorStoppedError) as caught:
                await call(message)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            refused.append(caught.value)

        nursery.start_soon(refuse, Note("c"))
        nursery.start_soon(refuse, Hold(1))
        await wait_all_tasks_blocked()
        await handle.stop()
        with pytest.raises(acton.ActorStoppedError):
            handle.send_nowait(Note("d"))
        await refuse(Note("e"))
        await refuse(Hold(1))

    assert pad.notes == ["a", "b"]
    assert [error.actor for error in refused] == ["pad"] * 4


# --- the machine itself


def settle_nowhere(_result: Result) -> None:
    """Stand for an asker."""


def ask_for(text: str) -> Envelope:
    """Return an ask that can be taken back."""
    return Envelope(Note(text), Ask("pad", "Note", settle_nowhere))


def test_gaps_of_withdrawn_messages_take_bounded_memory() -> None:
    """A mailbox that all messages but one leave does not grow with them."""
    mailbox = Mailbox("pad", capacity=10)
    mailbox.put_nowait(Envelope(Note("stays")))
    longest = 0
    for number in range(10_000):
        envelope = ask_for(str(number))
        mailbox.put_nowait(envelope)
        mailbox.give_up(envelope)
        longest = max(longest, len(mailbox.queue))

    assert len(mailbox) == 1
    assert longest < 100


def test_withdrawn_message_is_not_kept_alive_for_long() -> None:
    """Emptying a mailbox returns what is queued, without what was withdrawn."""
    mailbox = Mailbox("pad", capacity=10)
    kept, given_up = ask_for("kept"), ask_for("given up")
    for envelope in (given_up, kept):
        mailbox.put_nowait(envelope)
    mailbox.give_up(given_up)

    assert mailbox.describe([kept]) == ["queued behind 0 messages"]
    assert mailbox.empty() == [kept]
    assert mailbox.empty() == []
    assert mailbox.head() is None


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["put", "bare", "line up", "take", "give up", "look"]),
        st.integers(0, 9),
    )
)


@given(capacity=st.integers(1, 4), operations=OPERATIONS)
def test_mailbox_behaves_as_a_queue_with_a_line_before_it(
    capacity: int, operations: list[tuple[str, int]]
) -> None:
    """Whatever is put in, taken and withdrawn, order and room are a plain queue's."""
    mailbox = Mailbox("pad", capacity)
    mailbox.serve(
        Behaviour({Note: make_handler(Note, take_note, exclusive=True, where="")})
    )
    model: deque[Envelope | Note] = deque()
    names: Iterator[int] = iter(range(10**6))
    for operation, index in operations:
        envelope, note = ask_for(str(next(names))), Note(str(next(names)))
        if operation == "put":
            if len(model) >= capacity:
                with pytest.raises(acton.MailboxFullError):
                    mailbox.put_nowait(envelope)
            else:
                mailbox.put_nowait(envelope)
                model.append(envelope)
        elif operation == "bare" and mailbox.put_bare(note):
            assert len(model) < capacity
            model.append(note)
        elif operation == "line up":
            mailbox.line_up(envelope)
            model.append(envelope)
        elif operation == "take" and model:
            assert is_that(mailbox.head(), model[0])
            assert is_that(mailbox.take(), model.popleft())
        elif operation == "give up" and index < len(model):
            given_up = model[index]
            if isinstance(given_up, Envelope):
                mailbox.give_up(given_up)
                model.remove(given_up)
        elif operation == "look":
            queued = list(model)[:capacity]
            assert all(map(is_that, mailbox.queued(), queued))
            assert len(mailbox.queued()) == len(queued)

        assert len(mailbox) == min(len(model), capacity)

    left = mailbox.empty()
    assert len(left) == min(len(model), capacity)
    assert all(map(is_that, left, model))


def is_that(envelope: Envelope | None, thing: Envelope | Note) -> bool:
    """Return whether what was put in is what has come out."""
    return envelope is thing or (envelope is not None and envelope.message is thing)


def take_note(_model: object, _note: Note) -> None:
    """Do nothing."""


async def test_message_with_nothing_beside_it_is_queued_bare(
    autojump_clock: MockClock,
) -> None:
    """Plain code's messages need no envelope, unless somebody looks in."""
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Pad)
        handle.send_nowait(Note("first"))
        queue = handle._seat.mailbox.queue
        handle.send_nowait(Note("bare"))
        assert queue[-1] == Note("bare")
        runtime.add_instrument(Ears())
        handle.send_nowait(Note("looked at"))
        assert isinstance(queue[-1], Envelope)


async def test_instrument_added_by_a_plain_function_hears_of_the_next_message(
    autojump_clock: MockClock,
) -> None:
    """An actor that is amid many messages tells of them from then on."""
    ears = Ears()
    async with acton.open_runtime() as runtime:
        handle = await runtime.start(Host, runtime, ears)
        for number in range(5):
            handle.send_nowait(Note(str(number)))
    assert ears.heard == ["Note"] * 3


class Ears:
    """Listens."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def message_began(self, event: MessageBegan) -> None:
        """Note what kind it is."""
        self.heard.append(event.message_type)


@acton.actor
class Host:
    """Lets somebody listen at its second message."""

    runtime: acton.Runtime
    ears: Ears
    count: int = 0

    @acton.mutate_on
    def note(self, _note: Note) -> None:
        """Count."""
        self.count += 1
        if self.count == 2:
            self.runtime.add_instrument(self.ears)
