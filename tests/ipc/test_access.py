"""Who may connect: lists, `authorize`, and what becomes of the others."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio._ipc.access import Access, is_listed
from acton_trio.ipc import (
    IpcAccess,
    IpcConfig,
    IpcLimits,
    IpcShutdown,
    IpcTimeouts,
    PeerCredentials,
)

from .peers import END, Peer, Seen, Service, World, open_world

ME, MINE = os.geteuid(), os.getegid()
NOBODY = PeerCredentials()

only_root = pytest.mark.skipif(ME != 0, reason="only root can be somebody else")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="a name of Linux")


def refusal(peer: object) -> Seen:
    """Return what a peer hears that may not connect."""
    return Seen(
        version=2,
        kind=3,
        form=1,
        body={
            "correlation_id": "__acton_connection_rejected__",
            "success": False,
            "error": f"Server refused the connection: access denied ({peer})",
            "error_code": "ACCESS_DENIED",
        },
    )


async def check_that_it_is_refused(peer: Peer, who: object = NOBODY) -> None:
    """The peer hears so, and nothing more."""
    assert await peer.read_frame() == refusal(who)
    assert await peer.read_frame() == END


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the log warns of."""
    return [
        each.getMessage() for each in caplog.records if each.levelno == logging.WARNING
    ]


# --- lists


@pytest.mark.parametrize(
    ("users", "groups", "peer", "expected"),
    [
        pytest.param(None, None, (7, 1, 2), True, id="no lists"),
        pytest.param(None, None, (None, None, None), True, id="no lists, unknown"),
        pytest.param((1,), None, (7, 1, 2), True, id="the user"),
        pytest.param((2,), None, (7, 1, 2), False, id="another user"),
        pytest.param(None, (2, 5), (7, 1, 2), True, id="the group"),
        pytest.param(None, (1,), (7, 1, 2), False, id="another group"),
        pytest.param((9,), (2,), (7, 1, 2), True, id="the group, not the user"),
        pytest.param((1,), (9,), (7, 1, 2), True, id="the user, not the group"),
        pytest.param((9,), (9,), (7, 1, 2), False, id="neither"),
        pytest.param((), None, (7, 1, 2), False, id="no user at all"),
        pytest.param((), (2,), (7, 1, 2), True, id="no user, but the group"),
        pytest.param((0,), (0,), (7, None, None), False, id="unknown"),
        pytest.param((0,), None, (7, 0, 2), True, id="the first user"),
    ],
)
def test_lists_let_in_by_user_or_by_group(
    users: tuple[int, ...] | None,
    groups: tuple[int, ...] | None,
    peer: tuple[int | None, int | None, int | None],
    expected: bool,  # noqa: FBT001 - a row of a table
) -> None:
    """One of the two is enough; who is unknown is on no list."""
    lists = IpcAccess(allow_uids=users, allow_gids=groups)

    assert is_listed(lists, PeerCredentials(*peer)) is expected


