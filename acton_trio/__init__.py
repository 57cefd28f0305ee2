"""Actors, supervision and a polyglot Unix-socket protocol for trio.

What users type is here and in the modules without an underscore; these only
point to where things are written.  The packages with an underscore are layers,
each built on those above it in this list::

    _base          names, errors and addresses
    _messages      what can be said, and how it is written down
    _policy _wire  what to do about failures / how bytes become frames
    _kernel        one actor, alone
    _supervision   many: who starts, who stops, in which order
    _runtime       the scope that all of them live in
    _ipc           the outside world
    _cli _testing  the command line / what tests are written with

Up to ``_wire`` nothing uses trio or reads a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._base.facade import lazy_names

if TYPE_CHECKING:
    from . import (
        instruments as instruments,
        ipc as ipc,
        supervision as supervision,
    )
    from ._base.errors import (
        ActonError as ActonError,
        ActorStoppedError as ActorStoppedError,
        AskCycleError as AskCycleError,
        AskError as AskError,
        ConfigError as ConfigError,
        ConnectionRefusedByPeerError as ConnectionRefusedByPeerError,
        DuplicateNameError as DuplicateNameError,
        HandlerFailedError as HandlerFailedError,
        LocalProtocolError as LocalProtocolError,
        NoReplyError as NoReplyError,
        PeerLostError as PeerLostError,
        PeerRejectedError as PeerRejectedError,
        ProtocolError as ProtocolError,
        RemoteProtocolError as RemoteProtocolError,
        RestartLimitError as RestartLimitError,
        SerializationError as SerializationError,
        SupervisionDepthError as SupervisionDepthError,
        UnexpectedReplyError as UnexpectedReplyError,
        UnhandledMessageError as UnhandledMessageError,
        UnknownChildError as UnknownChildError,
    )
    from ._base.patience import (
        AskTimeoutError as AskTimeoutError,
        MailboxFullError as MailboxFullError,
    )
    from ._ipc.runtime import (
        Runtime as Runtime,
        open_runtime as open_runtime,
    )
    from ._kernel.actor import (
        actor as actor,
        after_start as after_start,
        after_stop as after_stop,
        before_start as before_start,
        before_stop as before_stop,
        lifespan as lifespan,
    )
    from ._kernel.context import (
        Context as Context,
    )
    from ._kernel.handle import (
        ActorHandle as ActorHandle,
        ActorStatus as ActorStatus,
    )
    from ._kernel.handlers import (
        act_on as act_on,
        mutate_on as mutate_on,
        on_error as on_error,
    )
    from ._kernel.ref import Ref as Ref
    from ._kernel.scheduled import (
        Outcome as Outcome,
        ScheduledSend as ScheduledSend,
    )
    from ._kernel.seat import ActorState as ActorState
    from ._kernel.statistics import (
        ActorSnapshot as ActorSnapshot,
        CurrentMessage as CurrentMessage,
        RuntimeSnapshot as RuntimeSnapshot,
    )
    from ._kernel.streams import (
        Stream as Stream,
    )
    from ._kernel.subscription import (
        ActorSubscription as ActorSubscription,
        SubscriptionStatistics as SubscriptionStatistics,
    )
    from ._kernel.surroundings import (
        DeadLetter as DeadLetter,
    )
    from ._kernel.turn import (
        ReplyAddress as ReplyAddress,
    )
    from ._messages.declare import (
        Rejection as Rejection,
        RemoteRejection as RemoteRejection,
        Request as Request,
        StreamRequest as StreamRequest,
        message as message,
    )
    from ._policy.cadence import Cadence as Cadence
    from ._policy.delivery import Delivery as Delivery
    from ._policy.limits import RestartLimit as RestartLimit
    from ._policy.policies import (
        RestartPolicy as RestartPolicy,
        TerminationReason as TerminationReason,
    )
    from ._policy.strategies import (
        Escalation as Escalation,
        SupervisionStrategy as SupervisionStrategy,
    )
    from ._runtime.builder import (
        IdleActor as IdleActor,
    )
    from ._runtime.config import (
        Behavior as Behavior,
        Config as Config,
        Defaults as Defaults,
        Limits as Limits,
        Timeouts as Timeouts,
    )
    from ._runtime.shutdown import (
        CutOff as CutOff,
        Overrun as Overrun,
        ShutdownReport as ShutdownReport,
    )
    from ._services.broker import Broker as Broker
    from ._services.subscription import Subscription as Subscription
    from ._supervision.events import (
        ChildRestarted as ChildRestarted,
        ChildSupervised as ChildSupervised,
        ChildTerminated as ChildTerminated,
        SupervisionEscalated as SupervisionEscalated,
    )

else:
    __getattr__ = lazy_names(
        __name__,
        {
            "_base.errors": [
                "ActonError",
                "ActorStoppedError",
                "AskCycleError",
                "AskError",
                "ConfigError",
                "ConnectionRefusedByPeerError",
                "DuplicateNameError",
                "HandlerFailedError",
                "LocalProtocolError",
                "NoReplyError",
                "PeerLostError",
                "PeerRejectedError",
                "ProtocolError",
                "RemoteProtocolError",
                "RestartLimitError",
                "SerializationError",
                "SupervisionDepthError",
                "UnexpectedReplyError",
                "UnhandledMessageError",
                "UnknownChildError",
            ],
            "_base.patience": ["AskTimeoutError", "MailboxFullError"],
            "_ipc.runtime": ["Runtime", "open_runtime"],
            "_kernel.actor": [
                "actor",
                "after_start",
                "after_stop",
                "before_start",
                "before_stop",
                "lifespan",
            ],
            "_kernel.context": ["Context"],
            "_kernel.handle": ["ActorHandle", "ActorStatus"],
            "_kernel.handlers": ["act_on", "mutate_on", "on_error"],
            "_kernel.ref": ["Ref"],
            "_kernel.scheduled": ["Outcome", "ScheduledSend"],
            "_kernel.seat": ["ActorState"],
            "_kernel.statistics": [
                "ActorSnapshot",
                "CurrentMessage",
                "RuntimeSnapshot",
            ],
            "_kernel.streams": ["Stream"],
            "_kernel.subscription": ["ActorSubscription", "SubscriptionStatistics"],
            "_kernel.surroundings": ["DeadLetter"],
            "_kernel.turn": ["ReplyAddress"],
            "_messages.declare": [
                "Rejection",
                "RemoteRejection",
                "Request",
                "StreamRequest",
                "message",
            ],
            "_policy.cadence": ["Cadence"],
            "_policy.delivery": ["Delivery"],
            "_policy.limits": ["RestartLimit"],
            "_policy.policies": ["RestartPolicy", "TerminationReason"],
            "_policy.strategies": ["Escalation", "SupervisionStrategy"],
            "_runtime.builder": ["IdleActor"],
            "_runtime.config": [
                "Behavior",
                "Config",
                "Defaults",
                "Limits",
                "Timeouts",
            ],
            "_runtime.shutdown": ["CutOff", "Overrun", "ShutdownReport"],
            "_services.broker": ["Broker"],
            "_services.subscription": ["Subscription"],
            "_supervision.events": [
                "ChildRestarted",
                "ChildSupervised",
                "ChildTerminated",
                "SupervisionEscalated",
            ],
        },
        modules={
            "instruments": "instruments",
            "ipc": "ipc",
            "supervision": "supervision",
        },
    )

__all__ = [
    "ActonError",
    "ActorHandle",
    "ActorSnapshot",
    "ActorState",
    "ActorStatus",
    "ActorStoppedError",
    "ActorSubscription",
    "AskCycleError",
    "AskError",
    "AskTimeoutError",
    "Behavior",
    "Broker",
    "Cadence",
    "ChildRestarted",
    "ChildSupervised",
    "ChildTerminated",
    "Config",
    "ConfigError",
    "ConnectionRefusedByPeerError",
    "Context",
    "CurrentMessage",
    "CutOff",
    "DeadLetter",
    "Defaults",
    "Delivery",
    "DuplicateNameError",
    "Escalation",
    "HandlerFailedError",
    "IdleActor",
    "Limits",
    "LocalProtocolError",
    "MailboxFullError",
    "NoReplyError",
    "Outcome",
    "Overrun",
    "PeerLostError",
    "PeerRejectedError",
    "ProtocolError",
    "Ref",
    "Rejection",
    "RemoteProtocolError",
    "RemoteRejection",
    "ReplyAddress",
    "Request",
    "RestartLimit",
    "RestartLimitError",
    "RestartPolicy",
    "Runtime",
    "RuntimeSnapshot",
    "ScheduledSend",
    "SerializationError",
    "ShutdownReport",
    "Stream",
    "StreamRequest",
    "Subscription",
    "SubscriptionStatistics",
    "SupervisionDepthError",
    "SupervisionEscalated",
    "SupervisionStrategy",
    "TerminationReason",
    "Timeouts",
    "UnexpectedReplyError",
    "UnhandledMessageError",
    "UnknownChildError",
    "act_on",
    "actor",
    "after_start",
    "after_stop",
    "before_start",
    "before_stop",
    "instruments",
    "ipc",
    "lifespan",
    "message",
    "mutate_on",
    "on_error",
    "open_runtime",
    "supervision",
]


def __dir__() -> list[str]:
    return __all__
