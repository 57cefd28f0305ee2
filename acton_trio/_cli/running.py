"""A command from its connection to its exit code."""

from __future__ import annotations

import math
from typing import Final

import trio

from .._ipc.client import open_client
from .._ipc.ways import Where
from .arguments import Arguments
from .commands import COMMANDS
from .failures import Exit, Failure
from .output import Output, ReaderGoneError

__all__ = ["perform", "run"]

# How long an answer is waited for, in seconds, by commands that want one.
_PATIENCE: Final = 30.0
_ONE_ANSWER: Final = frozenset({"ask", "discover", "send", "tree"})


def run(arguments: Arguments, where: str, payload: bytes, output: Output) -> int:
    """Do what was typed, and return the exit code.

    Raises:
        ReaderGoneError: If whoever reads the output has had enough.
    """
    status = int(Exit.SUCCESS)
    try:
        status = trio.run(perform, arguments, where, payload, output)
    except* KeyboardInterrupt:
        status = Exit.INTERRUPTED
    return status


async def perform(
    arguments: Arguments, where: Where, payload: bytes, output: Output
) -> int:
    """Do what was typed, and return the exit code.

    Args:
        arguments: What was typed.
        where: Where the service listens.
        payload: What is to be said to an actor, as JSON.
        output: Where it is written to.

    Raises:
        ReaderGoneError: If whoever reads the output has had enough.

    Cancellation:
        The connection is closed.
    """
    usual = _PATIENCE if arguments.command in _ONE_ANSWER else math.inf
    seconds = arguments.timeout or usual
    try:
        with trio.move_on_after(seconds) as scope:
            await _talk(arguments, where, payload, output)
    except ReaderGoneError:
        raise
    except Exception as error:  # noqa: BLE001 - each has its exit code
        return output.fail(error, str(where))
    if scope.cancelled_caught:
        words = f"no answer in {seconds:g} s"
        return output.end(Failure(Exit.TIMED_OUT, "TIMEOUT", words))
    return Exit.SUCCESS


async def _talk(
    arguments: Arguments, where: Where, payload: bytes, output: Output
) -> None:
    async with open_client(where) as client:
        await COMMANDS[arguments.command](client, arguments, payload, output)
