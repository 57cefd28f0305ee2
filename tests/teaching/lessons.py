"""What the tests of mistakes share: messages, an actor, and how errors are read."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from textwrap import dedent
from typing import Any

import acton_trio as acton

Use = Callable[[acton.Runtime, Any], Awaitable[object]]


@acton.message
class GetValue(acton.Request[int]):
    """Is answered with a number."""


@acton.message(ipc=True)
class SetValue:
    """Has no reply."""

    value: int


@acton.message
class Watch(acton.StreamRequest[int]):
    """Is answered with many numbers."""


@acton.message(ipc=True)
class Ping(acton.Request[int]):
    """May be asked from outside."""


class Plain:
    """Is not decorated."""

    def __repr__(self) -> str:
        return "Plain()"


class Query(acton.Request[int]):
    """Is a request, and not decorated."""

    def __repr__(self) -> str:
        return "Query()"


@acton.actor
class Service:
    """Has a number."""

    value: int = 0

    @acton.act_on
    async def get_value(self, _request: GetValue) -> int:
        """Tell it."""
        return self.value

    @acton.mutate_on
    def set_value(self, command: SetValue) -> None:
        """Change it."""
        self.value = command.value


def said(error: BaseException) -> str:
    """Return what is read of *error*, with its notes and without places in files."""
    text = "\n".join([str(error), *getattr(error, "__notes__", [])])
    return re.sub(r" \(\S+:\d+\)", "", text).replace("<locals>.", "")


def lines(text: str) -> str:
    """Return *text* as it is said."""
    return dedent(text).strip()


# --- mistakes


async def enter(block: Any) -> None:
    """Enter what is entered with ``async with``."""
    async with block:
        pass


async def enter_at_once(block: Any) -> None:  # noqa: ASYNC124 - as users write it
    """Forget ``async``."""
    with block:
        pass


async def await_it(block: Any) -> None:
    """Await what is entered."""
    await block


async def loop(block: Any) -> None:
    """Read what is entered."""
    async for _ in block:
        pass


async def loop_at_once(block: Any) -> None:  # noqa: ASYNC124 - as users write it
    """Read what is entered, and forget ``async``."""
    for _ in block:
        pass
