"""What is configured, and what says so: the defaults, a file or the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from os import fspath
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast, final

import attrs

from .._base.settings import Reading, Schema, Setting
from .._ipc.config import IPC_FILE, IpcConfig
from .._runtime.config import CONFIG_FILE
from .._runtime.config_files import load
from .failures import UsageError
from .output import Output
from .tables import Column, Row, Table, lines_of
from .text import clean, json_of
from .whereabouts import OWN_NAME, config_for, environment_for, socket_in

__all__ = ["show_settings"]

ConfigT = TypeVar("ConfigT", bound=attrs.AttrsInstance)

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
@attrs.define
class _Scribe(Generic[ConfigT]):
    """Stands in for a schema where a file is read, and writes down what was there."""

    schema: Schema[ConfigT]
    tables: Mapping[str, object] = attrs.field(factory=dict[str, object], init=False)
    source: str = attrs.field(default="", init=False)
    environ: Mapping[str, str] = attrs.field(factory=dict[str, str], init=False)

    def read(
        self, tables: Mapping[str, object], source: str, environ: Mapping[str, str]
    ) -> Reading[ConfigT]:
        """Have the schema read it."""
        self.tables, self.source, self.environ = tables, source, environ
        return self.schema.read(tables, source, environ)

    def said(self, config: ConfigT) -> Iterator[_Said]:
        """Yield all settings of *config*, which was read here."""
        for setting in self.schema.settings():
            section = getattr(config, setting.section) if setting.section else config
            value = getattr(section, setting.field)
            yield _Said(setting.path, _in_files(setting, value), self._source(setting))

    def _source(self, setting: Setting) -> str:
        for name in _variables(self.schema, setting):
            if self.environ.get(name):
                return name
        table = self.tables.get(setting.section) if setting.section else self.tables
        # A section that is none was refused when it was read.
        written = cast("Mapping[str, object]", table or {})
        return "default" if setting.keys.isdisjoint(written) else self.source


def show_settings(app: str | None, output: Output) -> None:
    """Show what is configured for the application *app*, or else for all.

    Raises:
        ConfigError: If a file or the environment says what cannot be.
        UsageError: If no application can be called so.
    """
    environ = environment_for(app, os.environ)
    found = {
        name: _read(schema, name, app or OWN_NAME, environ)
        for name, schema in _FILES.items()
    }
    config = config_for(app, environ)
    if output.as_json:
        output.data(_plain(found, config))
        return
    for name, (scribe, said) in found.items():
        output.line(f"{name}: {clean(scribe.source) or 'no file'}")
        rows = [
            Row((each.key, _shown(each.value), clean(each.source))) for each in said
        ]
        for line in lines_of(Table(_COLUMNS, rows), output.width):
            output.line(line)
        output.line()
    output.line(f"socket: {clean(socket_in(config) or 'not known without --app')}")


def _read(
    schema: Schema[Any], name: str, app: str, environ: Mapping[str, str]
) -> tuple[_Scribe[Any], list[_Said]]:
    scribe = _Scribe(schema)
    try:
        config = load(cast("Schema[Any]", scribe), name, app, environ)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return scribe, list(scribe.said(config))


def _plain(
    found: Mapping[str, tuple[_Scribe[Any], list[_Said]]], config: IpcConfig
) -> dict[str, object]:
    files = {
        name: {
            "file": scribe.source or None,
            "settings": {
                each.key: {"value": each.value, "from": each.source} for each in said
            },
        }
        for name, (scribe, said) in found.items()
    }
    return {**files, "socket": socket_in(config)}


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
