"""`Output`: where a command writes, and how much room there is."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from typing import TextIO, final

import attrs

from .arguments import PROGRAM, Arguments
from .failures import Exit, Failure, OutputError, failure_of, first_of
from .text import json_of

__all__ = ["Output", "ReaderGoneError", "let_go_of_stdout", "standard_output"]


class ReaderGoneError(Exception):
    """Whoever reads what the command writes has had enough, as ``head`` does."""


@final
@attrs.define(eq=False)
class Output:
    """Where a command writes; lives as long as it.

    Texts are `clean` before they come here, or made by `json_of`.
    """

    out: TextIO
    err: TextIO
    as_json: bool = False
    """Whether it is for scripts."""

    width: int | None = None
    """How many columns of text a line may have; ``None`` is any number."""

    height: int = 24
    """How many lines can be seen, if it is a terminal."""

    is_terminal: bool = False
    has_colours: bool = False
    debug: bool = False
    """Whether tracebacks are wanted."""

    def line(self, text: str = "") -> None:
        """Write a line, at once.

        Raises:
            ReaderGoneError: If nobody reads it.
            OutputError: If it cannot be written.
        """
        self.write(f"{text}\n")

    def write(self, text: str) -> None:
        """Write *text*, at once; raises what `line` does."""
        try:
            self.out.write(text)
            self.out.flush()
        except BrokenPipeError as error:
            raise ReaderGoneError from error
        except OSError as error:
            msg = f"cannot write: {error.strerror}"
            raise OutputError(msg) from error

    def data(self, value: object) -> None:
        """Write plain data: for people over several lines, for scripts on one."""
        self.line(json_of(value, indent=0 if self.as_json else 2))

    def remark(self, text: str) -> None:
        """Write a line for people, beside what the command has to say."""
        print(f"{PROGRAM}: {text}", file=self.err, flush=True)

    def fail(self, error: BaseException, where: str = "") -> Exit:
        """Write why the command ends, and return with which exit code.

        Args:
            error: What has come of it.
            where: Where the service was to be.
        """
        if self.debug:
            traceback.print_exception(error, file=self.err)
        return self.end(failure_of(first_of(error), where))

    def end(self, failure: Failure) -> Exit:
        """Write why the command ends, and return with which exit code."""
        if self.as_json:
            print(json_of(failure.data()), file=self.err, flush=True)
        else:
            self.remark(failure.line())
        return failure.exit


def standard_output(arguments: Arguments) -> Output:
    """Return where the process writes to, as *arguments* want it."""
    out = sys.stdout
    # A name that the terminal cannot show is no reason to fail.
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    output = Output(out, sys.stderr, arguments.json, debug=arguments.debug)
    if arguments.json or not out.isatty():
        return output
    size = shutil.get_terminal_size()
    # A dumb one can neither go back nor show colours.
    is_terminal = os.environ.get("TERM", "dumb") != "dumb"
    no_colours = arguments.no_color or bool(os.environ.get("NO_COLOR"))
    return attrs.evolve(
        output,
        width=size.columns,
        height=size.lines,
        is_terminal=is_terminal,
        has_colours=is_terminal and not no_colours,
    )


def let_go_of_stdout() -> None:
    """Have the interpreter flush what is left into nothing, on its way out."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
