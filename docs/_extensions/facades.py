"""What autodoc has to be told of a package whose names are written elsewhere.

Public classes say that they live in the module that users import them from, and
that module finds them only when asked for.  So where the strings below their
fields are, and what a name in a docstring means, is told here.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.nodes import make_refnode

import acton_trio
import acton_trio.testing

FACADES: Final = (
    "acton_trio",
    "acton_trio.ipc",
    "acton_trio.testing",
    "acton_trio.instruments",
    "acton_trio.supervision",
)

# Those that users build; all others they are given.
BUILT: Final = frozenset(
    {
        "acton_trio.Behavior",
        "acton_trio.Config",
        "acton_trio.Defaults",
        "acton_trio.Limits",
        "acton_trio.RestartLimit",
        "acton_trio.Timeouts",
        "acton_trio.instruments.ActorLogFilter",
        "acton_trio.instruments.LoggingInstrument",
        "acton_trio.instruments.OpenTelemetryInstrument",
        "acton_trio.ipc.Backoff",
        "acton_trio.ipc.BlockingClient",
        "acton_trio.ipc.GetSnapshot",
        "acton_trio.ipc.IpcAccess",
        "acton_trio.ipc.IpcConfig",
        "acton_trio.ipc.IpcEnvelope",
        "acton_trio.ipc.IpcErrors",
        "acton_trio.ipc.IpcLimits",
        "acton_trio.ipc.IpcRateLimit",
        "acton_trio.ipc.IpcShutdown",
        "acton_trio.ipc.IpcSocket",
        "acton_trio.ipc.IpcTimeouts",
    }
)

# What a signature says, and what it means to users.
PLAIN: Final = (
    # Defaults that are made anew, or are too long to be read.
    (re.compile(r"= ?NOTHING|= ?<factory>|= ?<function [^>]*>"), "= ..."),
    (re.compile(r"= ?RestartLimit\([^)]*\)"), "= RestartLimit()"),
    (re.compile(r"(mode: ~?int) = 384\b"), r"\1 = 0o600"),
    # The options are those of Runtime.start.
    (re.compile(r"\*\*options: ~?[\w.]*Unpack\[[^\]]*\]"), "**options"),
    # What is typed by less than the whole of it, or by its first name alone.
    (re.compile(r"(?<![\w.])PathLike\b"), "~os.PathLike"),
    (re.compile(r"\bacton_trio\._kernel\.spawner\.Idle\b"), "acton_trio.IdleActor"),
    (
        re.compile(r"\bacton_trio\._runtime\.runtime\.RuntimeCore\b"),
        "acton_trio.Runtime",
    ),
    # A type variable has a name, and no place.
    (re.compile(r"~acton_trio\._[\w.]*\.([A-Z][A-Za-z]*T|[A-Z]|Ts|T_co)\b"), r"\1"),
)

# What a decorator that takes nothing else takes.
DECORATED: Final = re.compile(r"^\((?:cls|method): [^,]*\)$")

# What a block binds is what it is for; the generator behind it is nobody's business.
BOUND: Final = re.compile(
    r"^(?:~?[\w.]*\.)?(?:AsyncGenerator|Generator|Abstract(?:Async)?ContextManager)"
    r"\[(.+?)(?:, None)*(?:, bool \| None)?\]$"
)

# How our docstrings are written.
GOOGLE: Final = Config(napoleon_custom_sections=["Cancellation"])

TRIO: Final = "https://trio.readthedocs.io/en/stable/reference-{}.html#{}"
PYTHON: Final = "https://docs.python.org/3/library/{}.html#{}"
PYTHONS: Final = frozenset(
    ("collections.abc", "contextlib", "logging", "math", "os", "pathlib", "signal")
)
CONTAINERS: Final = frozenset(
    [
        "bytearray",
        "bytes",
        "dict",
        "frozenset",
        "list",
        "memoryview",
        "set",
        "str",
        "tuple",
    ]
)


# What returns a context manager without having been made one by a decorator.
BLOCKS: Final = {
    "__returns_acontextmanager__": (
        acton_trio.Ref.stream,
        acton_trio.ipc.RemoteActorHandle.stream,
    ),
    "__returns_contextmanager__": (
        acton_trio.testing.faults.crash_before,
        acton_trio.testing.faults.delay,
        acton_trio.testing.faults.drop,
    ),
}


def homes_of(facade: str) -> Iterator[str]:
    """Yield the modules that the names of *facade* are written in."""
    module = importlib.import_module(facade)
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and each.level:
            home = f"acton_trio.{each.module}"
            if each.module and not hasattr(importlib.import_module(home), "__path__"):
                yield home


def know_the_homes(facade: str) -> None:
    """Have what Sphinx reads in the source of *facade* be what is in its homes."""
    analyzer = ModuleAnalyzer.for_module(facade)
    analyzer.analyze()
    for number, home in enumerate(dict.fromkeys(homes_of(facade)), 1):
        other = ModuleAnalyzer.for_module(home)
        other.analyze()
        analyzer.attr_docs.update(other.attr_docs)
        analyzer.annotations.update(other.annotations)
        # One signature with its parameters explained reads better than four.
        other.overloads.clear()
        # That a class is final is for type checkers.
        other.finals.clear()
        after = number * 10_000
        analyzer.tagorder.update(
            {name: after + place for name, place in other.tagorder.items()}
        )
    for name in importlib.import_module(facade).__all__:
        thing = getattr(importlib.import_module(facade), name)
        if inspect.isclass(thing):
            place_inherited(thing, analyzer.tagorder)


def place_inherited(cls: type, places: dict[str, int]) -> None:
    """Have what *cls* inherits come before its own, in the order of the source."""
    for number, base in enumerate(reversed(cls.__mro__[1:]), -len(cls.__mro__)):
        if base.__module__.startswith("acton_trio._"):
            other = ModuleAnalyzer.for_module(base.__module__)
            other.analyze()
            for name, place in other.tagorder.items():
                owner, _, member = name.partition(".")
                if owner == base.__name__:
                    places[f"{cls.__name__}.{member}"] = number * 10_000 + place


def read_docstring(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Make of the sections of a docstring what Sphinx shows.

    As `sphinx.ext.napoleon` would, but that takes what stands before a colon in
    the docstring of a value for its type, and sees no sections there.
    """
    kind = "method" if what in {"attribute", "property"} else what
    lines[:] = GoogleDocstring(lines, GOOGLE, app, kind, name, thing, options).lines()


