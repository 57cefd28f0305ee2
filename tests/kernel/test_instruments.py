"""What those who look in are told, and what they can do to nobody."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.instruments import (
    ActorLogFilter,
    ActorStarted,
    ActorStopped,
    Ending,
    Instrument,
    LoggingInstrument,
    MessageBegan,
    MessageHandled,
    MessageSent,
    OpenTelemetryInstrument,
)


@acton.message
class Add:
    """Adds to the sum, at once."""

    number: int


@acton.message
class GetSum(acton.Request[int]):
    """Asks for the sum."""


@acton.message
class Wait(acton.Request[None]):
    """Is handled for some time."""

    seconds: float = 1


@acton.message
class Break:
    """Makes the handler fail."""

    text: str = "broken"


@acton.message
class Count(acton.StreamRequest[int]):
    """Asks for numbers."""

    number: int


@acton.message
class Unknown:
    """Has no handler."""


class TooMuchError(acton.Rejection):
    """The number is too large."""


@acton.actor
class Adder:
    """Keeps a sum."""

    total: int = 0

    @acton.mutate_on
    def add(self, command: Add) -> None:
        """Add."""
        self.total += command.number

    @acton.act_on
    def get_sum(self, _request: GetSum) -> int:
        """Tell."""
        return self.total

    @acton.act_on
    async def wait(self, request: Wait) -> None:
        """Take some time."""
        await trio.sleep(request.seconds)

    @acton.mutate_on
    def break_down(self, message: Break) -> None:
        """Fail."""
        raise ValueError(message.text)

    @acton.act_on
    async def count(self, request: Count) -> AsyncIterator[int]:
        """Count."""
        for number in range(request.number):
            yield number


@attrs.define(eq=False)
class Recorder(Instrument):
    """Writes down what it is told of messages and actors."""

    events: list[Any] = attrs.field(factory=list[Any])

    def message_sent(self, event: MessageSent) -> None:
        """Write it down."""
        self.events.append(event)

    def message_began(self, event: MessageBegan) -> None:
        """Write it down."""
        self.events.append(event)

    def message_handled(self, event: MessageHandled) -> None:
        """Write it down."""
        self.events.append(event)

    def actor_started(self, event: ActorStarted) -> None:
        """Write it down."""
        self.events.append(event)

    def actor_stopped(self, event: ActorStopped) -> None:
        """Write it down."""
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        """Return the events of one kind."""
        return [each for each in self.events if type(each) is kind]


@attrs.define(eq=False)
class Handled:
    """Writes down messages that were handled, being of no class of ours."""

    events: list[MessageHandled] = attrs.field(factory=list[MessageHandled])

    def message_handled(self, event: MessageHandled) -> None:
        """Write it down."""
        self.events.append(event)


class Broken(Instrument):
    """Raises at each message."""

    def __init__(self) -> None:
        self.calls = 0

    def message_handled(self, event: MessageHandled) -> None:
        """Raise."""
        self.calls += 1
        msg = "an instrument out of tune"
        raise RuntimeError(msg)


# --- what is told


async def test_function_is_told_of_when_it_has_returned() -> None:
    """A plain function begins and ends with the names of actor, type and function."""
    recorder = Recorder()
    async with acton.open_runtime(instruments=[recorder]) as runtime:
        adder = await runtime.start(Adder, name="adder")
        await adder.send(Add(1))
        await adder.ask(GetSum())

    (sent, _) = recorder.of(MessageSent)
    (began, asked) = recorder.of(MessageBegan)
    (handled, _) = recorder.of(MessageHandled)
    assert sent == MessageSent(None, "adder", "Add", is_asked=False)
    assert (began.actor, began.message_type, began.is_asked) == ("adder", "Add", False)
    assert asked.is_asked
    assert handled.number == began.number != asked.number
    assert handled.handler == "Adder.add"
    assert (handled.ending, handled.error) == (Ending.RETURNED, None)


async def test_times_are_those_of_the_clock_of_trio(
    autojump_clock: MockClock,
) -> None:
    """How long a message was queued and handled is told in virtual time too."""
    handled = Handled()
    async with acton.open_runtime(instruments=[handled]) as runtime:
        adder = await runtime.start(Adder, max_concurrency=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(adder.ask, Wait(2))
            await wait_all_tasks_blocked()
            nursery.start_soon(adder.ask, Wait(3))

    assert [(each.waited, each.seconds) for each in handled.events] == [(0, 2), (2, 3)]


async def test_failure_is_told_of_with_its_exception() -> None:
    """What a handler has raised is in the event, whoever owns it."""
    handled = Handled()
    async with acton.open_runtime(instruments=[handled]) as runtime:
        adder = await runtime.start(
            Adder, restart_limit=acton.RestartLimit(initial_backoff=0.001)
        )
        await adder.send(Break())
        await adder.wait_generation(1)

    (event,) = handled.events
    assert event.ending is Ending.RAISED
    assert isinstance(event.error, ValueError)


async def test_cancelled_handler_is_told_of(autojump_clock: MockClock) -> None:
    """A handler whose asker has given up has ended, without an error."""
    handled = Handled()
    async with acton.open_runtime(instruments=[handled]) as runtime:
        adder = await runtime.start(Adder)
        with trio.move_on_after(1):
            await adder.ask(Wait(5))
        await wait_all_tasks_blocked()

    (event,) = handled.events
    assert (event.ending, event.error, event.seconds) == (Ending.CANCELLED, None, 1)


async def test_stream_is_told_of_as_one_message() -> None:
    """A stream begins once and ends once, however many replies it has."""
    recorder = Recorder()
    async with acton.open_runtime(instruments=[recorder]) as runtime:
        adder = await runtime.start(Adder)
        async with adder.stream(Count(3)) as numbers:
            assert [number async for number in numbers] == [0, 1, 2]

    assert len(recorder.of(MessageBegan)) == len(recorder.of(MessageHandled)) == 1


async def test_message_that_is_never_handled_does_not_begin(
    autojump_clock: MockClock,
) -> None:
    """Who took its message back, or found no handler, is not told of a handler."""
    recorder = Recorder()
    async with acton.open_runtime(instruments=[recorder]) as runtime:
        adder = await runtime.start(Adder, max_concurrency=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(adder.ask, Wait(2))
            await wait_all_tasks_blocked()
            with trio.move_on_after(1):
                await adder.ask(GetSum())
            await adder.send(Unknown())

    assert [each.message_type for each in recorder.of(MessageBegan)] == ["Wait"]


async def test_sender_is_told_by_its_name() -> None:
    """What an actor sends is told of with the actor's name."""

    @acton.actor
    class Teller:
        other: acton.ActorHandle

        @acton.mutate_on
        async def add(self, command: Add) -> None:
            await self.other.send(command)

    recorder = Recorder()
    async with acton.open_runtime(instruments=[recorder]) as runtime:
        adder = await runtime.start(Adder, name="adder")
        teller = await runtime.start(Teller, adder, name="teller")
        await teller.send(Add(1))

    assert [each.sender for each in recorder.of(MessageSent)] == [None, "teller"]
    assert [each.sender for each in recorder.of(MessageBegan)] == [None, "teller"]


