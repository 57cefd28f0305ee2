"""What a handle promises to those who send, ask and stop."""

from __future__ import annotations

import math

import attrs
import pytest
import trio
from trio.testing import (
    MockClock,
    assert_checkpoints,
    assert_no_checkpoints,
    wait_all_tasks_blocked,
)

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Note:
    """Is written down."""

    text: str


@acton.message
class GetNotes(acton.Request[tuple[str, ...]]):
    """Asks for what was written down."""


@acton.message
class Hold(acton.Request[None]):
    """Keeps the actor busy, alone."""

    seconds: float


@acton.message
class Watch(acton.Request[None]):
    """Keeps a reading handler busy."""

    seconds: float


@acton.message
class Flood(acton.Request[int]):
    """Makes the actor send to itself until it must not."""

    from_a_task: bool = False


@acton.message
class Confused(acton.Request[int]):
    """Is answered with a text."""


@acton.message
class ConfusedAlone(acton.Request[int]):
    """The same, by an exclusive handler."""


@acton.message
class Mute(acton.Request[int]):
    """Is handled without a reply."""


@acton.message
class Nothing(acton.Request[None]):
    """Is answered with nothing."""


@acton.message
class Forward(acton.Request[tuple[str, ...]]):
    """Is answered by somebody else."""

    other: acton.ActorHandle


@acton.actor
class Pad:
    """Writes down what it is sent."""

    notes: list[str] = attrs.field(factory=list[str])

    @acton.mutate_on
    def note(self, message: Note) -> None:
        """Write it down."""
        self.notes.append(message.text)

    @acton.act_on
    def get_notes(self, _request: GetNotes) -> tuple[str, ...]:
        """Tell."""
        return tuple(self.notes)

    @acton.mutate_on
    async def hold(self, request: Hold) -> None:
        """Take a while, alone."""
        await trio.sleep(request.seconds)

    @acton.act_on
    async def watch(self, request: Watch) -> None:
        """Take a while."""
        await trio.sleep(request.seconds)

    @acton.mutate_on
    async def flood(self, request: Flood, ctx: acton.Context) -> int:
        """Send until there is no room."""
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                await ctx.handle.send(Note(str(sent)))
                sent += 1

        with pytest.raises(acton.MailboxFullError) as caught:
            if not request.from_a_task:
                await send()
            with pytest.RaisesGroup(acton.MailboxFullError) as group:
                async with trio.open_nursery() as nursery:  # noqa: ASYNC112 - on purpose
                    nursery.start_soon(send)
            raise group.value.exceptions[0]
        assert caught.value.capacity == 3
        return sent

    @acton.act_on
    def confused(self, _request: Confused) -> int:
        """Answer wrongly."""
        return "three"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    @acton.mutate_on
    def confused_alone(self, _request: ConfusedAlone) -> int:
        """Answer wrongly."""
        return "three"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    @acton.mutate_on
    def mute(self, _request: Mute) -> None:
        """Do not answer."""
        self.notes.append("mute")

    @acton.act_on
    def nothing(self, _request: Nothing) -> None:
        """Answer with nothing."""

    @acton.act_on
    async def forward(self, request: Forward) -> tuple[str, ...]:
        """Ask somebody else."""
        return await request.other.ask(GetNotes())


# --- sending


async def test_send_always_checks_for_cancellation(autojump_clock: MockClock) -> None:
    """A cancelled sender sends nothing, however much room there is."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad)
        with trio.CancelScope() as scope:
            scope.cancel()
            await handle.send(Note("cancelled"))

        assert scope.cancelled_caught
        assert await handle.ask(GetNotes()) == ()


async def test_send_switches_tasks_at_every_64th_call_only(
    autojump_clock: MockClock,
) -> None:
    """63 sends run through; with the 64th, whoever's it is, all have their turn."""
    switches: list[int] = []
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Pad)

        async def look() -> None:
            while True:
                switches.append(sent)
                await trio.lowlevel.checkpoint()

        sent = 0
        nursery.start_soon(look)
        while sent < 256:
            await handle.send(Note("x"))
            sent += 1
        nursery.cancel_scope.cancel()

    assert 2 <= len(switches) <= 8
    assert len({number % 64 for number in switches}) == 1


async def test_send_nowait_is_no_checkpoint(autojump_clock: MockClock) -> None:
    """A plain function never lets others run, nor raises `Cancelled`."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad)
        with assert_no_checkpoints():
            handle.send_nowait(Note("now"))


@pytest.mark.parametrize("from_a_task", [False, True], ids=["itself", "its nursery"])
async def test_full_own_mailbox_raises_instead_of_waiting(
    autojump_clock: MockClock, *, from_a_task: bool
) -> None:
    """A handler, and tasks in its nurseries, would wait for the handler itself."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad, mailbox_capacity=3)

        assert await handle.ask(Flood(from_a_task)) == 3
        assert await handle.ask(GetNotes()) == ("0", "1", "2")


async def test_value_returned_for_a_send_is_dropped(autojump_clock: MockClock) -> None:
    """A request may be sent: its reply goes nowhere, right or wrong, or none."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad)
        for request in (GetNotes(), Confused(), ConfusedAlone(), Mute(), Nothing()):
            await handle.send(request)

        assert await handle.ask(GetNotes()) == ("mute",)
        assert handle.status.generation == 0


# --- asking


async def test_ask_stop_and_waits_are_checkpoints(autojump_clock: MockClock) -> None:
    """Every `async` call but `send` is one, also when there is nothing to wait for."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad)
        with assert_checkpoints():
            await handle.ask(GetNotes())
        with assert_checkpoints():
            await handle.wait_running()
        with assert_checkpoints():
            await handle.stop()
        with assert_checkpoints():
            await handle.stop()
        with assert_checkpoints():
            await handle.wait_stopped()