def shape_signature(
    _app: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Say of a signature what users need, in names that they know."""
    if what in {"class", "exception"} and name not in BUILT:
        return "", None
    if "decorator" in options and signature and DECORATED.match(signature):
        return "", None
    for pattern, plain in PLAIN:
        signature = pattern.sub(plain, signature) if signature else signature
        returned = pattern.sub(plain, returned) if returned else returned
    if returned and (bound := BOUND.match(returned)) and is_block(thing):
        returned = bound[1]
    return signature, returned


def is_block(thing: Any) -> bool:
    """Return whether *thing* is used with ``with`` or ``async with``."""
    if any(hasattr(thing, mark) for mark in BLOCKS):
        return True
    is_wrapped = hasattr(thing, "__wrapped__")
    inner = inspect.unwrap(thing)
    makes = inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner)
    return is_wrapped and makes


def find_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.reference | None:
    """Find what a name in a docstring means: here, in trio or in Python."""
    if node.get("refdomain") != "py":
        return None
    target: str = node["reftarget"]
    objects = env.get_domain("py").objects
    for path in (target, *(f"{facade}.{target}" for facade in FACADES)):
        entry = objects.get(path)
        if entry is not None:
            return make_refnode(
                app.builder, node["refdoc"], entry.docname, entry.node_id, shown, path
            )
    where = elsewhere(target)
    if where is None:
        return None
    return nodes.reference("", "", shown, internal=False, refuri=where)


def elsewhere(name: str) -> str | None:
    """Return the address of what is described in trio's or Python's pages."""
    if name.startswith("trio."):
        return TRIO.format(trio_page(name), name)
    module = name.rpartition(".")[0]
    if module in PYTHONS:
        return PYTHON.format(module, name)
    thing = getattr(builtins, name, None)
    if not isinstance(thing, type):
        return None
    if issubclass(thing, BaseException):
        return PYTHON.format("exceptions", name)
    return PYTHON.format("stdtypes" if name in CONTAINERS else "functions", name)


def trio_page(name: str) -> str:
    """Return which of trio's pages *name* is on."""
    if name.startswith("trio.testing."):
        return "testing"
    if name == "trio.abc.Instrument":
        return "lowlevel"
    if name.startswith("trio.abc.") and name != "trio.abc.Clock":
        return "io"
    return "core"


def prepare(_app: Sphinx) -> None:
    """Look at the package, once."""
    for facade in FACADES:
        know_the_homes(facade)
    for mark, functions in BLOCKS.items():
        for function in functions:
            setattr(function, mark, True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx."""
    app.connect("builder-inited", prepare)
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("autodoc-process-signature", shape_signature)
    app.connect("missing-reference", find_name)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
