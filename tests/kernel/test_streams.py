"""Requests that are answered with a stream."""

from __future__ import annotations

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .scribes import (
    Count,
    Write,
    opened,
)


async def test_stream_gives_its_items_and_ends(autojump_clock: MockClock) -> None:
    """The handler is at most one item ahead, and ends with its reader."""
    async with open_test_runtime() as runtime:
        handle, log = await opened(runtime)
        async with handle.stream(Count(3)) as numbers:
            assert [number async for number in numbers] == [0, 1, 2]
        async with handle.stream(Count(10**9)) as numbers:
            assert await anext(numbers) == 0
            await handle.ask(Write("between", 0))
            assert await anext(numbers) == 1
        await wait_all_tasks_blocked()

        assert log[-1] == "stream over"


async def test_stream_that_breaks_tells_its_reader(autojump_clock: MockClock) -> None:
    """Failures, wrong items and a stop are raised where the next item was due."""
    async with open_test_runtime() as runtime:
        handle, _log = await opened(runtime)
        async with handle.stream(Count(3, fails=True)) as numbers:
            await anext(numbers)
            with pytest.raises(acton.HandlerFailedError):
                await anext(numbers)
            with pytest.raises(StopAsyncIteration):
                await anext(numbers)
        async with handle.stream(Count(3, wrong=True)) as numbers:
            with pytest.raises(acton.UnexpectedReplyError):
                await anext(numbers)
        async with handle.stream(Count(10**9)) as numbers:
            await anext(numbers)
            await handle.stop()
            with pytest.raises(acton.ActorStoppedError):
                await anext(numbers)
