"""`check_mailbox`: what every mailbox promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

import trio
import trio.testing

from .._base.errors import ActorStoppedError
from .._base.patience import MailboxFullError
from .._base.util import publish_names
from .._kernel.envelope import Ask, Envelope, Result
from .contracts import all_kept, promised, refused, same

__all__ = ["AnyMailbox", "check_mailbox"]

# Seconds after which nothing comes any more.
_PATIENCE: Final = 10


class AnyMailbox(Protocol):
    """A bounded queue of envelopes, with a line of those who wait for room."""

    def __len__(self) -> int:
        """Return how many messages wait to be handled."""
        ...

    def put_nowait(self, envelope: Envelope) -> None:
        """Put *envelope* at the end of the queue, if there is room."""
        ...

    async def put(self, envelope: Envelope) -> None:
        """Put *envelope* in, waiting in line for room.

        Cancellation:
            The envelope was not put in, and will not be.
        """
        ...

    def line_up(self, envelope: Envelope) -> None:
        """Put *envelope* in the queue or, if that is full, in the line for it."""
        ...

    def head(self) -> Envelope | None:
        """Return the next envelope without taking it."""
        ...

    def take(self) -> Envelope:
        """Take out the envelope that `head` returned."""
        ...

    def put_back(self, envelope: Envelope) -> None:
        """Put *envelope* at the head again."""
        ...

    def give_up(self, envelope: Envelope) -> None:
        """Take *envelope* back, from the queue or the line."""
        ...

    def close(self, why: Callable[[], ActorStoppedError]) -> None:
        """Refuse what comes from now on, and whatever waits for room."""
        ...

    def empty(self) -> list[Envelope]:
        """Take out and return all that is queued."""
        ...

    async def wait(self) -> None:
        """Wait until the bell rings; only the actor itself waits here.

        Cancellation:
            Nothing was taken.
        """
        ...


Make = Callable[[int], AnyMailbox]


async def check_mailbox(make: Callable[[int], AnyMailbox]) -> None:
    """Check what every mailbox promises.

    Args:
        make: Returns a new and empty one, which holds so many messages.

    Raises:
        ContractError: If it breaks a promise; says which.

    Cancellation:
        The mailboxes that were made are left as they are.
    """
    checks: Sequence[Callable[[Make], Awaitable[None]]] = [
        _check_order,
        _check_room,
        _check_line,
        _check_leaving_the_line,
        _check_giving_up,
        _check_putting_back,
        _check_end,
        _check_end_of_the_line,
        _check_bell,
    ]
    await all_kept(checks, make, _PATIENCE)


def _letters(count: int) -> list[Envelope]:
    return [Envelope(number) for number in range(count)]


def _drained(mailbox: AnyMailbox) -> list[object]:
    """Take everything out; return the messages."""
    messages = list[object]()
    while mailbox.head() is not None:
        messages.append(mailbox.take().message)
    return messages


async def _check_order(make: Make) -> None:
    mailbox = make(3)
    same("a new mailbox is empty", (len(mailbox), mailbox.head()), (0, None))
    first, second, third = _letters(3)
    mailbox.put_nowait(first)
    await mailbox.put(second)
    mailbox.line_up(third)
    same("its length is what waits in it", len(mailbox), 3)
    promised("the head is what came first", holds=mailbox.head() is first)
    promised("looking at the head takes nothing", holds=mailbox.take() is first)
    same("messages leave in the order in which they came", _drained(mailbox), [1, 2])
    same("what is taken out is not in it", len(mailbox), 0)


async def _check_room(make: Make) -> None:
    mailbox = make(2)
    first, second, third = _letters(3)
    mailbox.put_nowait(first)
    await mailbox.put(second)
    with refused("a full mailbox refuses put_nowait", MailboxFullError):
        mailbox.put_nowait(third)
    same("what is refused is not in it", len(mailbox), 2)
    mailbox.take()
    mailbox.put_nowait(third)
    same("taking makes room", _drained(mailbox), [1, 2])


async def _check_line(make: Make) -> None:
    mailbox, waiting = make(1), _letters(4)
    mailbox.put_nowait(waiting[0])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.put, waiting[1])
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(mailbox.put, waiting[2])
        await trio.testing.wait_all_tasks_blocked()
        mailbox.line_up(waiting[3])
        promise = "put and line_up wait while the mailbox is full"
        same(promise, (len(mailbox), len(nursery.child_tasks)), (1, 2))
        mailbox.take()
        with refused("who comes later does not pass those in line", MailboxFullError):
            mailbox.put_nowait(Envelope("pushes in"))
        await trio.testing.wait_all_tasks_blocked()
        same("room for one lets one in", len(nursery.child_tasks), 1)
        same("those in line are let in as they came", _drained(mailbox), [1, 2, 3])


async def _check_leaving_the_line(make: Make) -> None:
    mailbox = make(1)
    first, leaves, stays = _letters(3)
    mailbox.put_nowait(first)
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(mailbox.put, stays)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(_cancel_soon, scope)  # noqa: ASYNC111 - ends in it
            await mailbox.put(leaves)
        promised("waiting for room can be cancelled", holds=scope.cancelled_caught)
        promise = "who is cancelled in line has put nothing in, and holds nobody up"
        same(promise, _drained(mailbox), [0, 2])


async def _cancel_soon(scope: trio.CancelScope) -> None:
    await trio.testing.wait_all_tasks_blocked()
    scope.cancel()


async def _check_giving_up(make: Make) -> None:
    mailbox, (first, second, third, fourth) = make(2), _letters(4)
    await mailbox.put(first)
    for each in (second, third, fourth):
        mailbox.line_up(each)
    promised("a message in the mailbox is there", holds=second.place is not None)
    mailbox.give_up(third)
    mailbox.give_up(first)
    promised("what is given up is nowhere", holds=first.place is None)
    same("what is given up makes room for who waits", len(mailbox), 2)
    promise = "what is given up never leaves, from the queue or the line"
    same(promise, _drained(mailbox), [1, 3])


async def _check_putting_back(make: Make) -> None:
    mailbox, (first, second, third) = make(2), _letters(3)
    await mailbox.put(first)
    for each in (second, third):
        mailbox.line_up(each)
    mailbox.put_back(mailbox.take())
    promise = "what is put back is the head again, even if it is one too many"
    same(promise, _drained(mailbox), [0, 1, 2])


async def _check_end(make: Make) -> None:
    mailbox, (first, second, late) = make(2), _letters(3)
    mailbox.put_nowait(first)
    mailbox.put_nowait(second)
    mailbox.close(_stopped)
    for put in (mailbox.put_nowait, mailbox.line_up):
        with refused("a closed mailbox takes nothing in", ActorStoppedError):
            put(late)
    with refused("a closed mailbox takes nothing in", ActorStoppedError):
        await mailbox.put(late)
    same("what is queued stays when it closes", len(mailbox), 2)
    promised("what is queued can be handled then", holds=mailbox.take() is first)
    same("what is left can be taken at once", mailbox.empty(), [second])
    same("nothing is left after that", (len(mailbox), mailbox.head()), (0, None))


async def _check_end_of_the_line(make: Make) -> None:
    mailbox, (first, sent, asked) = make(1), _letters(3)
    answers = list[Result]()
    asked.ask = Ask("somebody", "Request", answers.append)
    mailbox.put_nowait(first)
    refusals = list[ActorStoppedError]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_note_refusal, partial(mailbox.put, sent), refusals)
        await trio.testing.wait_all_tasks_blocked()
        mailbox.line_up(asked)
        mailbox.close(_stopped)
    same("who waits to put something in hears that it closes", len(refusals), 1)
    promised("the ask of what is in line hears it too", holds=not asked.ask.is_open)
    same("an ask hears it once", len(answers), 1)
    same("what was in line is not queued then", _drained(mailbox), [0])


async def _note_refusal(
    put: Callable[[], Awaitable[None]], refusals: list[ActorStoppedError]
) -> None:
    try:
        await put()
    except ActorStoppedError as error:
        refusals.append(error)


def _stopped() -> ActorStoppedError:
    return ActorStoppedError("somebody")


async def _check_bell(make: Make) -> None:
    mailbox = make(1)
    for put in (mailbox.put_nowait, mailbox.line_up):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mailbox.wait)
            await trio.testing.wait_all_tasks_blocked()
            promised("the actor waits for messages", holds=bool(nursery.child_tasks))
            put(Envelope(0))
        mailbox.take()
    with trio.move_on_after(0) as scope:
        await mailbox.wait()
    promised("waiting for messages can be cancelled", holds=scope.cancelled_caught)
    mailbox.put_nowait(Envelope(1))
    same("a message that nobody waits for is kept", _drained(mailbox), [1])


publish_names(globals(), ["AnyMailbox"], "acton_trio.testing")
