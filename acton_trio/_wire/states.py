"""Who may say what, and when: the rules of a connection, as tables.

A connection has two roles, and a role may send what the other one reads.  What
comes from the wrong side is read and ignored, as peers have always done.

::

    OPEN --peer closes--> HALF_CLOSED --close--> CLOSED
      |                        |
      +--------fault-----------+--> BROKEN --close--> CLOSED
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from .frames import FrameType

__all__ = ["RECEIVES", "SENDS", "TRANSITIONS", "Role", "State", "Trigger"]


class Role(enum.Enum):
    """Which side of the connection this is."""

    CLIENT = "client"
    """The side that asks."""

    SERVER = "server"
    """The side that answers."""


class State(enum.Enum):
    """How far the connection has come."""

    OPEN = "open"
    """Both sides may speak."""

    HALF_CLOSED = "half closed"
    """The peer has sent its last byte; what came before may wait to be read."""

    BROKEN = "broken"
    """The peer sent a header that cannot be read, and nothing after it can."""

    CLOSED = "closed"
    """This side has left."""


class Trigger(enum.Enum):
    """What changes the state of a connection."""

    PEER_CLOSED = "the peer closed"
    FAULT = "the peer broke the protocol"
    CLOSE = "this side closes"


TRANSITIONS: Final[Mapping[State, Mapping[Trigger, State]]] = {
    State.OPEN: {
        Trigger.PEER_CLOSED: State.HALF_CLOSED,
        Trigger.FAULT: State.BROKEN,
        Trigger.CLOSE: State.CLOSED,
    },
    State.HALF_CLOSED: {
        Trigger.PEER_CLOSED: State.HALF_CLOSED,
        Trigger.FAULT: State.BROKEN,
        Trigger.CLOSE: State.CLOSED,
    },
    State.BROKEN: {
        Trigger.PEER_CLOSED: State.BROKEN,
        Trigger.CLOSE: State.CLOSED,
    },
    State.CLOSED: {
        Trigger.PEER_CLOSED: State.CLOSED,
        Trigger.CLOSE: State.CLOSED,
    },
}
"""The next state.  A fault comes from reading, which is over when closed."""

_NOTHING: Final[frozenset[FrameType]] = frozenset()

_QUESTIONS: Final = frozenset(
    {
        FrameType.REQUEST,
        FrameType.HEARTBEAT,
        FrameType.SUBSCRIBE,
        FrameType.UNSUBSCRIBE,
        FrameType.DISCOVER,
        FrameType.CANCEL,
    }
)

_ANSWERS: Final = frozenset(
    {
        FrameType.RESPONSE,
        FrameType.ERROR,
        FrameType.HEARTBEAT,
        FrameType.PUSH,
        FrameType.STREAM,
    }
)

RECEIVES: Final[Mapping[Role, frozenset[FrameType]]] = {
    Role.CLIENT: _ANSWERS,
    Role.SERVER: _QUESTIONS,
}
"""What a role reads; it ignores the rest."""

SENDS: Final[Mapping[Role, Mapping[State, frozenset[FrameType]]]] = {
    Role.CLIENT: {
        State.OPEN: _QUESTIONS,
        # Nobody is left who could answer.
        State.HALF_CLOSED: _NOTHING,
        State.BROKEN: _NOTHING,
        State.CLOSED: _NOTHING,
    },
    Role.SERVER: {
        State.OPEN: _ANSWERS,
        # A client may be done with asking and wait for its answers.
        State.HALF_CLOSED: _ANSWERS,
        # Its last words.
        State.BROKEN: frozenset({FrameType.ERROR}),
        State.CLOSED: _NOTHING,
    },
}
"""What a role may send."""
