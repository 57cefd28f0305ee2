"""Where in a message the data is not what it should be, in msgspec's words."""

from __future__ import annotations

import attrs
import msgspec

__all__ = ["MisfitError", "located"]


@attrs.define(eq=False)
class MisfitError(Exception):
    """A part of the data is not what its place asks for; never leaves us."""

    words: str
    """What was expected, or what the value's class had to say."""

    path: str = ""
    """The way there from the top: ``.items[3].price``."""

    prefix: str = ""
    """Says, if so, that it is about a key of what is there."""

    def __str__(self) -> str:
        if not self.path and not self.prefix:
            return self.words
        return f"{self.words} - at {self.prefix}`${self.path}`"


def located(error: Exception, step: str = "") -> MisfitError:
    """Return *error* as what it is one *step* further up.

    >>> print(located(located(ValueError("too low"), ".price"), "[3]"))
    too low - at `$[3].price`
    """
    if isinstance(error, MisfitError):
        return attrs.evolve(error, path=step + error.path)
    if isinstance(error, msgspec.ValidationError):
        return MisfitError(*_parted(str(error), step))
    return MisfitError(_words_of(error), step)


def _words_of(error: Exception) -> str:
    # As msgspec does: these two are how a validator says what it wants.
    if isinstance(error, (ValueError, TypeError)) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _parted(text: str, step: str) -> tuple[str, str, str]:
    # From the end: what comes before may be the peer's own words.
    words, mark, place = text.rpartition(" - at ")
    for prefix in ("", "`key` in "):
        if mark and place.startswith(f"{prefix}`$") and place.endswith("`"):
            return words, step + place[len(prefix) + 2 : -1], prefix
    return text, step, ""
