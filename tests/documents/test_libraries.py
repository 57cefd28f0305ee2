"""What the pages of the client libraries show runs, against a service of this package.

Each block is a program of its own there, and begins with a client that is connected.
One that goes on until it is stopped goes on until the service leaves.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - one of the clients is for it
import inspect
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import acton_ipc
import pytest
import trio

import acton_trio as acton

from .pages import ROOT, Fence, Page

LIBRARIES: Final = ROOT / "examples" / "ipc_client_libraries"
NODEJS: Final = LIBRARIES / "nodejs"
NODE: Final = shutil.which("node")

needs_library = pytest.mark.skipif(
    NODE is None or not (NODEJS / "dist").exists(),
    reason="needs Node.js, and its client library built: npm ci in its folder",
)

PYTHON: Final = Page(LIBRARIES / "python" / "README.md")
JAVASCRIPT: Final = Page(NODEJS / "README.md")


@acton.message(ipc=True)
class Value:
    """A reply."""

    value: int = 42


@acton.message(ipc=True)
class GetValue(acton.Request[Value]):
    """Asks for it."""


@acton.message(ipc=True)
class Hit:
    """A reply of many."""

    score: float


@acton.message(ipc="SearchQuery")
class Search(acton.StreamRequest[Hit]):
    """Asks for many, as the page of Python calls it."""

    query: str


@acton.message(ipc="Query")
class Query(acton.StreamRequest[Hit]):
    """Asks for many, as the page of Node.js calls it."""

    text: str


@acton.message(ipc=True)
class PriceUpdate:
    """Is broadcast."""

    cents: int = 125


@acton.message(ipc=True)
class StatusChange:
    """Is broadcast, too."""


@acton.actor
class Service:
    """Answers whatever the pages ask."""

    @acton.act_on
    def get_value(self, _request: GetValue) -> Value:
        """Tell it."""
        return Value()

    @acton.act_on
    async def search(self, _request: Search) -> AsyncIterator[Hit]:
        """Find two."""
        for score in 0.9, 0.1:
            yield Hit(score)

    @acton.act_on
    async def query(self, _request: Query) -> AsyncIterator[Hit]:
        """Find two, and more if they are wanted."""
        for score in 0.9, 0.1, 0.0:
            yield Hit(score)


async def serve_while(path: Path, client: Callable[[], object]) -> None:
    """Serve until *client*, which blocks, has ended, or has got what is broadcast."""
    async with acton.open_runtime() as runtime:
        for each in PriceUpdate, StatusChange:
            runtime.ipc_registry.register(each)
        service = await runtime.start(Service, name="my-service", expose=True)
        runtime.ipc_expose("search", service)
        async with trio.open_nursery() as nursery:
            listener = await runtime.start_ipc_listener(
                acton.ipc.IpcConfig(socket=acton.ipc.IpcSocket(path=path))
            )

            async def tell() -> None:
                while not listener.statistics().push_notifications_sent:
                    await runtime.broker.broadcast(PriceUpdate())
                    await trio.sleep(0.01)
                await listener.shutdown_gracefully()

            nursery.start_soon(tell)
            await trio.to_thread.run_sync(client)
            nursery.cancel_scope.cancel()


# What a block prints, by what it contains.
PRINTED_BY_PYTHON: Final = {
    "response = client.send": ["Value: {'value': 42}"],
    "AsyncActonClient": [],
    "client.stream": ["{'score': 0.9}", "{'score': 0.1}"],
    "client.subscribe": ["{'cents': 125} 0"],
}


def key_of(fence: Fence, keys: Iterable[str]) -> str:
    """Return which of *keys* the block contains."""
    (key,) = (each for each in keys if each in fence.text)
    return key


@pytest.mark.parametrize("fence", PYTHON.fences("python"), ids=str)
def test_block_of_python_runs(
    fence: Fence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints what the service has said; a function that it defines is called."""
    path = tmp_path / "s"
    key = key_of(fence, PRINTED_BY_PYTHON)
    stopped: AbstractContextManager[object] = nullcontext()
    if "subscribe" in key:
        stopped = pytest.raises(acton_ipc.PeerLost)

    def client() -> None:
        with acton_ipc.ActonClient(str(path)) as client, stopped:
            names: dict[str, Any] = {"path": str(path), "client": client}
            exec(compile(fence.text, str(fence), "exec", dont_inherit=True), names)
        for each in [*names.values()]:
            if inspect.iscoroutinefunction(each):
                assert asyncio.run(each(str(path))) == {"value": 42}

    trio.run(serve_while, path, client)

    assert capsys.readouterr().out.splitlines() == PRINTED_BY_PYTHON[key]


