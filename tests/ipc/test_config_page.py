"""`docs/configuration.md` lists what can be set, all of it, and as it is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import acton_trio as acton
from acton_trio._base.settings import FLAG, Schema, Setting
from acton_trio._ipc.config import IPC_FILE
from acton_trio._runtime.config import CONFIG_FILE
from acton_trio.ipc import IpcConfig, IpcLimits, IpcSocket, IpcTimeouts

PAGE: Final = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(
    "utf-8"
)

FILES = [
    pytest.param(CONFIG_FILE, "config.toml", id="config.toml"),
    pytest.param(IPC_FILE, "ipc.toml", id="ipc.toml"),
]


def rows_of(heading: str) -> Iterator[list[str]]:
    """Yield the rows of the table that says what can be set, below *heading*."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip().strip("`") for cell in line.split("|")[1:-1]]


def default_of(setting: Setting) -> str:
    """Return the default of *setting*, as a file would have it."""
    value: Any = setting.default
    if value is None:
        return ""
    if setting.field == "mode":
        return f"0o{value:o}"
    if setting.kind is FLAG:
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return str(round(value * 1000) if setting.key.endswith("_ms") else value)


def example(name: str) -> dict[str, Any]:
    """Return what the example says that is called *name*."""
    blocks: list[str] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (text,) = (each for each in blocks if each.startswith(f"# {name}\n"))
    return tomllib.loads(text)


@pytest.mark.parametrize(("schema", "name"), FILES)
def test_table_has_every_key_and_its_default(schema: Schema[Any], name: str) -> None:
    """In the order of the classes, with nothing that cannot be set."""
    listed = [(key, default) for key, _, _, default in rows_of(name)]

    assert listed == [(each.path, default_of(each)) for each in schema.settings()]


@pytest.mark.parametrize(("schema", "name"), FILES)
def test_table_has_the_unit_of_every_duration(schema: Schema[Any], name: str) -> None:
    """Milliseconds, where the key ends in them, and a meaning for everything."""
    for key, meaning, unit, _ in rows_of(name):
        assert meaning
        assert (unit == "ms") is key.endswith("_ms")


@pytest.mark.parametrize(("schema", "name"), FILES)
def test_keys_without_effect_are_listed(schema: Schema[Any], name: str) -> None:
    """All of them, and no others."""
    listed = [
        key for file, key in rows_of("Shared with Acton for Rust") if file == name
    ]

    assert sorted(listed) == sorted(schema.without_effect)


def test_examples_are_read() -> None:
    """What the page shows as files says what a reader would think."""
    config = CONFIG_FILE.read(example("config.toml"), "the page", {}).config
    doors = IPC_FILE.read(example("ipc.toml"), "the page", {}).config

    assert config == acton.Config(
        timeouts=acton.Timeouts(ask=5, system_shutdown=12.5),
        limits=acton.Limits(actor_inbox_capacity=64),
    )
    assert doors == IpcConfig(
        socket=IpcSocket(path=Path("/run/orders/ipc.sock"), mode=0o660),
        limits=IpcLimits(max_connections=16),
        timeouts=IpcTimeouts(read_timeout=0),
    )


def test_variables_of_the_page_are_known() -> None:
    """Each of the examples is read, and changes something."""
    environ = dict(re.findall(r"^(ACTON_\w+)=(\w+)$", PAGE, re.MULTILINE))

    assert len(environ) == 4
    for variable, value in environ.items():
        schema = IPC_FILE if variable.startswith("ACTON_IPC_") else CONFIG_FILE
        assert schema.read({}, "", {variable: value}).config != schema.config()


def test_error_of_the_page_is_the_one_that_comes(tmp_path: Path) -> None:
    """Word for word, but for whose home it is."""
    folder = tmp_path / "acton"
    folder.mkdir()
    (folder / "config.toml").write_text("[timeouts]\nactor_shutdwon_ms = 5000\n")
    with pytest.raises(acton.ConfigError) as caught:
        acton.Config.load(environ={"XDG_CONFIG_HOME": str(tmp_path)})

    text = str(caught.value).replace(str(tmp_path), "/home/me/.config")
    assert text in PAGE.replace("\n", " ")
