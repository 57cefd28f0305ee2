"""Real sockets: a service behind one, and where it is."""

from __future__ import annotations

import stat
from pathlib import Path

import attrs
import pytest
import trio

import acton_trio as acton

IpcConfig, IpcSocket = acton.ipc.IpcConfig, acton.ipc.IpcSocket


@acton.message(ipc=True)
class Echo(acton.Request[str]):
    """Asks for its own text."""

    text: str


@acton.actor
class Parrot:
    """Repeats."""

    said: list[str] = attrs.field(factory=list[str])

    @acton.act_on
    def echo(self, request: Echo) -> str:
        """Repeat."""
        return request.text


async def test_service_is_reached_over_a_real_socket(tmp_path: Path) -> None:
    """Server, client and single frames, over the operating system."""
    path = tmp_path / "deep" / "er" / "s.sock"
    async with acton.open_runtime() as runtime:
        await runtime.start(Parrot, name="parrot", expose="loud")
        async with acton.ipc.open_listener(runtime, path=path) as listener:
            assert listener.socket_path == path
            assert acton.ipc.socket_exists(path)
            assert await acton.ipc.socket_is_alive(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
            async with acton.ipc.open_client(path) as client:
                assert await client.actor("loud").ask(Echo("hey")) == "hey"
            async with await trio.open_unix_socket(path) as stream:
                envelope = acton.ipc.IpcEnvelope("loud", "Echo", {"text": "ho"})
                await acton.ipc.protocol.write_envelope(stream, envelope)
                await acton.ipc.protocol.write_envelope(stream, envelope)
                for _ in range(2):
                    response = await acton.ipc.protocol.read_response(stream, 1024)
                    assert response.payload == "ho"
                    assert response.correlation_id == envelope.correlation_id

            def block() -> str:
                with acton.ipc.BlockingClient(path) as client:
                    return client.actor("loud").ask(Echo("huh"))

            assert await trio.to_thread.run_sync(block) == "huh"

    assert list(path.parent.iterdir()) == []
    assert not await acton.ipc.socket_is_alive(path)


async def test_listener_of_the_runtime_ends_with_it(tmp_path: Path) -> None:
    """A door without a block of its own is shut when the runtime ends."""
    config = IpcConfig(socket=IpcSocket(path=tmp_path / "s", mode=0o660))
    async with acton.open_runtime() as runtime:
        listener = await runtime.start_ipc_listener(config)
        mode = stat.S_IMODE((tmp_path / "s").stat().st_mode)

        assert mode == 0o660
        assert "s" in repr(listener)
    assert list(tmp_path.iterdir()) == []


async def test_path_in_use_is_refused(tmp_path: Path) -> None:
    """Two servers never listen at one path, and the first is unharmed."""
    path = tmp_path / "s"
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, path=path),
    ):
        with pytest.raises(acton.ProtocolError, match="already running"):
            await acton.ipc.open_listener(runtime, path=path).__aenter__()
        assert await acton.ipc.socket_is_alive(path)


async def test_leaving_by_an_exception_shuts_the_door(tmp_path: Path) -> None:
    """The exception leaves as it is, and nothing is left behind."""
    async with acton.open_runtime() as runtime:
        with pytest.raises(KeyError, match="mine"):
            async with acton.ipc.open_listener(runtime, path=tmp_path / "s"):
                raise KeyError("mine")  # noqa: EM101
        assert list(tmp_path.iterdir()) == []


def test_default_path_is_made_of_runtime_folder_and_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Relative and empty folders count as missing ones."""
    named = IpcConfig(socket=IpcSocket(app_name="app"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert named.socket_path == Path("/run/user/1/acton/app/ipc.sock")
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        assert named.socket_path == Path("/tmp/acton/app/ipc.sock")
    monkeypatch.setattr("sys.argv", ["/opt/tool/__main__.py"])
    assert IpcConfig().socket_path.parent.name == "tool"
    monkeypatch.setattr("sys.argv", ["-c"])
    assert IpcConfig().socket_path.parent.name == "acton"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda: IpcSocket(mode=0o1777), id="mode"),
        pytest.param(lambda: acton.ipc.IpcLimits(max_connections=0), id="none"),
        pytest.param(lambda: acton.ipc.IpcLimits(max_message_size=2**30), id="size"),
        pytest.param(lambda: acton.ipc.IpcTimeouts(read_timeout=-1), id="seconds"),
    ],
)
def test_impossible_setting_is_a_config_error(wrong: object) -> None:
    """Nothing starts with a value that makes no sense."""
    assert callable(wrong)
    with pytest.raises(acton.ConfigError, match="expected"):
        wrong()
