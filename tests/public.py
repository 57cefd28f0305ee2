"""The public names, and where they are written, for all tests that go over them."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import acton_trio

# What tests and tools load by name; nobody imports from it.
NO_FACADES = {"pytest_plugin"}

FACADES = [
    acton_trio,
    *(
        importlib.import_module(f"acton_trio.{each.name}")
        for each in pkgutil.iter_modules(acton_trio.__path__)
        if not each.name.startswith("_") and each.name not in NO_FACADES
    ),
]

# A public name and the module that it is written in, as seen from the package.
Home: TypeAlias = tuple[str, str]

Function: TypeAlias = Callable[..., Any]


def public_things() -> Iterator[tuple[str, ModuleType, Any]]:
    """Yield what is public, with the name that users type."""
    for facade in FACADES:
        for name in facade.__all__:
            thing = getattr(facade, name)
            if thing in FACADES:
                continue
            yield f"{facade.__name__}.{name}", facade, thing
            if inspect.ismodule(thing):
                for inner in thing.__all__:
                    path = f"{facade.__name__}.{name}.{inner}"
                    yield path, facade, getattr(thing, inner)


def public_members(cls: type) -> Iterator[tuple[str, Function]]:
    """Yield the public methods and properties that our code gives to *cls*."""
    for base in cls.__mro__:
        if not base.__module__.startswith("acton_trio"):
            continue
        for name, member in vars(base).items():
            function = function_of(member)
            if not name.startswith("_") and function is not None:
                yield f"{base.__qualname__}.{name}", function


def function_of(member: object) -> Function | None:
    """Return the function behind a method or property, if *member* is one."""
    match member:
        case property():
            return member.fget
        case functools.cached_property():
            return member.func
        case classmethod() | staticmethod():
            return typing.cast("Function", member.__func__)
        case types.FunctionType():
            return member
        case _:
            return None


def public_functions() -> Iterator[tuple[str, Function]]:
    """Yield every function that users call, with where it is found."""
    for path, _, thing in public_things():
        if inspect.isclass(thing):
            for name, function in public_members(thing):
                yield f"{path}: {name}", function
        elif inspect.isroutine(thing):
            yield path, thing


def source_of(facade: ModuleType) -> ast.If:
    """Return the part of *facade* that divides type checkers from programs."""
    assert facade.__file__ is not None
    tree = ast.parse(Path(facade.__file__).read_text(encoding="utf-8"))
    return next(
        each
        for each in tree.body
        if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"
    )


def homes_for_checkers(facade: ModuleType) -> list[Home]:
    """Return the names that type checkers see, and where they find them."""
    return [
        (alias.asname or alias.name, each.module or "")
        for each in source_of(facade).body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    ]


def homes_for_programs(facade: ModuleType) -> list[Home]:
    """Return the names in the table that the program looks them up in."""
    call = next(
        each
        for part in source_of(facade).orelse
        for each in ast.walk(part)
        if isinstance(each, ast.Call)
    )
    table: dict[str, list[str]] = ast.literal_eval(call.args[1])
    return [(name, home) for home, names in table.items() for name in names]


def modules_for_programs(facade: ModuleType) -> list[Home]:
    """Return the names in the table that are whole modules."""
    return [
        (name, path.rpartition(".")[0])
        for each in ast.walk(ast.Module(source_of(facade).orelse, []))
        if isinstance(each, ast.keyword) and each.arg == "modules"
        for name, path in ast.literal_eval(each.value).items()
    ]
