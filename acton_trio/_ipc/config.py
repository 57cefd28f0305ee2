"""`IpcConfig`: what can be set for a listener; frozen, validated, in seconds."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from .._base.settings import (
    FLAG,
    Kind,
    Schema,
    check_sections,
    optional,
    rate,
    seconds,
    whole_number,
    whole_numbers,
)
from .._base.util import publish_names
from .._runtime.config_files import load, script_name
from .._wire.frames import DEFAULT_MAX_MESSAGE_SIZE, MAX_FRAME_SIZE
from .addresses import path_of

__all__ = [
    "IPC_FILE",
    "IpcAccess",
    "IpcConfig",
    "IpcErrors",
    "IpcLimits",
    "IpcRateLimit",
    "IpcShutdown",
    "IpcSocket",
    "IpcTimeouts",
]

# The reference's; whose folder it is, is looked at before it is used.
_FALLBACK_DIR: Final = "/tmp"  # noqa: S108 - see above


_OCTAL: Final = re.compile("(0o)?[0-7]{3,4}")


def _mode_of(value: object) -> object:
    # The number is written to the base of 8 in TOML too, 0o660, and has it.
    if not isinstance(value, str):
        return value
    if _OCTAL.fullmatch(value) is None:
        raise ValueError
    return int(value, 8)


def _path_of(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    return path_of(value)


_MODE: Final = Kind(
    expected="file permissions such as 0o600",
    admits=lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777
    ),
    in_files="file permissions such as 0o600 or '0600'",
    from_file=_mode_of,
)

_PATH: Final = Kind(
    expected="a path",
    admits=lambda value: value is None or isinstance(value, Path),
    from_file=_path_of,
)


def _is_folder(value: object) -> bool:
    return isinstance(value, str) and not {"/", "\0"} & {*value} and value not in _DOTS


_DOTS: Final = ("", ".", "..")

_NAME: Final = Kind(
    expected="the name of an application, which is that of a folder",
    admits=lambda value: value is None or _is_folder(value),
)


@attrs.frozen(kw_only=True)
class IpcSocket:
    """Where the socket is, and who may open it."""

    path: Path | None = attrs.field(
        default=None, converter=attrs.converters.optional(path_of), validator=_PATH
    )
    """Its path; by default made of the application's name.

    What begins with ``@`` is an abstract name: Linux has them, and no file.
    """

    mode: int = attrs.field(default=0o600, validator=_MODE)
    """Its permissions; it never has wider ones, not for an instant."""

    app_name: str | None = attrs.field(default=None, validator=_NAME)
    """The application's name; by default that of the running script."""

    systemd: bool = attrs.field(default=False, validator=FLAG)
    """Whether systemd may pass the sockets, and is told when peers can come in."""


@attrs.frozen(kw_only=True)
class IpcLimits:
    """How much there may be of things; the reference's defaults."""

    max_connections: int = attrs.field(default=1024, validator=whole_number())
    """Connections at a time; one more is told so, and closed."""

    max_message_size: int = attrs.field(
        default=DEFAULT_MAX_MESSAGE_SIZE,
        validator=whole_number(unit="of bytes", most=MAX_FRAME_SIZE),
    )
    """Largest body that is accepted, in bytes."""

    max_in_flight: int = attrs.field(default=64, validator=whole_number())
    """Unanswered requests of one connection; then it is not read any more.

    The reference has no such limit: there one waits for the one before it.
    """

    push_buffer_size: int = attrs.field(default=100, validator=whole_number())
    """Messages pushed that one connection has not read yet; more are dropped."""

    max_response_timeout: float | None = attrs.field(
        default=None, validator=optional(seconds())
    )
    """The longest that a request may ask to wait, in seconds; streams may longer."""


@attrs.frozen(kw_only=True)
class IpcAccess:
    """Who may connect, beside what the socket's permissions say."""

    allow_uids: tuple[int, ...] | None = attrs.field(
        default=None, validator=optional(whole_numbers("user ids"))
    )
    """Users; nobody is refused for who he is if this and `allow_gids` are ``None``."""

    allow_gids: tuple[int, ...] | None = attrs.field(
        default=None, validator=optional(whole_numbers("group ids"))
    )
    """Groups: a peer whose effective group this is may connect, whoever it is."""


