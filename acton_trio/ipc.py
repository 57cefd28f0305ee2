"""Actors of other processes, and doors for other processes to ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._base.facade import lazy_names

if TYPE_CHECKING:
    from ._ipc import protocol
    from ._ipc.blocking import (
        BlockingActorHandle,
        BlockingClient,
    )
    from ._ipc.blocking_stream import (
        BlockingStream,
    )
    from ._ipc.blocking_subscription import (
        BlockingSubscription,
    )
    from ._ipc.client import (
        Client,
        open_client,
    )
    from ._ipc.config import (
        IpcAccess,
        IpcConfig,
        IpcErrors,
        IpcLimits,
        IpcRateLimit,
        IpcShutdown,
        IpcSocket,
        IpcTimeouts,
    )
    from ._ipc.credentials import (
        PeerCredentials,
    )
    from ._ipc.discovery import (
        ActorInfo,
        Discovery,
    )
    from ._ipc.exchange import (
        IpcResponse,
    )
    from ._ipc.introspection import (
        GetSnapshot,
    )
    from ._ipc.listener import (
        IpcListener,
    )
    from ._ipc.notifications import (
        Notification,
        RemoteSubscriptionStatistics,
    )
    from ._ipc.probing import (
        socket_exists,
        socket_is_alive,
    )
    from ._ipc.protocol import (
        IpcEnvelope,
    )
    from ._ipc.remote_handle import (
        RemoteActorHandle,
    )
    from ._ipc.remote_stream import (
        RemoteStream,
    )
    from ._ipc.remote_subscription import (
        RemoteSubscription,
    )
    from ._ipc.server import (
        open_listener,
        serve,
    )
    from ._ipc.statistics import (
        ListenerStatistics,
        ShutdownResult,
    )
    from ._ipc.systemd import (
        notify_systemd,
    )
    from ._policy.backoff import Backoff
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "_ipc.blocking": ["BlockingActorHandle", "BlockingClient"],
            "_ipc.blocking_stream": ["BlockingStream"],
            "_ipc.blocking_subscription": ["BlockingSubscription"],
            "_ipc.client": ["Client", "open_client"],
            "_ipc.config": [
                "IpcAccess",
                "IpcConfig",
                "IpcErrors",
                "IpcLimits",
                "IpcRateLimit",
                "IpcShutdown",
                "IpcSocket",
                "IpcTimeouts",
            ],
            "_ipc.credentials": ["PeerCredentials"],
            "_ipc.discovery": ["ActorInfo", "Discovery"],
            "_ipc.exchange": ["IpcResponse"],
            "_ipc.introspection": ["GetSnapshot"],
            "_ipc.listener": ["IpcListener"],
            "_ipc.notifications": ["Notification", "RemoteSubscriptionStatistics"],
            "_ipc.probing": ["socket_exists", "socket_is_alive"],
            "_ipc.protocol": ["IpcEnvelope"],
            "_ipc.remote_handle": ["RemoteActorHandle"],
            "_ipc.remote_stream": ["RemoteStream"],
            "_ipc.remote_subscription": ["RemoteSubscription"],
            "_ipc.server": ["open_listener", "serve"],
            "_ipc.statistics": ["ListenerStatistics", "ShutdownResult"],
            "_ipc.systemd": ["notify_systemd"],
            "_policy.backoff": ["Backoff"],
        },
        modules={"protocol": "_ipc.protocol"},
    )

__all__ = [
    "ActorInfo",
    "Backoff",
    "BlockingActorHandle",
    "BlockingClient",
    "BlockingStream",
    "BlockingSubscription",
    "Client",
    "Discovery",
    "GetSnapshot",
    "IpcAccess",
    "IpcConfig",
    "IpcEnvelope",
    "IpcErrors",
    "IpcLimits",
    "IpcListener",
    "IpcRateLimit",
    "IpcResponse",
    "IpcShutdown",
    "IpcSocket",
    "IpcTimeouts",
    "ListenerStatistics",
    "Notification",
    "PeerCredentials",
    "RemoteActorHandle",
    "RemoteStream",
    "RemoteSubscription",
    "RemoteSubscriptionStatistics",
    "ShutdownResult",
    "notify_systemd",
    "open_client",
    "open_listener",
    "protocol",
    "serve",
    "socket_exists",
    "socket_is_alive",
]


def __dir__() -> list[str]:
    return __all__
