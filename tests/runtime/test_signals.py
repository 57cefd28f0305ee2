"""SIGINT and SIGTERM: how a service is told to end."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

Trace = list[str]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@acton.message
class Write:
    """Takes a while, alone."""

    name: str
    seconds: float


@acton.actor
class Worker:
    """Notes what it has done."""

    trace: Trace

    @acton.mutate_on
    async def write(self, message: Write) -> None:
        """Take a while, alone."""
        try:
            await trio.sleep(message.seconds)
        except trio.Cancelled:
            self.trace.append(f"cancelled {message.name}")
            raise
        self.trace.append(f"did {message.name}")

    @acton.before_stop
    def before_stop(self) -> None:
        """Note it."""
        self.trace.append("before_stop")

    @acton.after_stop
    def after_stop(self) -> None:
        """Note it."""
        self.trace.append("after_stop")


@pytest.fixture(autouse=True)
def same_handlers() -> Iterator[None]:
    """Put the process's own signal handlers back, whatever a test left behind."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("number", SIGNALS)
async def test_signal_ends_the_wait_and_the_block_drains(
    number: signal.Signals,
) -> None:
    """A service that leaves its block after the signal handles what is queued."""
    trace: Trace = []
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Worker, trace)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.wait_for_signal)
            await wait_all_tasks_blocked()
            os.kill(os.getpid(), number)
        handle.send_nowait(Write("queued", 0))

    assert sorted(trace) == ["after_stop", "before_stop", "did queued"]
    assert trace[-1] == "after_stop"


async def test_any_number_may_wait_for_a_signal() -> None:
    """One signal ends every wait for it."""
    seen: list[signal.Signals] = []
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:

        async def wait() -> None:
            seen.append(await runtime.wait_for_signal())

        for _ in range(3):
            nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGTERM)
        with trio.move_on_after(0.2):
            await trio.sleep_forever()
        nursery.cancel_scope.cancel()

    assert seen == [signal.SIGTERM] * 3


@pytest.mark.parametrize("waits", [1, 3])
async def test_signals_are_given_back_when_the_runtime_ends(waits: int) -> None:
    """After the block a signal does what it did before it, however many waited."""
    before = [signal.getsignal(each) for each in SIGNALS]
    async with open_test_runtime() as runtime:
        with trio.move_on_after(0.01):
            async with trio.open_nursery() as nursery:
                for _ in range(waits):
                    nursery.start_soon(runtime.wait_for_signal)

    assert before == [signal.getsignal(each) for each in SIGNALS]


@attrs.define
class Interrupted:
    """What became of a block that two signals came to."""

    was_left: bool = False
    report: acton.ShutdownReport | None = None


async def test_second_signal_cancels_the_runtime() -> None:
    """Who has no patience with the drain signals again: the handlers are cancelled."""
    trace: Trace = []
    result = Interrupted()
    try:
        with trio.fail_after(5):
            async with open_test_runtime() as runtime:
                handle = await runtime.start(Worker, trace)
                handle.send_nowait(Write("for ever", math.inf))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(runtime.wait_for_signal)
                    await wait_all_tasks_blocked()
                    os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
            result.was_left = True
            result.report = runtime.shutdown_report
    except KeyboardInterrupt:
        pass

    assert result.was_left
    assert trace == ["cancelled for ever", "after_stop"]
    assert result.report is not None
    assert result.report.forced
    assert [each.handler for each in result.report.cancelled] == ["Worker.write"]
