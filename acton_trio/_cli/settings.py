"""What is configured, and what says so: the defaults, a file or the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from os import fspath
from pathlib import Path
from typing import Any, Final, cast, final

import attrs

from .._base.settings import Schema, Setting
from .._ipc.config import IPC_FILE, IpcConfig
from .._runtime.config import CONFIG_FILE
from .._runtime.config_files import found
from .failures import UsageError
from .output import Output
from .tables import Column, Row, Table, lines_of
from .text import clean, json_of
from .whereabouts import OWN_NAME, config_for, environment_for, socket_in

__all__ = ["show_settings"]

_FILES: Final[Mapping[str, Schema[Any]]] = {
    "config.toml": CONFIG_FILE,
    "ipc.toml": IPC_FILE,
}

_COLUMNS: Final = (Column("KEY"), Column("VALUE", least=10), Column("FROM", least=10))


@attrs.frozen
class _Said:
    """One setting as it is, and what says so."""

    key: str
    value: object
    source: str


@final
@attrs.frozen
class _Found:
    """What one kind of file says, together with the environment."""

    source: str
    """Where the file is; empty if there is none."""

    said: tuple[_Said, ...]


def show_settings(app: str | None, output: Output) -> None:
    """Show what is configured for the application *app*, or else for all.

    Raises:
        ConfigError: If a file or the environment says what cannot be.
        UsageError: If no application can be called so.
    """
    environ = environment_for(app, os.environ)
    found_by_name = {
        name: _read(schema, name, app or OWN_NAME, environ)
        for name, schema in _FILES.items()
    }
    config = config_for(app, environ)
    if output.as_json:
        output.data(_plain(found_by_name, config))
        return
    for name, each_found in found_by_name.items():
        output.line(f"{name}: {clean(each_found.source) or 'no file'}")
        rows = [
            Row((each.key, _shown(each.value), clean(each.source)))
            for each in each_found.said
        ]
        for line in lines_of(Table(_COLUMNS, rows), output.width):
            output.line(line)
        output.line()
    output.line(f"socket: {clean(socket_in(config) or 'not known without --app')}")


def _read(
    schema: Schema[Any], name: str, app: str, environ: Mapping[str, str]
) -> _Found:
    try:
        tables, source = found(name, app, environ)
    except ValueError as error:
        raise UsageError(str(error)) from error
    config = schema.read(tables, source, environ).config
    said: list[_Said] = []
    for setting in schema.settings():
        section = getattr(config, setting.section) if setting.section else config
        value = _in_files(setting, getattr(section, setting.field))
        said.append(
            _Said(
                setting.path, value, _source(setting, schema, environ, tables) or source
            )
        )
    return _Found(source, tuple(said))


def _plain(found_by_name: Mapping[str, _Found], config: IpcConfig) -> dict[str, object]:
    files = {
        name: {
            "file": each_found.source or None,
            "settings": {
                each.key: {"value": each.value, "from": each.source}
                for each in each_found.said
            },
        }
        for name, each_found in found_by_name.items()
    }
    return {**files, "socket": socket_in(config)}


def _source(
    setting: Setting,
    schema: Schema[Any],
    environ: Mapping[str, str],
    tables: Mapping[str, object],
) -> str:
    """Return what has set *setting*, or nothing if that is the file."""
    for name in _variables(schema, setting):
        if environ.get(name):
            return name
    table = tables.get(setting.section) if setting.section else tables
    # A section that is none was refused when it was read.
    written = cast("Mapping[str, object]", table or {})
    return "default" if setting.keys.isdisjoint(written) else ""


def _variables(schema: Schema[Any], setting: Setting) -> Iterator[str]:
    keys = setting.keys if setting.section else {setting.key}
    for key in keys:
        path = f"{setting.section}_{key}".removeprefix("_")
        yield f"{schema.prefix}{path.upper()}"


def _in_files(setting: Setting, value: object) -> object:
    """Return *value* as a file would have it."""
    if isinstance(value, float) and setting.kind.suffix == "_ms":
        return round(value * 1000, 6)
    if isinstance(value, Path):
        return fspath(value)
    if isinstance(value, tuple):
        return list(cast("tuple[object, ...]", value))
    if setting.path == "socket.mode":
        return f"0o{value:o}"
    return value


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return clean(value) if isinstance(value, str) else json_of(value).removesuffix(".0")
