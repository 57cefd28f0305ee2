"""The public names: all there, all documented, nothing extra."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import typing
from types import ModuleType
from typing import Any

import pytest
import trio

from .public import (
    FACADES,
    Function,
    homes_for_checkers,
    homes_for_programs,
    modules_for_programs,
    public_functions,
    public_things,
)

MODULES = [pytest.param(each, id=each.__name__) for each in FACADES]


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
