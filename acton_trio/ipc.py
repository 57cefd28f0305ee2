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
    from ._ipc.client import (
        Client,
        RemoteActorHandle,
        open_client,
    )
    from ._ipc.config import (
        IpcConfig,
        IpcErrors,
        IpcLimits,
        IpcShutdown,
        IpcSocket,
        IpcTimeouts,
    )
    from ._ipc.exchange import (
        ActorInfo,
        Discovery,
        IpcResponse,
    )
    from ._ipc.probing import (
        socket_exists,
        socket_is_alive,
    )
    from ._ipc.protocol import (
        IpcEnvelope,
    )
    from ._ipc.server import (
        IpcListener,
        open_listener,
        serve,
    )
    from ._ipc.statistics import (
        ListenerStatistics,
        ShutdownResult,
    )
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "_ipc.blocking": ["BlockingActorHandle", "BlockingClient"],
            "_ipc.client": ["Client", "RemoteActorHandle", "open_client"],
            "_ipc.config": [
                "IpcConfig",
                "IpcErrors",
                "IpcLimits",
                "IpcShutdown",
                "IpcSocket",
                "IpcTimeouts",
            ],
            "_ipc.exchange": ["ActorInfo", "Discovery", "IpcResponse"],
            "_ipc.probing": ["socket_exists", "socket_is_alive"],
            "_ipc.protocol": ["IpcEnvelope"],
            "_ipc.server": ["IpcListener", "open_listener", "serve"],
            "_ipc.statistics": ["ListenerStatistics", "ShutdownResult"],
        },
        modules={"protocol": "_ipc.protocol"},
    )

__all__ = [
    "ActorInfo",
    "BlockingActorHandle",
    "BlockingClient",
    "Client",
    "Discovery",
    "IpcConfig",
    "IpcEnvelope",
    "IpcErrors",
    "IpcLimits",
    "IpcListener",
    "IpcResponse",
    "IpcShutdown",
    "IpcSocket",
    "IpcTimeouts",
    "ListenerStatistics",
    "RemoteActorHandle",
    "ShutdownResult",
    "open_client",
    "open_listener",
    "protocol",
    "serve",
    "socket_exists",
    "socket_is_alive",
]


def __dir__() -> list[str]:
    return __all__
