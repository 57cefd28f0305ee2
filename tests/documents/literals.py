"""The docstrings of the package, and their literal blocks: what is indented after `::`.

They are read from the source: at run time a name is where it is published, which is
where `doctest` does not look, and what is written below a field is nowhere.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, final

import attrs

import acton_trio

__all__ = ["DOCSTRINGS", "PACKAGE", "Docstring"]

# Where it is installed: a tree or a wheel.
PACKAGE: Final = Path(next(iter(acton_trio.__path__)))

# A line that ends in two colons, an empty one, and all that is further in.
LITERAL: Final = re.compile(
    r"^(?P<margin> *)(?:[^\n]*\S)?::\n\n+(?P<block>(?:(?P=margin) +[^\n]*\n|\n)+)",
    re.MULTILINE,
)


class Literal(NamedTuple):
    """A literal block, and in which line of its docstring it begins."""

    line: int
    text: str


@final
@attrs.frozen
class Docstring:
    """What is written about something, with where that is in the code."""

    path: Path
    line: int
    place: str
    """The module, and after a colon the name in it, if it is not the module itself."""
    text: str

    @property
    def literals(self) -> list[Literal]:
        """Its literal blocks."""
        text = f"{self.text}\n"
        return [
            Literal(
                text.count("\n", 0, each.start("block")), textwrap.dedent(each["block"])
            )
            for each in LITERAL.finditer(text)
        ]


def _docstrings() -> Iterator[Docstring]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text("utf-8"))
        for line, names, text in _within(tree, ()):
            place = ":".join([module, ".".join(names)]).removesuffix(":")
            yield Docstring(path, line, place, inspect.cleandoc(text))


def _within(
    node: ast.AST, names: tuple[str, ...]
) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Yield all that is documented in *node*: itself, its fields, and what is in it."""
    about = names
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield child.lineno, about, text
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _within(child, (*names, child.name))
            case ast.AnnAssign(target=target) | ast.Assign(targets=[target]):
                about = (*names, ast.unparse(target))
            case ast.If() | ast.Try() | ast.With() | ast.For():
                yield from _within(child, names)
            case _:
                pass


DOCSTRINGS: Final = list(_docstrings())