async def test_unknown_peer_is_refused_by_a_list(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """In memory nobody is known; it is told so, counted, and logged."""
    config = IpcConfig(access=IpcAccess(allow_uids=(ME,), allow_gids=(MINE,)))
    async with open_world(config) as w:
        await check_that_it_is_refused(w.peer())
        await wait_all_tasks_blocked()
        statistics = w.listener.statistics()

    assert statistics.errors == 1
    assert statistics.connections_accepted == statistics.connections_active == 0
    assert warnings(caplog) == [
        f"refused the peer {NOBODY}: it is on none of the lists"
    ]


async def test_client_is_told_that_it_may_not_connect(
    autojump_clock: MockClock,
) -> None:
    """As a refusal of the whole connection, whatever it asks for."""
    async with (
        open_world(IpcConfig(access=IpcAccess(allow_uids=()))) as w,
        acton.ipc.open_client(w.door.connect()) as client,
    ):
        for _ in range(2):
            with pytest.raises(acton.ConnectionRefusedByPeerError) as caught:
                await client.discover()

            assert caught.value.reason == "ACCESS_DENIED"
            assert "access denied" in caught.value.detail
            assert caught.value.limit is None


async def test_refused_peer_that_does_not_read_is_closed_soon(
    autojump_clock: MockClock,
) -> None:
    """It has a quarter of a second to read why, and takes nobody's place."""
    config = IpcConfig(
        access=IpcAccess(allow_uids=()), limits=IpcLimits(max_connections=1)
    )
    async with open_world(config) as w:
        deaf = w.door.connect_in_lockstep()
        await wait_all_tasks_blocked()
        await check_that_it_is_refused(w.peer())
        began = trio.current_time()
        assert w.listener.statistics().connections_active == 0
        await trio.sleep(0.3)
        with pytest.raises(trio.BrokenResourceError):
            await deaf.send_all(b"x")

    assert began == 0


async def test_refusal_at_the_limit_names_the_peer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever looks for the one who has too many connections has a start."""
    config = IpcConfig(limits=IpcLimits(max_connections=1))
    async with (
        acton.open_runtime() as runtime,
        acton.ipc.open_listener(runtime, config, path=tmp_path / "s"),
        acton.ipc.open_client(tmp_path / "s") as client,
    ):
        await client.discover()
        async with await trio.open_unix_socket(tmp_path / "s") as second:
            await Peer(second).read_frame()

    us = PeerCredentials(os.getpid(), ME, MINE)
    assert warnings(caplog) == [f"refused the peer {us}: 1 connections are open"]


# --- authorize


async def test_authorize_decides(autojump_clock: MockClock) -> None:
    """It is asked about each peer, and hears who it is."""
    asked: list[PeerCredentials] = []
    verdicts = [True, False, True]

    def authorize(peer: PeerCredentials) -> bool:
        asked.append(peer)
        return verdicts.pop(0)

    async with open_world(authorize=authorize) as w:
        first, second, third = w.peer(), None, None
        assert (await first.ask("GetValue"))["success"]
        second = w.peer()
        await check_that_it_is_refused(second)
        third = w.peer()
        assert (await third.ask("GetValue"))["success"]
        assert asked == [NOBODY] * 3
        # Numbers are for those that were let in.
        assert w.listener.peer_credentials(2) == NOBODY
        assert w.listener.peer_credentials(3) is None
        assert w.listener.statistics().connections_accepted == 2


async def test_authorize_may_ask_an_actor(autojump_clock: MockClock) -> None:
    """It may take its time, and others come in meanwhile."""
    asked = 0

    async def authorize(_peer: PeerCredentials) -> bool:
        nonlocal asked
        asked += 1
        await trio.sleep(10 / asked)
        return True

    async with open_world(authorize=authorize) as w:
        slow = w.peer()
        await wait_all_tasks_blocked()
        fast = w.peer()
        assert (await fast.ask("GetValue"))["success"]
        assert trio.current_time() == pytest.approx(5)
        assert (await slow.ask("GetValue"))["success"]
        assert trio.current_time() == pytest.approx(10)


@attrs.define
class Doorkeeper:
    """Lets everybody in who is known; its method is async, its call is not."""

    verdict: bool

    async def decide(self, _peer: PeerCredentials) -> bool:
        """Decide."""
        await trio.lowlevel.checkpoint()
        return self.verdict

    def __call__(self, peer: PeerCredentials) -> Awaitable[bool]:
        """Return what will be the decision."""
        return self.decide(peer)


@pytest.mark.parametrize("verdict", [True, False])
@pytest.mark.parametrize(
    "made_of",
    [
        pytest.param(lambda verdict: lambda _: verdict, id="function"),
        pytest.param(lambda verdict: Doorkeeper(verdict).decide, id="method"),
        pytest.param(Doorkeeper, id="callable object"),
        pytest.param(
            lambda verdict: partial(Doorkeeper.decide, Doorkeeper(verdict)),
            id="partial",
        ),
    ],
)
async def test_authorize_is_anything_that_can_be_called(
    autojump_clock: MockClock, made_of: Callable[[bool], Any], *, verdict: bool
) -> None:
    """What it returns may be awaitable, whatever it is."""
    async with open_world(authorize=made_of(verdict)) as w:
        peer = w.peer()
        if verdict:
            assert (await peer.ask("GetValue"))["success"]
        else:
            await check_that_it_is_refused(peer)


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("verdict", [True, False])
async def test_lists_and_authorize_have_to_agree(
    tmp_path: Path, *, is_listed: bool, verdict: bool
) -> None:
    """Neither lets in whom the other refuses; who is not listed is not asked about."""
    asked: list[PeerCredentials] = []

    def authorize(peer: PeerCredentials) -> bool:
        asked.append(peer)
        return verdict

    access = IpcAccess(allow_uids=(ME if is_listed else ME + 1,))
    us = PeerCredentials(os.getpid(), ME, MINE)
    async with acton.open_runtime() as runtime:
        await runtime.start(Service, name="service", expose=True)
        async with acton.ipc.open_listener(
            runtime, IpcConfig(access=access), path=tmp_path / "s", authorize=authorize
        ):
            peer = Peer(await trio.open_unix_socket(tmp_path / "s"))
            async with peer.stream:
                if is_listed and verdict:
                    assert (await peer.ask("GetValue"))["success"]
                else:
                    await check_that_it_is_refused(peer, us)

    assert asked == [us] * is_listed


@pytest.mark.parametrize("is_async", [True, False])
async def test_authorize_that_raises_refuses(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, *, is_async: bool
) -> None:
    """The log has the traceback, the peer has none of it, and the others go on."""

    def break_(peer: PeerCredentials) -> bool:
        if is_fine:
            return True
        msg = f"secret of {peer}"
        raise LookupError(msg)

    async def break_later(peer: PeerCredentials) -> bool:
        await trio.lowlevel.checkpoint()
        return break_(peer)

    is_fine = False
    async with open_world(authorize=break_later if is_async else break_) as w:
        await check_that_it_is_refused(w.peer())
        is_fine = True
        assert (await w.peer().ask("GetValue"))["success"]

    (failure,) = (each for each in caplog.records if each.exc_info)
    assert failure.levelno == logging.ERROR
    assert failure.exc_info
    assert isinstance(failure.exc_info[1], LookupError)
    assert warnings(caplog) == [f"refused the peer {NOBODY}: authorize failed"]


@pytest.mark.parametrize("verdict", [None, 1, 0, "no", [], object])
async def test_authorize_that_returns_no_bool_refuses(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, verdict: object
) -> None:
    """A text that is meant as a no must not be taken for a yes."""

    def decide(_peer: PeerCredentials) -> Any:
        return verdict

    async with open_world(authorize=decide) as w:
        await check_that_it_is_refused(w.peer())

    (failure,) = (each for each in caplog.records if each.exc_info)
    assert failure.exc_info
    assert isinstance(failure.exc_info[1], TypeError)
    assert str(failure.exc_info[1]) == (
        f"decide returned {verdict!r}, which is no bool"
    )


async def test_authorize_that_hangs_refuses(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """After the time that a peer has to say something, and no later."""

    async def hang(_peer: PeerCredentials) -> bool:
        await trio.sleep_forever()
        raise AssertionError

    async with open_world(
        IpcConfig(timeouts=IpcTimeouts(read_timeout=7)), authorize=hang
    ) as w:
        await check_that_it_is_refused(w.peer())

        assert trio.current_time() == pytest.approx(7)
    (words,) = warnings(caplog)
    assert words.endswith("authorize took longer than 7 seconds")


async def test_authorize_that_fails_when_its_time_is_up_refuses(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its failure is its own, also if it comes beside being cancelled."""

    async def fail_late() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise LookupError

    async def hang(_peer: PeerCredentials) -> bool:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_late)
            nursery.start_soon(trio.sleep_forever)
        return True

    async with open_world(authorize=hang) as w:
        for _ in range(2):
            await check_that_it_is_refused(w.peer())

    assert warnings(caplog) == [f"refused the peer {NOBODY}: authorize failed"] * 2


