"""What contract suites are written with: promises, and what breaks them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import trio

from .._base.util import leaves, name_of, publish_names, shown

__all__ = ["ContractError", "all_kept", "promised", "refused", "same"]


MakeT = TypeVar("MakeT")


class ContractError(AssertionError):
    """An implementation does not keep what its interface promises."""


def promised(promise: str, *, holds: bool, but: str = "") -> None:
    """Raise `ContractError` unless *promise* holds.

    Args:
        promise: What is promised, as a sentence.
        holds: Whether it is so.
        but: What is the case instead.
    """
    if not holds:
        msg = f"{promise}: {but}" if but else promise
        raise ContractError(msg)


def same(promise: str, found: object, expected: object) -> None:
    """Raise `ContractError` unless *found* is equal to *expected*."""
    but = f"expected {shown(expected)}, got {shown(found)}"
    promised(promise, holds=found == expected, but=but)


@contextmanager
def refused(promise: str, *errors: type[BaseException]) -> Generator[None, None, None]:
    """Raise `ContractError` unless the block raises one of *errors*."""
    try:
        yield
    except errors:
        return
    except Exception as error:
        msg = f"{promise}: it raises {shown(error)} instead"
        raise ContractError(msg) from error
    names = " or ".join(map(name_of, errors))
    msg = f"{promise}: it does not raise {names}"
    raise ContractError(msg)


async def all_kept(
    checks: Sequence[Callable[[MakeT], Awaitable[None]]], make: MakeT, patience: float
) -> None:
    """Run *checks* one after another, each with what *make* makes.

    Args:
        checks: Each raises `ContractError` for what is broken, and is called
            ``_check_`` and what it is about.
        make: What they are given.
        patience: How long each takes at most, in seconds on trio's clock.

    Cancellation:
        Whatever the check has opened is left as it is.
    """
    for check in checks:
        name = check.__name__.removeprefix("_check_").replace("_", " ")
        await _kept(partial(check, make), name, patience)


async def _kept(
    check: Callable[[], Awaitable[None]], name: str, patience: float
) -> None:
    """Run *check*; what it finds broken leaves it outside of any group.

    Args:
        check: Raises `ContractError` for what is broken.
        name: What it is about, as nouns.
        patience: How long it takes at most, in seconds on trio's clock.

    Cancellation:
        Whatever the check has opened is left as it is.
    """
    with trio.move_on_after(patience) as scope:
        try:
            await check()
        except BaseExceptionGroup as group:
            broken, _ = group.split(ContractError)
            if broken is None:
                raise
            raise next(leaves(broken)) from None  # noqa: ASYNC104 - that is what counts
    # What waits in vain would keep a suite from saying so.
    finished = not scope.cancelled_caught
    promised(f"nothing waits for ever, in the check of {name}", holds=finished)


publish_names(globals(), ["ContractError"], "acton_trio.testing")
