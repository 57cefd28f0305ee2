"""What ``docs/coming-from/`` says that something is called here is called so."""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
import trio
import trio.testing

import acton_trio as acton
from acton_trio import instruments, ipc, testing
from acton_trio._messages.registry import MessageRegistry

FOLDER = Path(__file__).parents[1] / "docs" / "coming-from"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.stem != "index")

STANDS_FOR: Final[dict[str, object]] = {
    "acton": acton,
    "address": acton.ReplyAddress,
    "broker": acton.Broker,
    "client": ipc.Client,
    "config": acton.Config,
    "config.behavior": acton.Behavior,
    "config.defaults": acton.Defaults,
    "config.limits": acton.Limits,
    "config.timeouts": acton.Timeouts,
    "ctx": acton.Context,
    "ctx.broker": acton.Broker,
    "ctx.handle": acton.ActorHandle,
    "ctx.runtime": acton.Runtime,
    "events": acton.Subscription,
    "handle": acton.ActorHandle,
    "idle": acton.IdleActor,
    "instruments": instruments,
    "ipc": ipc,
    "listener": ipc.IpcListener,
    "probe": testing.Probe,
    "receipt": acton.ScheduledSend,
    "runtime": acton.Runtime,
    "runtime.broker": acton.Broker,
    "runtime.ipc_registry": MessageRegistry,
    "stream": acton.Stream,
    "testing": testing,
    "trio": trio,
    "trio.testing": trio.testing,
}
"""What a page means by a name that is none of ours."""

PYTHON: Final = frozenset(
    {"None", "__cause__", "async def", "def", "raise", "return", "self"}
)
"""What is Python's own."""

# A keyword argument, which is looked for in what is named after it.
OPTION: Final = re.compile(r"(\w+)=\S*")


def cells(page: Path) -> Iterator[str]:
    """Yield what the tables of *page* have in a column called *here*."""
    column: int | None = None
    for line in page.read_text("utf-8").splitlines():
        if not line.startswith("|"):
            column = None
            continue
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if column is None:
            column = row.index("here") if "here" in row else len(row)
        elif column < len(row) and set(row[column]) != set("-"):
            yield row[column]


def spans(page: Path) -> list[str]:
    """Return what is written as code in those cells."""
    return [span for cell in cells(page) for span in re.findall(r"`([^`]+)`", cell)]


def is_known(span: str) -> bool:
    """Return whether *span* begins with something that exists."""
    if span in PYTHON or OPTION.fullmatch(span):
        return True
    start = re.sub(r"^(async with|async for \w+ in|with|await) ", "", span)
    found = re.match(r"@?([A-Za-z_][\w.]*)", start)
    return found is not None and exists(found.group(1))


def exists(path: str) -> bool:
    """Return whether a dotted name leads from one of ours to another."""
    for known in sorted(STANDS_FOR, key=len, reverse=True):
        if path == known:
            return True
        if path.startswith(f"{known}."):
            return has(STANDS_FOR[known], path.removeprefix(f"{known}."))
    return any(has(each, path) for each in (acton, ipc, testing, builtins))


def has(owner: object, path: str) -> bool:
    """Return whether *owner* has what *path* names, and the public may know."""
    for name in path.split("."):
        is_public = not name.startswith("_")
        if isinstance(owner, ModuleType) and owner is not builtins:
            exported: object = getattr(owner, "__all__", None)
            if isinstance(exported, list) and name not in exported:
                return False
        if not is_public or not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True


@pytest.mark.parametrize("page", [pytest.param(each, id=each.stem) for each in PAGES])
def test_names_of_ours_exist(page: Path) -> None:
    """Whatever the column has as code is ours, trio's or Python's."""
    named = spans(page)
    unknown = [span for span in named if not is_known(span)]

    assert len(named) > 10
    assert unknown == []


def options(page: Path) -> Iterator[tuple[str, str]]:
    """Yield each keyword that those cells have, and what it is said to be one of."""
    for cell in cells(page):
        for keywords, owner in re.findall(
            r"((?:`\w+=[^`]*`(?:, )?)+) of `([\w.]+)`", cell
        ):
            for option in re.findall(r"`(\w+)=", keywords):
                yield option, owner


def test_options_of_ours_exist() -> None:
    """A keyword is one of what it is said to be one of."""
    named = [each for page in PAGES for each in options(page)]

    assert len(named) > 10
    for option, owner in named:
        known, _, name = owner.rpartition(".")
        function = getattr(STANDS_FOR[known], name)
        assert option in inspect.signature(function).parameters, (option, owner)


@pytest.mark.parametrize(
    "span",
    [
        pytest.param("handle.sned(message)", id="a method"),
        pytest.param("ipc.open_door(path)", id="a function"),
        pytest.param("RestartPolicy.ETERNAL", id="a member"),
        pytest.param("@mutate", id="a decorator"),
        pytest.param("await runtime.begin(S)", id="after a keyword"),
        pytest.param("config.timeouts.tell", id="a setting"),
        pytest.param("Seat", id="what is not public"),
    ],
)
def test_name_that_is_none_is_found(span: str) -> None:
    """The tests above can fail."""
    assert not is_known(span)


@pytest.mark.skipif(find_spec("pykka") is None, reason="pykka is not installed")
def test_pykka_program_runs() -> None:
    """What the page shows of pykka does what it says."""
    page = FOLDER / "pykka.md"
    (program,) = re.findall(r"```py\n(.*?)```", page.read_text("utf-8"), re.DOTALL)

    exec(compile(program, str(page), "exec", dont_inherit=True), {})
