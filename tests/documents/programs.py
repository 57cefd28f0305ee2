"""The Python of a page as one program, which tells which of its functions were called.

Its blocks run one after the other in one namespace, as if typed into a prompt.  Where
one has an `await`, `async with` or `async for` outside of a function it runs in trio,
and so does all that follows, in the same task of the same run, until a block calls
`trio.run` itself, or the page ends.  So consecutive blocks may share what lives in a
run, and a page may have whole programs beside single lines with `await`.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import deque
from collections.abc import Sequence
from types import CodeType
from typing import Any, Final, final

import attrs
import trio

from .pages import Fence

__all__ = ["REACHED", "Program"]

# What each function of the program calls first, with its name.
REACHED: Final = "__reached__"

FLAGS: Final = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@final
@attrs.frozen
class Block:
    """A block of a program, to be run where it stands."""

    code: CodeType
    runs_trio: bool
    """Whether it has a run of trio of its own."""

    @property
    def is_async(self) -> bool:
        """Whether it has to run in trio."""
        return bool(self.code.co_flags & inspect.CO_COROUTINE)


class _Reporting(ast.NodeTransformer):
    """Has each function report that it was called; lives for one block."""

    def __init__(self) -> None:
        self.functions = list[str]()
        self._path = list[str]()

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        name = ".".join([*self._path, node.name])
        self.functions.append(name)
        self._inside(node)
        place = 0 if ast.get_docstring(node) is None else 1
        call = ast.parse(f"{REACHED}({name!r})").body[0]
        for each in ast.walk(call):
            if isinstance(each, (ast.expr, ast.stmt)):
                ast.copy_location(each, node.body[0])
        node.body.insert(place, call)
        return node

    def _inside(
        self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    ) -> ast.AST:
        self._path.append(node.name)
        self.generic_visit(node)
        self._path.pop()
        return node


@final
class Program:
    """The Python blocks of one page; lives as long as its test."""

    def __init__(self, fences: Sequence[Fence], name: str) -> None:
        self.names: dict[str, Any] = {"__name__": name}
        self.functions = list[str]()
        """Names of all functions in it, with those of the classes around them."""
        self.reached = set[str]()
        """Names of the functions that were called."""
        self.names[REACHED] = self.reached.add
        self._trees = [self._tree(each) for each in fences]
        self._blocks = [
            _block(tree, fence.page)
            for tree, fence in zip(self._trees, fences, strict=True)
        ]

    def _tree(self, fence: Fence) -> ast.Module:
        # So that the lines of tracebacks are those of the page.
        tree = ast.parse("\n" * fence.line + fence.text, fence.page)
        reporting = _Reporting()
        reporting.visit(tree)
        self.functions += reporting.functions
        return tree

    @property
    def missed(self) -> list[str]:
        """Names of the functions that nothing has called so far."""
        return [each for each in self.functions if each not in self.reached]

    @property
    def tests(self) -> list[str]:
        """Names of the functions that pytest would run."""
        return [each for each in self.functions if re.fullmatch(r"test_\w+", each)]

    @property
    def source(self) -> str:
        """The program as text; what it reports to has to be put before."""
        return "\n\n".join(ast.unparse(each) for each in self._trees)

    def run(self) -> None:
        """Run all blocks, once."""
        waiting = deque(self._blocks)
        while waiting:
            if waiting[0].is_async:
                trio.run(self._run_in_trio, waiting)
            else:
                exec(waiting.popleft().code, self.names)

    async def _run_in_trio(self, waiting: deque[Block]) -> None:
        while waiting and not waiting[0].runs_trio:
            done = eval(waiting.popleft().code, self.names)
            if inspect.iscoroutine(done):
                await done


def _block(tree: ast.Module, page: str) -> Block:
    code = compile(tree, page, "exec", FLAGS, dont_inherit=True)
    calls = (each.func for each in ast.walk(tree) if isinstance(each, ast.Call))
    return Block(code, any(ast.unparse(each) == "trio.run" for each in calls))
