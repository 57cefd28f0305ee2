"""What the docstrings of public names have to say, so that nobody reads the code.

That there are any, and which tell what cancelling does, is in `test_facade`.
"""

from __future__ import annotations

import ast
import enum
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import TypeAlias

import attrs
import pytest

from .public import (
    FACADES,
    Function,
    homes_for_programs,
    public_functions,
    public_things,
)

# A field as it is written: its annotation, and the string below it.
Field: TypeAlias = tuple[str, str]

# What a number may be, and the words of which one says so.
UNITS = {
    "time": r"seconds|trio's clock|since the epoch|timeouts\.",
    "size": r"bytes|messages|requests|frames|characters|connections",
    "ratio": r"factor|times|from 0 to 1|part of|seed|number",
}

# Names of what is measured, whatever their type says.
NAMES = {
    "time": r"(?:^|_)(?:timeout|within|delay|interval|backoff|grace|patience|seconds"
    r"|deadline|age|after|time|waited)$|^window$",
    "size": r"_size$|_bytes$|^most$",
}


@functools.cache
def homes() -> dict[type, ModuleType]:
    """Return where each public class is written, which itself no longer says."""
    return {
        getattr(facade, name): importlib.import_module(f"acton_trio.{home}")
        for facade in FACADES
        for name, home in homes_for_programs(facade)
        if inspect.isclass(getattr(facade, name))
    }


@functools.cache
def written_in(module: ModuleType) -> dict[str, ast.ClassDef]:
    """Return the classes at the top of *module*, as they are written."""
    tree = ast.parse(inspect.getsource(module))
    return {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}


def fields_of(cls: type) -> dict[str, Field]:
    """Return what is written in the body of *cls*: values, and what is said of them."""
    if not cls.__module__.startswith("acton_trio"):
        return {}
    module = homes().get(cls) or importlib.import_module(cls.__module__)
    body = written_in(module)[cls.__name__].body
    fields: dict[str, Field] = {}
    for statement, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                annotation = ast.unparse(statement.annotation)
            case ast.Assign(targets=[ast.Name(id=name)]):
                annotation = ""
            case _:
                continue
        match below:
            case ast.Expr(value=ast.Constant(value=str(text))):
                fields[name] = annotation, inspect.cleandoc(text)
            case _:
                fields[name] = annotation, ""
    return fields


def is_own(cls: type, name: str, annotation: str) -> bool:
    """Return whether *name* is a value that *cls* has for users."""
    if name.startswith("_"):
        return False
    if issubclass(cls, enum.Enum):
        return True
    # Without an annotation it is the constant of a base class.
    return attrs.has(cls) and annotation != "" and name in attrs.fields_dict(cls)


def public_fields() -> Iterator[tuple[str, type, Field]]:
    """Yield the public fields, and the members of enumerations."""
    for path, _, thing in public_things():
        if not inspect.isclass(thing):
            continue
        for base in thing.__mro__:
            for name, field in fields_of(base).items():
                if is_own(thing, name, field[0]):
                    yield f"{path}.{name}", base, field


def parameters_of(function: Function) -> dict[str, str]:
    """Return the parameters, but ``self``, and what they are annotated with."""
    signature = inspect.signature(function)
    return {
        name: str(each.annotation)
        for name, each in signature.parameters.items()
        if name != "self"
    }


def section(docstring: str, title: str) -> str:
    """Return the part of *docstring* under *title*, without its indentation."""
    match = re.search(
        rf"^{title}:\n((?:[ ]+.*\n?|\n)+)", inspect.cleandoc(docstring), re.MULTILINE
    )
    return textwrap.dedent(match[1]).strip() if match else ""


def said_of(docstring: str, parameter: str) -> str:
    """Return what *docstring* says of *parameter*: its entry, or else the text."""
    entry = re.search(
        rf"^\**{parameter}: ((?:.+\n?)(?:[ ]+.*\n?)*)",
        section(docstring, "Args"),
        re.MULTILINE,
    )
    if entry:
        return entry[1].strip()
    return docstring if f"*{parameter}*" in docstring else ""


def units_of(name: str, annotation: str) -> Iterator[str]:
    """Yield the words of which one has to be there, for a number of that name."""
    for kind, names in NAMES.items():
        if re.search(names, name) and re.search(r"\b(?:int|float)\b", annotation):
            yield UNITS[kind]
            return
    if re.search(r"\bfloat\b", annotation):
        yield "|".join(UNITS.values())


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield every public docstring, with what it is of."""
    for path, _, thing in public_things():
        yield path, vars(thing).get("__doc__") or thing.__doc__ or ""
    for path, function in public_functions():
        yield path, function.__doc__ or ""
    for path, _, (_, text) in public_fields():
        if text:
            yield path, text


DOCSTRINGS = [pytest.param(text, id=path) for path, text in docstrings()]
FUNCTIONS = [pytest.param(each, id=path) for path, each in public_functions()]
FIELDS = [
    pytest.param(path.rpartition(".")[2], cls, field, id=path)
    for path, cls, field in public_fields()
]


@pytest.mark.parametrize("docstring", DOCSTRINGS)
def test_first_line_of_a_docstring_is_a_sentence(docstring: str) -> None:
    """It can stand alone, in a list or in an editor."""
    first, _, rest = inspect.cleandoc(docstring).partition("\n")

    assert first[:1] == first[:1].upper() != ""
    assert first.endswith(".")
    assert not rest or rest.startswith("\n"), "a paragraph of its own"


@pytest.mark.parametrize(("name", "cls", "field"), FIELDS)
def test_public_field_is_documented(name: str, cls: type, field: Field) -> None:
    """A value of a public class has the string below it that says what it is."""
    assert field[1], f"nothing is said of {cls.__qualname__}.{name}"


@pytest.mark.parametrize(("name", "cls", "field"), FIELDS)
def test_field_that_is_a_measure_has_a_unit(name: str, cls: type, field: Field) -> None:
    """The string below it says in what it is counted, or its class for all."""
    annotation, text = field

    for words in units_of(name, annotation):
        said = f"{cls.__doc__} {text}"
        assert re.search(words, said, re.IGNORECASE), f"one of: {words}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_of_several_parameters_is_explained(function: Function) -> None:
    """It is under ``Args:``, or the text names it in *italics*.

    A single one may go without: ``find_child(name)`` has nothing to explain.
    """
    names = parameters_of(function)
    docstring = inspect.cleandoc(function.__doc__ or "")
    given = names.keys() - {"cls"}
    missing = [name for name in given if not said_of(docstring, name)]

    assert not missing or len(given) == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_parameters_under_args_are_there(function: Function) -> None:
    """What is explained is what can be given."""
    explained = re.findall(
        r"^\**(\w+): ", section(function.__doc__ or "", "Args"), re.MULTILINE
    )

    assert set(explained) <= parameters_of(function).keys()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_parameter_that_is_a_measure_has_a_unit(function: Function) -> None:
    """What is said of it says in what it is counted."""
    docstring = inspect.cleandoc(function.__doc__ or "")

    for name, annotation in parameters_of(function).items():
        said = said_of(docstring, name) or docstring
        for words in units_of(name, annotation):
            assert re.search(words, said, re.IGNORECASE), f"{name}, one of: {words}"