async def test_each_incarnation_starts_and_stops(autojump_clock: MockClock) -> None:
    """Starts and ends are told of with the generation, and the ends with their reason."""
    recorder = Recorder()
    async with acton.open_runtime(instruments=[recorder]) as runtime:
        adder = await runtime.start(Adder, name="adder")
        await adder.send(Break())
        await adder.wait_generation(1)

    starts, ends = recorder.of(ActorStarted), recorder.of(ActorStopped)
    assert [(each.actor, each.generation) for each in starts] == [
        ("adder", 0),
        ("adder", 1),
    ]
    assert [each.reason for each in ends] == [
        acton.TerminationReason.FAILED,
        acton.TerminationReason.PARENT_SHUTDOWN,
    ]
    assert [type(each.error) for each in ends] == [ValueError, type(None)]


async def test_actor_that_never_started_does_not_stop() -> None:
    """A failed start is the starter's: nothing has started, and nothing stops."""

    def fail() -> Adder:
        raise LookupError

    recorder = Recorder()
    async with acton.open_runtime(instruments=[recorder]) as runtime:
        with suppress(LookupError):
            await runtime.start(fail)

    assert recorder.events == []


async def test_supervision_and_dead_letters_are_told() -> None:
    """The events that are broadcast come to instruments as well, by their names."""

    class Watcher(Instrument):
        def __init__(self) -> None:
            self.heard: list[type] = []

        def dead_letter(self, event: acton.DeadLetter) -> None:
            self.heard.append(type(event))

        def child_supervised(self, event: acton.ChildSupervised) -> None:
            self.heard.append(type(event))

        def child_restarted(self, event: acton.ChildRestarted) -> None:
            self.heard.append(type(event))

        def child_terminated(self, event: acton.ChildTerminated) -> None:
            self.heard.append(type(event))

        def supervision_escalated(self, event: acton.SupervisionEscalated) -> None:
            self.heard.append(type(event))

    watcher = Watcher()
    limit = acton.RestartLimit(max_restarts=1, initial_backoff=0.001)
    with suppress(BaseExceptionGroup):
        async with acton.open_runtime(instruments=[watcher]) as runtime:
            adder = await runtime.start(Adder, restart_limit=limit)
            await adder.send(Unknown())
            await adder.send(Break())
            await adder.send(Break())
            await adder.wait_stopped()

    assert watcher.heard == [
        acton.ChildSupervised,
        acton.DeadLetter,
        acton.ChildRestarted,
        acton.ChildTerminated,
        acton.SupervisionEscalated,
    ]


