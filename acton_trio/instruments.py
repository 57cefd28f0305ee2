"""Looking in: what actors do, told to logs, traces and whatever else wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._base.facade import lazy_names

if TYPE_CHECKING:
    from ._kernel.events import (
        ActorStarted,
        ActorStopped,
        Ending,
        MessageBegan,
        MessageHandled,
        MessageSent,
    )
    from ._kernel.surroundings import DeadLetter
    from ._runtime.logs import (
        ActorLogFilter,
        LoggingInstrument,
    )
    from ._runtime.telemetry import OpenTelemetryInstrument
    from ._supervision.events import (
        ChildRestarted,
        ChildSupervised,
        ChildTerminated,
        SupervisionEscalated,
    )
    from ._supervision.instruments import (
        Instrument,
    )

else:
    __getattr__ = lazy_names(
        __name__,
        {
            "_kernel.events": [
                "ActorStarted",
                "ActorStopped",
                "Ending",
                "MessageBegan",
                "MessageHandled",
                "MessageSent",
            ],
            "_kernel.surroundings": ["DeadLetter"],
            "_runtime.logs": ["ActorLogFilter", "LoggingInstrument"],
            "_runtime.telemetry": ["OpenTelemetryInstrument"],
            "_supervision.events": [
                "ChildRestarted",
                "ChildSupervised",
                "ChildTerminated",
                "SupervisionEscalated",
            ],
            "_supervision.instruments": ["Instrument"],
        },
    )

__all__ = [
    "ActorLogFilter",
    "ActorStarted",
    "ActorStopped",
    "ChildRestarted",
    "ChildSupervised",
    "ChildTerminated",
    "DeadLetter",
    "Ending",
    "Instrument",
    "LoggingInstrument",
    "MessageBegan",
    "MessageHandled",
    "MessageSent",
    "OpenTelemetryInstrument",
    "SupervisionEscalated",
]


def __dir__() -> list[str]:
    return __all__
