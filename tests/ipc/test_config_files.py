"""`ipc.toml`: what a listener is told by a file, and by the environment."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

import acton_trio as acton
from acton_trio.ipc import (
    IpcAccess,
    IpcConfig,
    IpcErrors,
    IpcLimits,
    IpcRateLimit,
    IpcShutdown,
    IpcSocket,
    IpcTimeouts,
)

EVERYTHING = """
[socket]
path = "/run/orders.sock"
mode = 0o660
app_name = "orders"

[limits]
max_connections = 3
max_message_size = 4096
max_in_flight = 2
push_buffer_size = 7
max_response_timeout_ms = 90_000

[access]
allow_uids = [0, 1000]
allow_gids = []

[rate_limit]
enabled = false
requests_per_second = 2.5
burst_size = 5

[timeouts]
request_timeout_ms = 1500
read_timeout_ms = 0
write_timeout = 2.5
subscription_read_timeout_ms = 120_000
handshake_timeout_ms = 1000

[shutdown]
drain_timeout_ms = 250

[errors]
expose_details = true
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder of files, which is the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    monkeypatch.setattr("sys.argv", ["/opt/orders.py"])
    folder = tmp_path / "user" / "acton"
    folder.mkdir(parents=True)
    return folder


def test_everything_can_be_said_in_a_file(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All of the reference's, and what is ours alone."""
    (folder / "ipc.toml").write_text(EVERYTHING)
    caplog.set_level(logging.INFO, "acton_trio")

    assert IpcConfig.load() == IpcConfig(
        socket=IpcSocket(path=Path("/run/orders.sock"), mode=0o660, app_name="orders"),
        access=IpcAccess(allow_uids=(0, 1000), allow_gids=()),
        limits=IpcLimits(
            max_connections=3,
            max_message_size=4096,
            max_in_flight=2,
            push_buffer_size=7,
            max_response_timeout=90,
        ),
        rate_limit=IpcRateLimit(enabled=False, requests_per_second=2.5, burst_size=5),
        timeouts=IpcTimeouts(
            request_timeout=1.5,
            read_timeout=0,
            subscription_read_timeout=120,
            handshake_timeout=1,
            write_timeout=0.0025,
        ),
        shutdown=IpcShutdown(drain_timeout=0.25),
        errors=IpcErrors(expose_details=True),
    )
    assert not caplog.records


@pytest.mark.parametrize("mode", ["0o660", "432", "'0660'", "'660'", "'0o660'"])
def test_mode_is_a_number_or_an_octal_text(folder: Path, mode: str) -> None:
    """As people write it, whoever they learnt it from."""
    (folder / "ipc.toml").write_text(f"[socket]\nmode = {mode}")

    assert IpcConfig.load().socket.mode == 0o660


@pytest.mark.parametrize("mode", ["660", "600", "-1", "'rw'", "'9999'", "true", "6.0"])
def test_mode_that_is_none_is_refused(folder: Path, mode: str) -> None:
    """A number without its ``0o`` would be a mode that nobody has in mind."""
    (folder / "ipc.toml").write_text(f"[socket]\nmode = {mode}")
    with pytest.raises(acton.ConfigError, match="0o600 or '0600'") as caught:
        IpcConfig.load()

    assert caught.value.source == str(folder / "ipc.toml")
    assert caught.value.key == "socket.mode"


def test_each_of_the_two_files_has_its_own_sections(folder: Path) -> None:
    """What is said in the other one is not heard, and is no error there."""
    (folder / "ipc.toml").write_text("[limits]\nmax_in_flight = 9")
    (folder / "config.toml").write_text("[limits]\nactor_inbox_capacity = 9")

    assert IpcConfig.load() == IpcConfig(limits=IpcLimits(max_in_flight=9))
    limits = acton.Limits(actor_inbox_capacity=9)
    assert acton.Config.load() == acton.Config(limits=limits)


def test_each_of_the_two_has_its_own_variables(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ACTON_LIMITS_`` is the runtime's, ``ACTON_IPC_LIMITS_`` the listener's."""
    monkeypatch.setenv("ACTON_LIMITS_ACTOR_INBOX_CAPACITY", "9")
    monkeypatch.setenv("ACTON_IPC_LIMITS_MAX_IN_FLIGHT", "8")
    monkeypatch.setenv("ACTON_IPC_TIMEOUTS_READ_TIMEOUT_MS", "1.5")
    monkeypatch.setenv("ACTON_IPC_SOCKET_MODE", "0660")

    assert IpcConfig.load() == IpcConfig(
        socket=IpcSocket(mode=0o660),
        limits=IpcLimits(max_in_flight=8),
        timeouts=IpcTimeouts(read_timeout=0.0015),
    )
    limits = acton.Limits(actor_inbox_capacity=9)
    assert acton.Config.load() == acton.Config(limits=limits)


def test_environment_can_be_given(folder: Path) -> None:
    """Then that of the process is not looked at."""
    (folder / "ipc.toml").write_text("[limits]\nmax_in_flight = 9")

    assert IpcConfig.load(environ={}) == IpcConfig()
    environ = {
        "XDG_CONFIG_HOME": str(folder.parent),
        "ACTON_IPC_ERRORS_EXPOSE_DETAILS": "1",
    }
    assert IpcConfig.load(environ=environ) == IpcConfig(
        limits=IpcLimits(max_in_flight=9), errors=IpcErrors(expose_details=True)
    )


async def test_listener_is_as_the_file_says(folder: Path, tmp_path: Path) -> None:
    """Its path and its permissions are those of the file."""
    path = tmp_path / "s"
    (folder / "ipc.toml").write_text(f"[socket]\npath = '{path}'\nmode = '0660'")
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, IpcConfig.load()) as listener,
    ):
        assert listener.socket_path == path
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_listener_reads_no_file_by_itself(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wants what is there, says so."""
    (folder / "ipc.toml").write_text("nonsense")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime) as listener,
    ):
        assert listener.socket_path == tmp_path / "acton" / "orders" / "ipc.sock"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"app_name": 3}, id="a number as a name"),
        pytest.param({"mode": True}, id="yes, as permissions"),
    ],
)
def test_socket_of_the_wrong_type_is_a_config_error(wrong: dict[str, object]) -> None:
    """Python is held to the same as the file."""
    with pytest.raises(acton.ConfigError, match="IpcSocket"):
        IpcSocket(**wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