async def test_handler_that_gives_its_work_away_is_told_of_twice() -> None:
    """A function that turns out to be asynchronous ends when it returns, and again."""

    async def work() -> None:
        await trio.lowlevel.checkpoint()

    handled = Handled()
    async with acton.open_runtime(instruments=[handled]) as runtime:
        idle = runtime.new_actor(Adder).act_on(Unknown, lambda _self, _message: work())
        adder = await idle.start()
        await adder.send(Unknown())

    assert len(handled.events) == 2


# --- headers


async def test_headers_of_an_instrument_travel_on() -> None:
    """What an instrument adds comes with the message, and with what that causes."""

    class Stamp(Instrument):
        def message_sent(self, event: MessageSent) -> Mapping[str, str] | None:
            return {"stamp": "1"} if event.sender is None else None

    @acton.actor
    class Teller:
        other: acton.ActorHandle

        @acton.mutate_on
        async def add(self, command: Add) -> None:
            await self.other.send(command)

    recorder = Recorder()
    async with acton.open_runtime(instruments=[Stamp(), recorder]) as runtime:
        adder = await runtime.start(Adder)
        teller = await runtime.start(Teller, adder)
        await teller.send(Add(1))

    headers = [dict(each.headers) for each in recorder.of(MessageBegan)]
    assert headers == [{"stamp": "1"}, {"stamp": "1"}]


async def test_headers_that_are_none_are_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is no mapping of strings would break a message later, so it does at once."""

    class Odd(Instrument):
        def message_sent(self, event: MessageSent) -> Any:
            return {"number": 1}

    async with acton.open_runtime(instruments=[Odd()]) as runtime:
        adder = await runtime.start(Adder)
        await adder.send(Add(1))
        assert await adder.ask(GetSum()) == 1

    assert "headers are a mapping of strings" in caplog.text


# --- what cannot happen


async def test_instrument_that_raises_is_removed_and_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is called no more, the others go on, and the actor has noticed nothing."""
    broken, handled = Broken(), Handled()
    async with acton.open_runtime(instruments=[broken, handled]) as runtime:
        adder = await runtime.start(Adder)
        await adder.send(Add(1))
        await adder.send(Add(2))
        assert await adder.ask(GetSum()) == 3
        assert broken not in runtime.instruments

    assert broken.calls == 1
    assert len(handled.events) == 3
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "was removed" in record.getMessage()
    assert record.exc_info


