"""The public names: all there, all documented, nothing extra."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import typing
from pathlib import Path
from types import ModuleType

import pytest

import acton_trio
import acton_trio.ipc

FACADES = [acton_trio, acton_trio.ipc]
PUBLIC = [
    pytest.param(facade, name, id=f"{facade.__name__}.{name}")
    for facade in FACADES
    for name in facade.__all__
    if not inspect.ismodule(getattr(facade, name))
]


def promised(facade: ModuleType) -> set[str]:
    """Return the names that type checkers see in *facade*."""
    assert facade.__file__ is not None
    tree = ast.parse(Path(facade.__file__).read_text(encoding="utf-8"))
    block = next(
        each
        for each in tree.body
        if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"
    )
    return {
        alias.asname or alias.name
        for each in block.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }


@pytest.mark.parametrize("facade", FACADES)
def test_names_for_checkers_and_for_programs_are_the_same(facade: ModuleType) -> None:
    """What a type checker sees can be had, and nothing else is listed."""
    names = list(facade.__all__)

    assert names == sorted(names)
    assert set(names) == promised(facade)
    assert dir(facade) == names


@pytest.mark.parametrize(("facade", "name"), PUBLIC)
def test_public_name_is_documented(facade: ModuleType, name: str) -> None:
    """Every public class and function says what it is."""
    thing = getattr(facade, name)

    assert thing.__doc__


@pytest.mark.parametrize(("facade", "name"), PUBLIC)
def test_public_class_says_where_it_is_imported_from(
    facade: ModuleType, name: str
) -> None:
    """Tracebacks and pickles name the module that users import from."""
    thing = getattr(facade, name)

    if inspect.isclass(thing):
        assert thing.__module__ == facade.__name__


@pytest.mark.parametrize(("facade", "name"), PUBLIC)
def test_public_annotations_resolve(facade: ModuleType, name: str) -> None:
    """Annotations can be evaluated, as attrs, cattrs and documentation tools do."""
    thing = getattr(facade, name)

    typing.get_type_hints(thing, include_extras=True)


@pytest.mark.parametrize(("facade", "name"), PUBLIC)
def test_public_methods_are_documented(facade: ModuleType, name: str) -> None:
    """Every public method says what it does; an async one, what cancelling does."""
    thing = getattr(facade, name)
    methods = {
        key: method
        for key, method in vars(thing).items()
        if inspect.isclass(thing) and not key.startswith("_") and callable(method)
    }

    assert [key for key, method in methods.items() if not method.__doc__] == []
    assert [
        key
        for key, method in methods.items()
        if inspect.iscoroutinefunction(method)
        and "Cancellation:" not in (method.__doc__ or "")
    ] == []


@pytest.mark.parametrize("facade", FACADES)
def test_unknown_name_is_an_attribute_error(facade: ModuleType) -> None:
    """A name that a facade lacks is reported as any module would."""
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = facade.no_such_name


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("import acton_trio", id="the package"),
        pytest.param("from acton_trio.ipc import BlockingClient", id="blocking client"),
        pytest.param("import acton_trio as a; a.Request, a.message", id="messages"),
    ],
)
def test_import_does_without_trio(statement: str) -> None:
    """What runs without trio is imported without it."""
    check = f"{statement}; import sys; sys.exit('trio' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", check], check=False)

    assert finished.returncode == 0
