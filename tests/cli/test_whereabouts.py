"""Where a command looks for a service, and what `config` tells about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acton_trio import ConfigError
from acton_trio._cli.failures import UsageError
from acton_trio._cli.main import main
from acton_trio._cli.whereabouts import running_apps, socket_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have no configuration but what the test writes."""
    for name in ("ACTON_IPC_SOCKET_PATH", "ACTON_IPC_SOCKET_APP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def write(home: Path, name: str, text: str) -> Path:
    """Write a file of configuration."""
    path = home / "config" / "acton" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# --- where


def test_socket_is_where_the_option_says(home: Path) -> None:
    """Whatever else says otherwise."""
    write(home, "shop/ipc.toml", "[socket]\npath = '/elsewhere'")

    assert socket_of("@shop", "shop", {"ACTON_IPC_SOCKET_PATH": "/x"}) == "@shop"


def test_app_is_where_the_service_of_that_name_listens(home: Path) -> None:
    """By default in the folder of that name."""
    assert socket_of(None, "shop") == f"{home}/run/acton/shop/ipc.sock"


def test_app_is_where_its_own_file_says(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the environment says of a socket is not about it."""
    monkeypatch.setenv("ACTON_IPC_SOCKET_PATH", "/other")
    write(home, "shop/ipc.toml", "[socket]\npath = '/srv/shop.sock'")
    write(home, "mart/ipc.toml", "[socket]\napp_name = 'market'")

    assert socket_of(None, "shop") == "/srv/shop.sock"
    assert socket_of(None, "mart") == f"{home}/run/acton/market/ipc.sock"


def test_without_options_the_environment_says_where(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does to the service itself, and on top of the file that all share."""
    write(home, "ipc.toml", "[socket]\napp_name = 'shared'")
    assert socket_of(None, None) == f"{home}/run/acton/shared/ipc.sock"

    monkeypatch.setenv("ACTON_IPC_SOCKET_PATH", "@one")
    assert socket_of(None, None) == "@one"


def test_nothing_that_says_where_is_a_usage_error(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what could."""
    status = main(["ask", "a", "B"])

    assert status == 2
    assert capsys.readouterr().err == (
        "acton-trio: where is the service? Say --socket PATH or --app NAME, "
        "or set ACTON_IPC_SOCKET_PATH\n"
    )


def test_app_that_cannot_be_is_a_usage_error(home: Path) -> None:
    """It names a folder."""
    with pytest.raises(UsageError, match="cannot be the name of a folder"):
        socket_of(None, "a/b")


def test_wrong_file_is_told_with_its_key(home: Path) -> None:
    """It is the same error as the service would have."""
    path = write(home, "shop/ipc.toml", "[socket]\npaths = 3")

    with pytest.raises(ConfigError, match=r"socket\.paths") as raised:
        socket_of(None, "shop")

    assert raised.value.source == str(path)


def test_apps_are_those_that_have_a_socket(home: Path) -> None:
    """In the folder where sockets are by default."""
    for each in ("b", "a"):
        (home / "run" / "acton" / each).mkdir(parents=True)
        (home / "run" / "acton" / each / "ipc.sock").touch()
    (home / "run" / "acton" / "c").mkdir()

    assert running_apps() == ["a", "b"]


# --- config


def test_config_tells_where_each_value_comes_from(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment, a file, or the default; also if that is the same."""
    file = write(
        home,
        "shop/ipc.toml",
        "[timeouts]\nread_timeout = 60000\n[access]\nallow_uids=[0]",
    )
    monkeypatch.setenv("ACTON_IPC_SOCKET_MODE", "0660")
    monkeypatch.setenv("ACTON_INTROSPECTION", "1")

    assert main(["config", "--app", "shop", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    ipc = found["ipc.toml"]["settings"]
    assert found["config.toml"]["file"] is None
    assert found["ipc.toml"]["file"] == str(file)
    assert found["socket"] == f"{home}/run/acton/shop/ipc.sock"
    assert found["config.toml"]["settings"]["introspection"] == {
        "value": True,
        "from": "ACTON_INTROSPECTION",
    }
    assert ipc["timeouts.read_timeout_ms"] == {"value": 60000, "from": str(file)}
    assert ipc["access.allow_uids"] == {"value": [0], "from": str(file)}
    assert ipc["socket.mode"] == {"value": "0o660", "from": "ACTON_IPC_SOCKET_MODE"}
    assert ipc["limits.max_connections"] == {"value": 1024, "from": "default"}


def test_config_is_a_table_for_people(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both files, and then the socket."""
    file = write(home, "config.toml", "introspection = true")

    assert main(["config"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"config.toml: {file}"
    assert f"introspection  true  {file}".split() in [each.split() for each in lines]
    assert "ipc.toml: no file" in lines
    assert ["socket.path", "-", "default"] in [each.split() for each in lines]
    assert lines[-1] == "socket: not known without --app"


def test_config_that_is_wrong_is_exit_code_2(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is what the service would fail with."""
    path = write(home, "config.toml", "introspektion = true")

    assert main(["config"]) == 2

    err = capsys.readouterr().err
    assert err.startswith(f"acton-trio: CONFIG_ERROR: {path}: introspektion: ")
    assert err.count("\n") == 1
