"""What other processes may name: exposed actors, and message types."""

from __future__ import annotations

from typing import final

import attrs

from .._base.errors import DuplicateNameError
from .._base.teaching import lesson
from .._base.util import shown
from .._kernel.handle import ActorHandle, seat_of
from .._messages.declare import (
    is_message,
    is_question,
    reply_type_of,
    wire_name_of,
)
from .._messages.registry import MessageRegistry

__all__ = ["Exposure"]


@final
@attrs.define(eq=False)
class Exposure:
    """The names under which actors can be reached; lives as long as a runtime."""

    registry: MessageRegistry = attrs.field(factory=MessageRegistry)
    _actors: dict[str, ActorHandle] = attrs.field(
        factory=dict[str, ActorHandle], init=False
    )

    def expose(self, name: str, handle: ActorHandle) -> None:
        """Let peers reach *handle* as *name*, with the messages it may be sent.

        Raises:
            DuplicateNameError: If another actor has the name, or another
                class the name of one of its messages.
            TypeError: If one of its messages cannot travel.
        """
        if not isinstance(handle, ActorHandle):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not be checked
            msg = lesson(
                "an actor is exposed by a name, and its handle.",
                f"runtime.ipc_expose({shown(name, 40)}, {shown(handle, 40)})",
                'runtime.ipc_expose("my-service", handle)',
            )
            raise TypeError(msg)
        if not name:
            msg = "the name under which an actor is exposed must not be empty"
            raise ValueError(msg)
        holder = self._actors.get(name)
        if holder is not None and holder is not handle:
            raise DuplicateNameError(name, f"actor {holder.id}")
        for message_type in seat_of(handle).accepts:
            self._register(message_type)
        self._actors[name] = handle

    def _register(self, message_type: object) -> None:
        """Register a type, and the one that it is answered with, and so on."""
        seen = set[object]()
        # Two may be answered with each other, and one with itself.
        while message_type not in seen and is_message(message_type):
            assert isinstance(message_type, type)
            if wire_name_of(message_type) is None:
                return
            seen.add(message_type)
            self.registry.register(message_type)
            if not is_question(message_type):
                return
            message_type = reply_type_of(message_type)

    def hide(self, name: str) -> ActorHandle | None:
        """Free *name*; return the actor that had it, if one did."""
        return self._actors.pop(name, None)

    def forget(self, handle: ActorHandle) -> None:
        """Free every name of *handle*, which is down for good."""
        for name in [name for name, each in self._actors.items() if each is handle]:
            del self._actors[name]

    def find(self, name: str) -> ActorHandle | None:
        """Return the actor that peers know as *name*."""
        return self._actors.get(name)

    def actors(self) -> dict[str, ActorHandle]:
        """Return the exposed actors by name."""
        return dict(self._actors)
