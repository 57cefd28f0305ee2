"""Asks that have left the process, so that one is known that comes back in.

What waits for whom is seen inside a process only.  So an ask that leaves takes
along by which handlers it is asked, each as an id that means something to its
own process alone; and what the handler there asks takes along those, too.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from .._base.errors import AskCycleError
from .activity import Activity
from .envelope import Envelope
from .mailbox import Mailbox
from .waits import find_cycle

__all__ = [
    "CHAIN_HEADER",
    "abroad",
    "chain_of",
    "refuse_returning",
    "waiting_abroad_for",
]

CHAIN_HEADER: Final = "acton-chain"
"""Under which header the ids travel, with commas between them."""

# As many as a chain of asks may have members; what is longer is no chain that
# anybody has made on purpose.
_LONGEST: Final = 256

_process: Final = secrets.token_hex(8)
_numbers: Final[Iterator[int]] = itertools.count(1)

_asking: Final[dict[str, Activity]] = {}
"""The handlers of this process whose asks are abroad, by id."""


@contextmanager
def abroad(activity: Activity | None) -> Generator[str, None, None]:
    """Have it be known, in the block, that *activity* waits for another process.

    Yields:
        What is to travel with the ask; empty if no handler waits.
    """
    if activity is None:
        yield ""
        return
    identifier = f"{_process}-{next(_numbers)}"
    _asking[identifier] = activity
    try:
        yield ",".join([*_came_with(activity), identifier])
    finally:
        del _asking[identifier]


def chain_of(header: str | None) -> tuple[str, ...]:
    """Return the ids in a header, or none if there are too many to be true."""
    chain = tuple(header.split(",", _LONGEST)) if header else ()
    return chain if len(chain) <= _LONGEST else ()


def refuse_returning(envelope: Envelope, mailbox: Mailbox, name: str) -> None:
    """Refuse an ask from outside that could never be answered.

    Args:
        envelope: The ask, which is not in the mailbox yet.
        mailbox: Where it would be put.
        name: Of the actor that is asked.

    Raises:
        AskCycleError: If it would have to wait for one of those handlers that
            wait for it.
    """
    assert envelope.ask is not None
    for activity in _known(dict.fromkeys(envelope.ask.chain)):
        cycle = find_cycle(mailbox.blockers(envelope), activity)
        if cycle is not None:
            raise AskCycleError((*cycle, name))


def waiting_abroad_for(activity: Activity) -> Iterator[Activity]:
    """Yield the handlers of this process that wait for *activity* by way of another.

    They have asked there, and that is why it is at work here.
    """
    if _asking:
        yield from _known(_came_with(activity))


def _known(chain: Iterable[str]) -> Iterator[Activity]:
    for identifier in chain:
        activity = _asking.get(identifier)
        if activity is not None:
            yield activity


def _came_with(activity: Activity) -> tuple[str, ...]:
    """Return the ids that came into the process with what *activity* works for."""
    step: Activity | None = activity
    # Who works for somebody that has gone keeps nobody waiting.
    while step is not None and step.ask is not None and step.ask.is_open:
        if step.ask.chain:
            return step.ask.chain
        step = step.ask.asker
    return ()
