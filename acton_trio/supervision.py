"""Supervision: who is restarted, with whom, how often, and who hears of it.

All of it is in `acton_trio` too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._base.facade import lazy_names

if TYPE_CHECKING:
    from ._base.errors import (
        RestartLimitError,
        SupervisionDepthError,
        UnknownChildError,
    )
    from ._policy.limits import RestartLimit
    from ._policy.policies import (
        RestartPolicy,
        TerminationReason,
    )
    from ._policy.strategies import (
        Escalation,
        SupervisionStrategy,
    )
    from ._supervision.events import (
        ChildRestarted,
        ChildSupervised,
        ChildTerminated,
        SupervisionEscalated,
    )

else:
    __getattr__ = lazy_names(
        __name__,
        {
            "_base.errors": [
                "RestartLimitError",
                "SupervisionDepthError",
                "UnknownChildError",
            ],
            "_policy.limits": ["RestartLimit"],
            "_policy.policies": ["RestartPolicy", "TerminationReason"],
            "_policy.strategies": ["Escalation", "SupervisionStrategy"],
            "_supervision.events": [
                "ChildRestarted",
                "ChildSupervised",
                "ChildTerminated",
                "SupervisionEscalated",
            ],
        },
    )

__all__ = [
    "ChildRestarted",
    "ChildSupervised",
    "ChildTerminated",
    "Escalation",
    "RestartLimit",
    "RestartLimitError",
    "RestartPolicy",
    "SupervisionDepthError",
    "SupervisionEscalated",
    "SupervisionStrategy",
    "TerminationReason",
    "UnknownChildError",
]


def __dir__() -> list[str]:
    return __all__