async def test_ask_is_queued_behind_what_was_sent_before(
    autojump_clock: MockClock,
) -> None:
    """An ask sees all that the same task has sent to the actor before it."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad)
        for number in range(500):
            await handle.send(Note(str(number)))

        assert len(await handle.ask(GetNotes())) == 500


async def test_ask_in_a_cancelled_scope_is_never_handled(
    autojump_clock: MockClock,
) -> None:
    """The asker leaves at once, and its request with it."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad)
        with trio.CancelScope() as scope:
            scope.cancel()
            await handle.ask(Mute())

        assert scope.cancelled_caught
        assert await handle.ask(GetNotes()) == ()


async def test_nothing_is_a_reply_where_the_request_admits_it(
    autojump_clock: MockClock,
) -> None:
    """`None` answers a `Request[None]`, and is no answer to a `Request[int]`."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad, name="pad")

        assert await handle.ask(Nothing()) is None  # type: ignore[func-returns-value]
        with pytest.raises(acton.NoReplyError) as caught:
            await handle.ask(Mute())
        assert (caught.value.actor, caught.value.request) == ("pad", "Mute")
        assert await handle.ask(GetNotes()) == ("mute",)


@pytest.mark.parametrize("request_", [Confused(), ConfusedAlone()])
async def test_reply_of_the_wrong_type_is_the_askers_error(
    autojump_clock: MockClock, request_: Confused | ConfusedAlone
) -> None:
    """The error names both types; the actor goes on, whatever its handler was."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad, name="pad")
        with pytest.raises(acton.UnexpectedReplyError) as caught:
            await handle.ask(request_)

        assert (caught.value.actor, caught.value.expected) == ("pad", "int")
        assert "three" in caught.value.received
        assert handle.status.generation == 0


async def test_ask_may_cross_several_actors(autojump_clock: MockClock) -> None:
    """A handler may ask another actor and answer with what it hears."""
    async with open_test_runtime() as runtime:
        first, second = await runtime.start(Pad), await runtime.start(Pad)
        await second.send(Note("second"))

        assert await first.ask(Forward(second)) == ("second",)


async def test_many_askers_each_get_their_own_reply(autojump_clock: MockClock) -> None:
    """Replies are matched to askers, in whatever order they come."""

    async def double(_model: object, request: Watch) -> None:
        await trio.sleep(10 - request.seconds)
        done.append(request.seconds)

    done: list[float] = []
    returned: list[float] = []
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.new_actor(object).act_on(Watch, double).start()

        async def ask(number: int) -> None:
            await handle.ask(Watch(number))
            returned.append(number)

        for number in range(10):
            nursery.start_soon(ask, number)
    assert returned == done == list(range(9, -1, -1))


@pytest.mark.parametrize("blocker", [Hold(5), Watch(5)], ids=["queued", "at once"])
async def test_deadline_that_moves_later_does_not_leave_the_asker_alone(
    autojump_clock: MockClock, blocker: Hold | Watch
) -> None:
    """Dropped or cancelled at the deadline it had, the ask ends all the same."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.start(Pad)
        await handle.send(blocker)

        async def ask() -> None:
            with trio.move_on_after(1) as scope:
                nursery.start_soon(extend, scope)
                with pytest.raises(acton.AskTimeoutError):
                    await handle.ask(Watch(100))
            nursery.cancel_scope.cancel()

        async def extend(scope: trio.CancelScope) -> None:  # noqa: ASYNC124
            scope.deadline = math.inf

        nursery.start_soon(ask)
        with trio.fail_after(50):
            await trio.sleep_forever()


# --- stopping


async def test_stop_ends_a_handler_that_would_never_end(
    autojump_clock: MockClock,
) -> None:
    """A graceful stop gives an actor at most `timeouts.actor_shutdown`."""
    async with open_test_runtime() as runtime:
        for endless in (Hold(math.inf), Watch(math.inf)):
            handle = await runtime.start(Pad)
            await handle.send(endless)
            await wait_all_tasks_blocked()
            begin = trio.current_time()
            with trio.fail_after(20):
                await handle.stop()

            assert trio.current_time() - begin == pytest.approx(10)


async def test_stop_that_is_not_waited_for_happens_all_the_same(
    autojump_clock: MockClock,
) -> None:
    """Cancelling `stop` ends only the waiting."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad)
        await handle.send(Hold(2))
        await wait_all_tasks_blocked()
        with trio.move_on_after(1) as scope:
            await handle.stop()
        await handle.wait_stopped()

        assert scope.cancelled_caught
        assert trio.current_time() == pytest.approx(2)
        assert handle.status.state is acton.ActorState.DOWN


async def test_every_use_of_a_stopped_actor_says_so(autojump_clock: MockClock) -> None:
    """After the end `send`, `send_nowait`, `ask` and `wait_running` raise."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Pad, name="pad")
        await handle.stop()
        for use in (
            handle.send(Note("x")),
            handle.ask(GetNotes()),
            handle.wait_running(),
            handle.wait_generation(1),
        ):
            with pytest.raises(acton.ActorStoppedError, match="pad"):
                await use
        with pytest.raises(acton.ActorStoppedError, match="pad"):
            handle.send_nowait(Note("x"))
