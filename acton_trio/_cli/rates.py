"""How much actors do: counters only grow, so it takes two looks to tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from .._kernel.statistics import ActorSnapshot, RuntimeSnapshot

__all__ = ["Standing", "data_of", "rates", "standings"]


@attrs.frozen
class Standing:
    """How one actor stands among the others."""

    actor: ActorSnapshot
    rate: float | None
    """Messages that it has handled per second, lately; ``None``: not known."""

    @property
    def age(self) -> float:
        """For how long it is at work on a message, in seconds; 0 if it is not."""
        return max((each.age for each in self.actor.current), default=0)


def rates(before: RuntimeSnapshot | None, now: RuntimeSnapshot) -> Mapping[str, float]:
    """Return how many messages each actor has handled per second, by its id.

    Those that were not there before are left out.
    """
    seconds = now.taken_at - before.taken_at if before is not None else 0
    if before is None or seconds <= 0:
        return {}
    known = {each.id: each.handled for each in before.walk()}
    return {
        each.id: max(each.handled - known[each.id], 0) / seconds
        for each in now.walk()
        if each.id in known
    }


def standings(
    before: RuntimeSnapshot | None, now: RuntimeSnapshot, order: str
) -> list[Standing]:
    """Return how all actors stand, those first that have most of something.

    Args:
        before: How they were when somebody looked last; ``None``: nobody has.
        now: How they are.
        order: What counts: ``depth``, ``rate``, ``age`` or ``restarts``.
    """
    return sorted(_standings(before, now), key=lambda each: _place(each, order))


def _standings(
    before: RuntimeSnapshot | None, now: RuntimeSnapshot
) -> Iterator[Standing]:
    known = rates(before, now)
    for actor in now.walk():
        yield Standing(actor, known.get(actor.id))


def _place(standing: Standing, order: str) -> tuple[float, str]:
    actor = standing.actor
    match order:
        case "rate":
            most = standing.rate or 0
        case "age":
            most = standing.age
        case "restarts":
            most = actor.generation
        case _:
            most = actor.mailbox_depth + actor.waiting_senders
    return -most, actor.name


def data_of(standings: Sequence[Standing], taken_at: float) -> dict[str, object]:
    """Return how actors stood at that time, as plain data."""
    return {"taken_at": taken_at, "actors": [_plain(each) for each in standings]}


def _plain(standing: Standing) -> dict[str, object]:
    actor = standing.actor
    own: dict[str, object] = attrs.asdict(
        actor, filter=lambda field, _: field.name != "children"
    )
    age = standing.age if actor.current else None
    more = {"state": actor.state.value, "rate": standing.rate, "age": age}
    return {**own, **more}
