"""Where the service is that a command talks to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import fspath
from typing import Final

import attrs

from .._ipc.config import IpcConfig
from .failures import UsageError

__all__ = [
    "OWN_NAME",
    "config_for",
    "environment_for",
    "running_apps",
    "socket_in",
    "socket_of",
]

OWN_NAME: Final = "acton-trio"
"""Whose files are read when no application is named, before those that all share."""

# What `--app` says, and so the environment does not: it is about this command.
_SAID_BY_APP: Final = frozenset({"ACTON_IPC_SOCKET_PATH", "ACTON_IPC_SOCKET_APP_NAME"})

_WHERE: Final = (
    "where is the service? Say --socket PATH or --app NAME, "
    "or set ACTON_IPC_SOCKET_PATH"
)


def socket_of(
    socket: str | None, app: str | None, environ: Mapping[str, str] = os.environ
) -> str:
    """Return where to connect to.

    Args:
        socket: What ``--socket`` says; it is that.
        app: What ``--app`` says: where the application of that name listens.
        environ: The environment.

    Raises:
        UsageError: If nothing says where.
        ConfigError: If a configuration file is wrong.
    """
    where = socket or socket_in(config_for(app, environ))
    if where is None:
        raise UsageError(_WHERE)
    return where


def socket_in(config: IpcConfig) -> str | None:
    """Return where *config* says that the socket is, if it does."""
    if config.socket.path is None and config.socket.app_name is None:
        return None
    return fspath(config.socket_path)


def config_for(app: str | None, environ: Mapping[str, str]) -> IpcConfig:
    """Return how the application *app* listens, or else what is the same for all.

    Raises:
        UsageError: If no application can be called so.
        ConfigError: If a configuration file is wrong.
    """
    try:
        config = IpcConfig.load(app or OWN_NAME, environ=environment_for(app, environ))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if app is None or config.socket.app_name is not None:
        return config
    return attrs.evolve(config, socket=attrs.evolve(config.socket, app_name=app))


def environment_for(app: str | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what of the environment counts, if ``--app`` says *app*."""
    if app is None:
        return environ
    return {name: environ[name] for name in environ if name not in _SAID_BY_APP}


def running_apps() -> list[str]:
    """Return the names of those that have a socket where sockets are by default."""
    folder = IpcConfig().socket_path.parents[1]
    return sorted(each.parent.name for each in folder.glob("*/ipc.sock"))
