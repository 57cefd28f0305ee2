"""Where configuration files are, and how they are read.

A file is looked for in ``acton/<app_name>/`` and then in ``acton/``, below the
user's folder for configuration and then below those of the system, which are
those of the XDG Base Directory Specification.  The first one that there is, is
the one; nothing is merged.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import attrs

from .._base.errors import ConfigError
from .._base.settings import Schema

__all__ = ["found", "load", "script_name"]

ConfigT = TypeVar("ConfigT", bound=attrs.AttrsInstance)

_log = logging.getLogger("acton_trio")

_FALLBACK_NAME: Final = "acton"

# What the XDG specification says for a missing or empty XDG_CONFIG_DIRS.
_SYSTEM_FOLDERS: Final = "/etc/xdg"


def load(
    schema: Schema[ConfigT],
    file_name: str,
    app_name: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> ConfigT:
    """Return what the file *file_name* says, wherever it is, and the environment.

    Args:
        schema: What it can say.
        file_name: Its name.
        app_name: Whose it is; by default the running script's.
        environ: The environment; by default that of the process.

    Raises:
        ConfigError: If the file cannot be read, or it or the environment says
            what cannot be.
        ValueError: If *app_name* cannot be the name of a folder.
    """
    if environ is None:
        environ = os.environ
    tables, source = found(file_name, app_name, environ)
    reading = schema.read(tables, source, environ)
    if reading.without_effect:
        _log.info("%s: without effect: %s", source, ", ".join(reading.without_effect))
    return reading.config


def found(
    file_name: str, app_name: str | None, environ: Mapping[str, str]
) -> tuple[Mapping[str, object], str]:
    """Return what the file *file_name* holds, and where it is; nothing if there is none.

    Raises:
        ConfigError: If it cannot be read.
        ValueError: If *app_name* cannot be the name of a folder.
    """
    app_name = app_name or script_name()
    if "/" in app_name or "\0" in app_name or app_name in {".", ".."}:
        msg = f"{app_name!r} cannot be the name of a folder, so of no app_name"
        raise ValueError(msg)
    for folder in _folders(app_name, environ):
        path = folder / file_name
        if _is_there(path):
            return _parse(path), str(path)
    return {}, ""


def script_name() -> str:
    """Return what the running program is called: its script or package."""
    script = Path(sys.argv[0]) if sys.argv else Path()
    name = script.parent.name if script.stem == "__main__" else script.stem
    return name if name and not name.startswith("-") else _FALLBACK_NAME


def _folders(app_name: str, environ: Mapping[str, str]) -> Iterator[Path]:
    user = environ.get("XDG_CONFIG_HOME", "")
    home = environ.get("HOME", "")
    if not user.startswith("/") and home.startswith("/"):
        user = str(Path(home, ".config"))
    systems = environ.get("XDG_CONFIG_DIRS", "").split(":")
    if not any(each.startswith("/") for each in systems):
        systems = [_SYSTEM_FOLDERS]
    for folder in [user, *systems]:
        if folder.startswith("/"):
            yield Path(folder, "acton", app_name)
            yield Path(folder, "acton")


def _is_there(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unreadable(path, error) from error


def _parse(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise _unreadable(path, error) from error
    # ValueError is the parser's, and that of bytes that are no UTF-8 and of
    # numbers with thousands of digits.
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(path), "", f"expected TOML: {error}") from error


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(str(path), "", f"expected a file to read: {error.strerror}")