async def test_instrument_that_breaks_amid_messages_is_called_no_more(
    autojump_clock: MockClock,
) -> None:
    """Not even for the ends of what it saw begin."""
    broken = Broken()
    async with acton.open_runtime(instruments=[broken]) as runtime:
        adder = await runtime.start(Adder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(adder.ask, Wait(1))
            nursery.start_soon(adder.ask, Wait(2))

    assert broken.calls == 1


async def test_removed_instrument_hears_the_end_of_what_it_saw_begin(
    autojump_clock: MockClock,
) -> None:
    """Beginnings and ends come in pairs; one that was added late hears of neither."""
    first, second = Recorder(), Recorder()
    async with acton.open_runtime() as runtime:
        runtime.add_instrument(first)
        adder = await runtime.start(Adder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(adder.ask, Wait(1))
            await wait_all_tasks_blocked()
            runtime.remove_instrument(first)
            runtime.add_instrument(second)
        await adder.send(Add(1))
        await adder.ask(GetSum())

    assert len(first.of(MessageBegan)) == len(first.of(MessageHandled)) == 1
    assert len(second.of(MessageBegan)) == len(second.of(MessageHandled)) == 2


async def test_instrument_that_is_added_twice_is_told_once() -> None:
    """Adding again does nothing; removing what is not there is a `KeyError`."""
    handled = Handled()
    async with acton.open_runtime(instruments=[handled]) as runtime:
        runtime.add_instrument(handled)
        adder = await runtime.start(Adder)
        await adder.ask(GetSum())
        runtime.remove_instrument(handled)
        with pytest.raises(KeyError):
            runtime.remove_instrument(handled)

    assert len(handled.events) == 1


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        pytest.param(Recorder, "an object, not a class", id="a class"),
        pytest.param(object(), "is no instrument", id="something else"),
    ],
)
async def test_what_is_no_instrument_is_refused(thing: object, text: str) -> None:
    """A mistake shows when the instrument is given, not when nothing happens."""
    with pytest.raises(TypeError, match=text):
        async with acton.open_runtime(instruments=[thing]):
            pass


async def test_instrument_that_would_wait_is_refused() -> None:
    """An asynchronous method would never run."""

    class Slow:
        async def message_handled(self, event: MessageHandled) -> None:
            await trio.sleep(1)

    async with acton.open_runtime() as runtime:
        with pytest.raises(TypeError, match="an instrument cannot wait"):
            runtime.add_instrument(Slow())


async def test_methods_that_do_nothing_are_not_called() -> None:
    """What an instrument leaves as it is does not make anybody tell it things."""
    async with acton.open_runtime(instruments=[Instrument()]) as runtime:
        panel = runtime.surroundings.panel

        assert not panel.is_watching
        assert panel.message_sent == ()


# --- logs


async def test_dead_letter_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody handled is written down, without anybody asking for it."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder, name="adder")
        await adder.send(Unknown())

    (record,) = caplog.records
    assert (record.name, record.levelname) == ("acton_trio", "WARNING")
    text = "dead letter for adder: no handler for its type: Unknown()"
    assert record.getMessage() == text
    assert record.exc_info


