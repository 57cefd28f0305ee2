"""One clock: whatever takes time takes it from trio."""

from __future__ import annotations

import time

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_ipc_pair, open_test_runtime


@acton.message
class Fail:
    """Makes the handler raise."""


@acton.message(ipc=True)
class Wait(acton.Request[int]):
    """Is answered much later."""

    seconds: float


@acton.actor
class Worker:
    """Fails, and waits."""

    @acton.mutate_on
    def fail(self, _command: Fail) -> None:
        """Raise."""
        raise RuntimeError

    @acton.mutate_on
    async def wait(self, request: Wait) -> int:
        """Take the time that was asked for."""
        await trio.sleep(request.seconds)
        return 1


async def test_backoff_of_a_restart_passes_on_trios_clock(
    autojump_clock: MockClock,
) -> None:
    """The backoff before a restart passes on trio's clock."""
    half_an_hour = acton.RestartLimit(initial_backoff=1800, max_backoff=1800)
    began = time.monotonic()

    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker, restart_limit=half_an_hour)
        await worker.send(Fail())
        await worker.wait_generation(1)

        assert trio.current_time() == pytest.approx(1800)
    assert time.monotonic() - began < 5


async def test_window_of_a_restart_limit_is_measured_on_trios_clock(
    autojump_clock: MockClock,
) -> None:
    """The window of a restart limit is measured on trio's clock."""
    one_an_hour = acton.RestartLimit(max_restarts=1, window=3600)

    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker, restart_limit=one_an_hour)
        for generation in range(1, 4):
            await worker.send(Fail())
            await worker.wait_generation(generation)
            await trio.sleep(3601)

        assert worker.status.restarts_in_window == 0


async def test_backstop_of_an_ask_passes_on_trios_clock(
    autojump_clock: MockClock,
) -> None:
    """The backstop of an ask passes on trio's clock."""
    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker)
        with pytest.raises(acton.AskTimeoutError):
            await worker.ask(Wait(40))

        assert trio.current_time() == pytest.approx(30)


async def test_budgets_of_stopping_pass_on_trios_clock(
    autojump_clock: MockClock,
) -> None:
    """The budgets of stopping pass on trio's clock."""
    async with open_test_runtime() as runtime:
        worker = await runtime.start(Worker)
        await worker.send(Wait(1_000_000))

    assert trio.current_time() == pytest.approx(10)


async def test_deadline_passes_on_trios_clock_across_ipc_too(
    autojump_clock: MockClock,
) -> None:
    """The deadline of an ask over IPC passes on trio's clock at both ends."""
    async with open_test_runtime() as runtime:
        await runtime.start(Worker, name="worker", expose=True)
        async with open_ipc_pair(runtime) as (client, _):
            with pytest.raises(trio.TooSlowError), trio.fail_after(600):
                await client.actor("worker").ask(Wait(601))
            assert trio.current_time() == pytest.approx(600)
            with trio.fail_after(7200):
                assert await client.actor("worker").ask(Wait(3600)) == 1

    assert trio.current_time() == pytest.approx(601 + 3600, abs=1)
