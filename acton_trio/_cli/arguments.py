"""What can be typed after ``acton-trio``, and what it means.

Nothing but the standard library is loaded here: help and usage errors come at
once.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn, final

__all__ = ["COMMANDS", "GLOBAL_VALUES", "SHELLS", "Arguments", "parse"]

PROGRAM: Final = "acton-trio"

SHELLS: Final = ("bash", "zsh", "fish")

COMMANDS: Final = {
    "discover": "list the actors, and what they accept",
    "ask": "ask an actor, and print its reply",
    "send": "send to an actor; done when it is in its mailbox",
    "stream": "ask an actor for a stream, and print its replies as they come",
    "watch": "print what is broadcast, as it comes",
    "ping": "tell whether the service answers, and how fast",
    "tree": "show who supervises whom, and how all are",
    "top": "show who is busiest, again and again",
    "config": "show what is configured, and where",
    "completion": "print a script that completes commands in a shell",
}
"""What each command does, by its name."""

GLOBAL_VALUES: Final = ("--socket", "--app", "--timeout")
"""The options of all commands that a value follows."""

_SORTS: Final = ("depth", "rate", "age", "restarts")

_EXITS: Final = """\
exit codes:
  0    success
  1    the service answered with an error
  2    wrong usage, or a wrong configuration
  3    no connection, or it was lost or refused
  4    no answer in time
  70   a fault of this command, or of what it writes to
  130  Ctrl-C
"""


@final
class Arguments(argparse.Namespace):
    """What was typed; the defaults are what was not."""

    command: str = ""
    socket: str | None = None
    app: str | None = None
    timeout: float | None = None
    json: bool = False
    no_color: bool = False
    debug: bool = False

    target: str = ""
    type: str = ""
    types: Sequence[str] = ()
    payload: str = "null"
    schemas: bool = False
    count: int | None = None
    interval: float = 1.0
    once: bool = False
    sort: str = "depth"
    shell: str = ""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to look, and exit."""
        self.exit(2, f"{PROGRAM}: {message} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    """Prints the version; finding it out takes longer than all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        """Print it, and exit."""
        from importlib.metadata import version  # noqa: PLC0415 - see above

        sys.stdout.write(f"{PROGRAM} {version(PROGRAM)}\n")
        parser.exit()


def parse(arguments: Sequence[str]) -> Arguments:
    """Return what *arguments* mean.

    Raises:
        SystemExit: If they mean nothing, or that help is wanted.
    """
    return _parser().parse_args(arguments, namespace=Arguments())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Talk to the actors of a running service, over its Unix socket.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the version, and exit"
    )
    _add_common(parser)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            allow_abbrev=False,
        )
        _add_own(name, command)
        _add_common(command)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    # Without defaults: those of a command would hide what was typed before it.
    group = parser.add_argument_group("options of all commands")
    keep: Any = {"default": argparse.SUPPRESS}
    group.add_argument(
        "--socket", metavar="PATH", help="where the service listens, or @NAME", **keep
    )
    group.add_argument(
        "--app", metavar="NAME", help="what the service is called, instead", **keep
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        help="how long all may take; by default 30 for one answer",
        **keep,
    )
    group.add_argument(
        "--json", action="store_true", help="print JSON, one value per line", **keep
    )
    group.add_argument(
        "--no-color", action="store_true", help="print no colours", **keep
    )
    group.add_argument(
        "--debug", action="store_true", help="show tracebacks of errors", **keep
    )


def _add_own(name: str, command: argparse.ArgumentParser) -> None:
    match name:
        case "discover":
            command.add_argument(
                "--schemas", action="store_true", help="JSON Schemas of the types, too"
            )
        case "ask" | "send" | "stream":
            _add_message(command)
        case "watch":
            command.add_argument("types", nargs="+", metavar="TYPE")
            _add_count(command, "messages to print")
        case "ping":
            _add_count(command, "times; 1 by default")
            _add_interval(command)
        case "top":
            _add_count(command, "times to look")
            _add_interval(command)
            command.add_argument("--once", action="store_true", help="look once")
            command.add_argument(
                "--sort", choices=_SORTS, default="depth", help="what comes first"
            )
        case "completion":
            command.add_argument("shell", choices=SHELLS)
        case _:
            pass


def _add_message(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", metavar="TARGET", help="name of the actor")
    command.add_argument("type", metavar="TYPE", help="name of the message type")
    command.add_argument(
        "payload",
        metavar="JSON",
        nargs="?",
        default="null",
        help="the message's fields; - reads them from stdin, @FILE from a file",
    )


def _add_count(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--count", metavar="N", type=_whole, help=f"how many {what}")


def _add_interval(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--interval",
        metavar="SECONDS",
        type=_seconds,
        default=1.0,
        help="how long to wait in between; 1 by default",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        msg = f"expected a number of seconds above 0, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return seconds


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        msg = f"expected a whole number from 1 on, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
