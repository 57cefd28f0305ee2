"""What configuration files say is what actors and listeners live by."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.ipc import IpcConfig, IpcLimits, IpcSocket, IpcTimeouts

from .items import covers

CUSTOM = """
[timeouts]
actor_shutdown = 5000
system_shutdown = 15000

[limits]
concurrent_handlers_high_water_mark = 2
actor_inbox_capacity = 3
"""


@acton.message
class Work(acton.Request[int]):
    """Takes a second."""


@acton.actor
class Worker:
    """Works, several times at once."""

    @acton.act_on
    async def work(self, request: Work) -> int:
        """Take a second."""
        await trio.sleep(1)
        return 1


@acton.actor
class Stubborn:
    """Does not end by itself."""

    @acton.mutate_on
    async def work(self, request: Work) -> int:
        """Take for ever."""
        await trio.sleep_forever()
        return 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder of configuration files, which is the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    (tmp_path / "acton" / "orders").mkdir(parents=True)
    (tmp_path / "acton" / "invoices").mkdir()
    return tmp_path / "acton"


@covers(147, 151)
async def test_values_of_the_file_are_those_of_the_runtime(
    folder: Path, autojump_clock: MockClock
) -> None:
    """What a file says is what the runtime has, and what its actors keep to."""
    (folder / "config.toml").write_text(CUSTOM)
    async with acton.open_runtime(acton.Config.load()) as runtime:
        assert runtime.config == acton.Config(
            timeouts=acton.Timeouts(actor_shutdown=5, system_shutdown=15),
            limits=acton.Limits(
                concurrent_handlers_high_water_mark=2, actor_inbox_capacity=3
            ),
        )
        worker = await runtime.start(Worker)
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(worker.ask, Work())

        # Two at a time.
        assert trio.current_time() == pytest.approx(2)


@covers(147)
async def test_time_to_stop_is_that_of_the_file(
    folder: Path, autojump_clock: MockClock
) -> None:
    """An actor that does not end is cut off after as long as the file says."""
    (folder / "config.toml").write_text(CUSTOM)
    async with acton.open_runtime(acton.Config.load()) as runtime:
        stubborn = await runtime.start(Stubborn)
        await stubborn.send(Work())
        await trio.testing.wait_all_tasks_blocked()

    assert trio.current_time() == pytest.approx(5)


@covers(148)
def test_file_is_found_where_xdg_has_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's folder, wherever the user has put it, else that in the home."""
    (folder / "config.toml").write_text(CUSTOM)
    assert acton.Config.load().limits.actor_inbox_capacity == 3

    home = folder / "home"
    (home / ".config" / "acton").mkdir(parents=True)
    (home / ".config" / "acton" / "config.toml").write_text(
        CUSTOM.replace("= 3", "= 4")
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert acton.Config.load().limits.actor_inbox_capacity == 4

    (home / ".config" / "acton" / "config.toml").unlink()
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"/nowhere:{folder.parent}")
    assert acton.Config.load().limits.actor_inbox_capacity == 3


@covers(149)
def test_malformed_file_is_an_error(folder: Path) -> None:
    """It does not mean the defaults: nothing starts until somebody has looked."""
    (folder / "config.toml").write_text("invalid toml content [[[")
    with pytest.raises(acton.ConfigError, match="expected TOML") as caught:
        acton.Config.load()

    assert caught.value.source == str(folder / "config.toml")


@covers(150)
async def test_without_a_file_there_are_the_defaults(
    folder: Path, autojump_clock: MockClock
) -> None:
    """No file is no error, and no folder either; nor is a folder a file."""
    assert acton.Config.load() == acton.Config()

    (folder / "config.toml").mkdir()
    async with acton.open_runtime(acton.Config.load()) as runtime:
        worker = await runtime.start(Worker)

        assert runtime.config == acton.Config()
        assert await worker.ask(Work()) == 1


@covers(152)
async def test_all_actors_are_under_the_configuration(
    folder: Path, autojump_clock: MockClock
) -> None:
    """Each has the room and the concurrency of the file, and those below it, too."""
    (folder / "config.toml").write_text(CUSTOM)
    async with acton.open_runtime(acton.Config.load()) as runtime:
        workers = [await runtime.start(Worker, name=f"w-{n}") for n in range(3)]
        workers.append(await workers[0].supervise(Worker))
        for worker in workers:
            # Nothing has started yet: this is the room for what waits.
            for _ in range(3):
                worker.send_nowait(Work())
            with pytest.raises(acton.MailboxFullError):
                worker.send_nowait(Work())
        start = trio.current_time()

    # Three messages, two at a time, all actors beside each other.
    assert trio.current_time() - start <= 2 * len(workers)


DOOR = "[limits]\nmax_connections = {}\n[timeouts]\nread_timeout_ms = 1500\n"


def door(connections: int) -> IpcConfig:
    """Return what a file says that is made of `DOOR`."""
    return IpcConfig(
        limits=IpcLimits(max_connections=connections),
        timeouts=IpcTimeouts(read_timeout=1.5),
    )


@covers(153)
def test_sections_of_a_listener_can_be_made_in_python() -> None:
    """Each is a class of its own, with defaults for what is not said."""
    config = IpcConfig(
        socket=IpcSocket(app_name="orders"), limits=IpcLimits(max_connections=2)
    )

    assert config.socket.app_name == "orders"
    assert config.limits.max_connections == 2
    assert config.limits.max_message_size == IpcLimits().max_message_size
    assert config.timeouts == IpcTimeouts()


@covers(154)
def test_section_of_a_listener_can_be_replaced() -> None:
    """As a whole; the configuration that it was made of stays as it is."""
    before = door(2)
    after = attrs.evolve(before, limits=IpcLimits(max_in_flight=1))

    assert before == door(2)
    assert after.limits == IpcLimits(max_in_flight=1)
    assert after.timeouts == before.timeouts


@covers(169)
def test_file_of_the_application_is_found(folder: Path) -> None:
    """``ipc.toml`` in the folder of its name."""
    (folder / "orders" / "ipc.toml").write_text(DOOR.format(7))

    assert IpcConfig.load("orders") == door(7)


@covers(170)
def test_shared_file_is_found_without_one_of_the_application(folder: Path) -> None:
    """``ipc.toml`` in the folder of all."""
    (folder / "ipc.toml").write_text(DOOR.format(8))

    assert IpcConfig.load("orders") == door(8)


@covers(171)
def test_file_of_the_application_wins(folder: Path) -> None:
    """Over the shared one, of which nothing is heard then."""
    (folder / "ipc.toml").write_text("[errors]\nexpose_details = true")
    (folder / "orders" / "ipc.toml").write_text(DOOR.format(7))

    assert IpcConfig.load("orders") == door(7)


@covers(172)
def test_file_of_another_application_is_not_read(folder: Path) -> None:
    """Whatever it says, it is not about this one."""
    (folder / "invoices" / "ipc.toml").write_text(DOOR.format(7))

    assert IpcConfig.load("orders") == IpcConfig()


@covers(173)
def test_without_a_file_a_listener_has_the_defaults(folder: Path) -> None:
    """1024 connections and the others of the reference's."""
    assert IpcConfig.load("orders") == IpcConfig()
    assert IpcConfig.load("orders").limits.max_connections == 1024
