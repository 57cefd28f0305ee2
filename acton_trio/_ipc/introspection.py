"""The actor that tells peers how all the others are; there only if it is wanted."""

from __future__ import annotations

from typing import Final, final

import attrs

from .._base.util import publish_names
from .._kernel.actor import actor
from .._kernel.context import Context
from .._kernel.handlers import act_on
from .._kernel.statistics import RuntimeSnapshot
from .._messages.declare import Request, message
from .._runtime.runtime import RuntimeCore

__all__ = ["INTROSPECTION", "GetSnapshot", "start_introspection"]

INTROSPECTION: Final = "acton"
"""Under which name peers reach it."""

# Longer than what anybody would call an actor of their own.
_NAME: Final = "acton-introspection"


@message(ipc="acton.GetSnapshot")
class GetSnapshot(Request[RuntimeSnapshot]):
    """Asks how the actors are; a runtime answers with ``introspection = true``."""


@final
@actor
class Introspection:
    """Tells peers how all actors are, but for itself."""

    @act_on
    def get_snapshot(self, _request: GetSnapshot, ctx: Context) -> RuntimeSnapshot:
        """Take a snapshot."""
        snapshot: RuntimeSnapshot = ctx.runtime.snapshot()
        others = tuple(each for each in snapshot.actors if each.name != _NAME)
        return attrs.evolve(snapshot, actors=others)


async def start_introspection(runtime: RuntimeCore) -> None:
    """Have peers be told how the actors of *runtime* are, until it ends.

    Cancellation:
        They are not.
    """
    await runtime.start(Introspection, name=_NAME, expose=INTROSPECTION)


publish_names(globals(), ["GetSnapshot"], "acton_trio.ipc")