async def test_restart_is_a_warning_with_the_traceback(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """A failure that a restart has dealt with is in the logs with its traceback."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(Adder, name="adder")
        await adder.send(Break())
        await adder.wait_generation(1)

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("adder was restarted after 0.1 s")
    assert record.exc_info
    assert record.exc_info[0] is ValueError


async def test_end_that_nobody_is_told_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The failure of an actor that does not come back ends in the logs."""
    async with acton.open_runtime() as runtime:
        adder = await runtime.start(
            Adder, name="adder", restart_policy=acton.RestartPolicy.TEMPORARY
        )
        await adder.send(Break())
        await adder.wait_stopped()

    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (
        "ERROR",
        "adder is down: failed",
    )
    assert record.exc_info


async def test_failure_that_has_an_owner_is_not_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What leaves the block is raised there; the logs say only that it happened."""
    limit = acton.RestartLimit(max_restarts=0)
    with suppress(BaseExceptionGroup):
        async with acton.open_runtime() as runtime:
            adder = await runtime.start(Adder, name="adder", restart_limit=limit)
            await adder.send(Break())
            await trio.sleep_forever()

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "more often than its limit allows" in record.getMessage()
    assert not record.exc_info


async def test_normal_life_is_logged_for_those_who_want_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Starts and ends are at the lowest level, so that nobody drowns in them."""
    caplog.set_level(logging.DEBUG, "acton_trio")
    async with acton.open_runtime() as runtime:
        await runtime.start(Adder, name="adder")

    assert {each.levelname for each in caplog.records} == {"DEBUG"}
    assert caplog.records[0].getMessage() == "adder was started under runtime"


async def test_logger_can_be_another(caplog: pytest.LogCaptureFixture) -> None:
    """One logging instrument that is given takes the place of the usual one."""
    other = LoggingInstrument(logging.getLogger("of.mine"))
    async with acton.open_runtime(instruments=[other]) as runtime:
        adder = await runtime.start(Adder)
        await adder.send(Unknown())

    assert [each.name for each in caplog.records] == ["of.mine"]


async def test_configuration_turns_logs_off(caplog: pytest.LogCaptureFixture) -> None:
    """`behavior.enable_tracing` says whether anything is written down unasked."""
    config = acton.Config(behavior=acton.Behavior(enable_tracing=False))
    async with acton.open_runtime(config) as runtime:
        adder = await runtime.start(Adder)
        await adder.send(Unknown())

    assert caplog.records == []


async def test_logs_can_be_turned_off(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is written down when nobody is left who would."""
    async with acton.open_runtime() as runtime:
        (usual,) = runtime.instruments
        runtime.remove_instrument(usual)
        adder = await runtime.start(Adder)
        await adder.send(Unknown())

    assert caplog.records == []


# --- what records tell


@acton.message
class Speak:
    """Has the actor write into the logs."""


@acton.message
class SpeakSlowly:
    """Has the actor write into the logs, asynchronously."""


@acton.message
class SpeakLater:
    """Has a task write into the logs, started by a plain function."""


_log = logging.getLogger("of.the.test")


@acton.actor
class Speaker:
    """Writes into the logs."""

    nursery: trio.Nursery

    @acton.mutate_on
    def speak(self, message: Speak) -> None:
        """Write."""
        _log.warning("hello")

    @acton.act_on
    async def speak_slowly(self, message: SpeakSlowly) -> None:
        """Write, also in a thread."""
        await trio.to_thread.run_sync(_log.warning, "hello")

    @acton.mutate_on
    def speak_later(self, message: SpeakLater) -> None:
        """Have a task write."""
        self.nursery.start_soon(self._speak)

    async def _speak(self) -> None:
        await trio.sleep(1)
        _log.warning("hello")


async def spoken(
    caplog: pytest.LogCaptureFixture, *messages: object
) -> list[tuple[str, str]]:
    """Have an actor write, and return what the records tell of it."""
    names = ActorLogFilter()
    caplog.handler.addFilter(names)
    try:
        async with trio.open_nursery() as nursery, acton.open_runtime() as runtime:
            speaker = await runtime.start(Speaker, nursery, name="speaker")
            for message in messages:
                await speaker.send(message)
            await trio.sleep(2)
    finally:
        caplog.handler.removeFilter(names)
    return [
        (vars(each)["acton_actor"], vars(each)["acton_message"])
        for each in caplog.records
    ]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(Speak(), id="plain function"),
        pytest.param(SpeakSlowly(), id="thread of an async function"),
    ],
)
async def test_record_tells_actor_and_message(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock, message: object
) -> None:
    """Whatever a handler has written names the actor and the message's type."""
    # A thread takes time that no clock sees.
    autojump_clock.autojump_threshold = 0.05
    told = await spoken(caplog, message)

    assert told == [("speaker", type(message).__name__)]


async def test_record_of_a_task_does_not_tell_of_another_message(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """What a plain function has started names the actor, and no later message."""
    told = await spoken(caplog, SpeakLater(), Speak())

    assert told == [("speaker", "Speak"), ("speaker", "-")]


async def test_record_of_an_unhandled_message_does_not_tell_of_another(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """Between two messages nothing is handled."""
    told = await spoken(caplog, Speak(), Unknown())

    assert told == [("speaker", "Speak"), ("speaker", "-")]


def test_record_of_plain_code_tells_nobody() -> None:
    """Outside of actors there is a dash, and the record is let through."""
    record = logging.LogRecord("name", logging.INFO, "path", 1, "text", None, None)

    assert ActorLogFilter().filter(record)
    assert (vars(record)["acton_actor"], vars(record)["acton_message"]) == ("-", "-")


# --- traces


def test_traces_without_the_library_say_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The class can always be imported; what is missing shows when it is used."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ModuleNotFoundError) as caught:
        OpenTelemetryInstrument()

    assert caught.value.__notes__ == ["it comes with: pip install 'acton-trio[otel]'"]


async def test_instrument_of_two_runtimes_can_tell_their_messages_apart(
    autojump_clock: MockClock,
) -> None:
    """No two messages have the same number, wherever they are handled."""
    numbers: list[int] = []

    class Numbers(Instrument):
        def message_began(self, event: MessageBegan) -> None:
            numbers.append(event.number)

    instrument = Numbers()
    async with (
        acton.open_runtime(instruments=[instrument]) as first,
        acton.open_runtime(instruments=[instrument]) as second,
    ):
        for runtime in (first, second):
            await (await runtime.start(Adder)).ask(GetSum())

    assert len(numbers) == len({*numbers}) == 2
