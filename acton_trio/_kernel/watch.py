"""`Watch`: a handler at work while somebody looks in."""

from __future__ import annotations

from typing import final

import trio

from .._base.util import name_of
from .envelope import Envelope
from .events import Ending, MessageBegan, MessageHandled
from .handle import ActorHandle
from .handlers import Handler
from .instruments import NUMBERS, Ears, Panel
from .parting import part

__all__ = ["Watch"]


@final
class Watch:
    """A handler at work while somebody looks in; lives until it returns.

    Who heard it begin hears it end, in the same task: what an instrument has
    set in the task's context it can set back.
    """

    __slots__ = ("_began", "_ears", "_panel", "_since")

    def __init__(
        self, panel: Panel, actor: str, handler: Handler, envelope: Envelope
    ) -> None:
        self._panel = panel
        self._ears: Ears = panel.message_handled
        self._since = trio.current_time()
        queued_at = getattr(envelope, "queued_at", None)
        sender = envelope.sender
        self._began = MessageBegan(
            next(NUMBERS),
            actor,
            name_of(type(envelope.message)),
            name_of(handler.function),
            envelope.ask is not None,
            None if queued_at is None else self._since - queued_at,
            sender.name if isinstance(sender, ActorHandle) else None,
            envelope.is_remote,
            envelope.headers,
        )
        panel.tell(panel.message_began, self._began)

    def ended(self, error: BaseException | None = None) -> None:
        """Tell that the handler has returned, or raised *error*.

        A cancellation is no error; it comes as trio's exception, or a group of it.
        """
        if not self._ears:
            return
        ending = Ending.RETURNED if error is None else Ending.RAISED
        if error is not None and part(error)[1] is None:
            ending, error = Ending.CANCELLED, None
        began = self._began
        event = MessageHandled(
            began.number,
            began.actor,
            began.message_type,
            began.handler,
            began.is_asked,
            began.waited,
            trio.current_time() - self._since,
            ending,
            error,
        )
        self._panel.tell(self._ears, event)
