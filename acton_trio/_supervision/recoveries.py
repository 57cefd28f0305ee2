"""All that come back to one supervisor, alone or in a group."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import final

import attrs
import trio

from .children import Child
from .recovery import Recovery, Step

__all__ = ["Recoveries"]


@final
@attrs.define(eq=False)
class Recoveries:
    """All that come back to one supervisor; lives as long as that."""

    nursery: trio.Nursery
    start: Callable[[Child], None]
    """Has the next incarnation of a child begin."""

    are_shared: bool
    """Whether all that come back do so together."""

    # Invariant: of each child that is to come back, or about to run again.
    _by_child: dict[Child, Recovery] = attrs.field(
        factory=dict[Child, Recovery], init=False
    )

    def have_back(
        self, child: Child, others: Collection[Child], backoff: float
    ) -> None:
        """Have *child*, which is down, come back with *others*."""
        recovery = self._recovery_for(child)
        if child.is_told and recovery.has(child):
            return
        for each in others:
            self._by_child[each] = recovery
        recovery.join(others, backoff)

    def started(self, child: Child) -> None:
        """Take note that *child* runs."""
        recovery = self._by_child.get(child)
        if recovery is not None:
            if not recovery.has(child):
                del self._by_child[child]
            recovery.heard_of(child)

    def ended(self, child: Child) -> None:
        """Take note that the incarnation of *child* is no more."""
        if child in self._by_child:
            self._by_child[child].heard_of(child)

    def drop(self, child: Child) -> float:
        """Have *child* not come back; return how long it was still to wait."""
        recovery = self._by_child.pop(child, None)
        if recovery is None:
            return 0
        recovery.drop(child)
        return recovery.time_left()

    def _recovery_for(self, child: Child) -> Recovery:
        known = self._by_child
        if child in known:
            return known[child]
        if known and self.are_shared:
            return next(iter(known.values()))
        recovery = Recovery()
        name = f"restart of {child.seat.name}"
        self.nursery.start_soon(self._carry_out, recovery, name=name)
        return recovery

    async def _carry_out(self, recovery: Recovery) -> None:
        while not recovery.is_over:
            match recovery.next_step():
                case Step.TELL, Child() as child:
                    child.is_told = True
                    assert child.seat.occupant is not None
                    child.seat.occupant.leave()
                case Step.START, Child() as child:
                    child.backoff = recovery.backoff
                    self.start(child)
                case _:
                    await recovery.wait_for_news()
