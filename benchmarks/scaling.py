"""Whether a message costs more where there are more actors, or more types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import trio
from adders import ADD, Adder
from harness import Contender, Plan, Question, in_trio
from samples import Stopwatch

import acton_trio as acton

BURST: Final = 10
"""How many messages an actor gets at a time, however many others there are."""


def same(model: Adder) -> Adder:
    """Return the very model, which is looked at from outside."""
    return model


async def to_actors(actors: int, messages: int) -> float:
    """Send to one actor after the other, each the same burst."""
    waves = max(messages // (actors * BURST), 1)
    models = [Adder() for _ in range(actors)]
    async with acton.open_runtime() as runtime:
        handles = [await runtime.start(same, each) for each in models]
        # The first message of an actor has more to be made than those that follow;
        # what that takes is part of what `spawn` asks.
        await _waves(1, handles, models)
        with Stopwatch() as watch:
            await _waves(waves, handles, models)
    return watch.seconds / (waves * actors * BURST)


async def _waves(
    waves: int, handles: Sequence[acton.ActorHandle], models: Sequence[Adder]
) -> None:
    goal = models[0].total + waves * BURST
    for _ in range(waves):
        for handle in handles:
            for _ in range(BURST):
                await handle.send(ADD)
    while any(each.total < goal for each in models):  # noqa: ASYNC110 - a loop is cheaper
        await trio.lowlevel.checkpoint()


@attrs.define
class Counter:
    """The state of an actor that handles any number of types."""

    handled: int = 0


@acton.message
class GetHandled(acton.Request[int]):
    """Asks how many messages were handled."""


def count(counter: Counter, _message: object) -> None:
    """Handle a message of whichever type."""
    counter.handled += 1


def tell(counter: Counter, _request: GetHandled) -> int:
    """Answer."""
    return counter.handled


async def of_types(types: int, messages: int) -> float:
    """Send messages of one type after the other to one actor."""
    kinds: list[type[object]] = [
        acton.message(type(f"Kind{number}", (), {})) for number in range(types)
    ]
    waves = max(messages // types, 1)
    examples = [kind() for kind in kinds]
    async with acton.open_runtime() as runtime:
        idle = runtime.new_actor(Counter).act_on(GetHandled, tell)
        for kind in kinds:
            idle.mutate_on(kind, count)
        actor = await idle.start()
        with Stopwatch() as watch:
            for _ in range(waves):
                for each in examples:
                    await actor.send(each)
            await actor.ask(GetHandled())
    return watch.seconds / (waves * types)


def _types(number: int) -> str:
    return "1 type" if number == 1 else f"{number:,} types"


def contenders(plan: Plan) -> list[Contender]:
    """Return one for each number of actors, and of types."""
    many = plan.count(100_000)
    return [
        *(
            Contender(
                f"{number:,} actors", in_trio(to_actors, plan.count(number), many)
            )
            for number in (10, 100, 1_000, 10_000)
        ),
        *(
            Contender(_types(number), in_trio(of_types, number, many))
            for number in (1, 10, 100, 1_000)
        ),
    ]


QUESTION = Question(
    "scaling", "cost per message, with more and more", "10 actors", contenders, rounds=5
)

if __name__ == "__main__":
    QUESTION.main()