async def test_authorize_may_take_for_ever_if_reading_may(
    autojump_clock: MockClock,
) -> None:
    """Zero is no limit, as for reading."""

    async def think(_peer: PeerCredentials) -> bool:
        await trio.sleep(10**6)
        return True

    async with open_world(
        IpcConfig(timeouts=IpcTimeouts(read_timeout=0)), authorize=think
    ) as w:
        assert (await w.peer().ask("GetValue"))["success"]


async def test_peer_that_is_judged_takes_a_place(autojump_clock: MockClock) -> None:
    """Or those who wait for a verdict would be without limit."""

    async def think(_peer: PeerCredentials) -> bool:
        await trio.sleep(5)
        return False

    async with open_world(
        IpcConfig(limits=IpcLimits(max_connections=1)), authorize=think
    ) as w:
        judged = w.peer()
        await wait_all_tasks_blocked()
        statistics = w.listener.statistics()
        other = (await w.peer().read_frame()).body

        assert other["error_code"] == "CONNECTION_LIMIT_REACHED"
        assert (statistics.connections_active, statistics.connections_accepted) == (
            1,
            0,
        )
        await check_that_it_is_refused(judged)
        assert w.listener.statistics().connections_active == 0
        assert w.listener.statistics().errors == 2


async def test_peer_that_leaves_while_it_is_judged_is_no_failure(
    autojump_clock: MockClock,
) -> None:
    """Whatever the verdict, nothing of it is left."""
    verdicts = [True, False]

    async def think(_peer: PeerCredentials) -> bool:
        await trio.sleep(5)
        return verdicts.pop()

    async with open_world(authorize=think) as w:
        for _ in range(2):
            await w.peer().stream.aclose()
            await trio.sleep(6)

            assert w.listener.statistics().connections_active == 0
        assert w.listener.peer_credentials(1) is None


