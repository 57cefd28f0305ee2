"""A service of a thousand actors, run as a process by `test_thousand.py`.

    python thousand.py SOCKET NUMBER [STUBBORN]

It prints ``ready`` when it listens, and at its end a line of JSON: how many
requests it has handled, and its shutdown report.  A stubborn actor's handler
refuses to end for that many seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import attrs
import trio
import trio.testing

import acton_trio as acton

# In seconds; nothing is waited for that long but by a handler that refuses to end.
LONG = 600


@acton.message(ipc=True)
class Add(acton.Request[int]):
    """Adds to what the actor has; answered with the sum."""

    amount: int


@acton.message
class Refuse:
    """Makes the handler refuse to end."""

    seconds: float


@acton.actor
class Adder:
    """Adds, slowly."""

    handled: list[int]
    total: int = 0

    @acton.mutate_on
    async def add(self, request: Add) -> int:
        """Add."""
        await trio.sleep(0.001)
        self.total += request.amount
        self.handled.append(request.amount)
        return self.total

    @acton.act_on
    async def refuse(self, message: Refuse) -> None:
        """Refuse to end, when that is wanted."""
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(message.seconds)


async def main(path: str, count: int, stubborn: float) -> None:
    """Serve until a signal comes, and tell how it ended."""
    handled: list[int] = []
    patience = 1 if stubborn else LONG
    timeouts = acton.Timeouts(actor_shutdown=patience, system_shutdown=LONG)
    async with acton.open_runtime(acton.Config(timeouts=timeouts)) as runtime:
        adders = [
            await runtime.start(Adder, handled, name=f"a{number}", expose=True)
            for number in range(count)
        ]
        if stubborn:
            await adders[-1].send(Refuse(stubborn))
        async with (
            acton.ipc.open_listener(runtime, path=Path(path)),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(runtime.wait_for_signal)
            await trio.testing.wait_all_tasks_blocked()
            say("ready")
    report = runtime.shutdown_report
    assert report is not None
    say(json.dumps({"handled": len(handled), "report": attrs.asdict(report)}))


def say(text: str) -> None:
    """Have the test hear *text*."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), float((*sys.argv, "0")[3]))
