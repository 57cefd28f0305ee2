"""`main`: the command line, from what was typed to the exit code.

What it needs it imports as it goes: help comes at once, and without trio.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .arguments import Arguments, parse

if TYPE_CHECKING:
    from .output import Output

__all__ = ["main"]

# What shells call to complete a command; nobody types it.
_COMPLETE: Final = "__complete"

_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was typed, and return the exit code.

    Args:
        arguments: What was typed; by default the process's own arguments.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _obey(words)
    except SystemExit as error:
        # Help, the version, and what makes no sense.
        return error.code if isinstance(error.code, int) else 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _obey(words: Sequence[str]) -> int:
    if words[:1] == [_COMPLETE]:
        return _complete(words[1:])
    arguments = parse(words)
    from .output import ReaderGoneError, let_go_of_stdout, standard_output

    output = standard_output(arguments)
    try:
        return _execute(arguments, output)
    except ReaderGoneError:
        let_go_of_stdout()
        return 0


def _complete(words: Sequence[str]) -> int:
    from .candidates import candidates_for

    sys.stdout.writelines(f"{each}\n" for each in candidates_for(words))
    return 0


def _execute(arguments: Arguments, output: Output) -> int:
    from .._base.errors import ActonError
    from .failures import UsageError

    try:
        match arguments.command:
            case "config":
                from .settings import show_settings

                show_settings(arguments.app, output)
            case "completion":
                from .completion import script_for

                output.write(script_for(arguments.shell))
            case _:
                return _talk(arguments, output)
    except (ActonError, UsageError) as error:
        return output.fail(error)
    return 0


def _talk(arguments: Arguments, output: Output) -> int:
    from .payloads import payload_of
    from .whereabouts import socket_of

    where = socket_of(arguments.socket, arguments.app)
    payload = payload_of(arguments.payload, sys.stdin.buffer)
    from .running import run

    return run(arguments, where, payload, output)
