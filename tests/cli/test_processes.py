"""The command as a process: how fast it helps, and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pytest
import trio

from .shop import Shop, open_shop

COMMAND = [sys.executable, "-P", "-m", "acton_trio"]


async def run(shop: Shop, *words: str, **options: Any) -> tuple[int, str, str]:
    """Run a command about *shop* to its end."""
    finished = await trio.run_process(
        [*COMMAND, *words, "--socket", str(shop.where)],
        capture_stdout="stdout" not in options,
        capture_stderr=True,
        check=False,
        **options,
    )
    out = (finished.stdout or b"").decode()
    return finished.returncode, out, finished.stderr.decode()


class Running(NamedTuple):
    """A command that has been started."""

    process: trio.Process
    out: trio.abc.ReceiveStream
    err: trio.abc.ReceiveStream


@pytest.fixture
def full_disk() -> Iterator[BinaryIO]:
    """Have a file that nothing can be written to."""
    if not Path("/dev/full").exists():
        pytest.skip("no full device here")
    with Path("/dev/full").open("wb") as file:
        yield file


@pytest.mark.parametrize(
    ("words", "status"),
    [
        pytest.param(["--help"], 0, id="help"),
        pytest.param(["ask", "--help"], 0, id="help of a command"),
        pytest.param(["--version"], 0, id="version"),
        pytest.param([], 2, id="nothing"),
        pytest.param(["ask"], 2, id="too little"),
        pytest.param(["ask", "a", "B", "{"], 2, id="no JSON"),
        pytest.param(["config"], 0, id="config"),
        pytest.param(["completion", "bash"], 0, id="completion"),
        pytest.param(["__complete", "a"], 0, id="complete"),
    ],
)
def test_what_needs_no_service_needs_no_trio(words: list[str], status: int) -> None:
    """It comes at once: trio takes longer to load than all the rest."""
    code = (
        "import sys; from acton_trio._cli.main import main; "
        f"print(main({['--socket=x', *words] if 'ask' in words else words}), "
        "'trio' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )

    assert finished.stdout.splitlines()[-1] == f"{status} False"


def test_version_is_that_of_the_package() -> None:
    """Behind the name of the command."""
    finished = subprocess.run(
        [*COMMAND, "--version"], capture_output=True, text=True, check=True
    )

    assert finished.stdout == f"acton-trio {version('acton-trio')}\n"


async def test_process_asks_and_ends_with_the_exit_code(tmp_path: Path) -> None:
    """What is piped into it is what is said."""
    async with open_shop(tmp_path) as shop:
        good = await run(shop, "ask", "till", "Sell", "-", stdin=b'{"cents": 5}')
        bad = await run(shop, "ask", "till", "Refund", '{"cents": 6}')

    assert good == (0, "5\n", "")
    assert bad == (1, "", 'acton-trio: REJECTED: TooLittle {"missing": 1}\n')


async def test_app_is_found_where_its_socket_is(tmp_path: Path) -> None:
    """In the folder that both sides know."""
    folder = tmp_path / "acton" / "shop"
    folder.mkdir(parents=True)
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    environ["XDG_CONFIG_HOME"] = environ["XDG_CONFIG_DIRS"] = str(tmp_path)
    async with open_shop(folder) as shop:
        (folder / "ipc.sock").symlink_to(str(shop.where))
        finished = await trio.run_process(
            [*COMMAND, "--app", "shop", "ask", "till", "Sell", '{"cents": 5}'],
            capture_stdout=True,
            env=environ,
        )

    assert finished.stdout == b"5\n"


async def start(shop: Shop, *words: str) -> Running:
    """Start a command about *shop*."""
    # Whoever runs the tests in the background has made them deaf to Ctrl-C, and so
    # what they start.
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = await trio.lowlevel.open_process(
        [*COMMAND, *words, "--socket", str(shop.where)],
        preexec_fn=hear,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    return Running(process, process.stdout, process.stderr)


async def end_of(running: Running) -> tuple[int, bytes]:
    """Return how a command ends, and what it says of it."""
    async with running.out, running.err:
        errors = b"".join([each async for each in running.err])
        return await running.process.wait(), errors


async def test_ctrl_c_is_exit_code_130_and_says_nothing(tmp_path: Path) -> None:
    """It is how a watch ends."""
    async with open_shop(tmp_path) as shop:
        running = await start(shop, "watch", "Sold")
        await shop.wait_subscribed()
        running.process.send_signal(signal.SIGINT)
        found = await end_of(running)

    assert found == (130, b"")


async def test_reader_that_has_had_enough_is_no_error(tmp_path: Path) -> None:
    """As of ``| head``: nothing is said, and the stream is given up."""
    async with open_shop(tmp_path) as shop:
        running = await start(shop, "stream", "till", "Count", '{"up_to": 1000000}')
        first = await running.out.receive_some(2)
        await running.out.aclose()
        found = await end_of(running)

    assert (first, found) == (b"0\n", (0, b""))


async def test_output_that_cannot_be_written_is_exit_code_70(
    tmp_path: Path, full_disk: BinaryIO
) -> None:
    """It was not the service that failed."""
    async with open_shop(tmp_path) as shop:
        status, _, err = await run(shop, "ping", stdout=full_disk)

    assert status == 70
    assert err == "acton-trio: cannot write: No space left on device\n"


async def test_terminal_that_knows_few_letters_is_shown_all_the_same(
    tmp_path: Path,
) -> None:
    """What it cannot show is escaped."""
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    async with open_shop(tmp_path) as shop:
        status, out, err = await run(shop, "tree", env=environ)

    assert (status, err) == (0, "")
    assert r"\u2514\u2500 till" in out
