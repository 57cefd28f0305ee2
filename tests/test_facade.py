"""The public names: all there, all documented, nothing extra."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest
import trio

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
MODULES = [pytest.param(each, id=each.__name__) for each in FACADES]

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


def can_wait(function: Function) -> bool:
    """Return whether *function* is used with ``await`` or ``async with``."""
    inner = inspect.unwrap(function)
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        return True
    returned = typing.get_type_hints(function).get("return")
    kind = typing.get_origin(returned) or returned
    if isinstance(kind, type) and issubclass(kind, trio.abc.AsyncResource):
        # It is there already; only closing it waits.
        return False
    return isinstance(kind, type) and any(
        hasattr(kind, name) for name in ("__await__", "__aenter__", "__aiter__")
    )


THINGS = [pytest.param(f, t, id=path) for path, f, t in public_things()]
CLASSES = [
    pytest.param(f, t, id=path) for path, f, t in public_things() if inspect.isclass(t)
]
FUNCTIONS = [pytest.param(each, id=path) for path, each in public_functions()]


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


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run *code* in a new interpreter, with the package that is tested here."""
    return subprocess.run(
        # -P: not the one in the current directory.
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("facade", MODULES)
def test_names_of_a_facade_are_listed_once_and_in_order(facade: ModuleType) -> None:
    """``__all__`` and ``dir()`` are the same list, sorted."""
    names = list(facade.__all__)

    assert names == sorted(set(names))
    assert dir(facade) == names


@pytest.mark.parametrize("facade", MODULES)
def test_names_for_checkers_and_for_programs_are_the_same(facade: ModuleType) -> None:
    """What a type checker sees is what a program gets, from the same place."""
    seen = homes_for_checkers(facade)
    found = homes_for_programs(facade) + modules_for_programs(facade)

    assert sorted(seen) == sorted(found)
    assert sorted(name for name, _ in seen) == list(facade.__all__)


@pytest.mark.parametrize("facade", MODULES)
def test_homes_are_in_the_order_of_the_imports(facade: ModuleType) -> None:
    """Whoever adds a name finds one place for it in each of the two lists."""
    whole = modules_for_programs(facade)
    imports = [each for each in homes_for_checkers(facade) if each not in whole]

    assert homes_for_programs(facade) == imports


@pytest.mark.parametrize("facade", MODULES)
def test_name_is_the_thing_at_its_home(facade: ModuleType) -> None:
    """A facade hands out the very object that the private module has."""
    for name, home in homes_for_programs(facade):
        module = importlib.import_module(f"acton_trio.{home}")

        assert getattr(facade, name) is getattr(module, name)


@pytest.mark.parametrize("facade", MODULES)
def test_unknown_name_is_an_attribute_error(facade: ModuleType) -> None:
    """A name that a facade lacks is reported as any module would."""
    with pytest.raises(AttributeError) as raised:
        _ = facade.no_such_name

    assert raised.value.name == "no_such_name"
    assert (
        str(raised.value)
        == f"module {facade.__name__!r} has no attribute 'no_such_name'"
    )


@pytest.mark.parametrize(("facade", "thing"), THINGS)
def test_public_name_is_documented(facade: ModuleType, thing: Any) -> None:
    """Every public class, function and module says itself what it is."""
    assert vars(thing).get("__doc__") or (inspect.isroutine(thing) and thing.__doc__)


@pytest.mark.parametrize(("facade", "thing"), CLASSES)
def test_public_class_says_where_it_is_imported_from(
    facade: ModuleType, thing: type
) -> None:
    """Tracebacks and pickles name the module that users import from."""
    home = sys.modules[thing.__module__]

    assert home in FACADES
    assert getattr(home, thing.__qualname__) is thing


@pytest.mark.parametrize("function", FUNCTIONS)
def test_public_function_is_documented(function: Function) -> None:
    """Every public function, method and property says itself what it does."""
    assert function.__doc__


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_that_waits_says_what_cancelling_does(function: Function) -> None:
    """What can be cancelled tells what is true then; nothing else does."""
    assert ("Cancellation:" in (function.__doc__ or "")) is can_wait(function)


@pytest.mark.parametrize(("facade", "thing"), CLASSES)
def test_annotations_of_a_public_class_resolve(facade: ModuleType, thing: type) -> None:
    """They can be evaluated, as attrs, cattrs and documentation tools do."""
    hints = typing.get_type_hints(thing, include_extras=True)

    assert hints.keys() >= inspect.get_annotations(thing).keys()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_annotations_of_a_public_function_resolve(function: Function) -> None:
    """They can be evaluated, those of its overloads too, and leave none out."""
    for each in [function, *typing.get_overloads(function)]:
        hints = typing.get_type_hints(each, include_extras=True)

        assert "return" in hints


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        pytest.param(
            "import acton_trio",
            {"attr", "attrs", "cattrs", "msgspec", "outcome", "trio"},
            id="the package, without what it builds on",
        ),
        pytest.param(
            "import acton_trio.ipc",
            {"attr", "attrs", "cattrs", "msgspec", "outcome", "trio"},
            id="the other facade, without what it builds on",
        ),
        pytest.param(
            "from acton_trio.ipc import BlockingClient",
            {"trio"},
            id="the blocking client, without trio",
        ),
        pytest.param(
            "import acton_trio as a; a.message, a.Request, a.Rejection, a.AskError",
            {"trio"},
            id="messages and errors, without trio",
        ),
    ],
)
def test_import_does_without_what_is_not_used(statement: str, absent: set[str]) -> None:
    """A name costs what it needs, and nothing before it is asked for."""
    finished = python(f"{statement}; import sys; print(*sys.modules)")
    loaded = set(finished.stdout.split())

    assert finished.returncode == 0, finished.stderr
    assert "acton_trio" in loaded
    assert not loaded & absent


def test_import_of_the_package_loads_no_layer_but_the_lowest() -> None:
    """Whoever imports the package for one name does not pay for the others."""
    finished = python("import acton_trio, sys; print(*sys.modules)")
    loaded = [
        each for each in finished.stdout.split() if each.startswith("acton_trio.")
    ]

    assert finished.returncode == 0, finished.stderr
    assert sorted(loaded) == ["acton_trio._base", "acton_trio._base.facade"]
