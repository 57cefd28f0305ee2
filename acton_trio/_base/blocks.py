"""`async_block`: what is entered with ``async with``, and says so if it is not.

Python would say that some generator does not support some protocol.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import _AsyncGeneratorContextManager
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, cast

from .teaching import lesson

__all__ = ["AsyncOnly", "async_block"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class _Block(_AsyncGeneratorContextManager[T]):
    """What a call of an `async_block` gives; lives until its block is left."""

    call: ClassVar[str]
    name: ClassVar[str]
    item: ClassVar[str]

    @classmethod
    def _lesson(cls, incorrect: str, then: str = "...") -> str:
        opened = f"async with {cls.call} as {cls.name}:"
        correct = f"{opened} ..." if then == "..." else f"{opened}\n    {then}"
        return lesson(f"{cls.call} is entered with `async with`.", incorrect, correct)

    def __enter__(self) -> NoReturn:
        raise TypeError(self._lesson(f"with {self.call} as {self.name}: ..."))

    def __exit__(self, *_: object) -> None:
        # Without it, Python's own error would come first.
        return

    def __await__(self) -> NoReturn:
        raise TypeError(self._lesson(f"{self.name} = await {self.call}"))

    def __iter__(self) -> NoReturn:
        raise TypeError(self._loop("for"))

    def __aiter__(self) -> NoReturn:
        raise TypeError(self._loop("async for"))

    def _loop(self, keyword: str) -> str:
        if not self.item:
            return self._lesson(f"{keyword} each in {self.call}: ...")
        return self._lesson(
            f"{keyword} {self.item} in {self.call}: ...",
            f"async for {self.item} in {self.name}: ...",
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        incorrect = f"{self.name} = {self.call}\n{self.name}.{name}"
        raise AttributeError(self._lesson(incorrect, f"{self.name}.{name}"))


def async_block(call: str, name: str, item: str = "") -> Callable[[F], F]:
    """Have what `asynccontextmanager` has made say how it is entered, if it is not so.

    It stands above that, takes its place, and costs as much: trio's nurseries tell
    their users in the same way.

    Args:
        call: How it is called, as in a program: ``open_runtime()``.
        name: What a program calls that which it gives.
        item: What a program calls each of those that it gives, if it gives many.
    """

    def decorate(manager: F) -> F:
        function = inspect.unwrap(manager)
        words = {"call": call, "name": name, "item": item}
        block: type[_Block[Any]] = type("Block", (_Block,), words)

        @wraps(function)
        def opened(*args: Any, **kwargs: Any) -> _Block[Any]:
            return block(function, args, kwargs)

        # For sphinxcontrib-trio, which knows the standard library's by its code.
        opened.__returns_acontextmanager__ = True  # type: ignore[attr-defined]
        return cast("F", opened)

    return decorate


class AsyncOnly:
    """Base of what is read with ``async for``, and says so if it is not."""

    __slots__ = ()

    # Type checkers see that there is none, and say so before it is run.
    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            fault = "what comes in its own time is read with `async for`."
            msg = lesson(
                fault, "for each in items: ...", "async for each in items: ..."
            )
            raise TypeError(msg)
