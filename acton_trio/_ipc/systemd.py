"""What systemd hands to a service, and is told by it.

With a ``.socket`` unit it opens the sockets itself, and passes them as open
descriptors (``sd_listen_fds(3)``).  With ``Type=notify`` it waits to be told
that the service is ready (``sd_notify(3)``).
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Final

from .._base.errors import ConfigError
from .._base.util import publish_names
from .addresses import address_of

__all__ = ["notify_systemd", "path_of_socket", "take_sockets"]

_log = logging.getLogger("acton_trio.ipc")

# Of those that are passed; the others follow.
_FIRST_DESCRIPTOR: Final = 3

_VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

# How long systemd may be too busy to take a datagram.
_PATIENCE_SECONDS: Final = 1


def notify_systemd(state: str) -> bool:
    """Tell systemd how the service is, and return whether it was told.

    It is told where ``$NOTIFY_SOCKET`` says, and nobody if that is not set.  A
    failure is logged.

    Args:
        state: Lines such as ``READY=1``, ``STOPPING=1``, ``STATUS=Busy``.
    """
    where = os.environ.get("NOTIFY_SOCKET")
    if not where:
        return False
    try:
        with (
            address_of(where) as address,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outlet,
        ):
            outlet.settimeout(_PATIENCE_SECONDS)
            outlet.sendto(state.encode(), address)
    except (OSError, ConfigError) as error:
        _log.warning("systemd was not told %r at %s: %s", state, where, error)
        return False
    return True


def take_sockets() -> list[socket.socket]:
    """Return the sockets that systemd has passed to this process, once.

    The variables that tell of them are removed: neither children nor a second
    listener take them again.

    Raises:
        ConfigError: If one of them is none that peers can connect to.
    """
    said = {name: os.environ.pop(name, "") for name in _VARIABLES}
    # Or it is somebody else's, who has started us and not cleaned up.
    if said["LISTEN_PID"] != str(os.getpid()):
        return []
    number = said["LISTEN_FDS"]
    if not (number.isascii() and number.isdecimal()):
        raise _unfit(number, "a number of sockets")
    descriptors = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(number))
    names = said["LISTEN_FDNAMES"].split(":")
    with ExitStack() as undo:
        passed = [
            undo.enter_context(_socket_of(descriptor, name))
            for descriptor, name in zip_longest(descriptors, names[: int(number)])
        ]
        undo.pop_all()
    return passed


def path_of_socket(passed: socket.socket) -> Path | None:
    """Return where clients find *passed*: a path, an abstract name, or neither."""
    name: object = passed.getsockname()
    if isinstance(name, bytes) and name:
        return Path(f"@{os.fsdecode(name[1:])}")
    return Path(name) if isinstance(name, str) and name else None


def _socket_of(descriptor: int, name: str | None) -> socket.socket:
    """Return the socket that is open as *descriptor*, for this process alone."""
    which = f"descriptor {descriptor} ({name})" if name else f"descriptor {descriptor}"
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it has no name
        passed = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _unfit(which, "open sockets") from error
    is_listening = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if passed.type != socket.SOCK_STREAM or not is_listening:
        passed.close()
        raise _unfit(which, "listening stream sockets")
    passed.settimeout(0)
    return passed


def _unfit(got: str, expected: str) -> ConfigError:
    return ConfigError(
        "the environment", "LISTEN_FDS", f"expected {expected}, got {got or 'nothing'}"
    )


publish_names(globals(), ["notify_systemd"], "acton_trio.ipc")
