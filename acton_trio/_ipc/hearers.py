"""Who hears what a peer says that answers no ask: `Reader` and `Audience`."""

from __future__ import annotations

from typing import Protocol

from .._base.errors import ActonError
from .._base.formats import Format
from .._wire.envelopes import Push, StreamItem
from .exchange import Answer

__all__ = ["Audience", "Reader"]


class Reader(Protocol):
    """Who reads the replies to one request."""

    @property
    def is_behind(self) -> bool:
        """Whether it has as much to read as it may."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether it has nothing to read, and somebody waits for that."""
        ...

    def put(self, item: StreamItem, body_format: Format) -> bool:
        """Take the next frame of the stream in; return whether there may be more."""
        ...

    def answer(self, answer: Answer) -> None:
        """Take in what puts an end to the stream without being part of it."""
        ...

    def lose(self, why: ActonError) -> None:
        """Take note that there will be no more."""
        ...


class Audience(Protocol):
    """Who hears what the peer says unasked."""

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for it."""
        ...

    def hear(self, push: Push, body_format: Format) -> None:
        """Take a push in."""
        ...

    def mishear(self) -> None:
        """Take note of a push that makes no sense."""
        ...
