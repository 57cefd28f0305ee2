"""What it costs to tell a thousand actors the same, for each of them."""

from __future__ import annotations

from functools import partial
from typing import Final

import trio
from adders import ADD, Add, Adder
from harness import Contender, Plan, Question, in_trio
from samples import Stopwatch, bare

import acton_trio as acton

ACTORS: Final = 1_000


def same(model: Adder) -> Adder:
    """Return the very model, which is looked at from outside."""
    return model


async def deliver(waves: int, *, by_broker: bool) -> list[float]:
    """Have all actors handle a message, as often as told."""
    models = [Adder() for _ in range(ACTORS)]
    async with acton.open_runtime() as runtime:
        handles = [await runtime.start(same, each) for each in models]
        for handle in handles:
            handle.subscribe(Add)
        samples: list[float] = []
        for wave in range(1, waves + 1):
            with Stopwatch() as watch:
                if by_broker:
                    await runtime.broker.broadcast(ADD)
                else:
                    for handle in handles:
                        await handle.send(ADD)
                while any(each.total < wave for each in models):  # noqa: ASYNC110 - a loop is cheaper
                    await trio.lowlevel.checkpoint()
            samples.append(watch.seconds / ACTORS)
    return samples


def contenders(plan: Plan) -> list[Contender]:
    """Return the broker, and what one would do without it."""
    waves = plan.count(10)
    return [
        Contender("bare", partial(bare, waves * ACTORS)),
        Contender("send to each", in_trio(partial(deliver, by_broker=False), waves)),
        Contender("broadcast", in_trio(partial(deliver, by_broker=True), waves)),
    ]


QUESTION = Question(
    "broadcast",
    "a message to 1,000 actors, each",
    "send to each",
    contenders,
    rounds=11,
)

if __name__ == "__main__":
    QUESTION.main()
