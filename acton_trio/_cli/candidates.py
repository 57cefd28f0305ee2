"""What could come next in a command: asked for by the shells' completion scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from .arguments import COMMANDS, GLOBAL_VALUES, SHELLS

__all__ = ["Typed", "candidates_for", "typed_in"]

# How long a service is waited for, in seconds: somebody holds down a key.
_PATIENCE: Final = 1.0

# What a shell takes as it is.  Names come from other processes, and end up in a
# command line: whatever a shell would make more of is not offered.
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")

_TO_ACTORS: Final = frozenset({"ask", "send", "stream"})

_GLOBAL: Final = ("--debug", "--help", "--json", "--no-color", *GLOBAL_VALUES)

_OPTIONS: Final = {
    "": ("--version",),
    "discover": ("--schemas",),
    "watch": ("--count",),
    "ping": ("--count", "--interval"),
    "top": ("--count", "--interval", "--once", "--sort"),
}

_OWN_VALUES: Final = ("--count", "--interval", "--sort")

_VALUES: Final = {"--sort": ("age", "depth", "rate", "restarts")}


@attrs.frozen
class Typed:
    """What was typed so far."""

    command: str = ""
    words: tuple[str, ...] = ()
    """What follows it, without options."""

    option: str = ""
    """The option whose value comes next, if one does."""

    socket: str | None = None
    app: str | None = None


def candidates_for(words: Sequence[str]) -> list[str]:
    """Return what the last of *words* could be, which is as yet only begun.

    Nothing if it would take too long to find out, or fails.
    """
    *before, begun = words or [""]
    typed = typed_in(before)
    found = _options_of(typed) if begun.startswith("-") else _words_for(typed)
    return sorted(
        each
        for each in {*found}
        if each.startswith(begun)
        and (each.startswith("--") or _HARMLESS.fullmatch(each))
    )


def typed_in(words: Iterable[str]) -> Typed:
    """Return what *words* say, as far as it matters for what comes next.

    >>> typed_in(["--app", "shop", "ask", "till"])
    Typed(command='ask', words=('till',), option='', socket=None, app='shop')
    """
    typed = Typed()
    for word in words:
        name, has_value, value = word.partition("=")
        if typed.option:
            typed = _with_value(typed, typed.option, word)
        elif has_value and name.startswith("--"):
            typed = _with_value(typed, name, value)
        elif word in {*GLOBAL_VALUES, *_OWN_VALUES}:
            typed = attrs.evolve(typed, option=word)
        elif word.startswith("--"):
            continue
        elif not typed.command:
            typed = attrs.evolve(typed, command=word)
        else:
            typed = attrs.evolve(typed, words=(*typed.words, word))
    return typed


def _with_value(typed: Typed, option: str, value: str) -> Typed:
    typed = attrs.evolve(typed, option="")
    match option:
        case "--socket":
            return attrs.evolve(typed, socket=value)
        case "--app":
            return attrs.evolve(typed, app=value)
        case _:
            return typed


def _options_of(typed: Typed) -> Iterable[str]:
    return [] if typed.option else [*_GLOBAL, *_OPTIONS.get(typed.command, ())]


def _words_for(typed: Typed) -> Iterable[str]:
    if typed.option == "--app":
        from .whereabouts import running_apps  # noqa: PLC0415 - when it is needed

        return running_apps()
    if typed.option:
        return _VALUES.get(typed.option, ())
    if not typed.command:
        return COMMANDS
    if typed.command == "completion":
        return SHELLS if not typed.words else ()
    is_for_actor = typed.command in _TO_ACTORS and len(typed.words) < 2
    return _names_for(typed) if is_for_actor or typed.command == "watch" else ()


def _names_for(typed: Typed) -> Iterable[str]:
    from .looking import look  # noqa: PLC0415 - loads trio

    found = look(typed.socket, typed.app, _PATIENCE)
    if found is None:
        return ()
    if typed.command == "watch":
        return found.message_types
    if not typed.words:
        return [each.name for each in found.actors]
    accepted = {each.name: each.accepts for each in found.actors}
    return accepted.get(typed.words[0]) or found.message_types