async def shut(w: World, how: str, leave: trio.CancelScope) -> None:
    """End the listener, in one of the ways there are."""
    if how == "stopped":
        await w.listener.stop()
    elif how == "drained":
        await w.listener.shutdown_gracefully()
    elif how == "cancelled":
        leave.cancel()
        await trio.sleep_forever()


@pytest.mark.parametrize("how", ["stopped", "drained", "with its runtime", "cancelled"])
async def test_listener_that_ends_does_not_wait_for_a_verdict(
    autojump_clock: MockClock, how: str
) -> None:
    """Who was not let in is let go, and whoever was asked is cancelled."""
    ends: list[str] = []

    async def hang(_peer: PeerCredentials) -> bool:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            ends.append("cancelled")
            raise
        raise AssertionError

    config = IpcConfig(
        timeouts=IpcTimeouts(read_timeout=0), shutdown=IpcShutdown(drain_timeout=5)
    )
    after: list[Callable[[], object]] = []
    peers: list[Peer] = []
    with trio.CancelScope() as leave:
        async with open_world(config, authorize=hang) as w:
            after.append(lambda: w.listener.statistics().connections_active)
            peers.append(w.peer())
            await wait_all_tasks_blocked()
            # With its runtime it ends at the end of the block.
            await shut(w, how, leave)

    assert [await each.read_frame() for each in peers] == [END]
    assert [each() for each in after] == [0]
    assert ends == ["cancelled"]
    assert trio.current_time() == 0


async def test_peer_that_is_let_in_while_draining_is_served_to_the_end(
    autojump_clock: MockClock,
) -> None:
    """It is told that the server is going, as every other is."""

    async def think(_peer: PeerCredentials) -> bool:
        await trio.sleep(w.listener.statistics().connections_accepted)
        return True

    async with open_world(authorize=think) as w:
        first = w.peer()
        await first.request("r", "Nap", {"seconds": 3})
        await wait_all_tasks_blocked()
        late = w.peer()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.listener.shutdown_gracefully)
            answer = await late.ask("GetValue")

            assert answer["error_code"] == "SHUTTING_DOWN"
            assert (await first.answer())["success"]
            assert await late.read_frame() == END


@pytest.mark.parametrize("wrong", [True, "root", 0])
async def test_authorize_has_to_be_callable(tmp_path: Path, wrong: Any) -> None:
    """What is no function is refused before anybody can connect."""
    async with acton.open_runtime() as runtime:
        with pytest.raises(TypeError, match="authorize is a function, or None, not"):
            await acton.ipc.open_listener(
                runtime, path=tmp_path / "s", authorize=wrong
            ).__aenter__()
        with pytest.raises(TypeError, match="authorize is a function"):
            await acton.ipc.serve(runtime, [], authorize=wrong)
    assert list(tmp_path.iterdir()) == []


