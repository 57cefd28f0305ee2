"""Who looks in: the instruments of a runtime, and how they are told things.

Whoever has something to tell first looks whether anybody listens, in one
attribute: when nobody does, that is all it costs.
"""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias, final

import attrs

from .._base.util import name_of, shown
from .activity import NO_HEADERS, Activity
from .events import MessageSent

__all__ = ["NUMBERS", "QUIET", "Ears", "Listener", "Panel"]

_log = logging.getLogger("acton_trio")


@final
@attrs.define(eq=False)
class Listener:
    """One instrument; lives until it is removed and has heard how things ended."""

    instrument: object
    methods: Mapping[str, Callable[[Any], object]]
    """Those that it has, by name."""

    is_broken: bool = False
    """Whether one of them has raised: none is called any more."""


Ears: TypeAlias = tuple[tuple[Listener, Callable[[Any], object]], ...]
"""Who listens to one kind of event, and with what."""


@final
@attrs.define(eq=False)
class Panel:
    """The instruments of one runtime; lives as long as it.

    Each kind of event has an attribute here, named as the method that hears it.
    """

    idle: type = object
    """The class whose own methods do nothing, and need not be called."""

    is_watching: bool = attrs.field(default=False, init=False)
    """Whether anybody wants to hear of every message that is handled."""

    is_quiet: bool = attrs.field(default=True, init=False)
    """Whether nobody wants to hear of messages, sent or handled."""

    _listeners: tuple[Listener, ...] = attrs.field(default=(), init=False)

    actor_started: Ears = attrs.field(default=(), init=False)
    actor_stopped: Ears = attrs.field(default=(), init=False)
    message_sent: Ears = attrs.field(default=(), init=False)
    message_began: Ears = attrs.field(default=(), init=False)
    message_handled: Ears = attrs.field(default=(), init=False)
    dead_letter: Ears = attrs.field(default=(), init=False)
    child_supervised: Ears = attrs.field(default=(), init=False)
    child_restarted: Ears = attrs.field(default=(), init=False)
    child_terminated: Ears = attrs.field(default=(), init=False)
    supervision_escalated: Ears = attrs.field(default=(), init=False)

    @property
    def instruments(self) -> tuple[object, ...]:
        """Those that listen, in the order in which they are told."""
        return tuple(each.instrument for each in self._listeners)

    def add(self, instrument: object) -> None:
        """Have *instrument* told what it has methods for; once is enough.

        Raises:
            TypeError: If it has none, or they are asynchronous.
        """
        if any(each.instrument is instrument for each in self._listeners):
            return
        if isinstance(instrument, type):
            name = name_of(instrument)
            msg = (
                f"an instrument is an object, not a class.\n"
                f"  incorrect: {name}\n"
                f"  correct:   {name}()"
            )
            raise TypeError(msg)
        methods = {kind: getattr(instrument, kind, None) for kind in _KINDS}
        known = {kind: each for kind, each in methods.items() if callable(each)}
        if not known:
            msg = f"{shown(instrument)} is no instrument: it has none of {_KINDS}"
            raise TypeError(msg)
        for each in known.values():
            if inspect.iscoroutinefunction(each):
                msg = f"{name_of(each)} is asynchronous, and an instrument cannot wait"
                raise TypeError(msg)
        busy = {kind: each for kind, each in known.items() if self._is_busy(kind, each)}
        self._set([*self._listeners, Listener(instrument, busy)])

    def remove(self, instrument: object) -> None:
        """Tell *instrument* nothing more, but the end of what it saw begin.

        Raises:
            KeyError: If it does not listen, perhaps because it has raised.
        """
        left = [each for each in self._listeners if each.instrument is not instrument]
        if len(left) == len(self._listeners):
            raise KeyError(instrument)
        self._set(left)

    def tell(self, ears: Ears, event: object) -> None:
        """Tell *event* to all those *ears*; no instrument can hurt who tells it."""
        for listener, method in ears:
            if listener.is_broken:
                continue
            try:
                method(event)
            except Exception as error:  # noqa: BLE001 - reported
                self._drop(listener, event, error)

    def headers_for(
        self, sender: Activity | None, target: str, message_type: str, *, is_asked: bool
    ) -> Mapping[str, str]:
        """Tell of a message that is sent; return what travels with it.

        Args:
            sender: The code of an actor that sends it, if it is any.
            target: Name of the actor it is for.
            message_type: Name of its type.
            is_asked: Whether a reply, or a stream of them, is waited for.
        """
        headers = NO_HEADERS if sender is None else sender.headers
        name = None if sender is None else sender.name
        event = MessageSent(name, target, message_type, is_asked)
        for listener, method in self.message_sent:
            try:
                more = method(event)
                if more:
                    headers = {**headers, **_checked(more)}
            except Exception as error:  # noqa: BLE001 - reported
                self._drop(listener, event, error)
        return headers

    def _is_busy(self, kind: str, method: object) -> bool:
        function = getattr(method, "__func__", method)
        return function is not getattr(self.idle, kind, None)

    def _set(self, listeners: list[Listener]) -> None:
        self._listeners = tuple(listeners)
        for kind in _KINDS:
            ears = [
                (each, each.methods[kind]) for each in listeners if kind in each.methods
            ]
            setattr(self, kind, tuple(ears))
        self.is_watching = bool(self.message_began or self.message_handled)
        self.is_quiet = not (self.is_watching or self.message_sent)

    def _drop(self, listener: Listener, event: object, error: Exception) -> None:
        listener.is_broken = True
        self._set([each for each in self._listeners if each is not listener])
        # The handler that logging has may be the very thing that is broken.
        with suppress(Exception):
            _log.error(
                "instrument %s was removed: told of %s, it raised",
                shown(listener.instrument),
                name_of(type(event)),
                exc_info=error,
            )


_KINDS: Final = (
    "actor_started",
    "actor_stopped",
    "message_sent",
    "message_began",
    "message_handled",
    "dead_letter",
    "child_supervised",
    "child_restarted",
    "child_terminated",
    "supervision_escalated",
)


def _checked(headers: Any) -> dict[str, str]:
    found: dict[Any, Any] = dict(headers)
    for each in (*found.keys(), *found.values()):
        if not isinstance(each, str):
            msg = f"headers are a mapping of strings to strings, not {shown(headers)}"
            raise TypeError(msg)
    return found


NUMBERS: Final[Iterator[int]] = itertools.count()
"""Of messages that are told of; one for all, as an instrument may see several runtimes."""

QUIET: Final = Panel()
"""For what stands alone: nobody ever looks in."""
