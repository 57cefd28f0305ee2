"""Telling a cancellation from a failure when they come in one exception."""

from __future__ import annotations

import typing

import trio

__all__ = ["part"]


def part(
    error: BaseException,
) -> tuple[BaseException | None, BaseException | None]:
    """Part *error* in what trio's cancel scopes want back, and what went wrong.

    A nursery that is cancelled while something fails in it raises both in one
    group.
    """
    if isinstance(error, trio.Cancelled):
        return error, None
    if isinstance(error, BaseExceptionGroup):
        group = typing.cast("BaseExceptionGroup[BaseException]", error)
        cancelled, rest = group.split(trio.Cancelled)
        # A split group is another object: one without cancellations in it is
        # to reach its owner as it was raised.
        return (cancelled, rest) if cancelled is not None else (None, group)
    return None, error
