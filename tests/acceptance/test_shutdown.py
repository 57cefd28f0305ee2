"""What a stop does to messages before it, behind it, and after it."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class Note:
    """Is written down, after a while."""

    text: str
    seconds: float = 0


@acton.message
class Repeat:
    """Makes the actor send itself the same again."""


@acton.actor
class Scribe:
    """Writes down what it handles."""

    log: list[str] = attrs.field(factory=list[str])

    @acton.mutate_on
    async def note(self, message: Note) -> None:
        """Take a while."""
        await trio.sleep(message.seconds)
        self.log.append(message.text)

    @acton.mutate_on
    async def repeat(self, message: Repeat, ctx: acton.Context) -> None:
        """Go on for as long as there is somebody to send to."""
        try:
            await ctx.handle.send(message)
        except acton.ActorStoppedError:
            self.log.append("refused")
        else:
            self.log.append("repeated")

    @acton.before_stop
    async def before_stop(self, ctx: acton.Context) -> None:
        """Have a last word, as a message."""
        self.log.append("before_stop")
        await ctx.handle.send(Note("last word"))


@covers(46)
async def test_message_behind_the_stop_is_handled(autojump_clock: MockClock) -> None:
    """What comes in while a handler still runs, or from `before_stop`, is handled."""
    log: list[str] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        scribe = await runtime.start(Scribe, log)
        await scribe.send(Note("running", 1))
        await wait_all_tasks_blocked()
        nursery.start_soon(scribe.stop)
        await wait_all_tasks_blocked()
        await scribe.send(Note("behind the stop"))

    assert log == ["running", "before_stop", "behind the stop", "last word"]


@covers(47)
async def test_message_after_the_stop_is_refused(autojump_clock: MockClock) -> None:
    """What was sent before is handled; what is sent afterwards raises."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        scribe = await runtime.start(Scribe, log)
        for text in ("first", "second", "third"):
            await scribe.send(Note(text))
        await scribe.stop()
        for text in ("fourth", "fifth"):
            with pytest.raises(acton.ActorStoppedError):
                await scribe.send(Note(text))

    assert [text for text in log if text != "before_stop"] == [
        "first",
        "second",
        "third",
        "last word",
    ]


@covers(47)
async def test_message_during_the_drain_is_refused(autojump_clock: MockClock) -> None:
    """While the actor handles what is left, it takes nothing more in."""
    log: list[str] = []

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        scribe = await runtime.start(Scribe, log)
        await scribe.send(Note("running", 1))
        await scribe.send(Note("left", 1))
        await wait_all_tasks_blocked()
        nursery.start_soon(scribe.stop)
        await trio.sleep(1.5)
        with pytest.raises(acton.ActorStoppedError):
            await scribe.send(Note("too late"))

    assert log == ["running", "before_stop", "left", "last word"]


@covers(48)
async def test_drain_ends_though_handlers_send_to_themselves(
    autojump_clock: MockClock,
) -> None:
    """An actor that keeps itself busy stops: its own messages are refused too."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        scribe = await runtime.start(Scribe, log)
        await scribe.send(Repeat())
        await scribe.send(Repeat())
        with trio.fail_after(1):
            await scribe.stop()

        assert log.count("refused") == 2
        assert trio.current_time() == 0


@covers(48)
async def test_runtime_ends_though_handlers_send_to_themselves(
    autojump_clock: MockClock,
) -> None:
    """Leaving the block stops such an actor as well."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        scribe = await runtime.start(Scribe, log)
        await scribe.send(Repeat())

    assert log[-1] == "last word"
    assert trio.current_time() == 0
