"""A service is killed amid its work, and comes back; every request is accounted for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, final

import attrs
import pytest
import trio

FOLDER: Final = Path(__file__).parent

# So long that only what hangs takes it, in seconds.
PATIENCE: Final = 120

# Answers that every client has to get before the plug is pulled, and after.
ENOUGH: Final = 30

LIBRARIES: Final = Path(__file__).parents[2] / "examples" / "ipc_client_libraries"
NODE: Final = shutil.which("node")
NODE_LIBRARY: Final = LIBRARIES / "nodejs" / "dist" / "src" / "index.js"

CLIENTS: Final = {
    "trio": [sys.executable, "-m", "outage.client_trio"],
    "blocking": [sys.executable, "-m", "outage.client_blocking"],
    "asyncio": [sys.executable, "-m", "outage.client_asyncio"],
    "node": [NODE or "", "outage/client_node.mjs", str(NODE_LIBRARY)],
}

no_node: Final = pytest.mark.skipif(
    NODE is None or not NODE_LIBRARY.exists(),
    reason="needs Node.js, and its client library built: npm ci in its folder",
)


@final
@attrs.define
class Client:
    """A client, as a process, and what it has said."""

    name: str
    popen: subprocess.Popen[str]
    issued: list[str] = attrs.field(factory=list[str])
    outcomes: list[tuple[str, str]] = attrs.field(factory=list["tuple[str, str]"])
    ticks: list[tuple[int, int]] = attrs.field(factory=list["tuple[int, int]"])
    has_ended: trio.Event = attrs.field(factory=trio.Event)
    _news: trio.Condition = attrs.field(factory=trio.Condition)

    async def listen(self) -> None:
        """Take down what it says, until it has ended."""
        assert self.popen.stdout is not None
        async for line in trio.wrap_file(self.popen.stdout):
            match line.split():
                case ["?", request_id]:
                    self.issued.append(request_id)
                case ["=", request_id, outcome]:
                    self.outcomes.append((request_id, outcome))
                case ["!", gaps, number]:
                    self.ticks.append((int(gaps), int(number)))
                case _:
                    msg = f"{self.name} says {line!r}"
                    raise AssertionError(msg)
            async with self._news:
                self._news.notify_all()
        code = await trio.to_thread.run_sync(self.popen.wait, PATIENCE)
        assert code == 0, f"{self.name} has failed: see what it says above"
        self.has_ended.set()

    async def wait_for_answers(self, more: int) -> None:
        """Wait until so many more requests were answered."""
        due = self.answered() + more
        async with self._news:
            while self.answered() < due:
                await self._news.wait()

    def answered(self) -> int:
        """Return how many requests were answered."""
        return sum(outcome == "ok" for _, outcome in self.outcomes)

    def close(self) -> None:
        """Wait for its end, and close what it was talked to over."""
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()

    def stop(self) -> None:
        """Tell it to end."""
        assert self.popen.stdin is not None
        self.popen.stdin.close()


def start(command: Sequence[str]) -> subprocess.Popen[str]:
    """Run *command*, and be able to talk to it."""
    pipe = subprocess.PIPE
    paths = os.pathsep.join(
        [str(LIBRARIES / "python"), os.environ.get("PYTHONPATH", "")]
    )
    environ = {**os.environ, "PYTHONPATH": paths.rstrip(os.pathsep)}
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, cwd=FOLDER, env=environ
    )


@contextmanager
def service(path: Path, log: Path) -> Generator[subprocess.Popen[str], None, None]:
    """Run the service; it is killed with the block."""
    with start([sys.executable, "-m", "outage.service", str(path), str(log)]) as popen:
        try:
            assert popen.stdout is not None
            assert popen.stdout.readline() == "ready\n"
            yield popen
        finally:
            popen.kill()


@contextmanager
def clients() -> Generator[list[Client], None, None]:
    """Keep clients, none of which outlives the block."""
    running: list[Client] = []
    try:
        yield running
    finally:
        for each in running:
            each.popen.kill()
            each.close()


async def all_get_answers(running: Sequence[Client]) -> None:
    """Wait until each of them was answered often enough."""
    async with trio.open_nursery() as nursery:
        for each in running:
            nursery.start_soon(each.wait_for_answers, ENOUGH)


async def run_through(path: Path, log: Path, names: Sequence[str]) -> list[Client]:
    """Have the clients ask while the service goes and comes; return them."""
    with ExitStack() as first, clients() as running:
        first.enter_context(service(path, log))
        async with trio.open_nursery() as nursery:
            for name in names:
                running.append(Client(name, start([*CLIENTS[name], str(path)])))
                nursery.start_soon(running[-1].listen)
            await all_get_answers(running)
            # Amid whatever they are doing now.
            first.close()
            with service(path, log):
                await all_get_answers(running)
                for each in running:
                    each.stop()
                for each in running:
                    await each.has_ended.wait()
        return running


def check(client: Client, handled: Counter[str]) -> None:
    """Check that every request of *client* has ended once, and rightly."""
    outcomes = dict(client.outcomes)
    assert len(client.outcomes) == len(outcomes)
    assert sorted(outcomes) == sorted(client.issued)
    assert set(outcomes.values()) in ({"ok", "PeerLostError"}, {"ok", "PeerLost"})
    for request_id, outcome in outcomes.items():
        assert handled[request_id] <= 1, request_id
        assert handled[request_id] == 1 or outcome != "ok", request_id


def check_ticks(ticks: Sequence[tuple[int, int]]) -> None:
    """Check that the only ticks missing are those of the time between the two."""
    assert {gaps for gaps, _ in ticks} == {0, 1}
    for boot in (0, 1):
        numbers = [number for gaps, number in ticks if gaps == boot]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["trio", "blocking", "asyncio"], id="Python"),
        pytest.param(["node"], id="Node.js", marks=no_node),
    ],
)
async def test_every_request_is_answered_or_known_to_be_lost(
    tmp_path: Path, names: list[str]
) -> None:
    """SIGKILL amid asks, streams and subscriptions: none lost, none twice."""
    log = tmp_path / "log"
    with trio.fail_after(PATIENCE):
        running = await run_through(tmp_path / "s", log, names)
    handled = Counter(log.read_text().split())

    for each in running:
        check(each, handled)
        if each.name == "trio":
            check_ticks(each.ticks)
