"""What becomes of exceptions on their way up, so that none is lost in another."""

from __future__ import annotations

from collections.abc import Sequence

from .._base.errors import RestartLimitError
from .._base.util import note
from .._policy.limits import RestartLimit

__all__ = ["limit_error", "set_before", "together"]


def together(name: str, failures: Sequence[BaseException]) -> BaseException | None:
    """Return all that went wrong in one incarnation of *name* as one exception."""
    if len(failures) > 1:
        return BaseExceptionGroup(f"{name} failed more than once", failures)
    return failures[0] if failures else None


def set_before(error: BaseException, first: BaseException | None) -> None:
    """Have a traceback of *error* show that *first* came before it.

    A restart that fails is one that was due to an earlier failure.
    """
    chain = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        if before in chain:
            return
        chain.append(before)
    if first not in chain:
        chain[-1].__context__ = first


def limit_error(
    limit: RestartLimit, name: str, failure: BaseException | None
) -> RestartLimitError:
    """Return what is said of an actor that failed more often than *limit* allows."""
    error = RestartLimitError(name, limit.max_restarts, limit.window)
    error.__cause__ = failure
    for each in getattr(failure, "__notes__", [f"in {name}"]):
        note(error, each)
    return error
