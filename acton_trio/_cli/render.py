"""What snapshots look like: from plain data to tables, without any I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from .._kernel.seat import ActorState
from .._kernel.statistics import ActorSnapshot, RuntimeSnapshot
from .rates import Standing
from .tables import Column, Row, Table, Tone
from .text import clean

__all__ = ["duration", "headline", "milliseconds", "top_table", "tree_table"]

# Beyond that an actor's depth in the tree is told by a number, in levels.
_DEEP: Final = 12

_NAME: Final = Column("ACTOR", least=16)
_AT_WORK: Final = Column("AT WORK ON", least=10)

_TREE: Final = (
    _NAME,
    Column("STATE"),
    Column("GEN", is_number=True),
    Column("MAILBOX", is_number=True),
    _AT_WORK,
    Column("LAST FAILURE", least=12),
)

_TOP: Final = (
    _NAME,
    Column("STATE"),
    Column("MAILBOX", is_number=True),
    Column("RATE/S", is_number=True),
    Column("AGE", is_number=True),
    Column("RESTARTS", is_number=True),
    Column("HANDLED", is_number=True),
    _AT_WORK,
)


def duration(seconds: float) -> str:
    """Return *seconds* as people say it.

    >>> duration(0.0123), duration(4.25), duration(75), duration(7300), duration(1e6)
    ('12ms', '4.2s', '1m15s', '2h01m', '11d13h')
    """
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes}m{int(seconds) % 60:02}s"
    if minutes < 24 * 60:
        return f"{minutes // 60}h{minutes % 60:02}m"
    return f"{minutes // 1440}d{minutes // 60 % 24:02}h"


def milliseconds(seconds: float) -> str:
    """Return how long something took that takes little.

    >>> milliseconds(0.00042)
    '0.4 ms'
    """
    return f"{seconds * 1000:.1f} ms"


# --- tree


def tree_table(snapshot: RuntimeSnapshot) -> Table:
    """Return the supervision tree: each actor below the one that supervises it."""
    rows = [_tree_row(actor, label) for actor, label in _branches(snapshot.actors)]
    return Table(_TREE, rows).without_empty("LAST FAILURE")


def _tree_row(actor: ActorSnapshot, label: str) -> Row:
    cells = (
        label,
        actor.state.value,
        str(actor.generation),
        _mailbox(actor),
        _at_work(actor),
        clean(actor.last_failure or ""),
    )
    return Row(cells, _tone_of(actor))


def _branches(roots: Sequence[ActorSnapshot]) -> Iterator[tuple[ActorSnapshot, str]]:
    """Yield all actors with their names, behind the branches that lead to them."""
    left = [(each, 0, "", "", each.name) for each in reversed(roots)]
    while left:
        actor, depth, trunk, fork, name = left.pop()
        yield actor, f"{_stem(depth, trunk)}{fork}{clean(name)}"
        # What goes on below an actor that has siblings after it.
        below = trunk + {"": "", "├─ ": "│  ", "└─ ": "   "}[fork]
        if depth >= _DEEP:
            below = ""
        children = actor.children
        for number, child in enumerate(reversed(children)):
            fork_ = "├─ " if number else "└─ "
            left.append((child, depth + 1, below, fork_, _short(child, actor)))


def _stem(depth: int, trunk: str) -> str:
    return f"[{depth}] " if depth > _DEEP else trunk


def _short(child: ActorSnapshot, parent: ActorSnapshot) -> str:
    return child.name.removeprefix(f"{parent.name}/")


# --- top


def top_table(standings: Sequence[Standing]) -> Table:
    """Return how actors stand, in the order given."""
    return Table(_TOP, [_top_row(each) for each in standings])


def _top_row(standing: Standing) -> Row:
    actor = standing.actor
    cells = (
        clean(actor.name),
        actor.state.value,
        _mailbox(actor),
        "-" if standing.rate is None else f"{standing.rate:.1f}",
        duration(standing.age) if actor.current else "-",
        str(actor.generation),
        str(actor.handled),
        _messages(actor),
    )
    return Row(cells, _tone_of(actor))


def headline(standings: Sequence[Standing], *, is_stopping: bool) -> str:
    """Return how all of them together are, in one line."""
    at_work = sum(bool(each.actor.current) for each in standings)
    queued = sum(each.actor.mailbox_depth for each in standings)
    rates = [each.rate for each in standings if each.rate is not None]
    parts = [f"{len(standings)} actors", f"{at_work} at work", f"{queued} queued"]
    if rates:
        parts.append(f"{sum(rates):.1f} messages/s")
    if is_stopping:
        parts.append("stopping")
    return ", ".join(parts)


# --- both


def _mailbox(actor: ActorSnapshot) -> str:
    waiting = f"+{actor.waiting_senders}" if actor.waiting_senders else ""
    return f"{actor.mailbox_depth}{waiting}/{actor.mailbox_capacity}"


def _at_work(actor: ActorSnapshot) -> str:
    if not actor.current:
        return ""
    oldest = duration(max(each.age for each in actor.current))
    return f"{_messages(actor)} {oldest}"


def _messages(actor: ActorSnapshot) -> str:
    """Return the type of the message that it is longest at, and how many more there are."""
    if not actor.current:
        return ""
    oldest = max(actor.current, key=lambda each: each.age)
    more = len(actor.current) - 1
    return clean(oldest.message_type) + (f" (and {more} more)" if more else "")


def _tone_of(actor: ActorSnapshot) -> Tone:
    match actor.state:
        case ActorState.DOWN | ActorState.ESCALATED:
            return Tone.BAD
        case ActorState.RUNNING if actor.mailbox_depth >= actor.mailbox_capacity:
            return Tone.BAD
        case ActorState.RUNNING:
            return Tone.BUSY if actor.current else Tone.IDLE
        case _:
            return Tone.CHANGING