@attrs.frozen(kw_only=True)
class IpcRateLimit:
    """How many requests one connection may send; the reference's defaults."""

    enabled: bool = attrs.field(default=True, validator=FLAG)
    """Whether there is a limit."""

    requests_per_second: float = attrs.field(default=100.0, validator=rate("requests"))
    """In the long run."""

    burst_size: int = attrs.field(default=50, validator=whole_number())
    """At once, by a connection that has sent none for a while."""


@attrs.frozen(kw_only=True)
class IpcTimeouts:
    """How long things may take, in seconds; the reference's defaults."""

    request_timeout: float = attrs.field(default=30.0, validator=seconds(or_zero=True))
    """A request that does not say how long it will wait; 0: for ever."""

    read_timeout: float = attrs.field(default=60.0, validator=seconds(or_zero=True))
    """A connection without traffic, before it is closed; 0: for ever."""

    subscription_read_timeout: float = attrs.field(
        default=0.0, validator=seconds(or_zero=True)
    )
    """The same for a connection that has subscribed to something."""

    handshake_timeout: float = attrs.field(
        default=10.0, validator=seconds(or_zero=True)
    )
    """A peer over TLS, to show who it is; 0: for ever.

    The reference has no TLS, and so no such timeout.
    """

    write_timeout: float = attrs.field(default=30.0, validator=seconds(or_zero=True))
    """A peer that does not read, before it is disconnected; 0: for ever."""


@attrs.frozen(kw_only=True)
class IpcShutdown:
    """How a listener ends."""

    drain_timeout: float = attrs.field(default=5.0, validator=seconds(or_zero=True))
    """Requests in flight, to be answered, in seconds."""


@attrs.frozen(kw_only=True)
class IpcErrors:
    """What peers are told of failures."""

    expose_details: bool = attrs.field(default=False, validator=FLAG)
    """Whether they hear an exception's text, not only its type."""


@attrs.frozen(kw_only=True)
class IpcConfig:
    """What can be set for a listener; lives as long as anybody keeps it."""

    socket: IpcSocket = attrs.field(factory=IpcSocket)
    """Where the socket is, and who may open it."""

    access: IpcAccess = attrs.field(factory=IpcAccess)
    """Who may connect."""

    limits: IpcLimits = attrs.field(factory=IpcLimits)
    """How much there may be of things."""

    rate_limit: IpcRateLimit = attrs.field(factory=IpcRateLimit)
    """How many requests one connection may send."""

    timeouts: IpcTimeouts = attrs.field(factory=IpcTimeouts)
    """How long things may take."""

    shutdown: IpcShutdown = attrs.field(factory=IpcShutdown)
    """How it ends."""

    errors: IpcErrors = attrs.field(factory=IpcErrors)
    """What peers are told of failures."""

    def __attrs_post_init__(self) -> None:
        check_sections(self)

    @classmethod
    def load(
        cls, app_name: str | None = None, *, environ: Mapping[str, str] | None = None
    ) -> IpcConfig:
        """Return what the file ``ipc.toml`` says, and the environment on top.

        The file is that of the application or else the one that applications
        share, of the user or else of the system; the first one that there is.
        Without any, there are the defaults.

        Args:
            app_name: Whose file it is; by default the running script's.  The
                socket is named by ``socket.app_name``, not by this.
            environ: The environment; by default that of the process.

        Raises:
            ConfigError: If anything there is unknown, or cannot be what it is.
            ValueError: If *app_name* cannot be the name of a folder.
        """
        return load(IPC_FILE, "ipc.toml", app_name, environ)

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
        return base / "acton" / (self.socket.app_name or script_name()) / "ipc.sock"


IPC_FILE: Final = Schema(IpcConfig, "ACTON_IPC_")

publish_names(globals(), __all__, "acton_trio.ipc")
