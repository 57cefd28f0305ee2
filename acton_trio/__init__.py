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

Up to ``_wire`` nothing uses trio or reads a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._base.facade import lazy_names

if TYPE_CHECKING:
    from . import ipc as ipc
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
        SerializationError as SerializationError,
        UnexpectedReplyError as UnexpectedReplyError,
        UnhandledMessageError as UnhandledMessageError,
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
    )
    from ._kernel.context import (
        Context as Context,
    )
    from ._kernel.handle import (
        ActorHandle as ActorHandle,
    )
    from ._kernel.handlers import (
        act_on as act_on,
        mutate_on as mutate_on,
    )
    from ._kernel.surroundings import (
        DeadLetter as DeadLetter,
    )
    from ._messages.declare import (
        Rejection as Rejection,
        RemoteRejection as RemoteRejection,
        Request as Request,
        StreamRequest as StreamRequest,
        message as message,
    )
    from ._runtime.builder import (
        IdleActor as IdleActor,
    )
    from ._runtime.config import (
        Config as Config,
        Limits as Limits,
        Timeouts as Timeouts,
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
                "SerializationError",
                "UnexpectedReplyError",
                "UnhandledMessageError",
            ],
            "_base.patience": ["AskTimeoutError", "MailboxFullError"],
            "_ipc.runtime": ["Runtime", "open_runtime"],
            "_kernel.actor": [
                "actor",
                "after_start",
                "after_stop",
                "before_start",
                "before_stop",
            ],
            "_kernel.context": ["Context"],
            "_kernel.handle": ["ActorHandle"],
            "_kernel.handlers": ["act_on", "mutate_on"],
            "_kernel.surroundings": ["DeadLetter"],
            "_messages.declare": [
                "Rejection",
                "RemoteRejection",
                "Request",
                "StreamRequest",
                "message",
            ],
            "_runtime.builder": ["IdleActor"],
            "_runtime.config": ["Config", "Limits", "Timeouts"],
        },
        modules={"ipc": "ipc"},
    )

__all__ = [
    "ActonError",
    "ActorHandle",
    "ActorStoppedError",
    "AskCycleError",
    "AskError",
    "AskTimeoutError",
    "Config",
    "ConfigError",
    "ConnectionRefusedByPeerError",
    "Context",
    "DeadLetter",
    "DuplicateNameError",
    "HandlerFailedError",
    "IdleActor",
    "Limits",
    "LocalProtocolError",
    "MailboxFullError",
    "NoReplyError",
    "PeerLostError",
    "PeerRejectedError",
    "ProtocolError",
    "Rejection",
    "RemoteProtocolError",
    "RemoteRejection",
    "Request",
    "Runtime",
    "SerializationError",
    "StreamRequest",
    "Timeouts",
    "UnexpectedReplyError",
    "UnhandledMessageError",
    "act_on",
    "actor",
    "after_start",
    "after_stop",
    "before_start",
    "before_stop",
    "ipc",
    "message",
    "mutate_on",
    "open_runtime",
]


def __dir__() -> list[str]:
    return __all__
