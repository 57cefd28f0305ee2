"""Who is at the other end of a connection, over sockets of the operating system."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from trio.testing import wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.ipc import IpcListener, PeerCredentials

from .items import covers

US = PeerCredentials(os.getpid(), os.geteuid(), os.getegid())


@asynccontextmanager
async def listening(path: Path) -> AsyncGenerator[IpcListener, None]:
    """Open a listener at *path*, and nothing else."""
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, path=path) as listener,
    ):
        yield listener


@covers(155, 156)
async def test_peer_is_known_by_process_user_and_group(tmp_path: Path) -> None:
    """The kernel says so, whatever the peer says; it is written in a line."""
    async with (
        listening(tmp_path / "s") as listener,
        acton.ipc.open_client(tmp_path / "s") as client,
    ):
        await client.discover()

        assert listener.peer_credentials(1) == US
        assert listener.peer_pid(1) == os.getpid()
        assert str(listener.peer_credentials(1)) == (
            f"pid={os.getpid()} uid={os.geteuid()} gid={os.getegid()}"
        )


@covers(157)
async def test_connections_are_numbered_as_they_come(tmp_path: Path) -> None:
    """From 1 on, and each has credentials of its own."""
    async with (
        listening(tmp_path / "s") as listener,
        acton.ipc.open_client(tmp_path / "s") as first,
    ):
        await first.discover()
        async with acton.ipc.open_client(tmp_path / "s") as second:
            await second.discover()

            assert listener.peer_credentials(1) == US
            assert listener.peer_credentials(2) == US


@covers(158)
async def test_nobody_is_known_by_a_number_that_no_connection_has(
    tmp_path: Path,
) -> None:
    """Before, beside and after those that there are."""
    async with (
        listening(tmp_path / "s") as listener,
        acton.ipc.open_client(tmp_path / "s") as client,
    ):
        await client.discover()

        for number in (-1, 0, 2, 999):
            assert listener.peer_credentials(number) is None
            assert listener.peer_pid(number) is None


@covers(159)
async def test_peer_is_forgotten_when_its_connection_closes(tmp_path: Path) -> None:
    """Its number is not given away again."""
    async with listening(tmp_path / "s") as listener:
        async with acton.ipc.open_client(tmp_path / "s") as client:
            await client.discover()
            assert listener.peer_pid(1) == os.getpid()
        await wait_all_tasks_blocked()
        assert listener.peer_credentials(1) is None
        async with acton.ipc.open_client(tmp_path / "s") as client:
            await client.discover()

            assert listener.peer_pid(1) is None
            assert listener.peer_pid(2) == os.getpid()
    assert listener.peer_credentials(2) is None
