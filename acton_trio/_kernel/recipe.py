"""`Recipe`: how to make the incarnations of one actor."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import final

import attrs

from .activity import current_activity
from .actor import Behaviour

__all__ = ["Newborn", "Recipe"]


@final
@attrs.define(eq=False)
class Newborn:
    """What a recipe has made, or how it has failed; lives until that is used."""

    context: Context
    """What it was made in, and its task is to run in."""

    model: object = None
    behaviour: Behaviour | None = None
    failure: BaseException | None = None


@final
@attrs.frozen(eq=False)
class Recipe:
    """How to make the incarnations of one actor; lives as long as its seat."""

    build: Callable[[], object]
    """Makes the model, the object that holds an incarnation's state."""

    behaviour_of: Callable[[object], Behaviour]
    """Tells what a model of this kind does, or raises `TypeError`."""

    def make(self) -> Newborn:
        """Make an incarnation's model, as nobody's code, and in a context of its own."""
        newborn = Newborn(copy_context())
        try:
            newborn.context.run(self._make, newborn)
        except BaseException as error:  # noqa: BLE001, ASYNC103 - whoever runs it raises it again
            newborn.failure = error
        return newborn

    def _make(self, newborn: Newborn) -> None:
        if current_activity.get() is not None:
            current_activity.set(None)
        newborn.model = self.build()
        newborn.behaviour = self.behaviour_of(newborn.model)
