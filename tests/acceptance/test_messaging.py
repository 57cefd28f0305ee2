"""Messages between actors, and from outside, one way and back."""

from __future__ import annotations

import attrs
import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime

from .items import covers


@acton.message
class Ping:
    """Is counted."""

    log: list[str]


@acton.actor
class Counter:
    """Has a state to change."""

    pings: int = 0

    @acton.mutate_on
    def ping(self, message: Ping) -> None:
        """Count it."""
        self.pings += 1
        message.log.append(f"ping {self.pings}")


@acton.actor
class Stateless:
    """Has nothing to remember."""

    @acton.act_on
    async def ping(self, message: Ping) -> None:
        """Say so."""
        message.log.append("ping 1")


@acton.actor
class Tallies:
    """Has more of a state, and waits for nothing in particular."""

    by_kind: dict[str, int] = attrs.field(factory=dict[str, int])

    @acton.mutate_on
    async def ping(self, message: Ping) -> None:
        """Count it."""
        self.by_kind["ping"] = self.by_kind.get("ping", 0) + 1
        message.log.append(f"ping {self.by_kind['ping']}")


@covers(7)
@pytest.mark.parametrize("model", [Counter, Stateless, Tallies])
async def test_message_sent_before_the_stop_is_handled(
    model: type[Counter | Stateless | Tallies], autojump_clock: MockClock
) -> None:
    """What was sent before `stop()` is handled before `stop()` returns, once."""
    log: list[str] = []

    async with open_test_runtime() as runtime:
        handle = await runtime.start(model)
        await handle.send(Ping(log))
        await handle.stop()

        assert log == ["ping 1"]


@acton.message
class Question:
    """Wants an answer, as a message of its own."""


@acton.message
class Answer:
    """Is a message like others."""

    value: int


@acton.message
class Request(acton.Request[Answer]):
    """Wants an answer as a reply."""


@acton.message
class Round:
    """Makes the asker ask, one way or the other."""

    whom: acton.ActorHandle
    wait: bool


@acton.message
class GetAnswers(acton.Request[tuple[int, ...]]):
    """Asks for the answers so far."""


@acton.actor
class Oracle:
    """Answers whoever asked."""

    @acton.act_on
    async def answer(self, _question: Question, ctx: acton.Context) -> None:
        """Send the answer to the actor that sent the question."""
        assert ctx.sender is not None
        await ctx.sender.send(Answer(100))

    @acton.act_on
    async def reply(self, _request: Request) -> Answer:
        """Answer."""
        return Answer(100)


@acton.actor
class Seeker:
    """Collects answers."""

    answers: list[int] = attrs.field(factory=list[int])

    @acton.mutate_on
    async def seek(self, message: Round) -> None:
        """Wait for the answer here, or have it come as a message."""
        if message.wait:
            self.answers.append((await message.whom.ask(Request())).value)
        else:
            await message.whom.send(Question())

    @acton.mutate_on
    def hear(self, answer: Answer) -> None:
        """Write it down."""
        self.answers.append(answer.value)

    @acton.act_on
    def tell(self, _request: GetAnswers) -> tuple[int, ...]:
        """Tell."""
        return tuple(self.answers)


@covers(8)
async def test_answer_goes_to_the_sender_as_a_message(
    autojump_clock: MockClock,
) -> None:
    """A message knows the actor that sent it, which can be sent an answer."""
    async with open_test_runtime() as runtime:
        oracle = await runtime.start(Oracle)
        seeker = await runtime.start(Seeker)
        for rounds in (1, 2, 3):
            await seeker.send(Round(oracle, wait=False))
            await wait_all_tasks_blocked()

            assert await seeker.ask(GetAnswers()) == (100,) * rounds


@covers(8)
async def test_actor_asks_another_one(autojump_clock: MockClock) -> None:
    """A handler can wait for another actor's answer, where it stands."""
    async with open_test_runtime() as runtime:
        oracle = await runtime.start(Oracle)
        seeker = await runtime.start(Seeker)
        for rounds in (1, 2, 3):
            await seeker.send(Round(oracle, wait=True))

            assert await seeker.ask(GetAnswers()) == (100,) * rounds
