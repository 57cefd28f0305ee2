"""`IpcConfig`: what can be set for a listener; frozen, validated, in seconds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import attrs

from .._base.errors import ConfigError
from .._base.util import publish_names
from .._wire.frames import DEFAULT_MAX_MESSAGE_SIZE, MAX_FRAME_SIZE

__all__ = [
    "IpcConfig",
    "IpcErrors",
    "IpcLimits",
    "IpcShutdown",
    "IpcSocket",
    "IpcTimeouts",
]

_FALLBACK_NAME: Final = "acton"

# The reference's; whose folder it is, is looked at before it is used.
_FALLBACK_DIR: Final = "/tmp"  # noqa: S108 - see above


def _seconds(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        _refuse(instance, field, f"a number of seconds from 0 on, got {value!r}")


def _from_one(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        _refuse(instance, field, f"a whole number from 1 on, got {value!r}")


def _frame_size(instance: object, field: attrs.Attribute[Any], value: int) -> None:
    _from_one(instance, field, value)
    if value > MAX_FRAME_SIZE:
        _refuse(instance, field, f"at most {MAX_FRAME_SIZE} bytes, got {value!r}")


def _mode(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value & ~0o777:
        _refuse(instance, field, f"file permissions such as 0o600, got {value!r}")


def _refuse(instance: object, field: attrs.Attribute[Any], expected: str) -> None:
    raise ConfigError(type(instance).__name__, field.name, f"expected {expected}")


@attrs.frozen(kw_only=True)
class IpcSocket:
    """Where the socket is, and who may open it."""

    path: Path | None = attrs.field(
        default=None, converter=attrs.converters.optional(Path)
    )
    """Its path; by default made of the application's name."""

    mode: int = attrs.field(default=0o600, validator=_mode)
    """Its permissions; it never has wider ones, not for an instant."""

    app_name: str | None = None
    """The application's name; by default that of the running script."""


@attrs.frozen(kw_only=True)
class IpcLimits:
    """How much there may be of things; the reference's defaults."""

    max_connections: int = attrs.field(default=1024, validator=_from_one)
    """Connections at a time; one more is told so, and closed."""

    max_message_size: int = attrs.field(
        default=DEFAULT_MAX_MESSAGE_SIZE, validator=_frame_size
    )
    """Largest body that is accepted, in bytes."""

    max_in_flight: int = attrs.field(default=64, validator=_from_one)
    """Unanswered requests of one connection; then it is not read any more."""


@attrs.frozen(kw_only=True)
class IpcTimeouts:
    """How long things may take, in seconds; the reference's defaults."""

    request_timeout: float = attrs.field(default=30.0, validator=_seconds)
    """A request that does not say how long it will wait."""

    read_timeout: float = attrs.field(default=60.0, validator=_seconds)
    """A connection without traffic, before it is closed; 0: for ever."""

    write_timeout: float = attrs.field(default=30.0, validator=_seconds)
    """A peer that does not read, before it is disconnected; 0: for ever."""


@attrs.frozen(kw_only=True)
class IpcShutdown:
    """How a listener ends."""

    drain_timeout: float = attrs.field(default=5.0, validator=_seconds)
    """Requests in flight, to be answered, in seconds."""


@attrs.frozen(kw_only=True)
class IpcErrors:
    """What peers are told of failures."""

    expose_details: bool = False
    """Whether they hear an exception's text, not only its type."""


@attrs.frozen(kw_only=True)
class IpcConfig:
    """What can be set for a listener; lives as long as anybody keeps it."""

    socket: IpcSocket = attrs.field(factory=IpcSocket)
    limits: IpcLimits = attrs.field(factory=IpcLimits)
    timeouts: IpcTimeouts = attrs.field(factory=IpcTimeouts)
    shutdown: IpcShutdown = attrs.field(factory=IpcShutdown)
    errors: IpcErrors = attrs.field(factory=IpcErrors)

    @property
    def socket_path(self) -> Path:
        """Where the socket is.

        ``socket.path`` or else ``$XDG_RUNTIME_DIR/acton/<app_name>/ipc.sock``,
        with ``/tmp`` where that variable is missing, empty or relative.
        """
        if self.socket.path is not None:
            return self.socket.path
        runtime_dir = os.environ.get("XDG_RUNTIME_DIR", "")
        base = Path(runtime_dir if runtime_dir.startswith("/") else _FALLBACK_DIR)
        return base / "acton" / (self.socket.app_name or _script_name()) / "ipc.sock"


def _script_name() -> str:
    script = Path(sys.argv[0]) if sys.argv else Path()
    name = script.parent.name if script.stem == "__main__" else script.stem
    return name if name and not name.startswith("-") else _FALLBACK_NAME


publish_names(globals(), __all__, "acton_trio.ipc")