async def test_listener_of_the_runtime_asks_too(tmp_path: Path) -> None:
    """Whoever opens it, the same rules."""
    config = IpcConfig(socket=acton.ipc.IpcSocket(path=tmp_path / "s"))
    async with acton.open_runtime() as runtime:
        await runtime.start_ipc_listener(config, authorize=lambda _: False)
        async with await trio.open_unix_socket(tmp_path / "s") as stream:
            us = PeerCredentials(os.getpid(), ME, MINE)
            await check_that_it_is_refused(Peer(stream), us)


# --- abstract names


@pytest.mark.parametrize(
    ("access", "uid", "is_welcome"),
    [
        pytest.param(Access(IpcAccess(), None, 0), ME, True, id="ourselves"),
        pytest.param(Access(IpcAccess(), None, 0), ME + 1, False, id="somebody else"),
        pytest.param(Access(IpcAccess(), None, 0), None, False, id="unknown"),
        pytest.param(
            Access(IpcAccess(allow_uids=(ME + 1,)), None, 0), ME + 1, True, id="listed"
        ),
        pytest.param(
            Access(IpcAccess(allow_uids=(ME + 1,)), None, 0), ME, False, id="unlisted"
        ),
        pytest.param(
            Access(IpcAccess(), lambda _: True, 0), ME + 1, True, id="to be judged"
        ),
    ],
)
def test_abstract_name_is_for_our_own_user(
    access: Access, uid: int | None, *, is_welcome: bool
) -> None:
    """Unless somebody has said who may connect: no permissions are in the way."""
    peer = PeerCredentials(7, uid, 2)

    assert (access.objection(peer, is_unprotected=True) is None) is is_welcome
    if access.lists == IpcAccess():
        assert access.objection(peer, is_unprotected=False) is None


CALLER = """
import contextlib, os, socket, sys
os.setgid(12346), os.setuid(12345)
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1].replace("@", "\\0"))
    with contextlib.suppress(BrokenPipeError):
        client.sendall(b"\\0\\0\\0\\2\\2\\4\\1{}")
    print(client.recv(65536)[7:].decode())
"""


async def call_as_a_stranger(where: str) -> str:
    """Return what a server says to a heartbeat of another user."""
    done = await trio.run_process(
        [sys.executable, "-c", CALLER, where], capture_stdout=True
    )
    return bytes(done.stdout).decode()


@only_root
@only_linux
async def test_stranger_is_not_let_in_through_an_abstract_name() -> None:
    """Any user of the machine can connect; by default none other is served."""
    name = f"@acton_trio/access/{os.getpid()}"
    async with acton.open_runtime() as runtime:
        async with acton.ipc.open_listener(runtime, path=name):
            refused = await call_as_a_stranger(name)
        config = IpcConfig(access=IpcAccess(allow_gids=(12346,)))
        async with acton.ipc.open_listener(runtime, config, path=name):
            served = await call_as_a_stranger(name)

    assert "ACCESS_DENIED" in refused
    assert "uid=12345 gid=12346" in refused
    assert served == "{}\n"


@only_root
@pytest.mark.parametrize(
    ("access", "is_welcome"),
    [
        pytest.param(IpcAccess(), True, id="no list"),
        pytest.param(IpcAccess(allow_uids=(12345,)), True, id="its user"),
        pytest.param(IpcAccess(allow_gids=(12346,)), True, id="its group"),
        pytest.param(IpcAccess(allow_uids=(0,), allow_gids=(0,)), False, id="neither"),
    ],
)
async def test_stranger_is_known_by_user_and_group(
    access: IpcAccess, *, is_welcome: bool
) -> None:
    """What the permissions let in is still looked at."""
    config = IpcConfig(access=access, socket=acton.ipc.IpcSocket(mode=0o666))
    # The folders of tests are for ourselves.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        async with (
            acton.open_runtime() as runtime,
            acton.ipc.open_listener(runtime, config, path=f"{folder}/s"),
        ):
            answer = await call_as_a_stranger(f"{folder}/s")

    assert ("ACCESS_DENIED" not in answer) is is_welcome