PRINTED_BY_JAVASCRIPT: Final = {
    "await client.close()": ["Value: { value: 42 }"],
    "of client.stream": ["{ score: 0.9 }", "{ score: 0.1 }"],
    "prices.ready": ["{ cents: 125 }"],
    ".each(": ['{"cents":125}'],
    "reconnect: true": [],
    "messagePack: true": [],
}

PRELUDE: Final = """
const path = process.argv[2];
const show = (push) => console.log(JSON.stringify(push.payload));
"""


@needs_library
@pytest.mark.parametrize("fence", JAVASCRIPT.fences("js"), ids=str)
def test_block_of_javascript_runs(fence: Fence, tmp_path: Path) -> None:
    """It prints what the service has said, and ends, or is told that it has left."""
    assert NODE is not None
    path, key = tmp_path / "s", key_of(fence, PRINTED_BY_JAVASCRIPT)
    source = PRELUDE + fence.text
    if "import {" not in source:
        source = f"import {{ ActonClient }} from 'acton-ipc';\n{source}"
    if "const client" not in source:
        source = source.replace(
            PRELUDE, f"{PRELUDE}const client = new ActonClient(path);\n"
        )
    run = partial(
        subprocess.run,
        [NODE, "--input-type=module", "-", str(path)],
        input=source,
        cwd=NODEJS,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    finished = list[subprocess.CompletedProcess[str]]()

    trio.run(serve_while, path, lambda: finished.append(run()))

    assert finished[0].stdout.splitlines() == PRINTED_BY_JAVASCRIPT[key]
    if "price" in fence.text.lower():
        assert "PeerLostError" in finished[0].stderr
    else:
        assert finished[0].stderr == ""


# Who runs the commands of the pages.
COMMANDS: Final = {
    "python example.py SOCKET": "tests/test_examples.py",
    "python -m unittest": "tests/test_examples.py",
    "npm ci": "dev",
    "npm test": "dev",
    "node example.mjs SOCKET": "tests/test_examples.py",
    "cd ../my-program && npm install ../nodejs": "tests/documents/test_libraries.py",
}


def test_commands_of_the_pages_are_run() -> None:
    """Each by something that is there, and nothing else is shown than is looked at."""
    fences = [*PYTHON.fences(), *JAVASCRIPT.fences()]
    shown = [
        re.sub(r" +#.*", "", command)
        for fence in fences
        if fence.language == "console"
        for command in re.findall(r"^\$ (.*)$", fence.text, re.MULTILINE)
    ]

    assert {*shown} == {*COMMANDS}
    assert {each.language for each in fences} == {"python", "js", "console"}
    for runner in COMMANDS.values():
        assert (ROOT / runner).exists()


@needs_library
def test_library_is_installed_from_its_folder(tmp_path: Path) -> None:
    """A program beside it has it then, and nothing is fetched."""
    npm = shutil.which("npm")
    if npm is None or NODE is None:
        pytest.skip("needs npm")
    (tmp_path / "package.json").write_text('{"type": "module"}', "utf-8")
    # It is built already, and others use what was built.
    options = ["--offline", "--ignore-scripts", "--no-audit", "--no-fund"]
    install = [npm, "install", *options, str(NODEJS)]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    source = "import { ActonClient } from 'acton-ipc'; console.log(ActonClient.name);"
    (tmp_path / "program.js").write_text(source, "utf-8")

    told = subprocess.run(
        [NODE, "program.js"], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    assert told.stdout == "ActonClient\n"
