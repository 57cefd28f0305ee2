"""Deadlocks of asks that go through other processes."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_ipc_pair


@acton.message(ipc=True)
class Ask(acton.Request[str]):
    """Makes a handler ask the next one, and tell how that ended."""

    hops: int


@acton.message(ipc=True)
class Pass:
    """Makes a handler send to the next one."""

    hops: int


@acton.actor
class Neighbour:
    """Knows one other actor, wherever it is."""

    next: acton.Ref
    passed: int = 0

    @acton.mutate_on
    async def ask(self, request: Ask) -> str:
        """Ask on."""
        if request.hops == 0:
            return "done"
        try:
            return await self.next.ask(Ask(request.hops - 1))
        except acton.AskCycleError as error:
            return " ".join(error.path)

    @acton.mutate_on
    async def pass_on(self, message: Pass) -> None:
        """Send on."""
        self.passed += 1
        if message.hops > 0:
            await self.next.send(Pass(message.hops - 1))


async def ask_around(hops: int) -> tuple[str, float, int]:
    """Have two processes ask each other; return the answer, the time, what was sent."""
    async with (
        acton.open_runtime() as one,
        acton.open_runtime() as two,
        open_ipc_pair(one) as to_one,
        open_ipc_pair(two) as to_two,
    ):
        here = Neighbour(to_two.client.actor("there"))
        there = Neighbour(to_one.client.actor("here"))
        asked = await one.start(lambda: here, name="here", expose=True)
        await two.start(lambda: there, name="there", expose=True)
        answer = await asked.ask(Ask(hops))
        since = trio.current_time()
        await asked.send(Pass(hops))
        await trio.sleep(1)
        return answer, since, here.passed + there.passed


@pytest.mark.parametrize(
    ("hops", "answer"), [(0, "done"), (1, "done"), (2, "here here"), (3, "here here")]
)
async def test_ask_that_comes_back_from_another_process_raises_at_once(
    autojump_clock: MockClock, hops: int, answer: str
) -> None:
    """An ask that comes back through other processes raises `AskCycleError` at once."""
    assert (await ask_around(hops))[:2] == (answer, 0)


async def test_what_is_sent_to_another_process_waits_for_nobody(
    autojump_clock: MockClock,
) -> None:
    """What was only sent to another process may come back."""
    assert (await ask_around(5))[2] == 6
