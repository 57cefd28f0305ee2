"""A body that cannot be used, and the answer that is due to it."""

from __future__ import annotations

from typing import Final, final

import msgspec
from msgspec import UNSET

from .._base.formats import Format
from .answers import Response
from .codes import ErrorCode
from .frames import FrameType

__all__ = ["Malformed"]

_SUBSCRIPTIONS: Final = frozenset({FrameType.SUBSCRIBE, FrameType.UNSUBSCRIBE})
_QUESTIONS: Final = _SUBSCRIPTIONS | {FrameType.REQUEST, FrameType.DISCOVER}


@final
class Malformed(msgspec.Struct, frozen=True):
    """A body that cannot be used; the connection is none the worse for it."""

    correlation_id: str
    """The body's own, if it can be repeated; else ``unknown``."""

    detail: str
    """What was expected, and where."""

    frame_type: FrameType
    """The type of the frame it came in."""

    version: int
    """The protocol version of that frame, and of the answer."""

    format: Format
    """The format of that frame, and of the answer."""

    code: str = ErrorCode.SERIALIZATION_ERROR
    """PROTOCOL_ERROR if the body was understood, but is not allowed."""

    def answer(self) -> Response | None:
        """Return the answer that is due, or ``None`` if it was no question.

        A malformed wish to cancel has none: it might end another request.
        """
        if self.frame_type not in _QUESTIONS:
            return None
        return Response(
            self.correlation_id,
            success=False,
            error=self._text(),
            error_code=self._code(),
            subscribed_types=() if self.frame_type in _SUBSCRIPTIONS else UNSET,
        )

    def _text(self) -> str:
        if self.code != ErrorCode.SERIALIZATION_ERROR:
            return f"Protocol error: {self.detail}"
        if self.frame_type is FrameType.REQUEST:
            return f"Failed to parse envelope: Serialization error: {self.detail}"
        return f"Parse error: {self.detail}"

    def _code(self) -> str | msgspec.UnsetType:
        # The reference's answers to subscriptions and discoveries have no code;
        # what the protocol forbids is a finding of our own.
        if self.code != ErrorCode.SERIALIZATION_ERROR:
            return self.code
        return self.code if self.frame_type is FrameType.REQUEST else UNSET
