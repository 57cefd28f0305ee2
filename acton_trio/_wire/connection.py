"""One side of a connection, without the connection: bytes in, events out.

The caller owns the socket.  It gives every chunk that it reads to
`Connection.receive_data`, ``b""`` at the end, and calls `next_event` until
that needs data; it writes what `send` returns.  Neither waits for anything,
so the same object serves trio, a blocking socket, and a test::

    while not isinstance(event := connection.next_event(), ConnectionClosed):
        if event is NEED_DATA:
            connection.receive_data(await stream.receive_some())
        else:
            ...

Questions and answers are not matched here.  Any number of requests may be on
their way, the answers come in any order, and which request is still waiting is
known to those who wait.
"""

from __future__ import annotations

from typing import Final, Literal, final

from .._base.errors import LocalProtocolError
from .._base.formats import Format
from .bodies import ReadRequest, decode_body, encode_body, frame_type_of
from .envelopes import Body
from .events import (
    NEED_DATA,
    ConnectionClosed,
    Event,
    Ignored,
    NeedData,
    Received,
)
from .faults import BadHeaderError
from .frames import (
    DEFAULT_MAX_MESSAGE_SIZE,
    HEADER_SIZE_V1,
    MAX_FRAME_SIZE,
    MAX_HEADER_SIZE,
    FrameDecoder,
    FrameType,
    encode_frame,
)
from .malformed import Malformed
from .states import RECEIVES, SENDS, TRANSITIONS, Role, State, Trigger
from .versions import CURRENT_VERSION

__all__ = ["Connection"]

# A client asked for what it gets, a server did not.
_DEFAULT_LIMITS: Final = {
    Role.CLIENT: MAX_FRAME_SIZE,
    Role.SERVER: DEFAULT_MAX_MESSAGE_SIZE,
}

_OPEN: Final = State.OPEN  # as a global it is found faster

_JSON_ONLY: Final = frozenset({FrameType.HEARTBEAT, FrameType.PUSH})


@final
class Connection:
    """What one side knows of a connection; lives as long as it.

    Args:
        role: Which side this is.
        max_message_size: Largest body accepted, in bytes; by default 1 MiB
            for a server and 16 MiB for a client.
    """

    __slots__ = (
        "_decoder",
        "_fault",
        "_receives",
        "_role",
        "_sends",
        "_state",
        "read_request",
        "size",
    )

    def __init__(
        self,
        role: Role,
        *,
        max_message_size: int | None = None,
    ) -> None:
        limit = _DEFAULT_LIMITS[role] if max_message_size is None else max_message_size
        self._role: Final = role
        self._decoder: Final = FrameDecoder(limit)
        self._receives: Final = RECEIVES[role]
        self.size = 0
        """How many bytes the latest event has taken."""

        self.read_request: ReadRequest | None = None
        """Reads requests, unless it leaves that to the connection."""

        self._fault: BadHeaderError | None = None
        self._state = State.OPEN
        self._sends = SENDS[role][State.OPEN]

    def __repr__(self) -> str:
        return f"<Connection: {self._role.value}, {self._state.value}>"

    @property
    def role(self) -> Role:
        """Which side this is."""
        return self._role

    @property
    def state(self) -> State:
        """How far the connection has come."""
        return self._state

    @property
    def buffered(self) -> int:
        """How many bytes were received and not yet turned into events."""
        return self._decoder.buffered

    @property
    def wanted(self) -> int:
        """How many bytes may be read without reading beyond the frame that comes next."""
        return self._decoder.wanted

    def receive_data(self, data: bytes) -> None:
        """Take the next bytes from the peer; ``b""`` says that it has closed.

        What comes after a fault is dropped: nobody could read it.

        Raises:
            LocalProtocolError: If there was to be no more data.
        """
        if not data:
            self._process(Trigger.PEER_CLOSED)
        elif self._state is _OPEN:
            self._decoder.receive_data(data)
        elif self._state is State.HALF_CLOSED:
            msg = "data after the end of the stream"
            raise LocalProtocolError(msg)

    def next_event(self) -> Event | Literal[NeedData.NEED_DATA]:
        """Return what came next from the peer, or `NEED_DATA`.

        After `ConnectionClosed` it is returned again and again.

        Raises:
            BadHeaderError: If what came is not of this protocol.  A server
                sends the error's `hint` and closes.  Every further call raises
                it again.
        """
        if self._fault is not None:
            raise self._fault
        try:
            frame = self._decoder.next_frame()
        except BadHeaderError as fault:
            self._break(fault)
            raise
        if frame is None:
            return self._need_data()
        header = MAX_HEADER_SIZE if frame.version > 1 else HEADER_SIZE_V1
        self.size = header + len(frame.payload)
        if frame.type not in self._receives:
            return Ignored(frame.type)
        body = decode_body(frame, self.read_request)
        # To ask a struct what it is an instance of costs as much as to make one.
        if type(body) is Malformed:
            return body
        return Received(body, frame.version, frame.format)

    def send(
        self,
        body: Body,
        *,
        version: int = CURRENT_VERSION,
        format: Format = Format.JSON,  # noqa: A002 - the protocol's word
    ) -> bytes:
        """Return the bytes that say *body* to the peer.

        An answer has the *version* and *format* of its question; a heartbeat
        is JSON in any case, as some peers read nothing else.

        Raises:
            LocalProtocolError: If this role may not say it, not now, or not in
                that version or format; or if no peer accepts so much.
            SerializationError: If a string of it cannot be written.
        """
        frame_type = frame_type_of(body)
        if frame_type not in self._sends:
            raise LocalProtocolError(self._refusal(frame_type))
        if frame_type in _JSON_ONLY:
            format = _json_for(frame_type, format)  # noqa: A001 - as above
        payload = encode_body(body, format)
        return encode_frame(frame_type, payload, version=version, format=format)

    def close(self) -> None:
        """Leave: nothing more is sent or read.  Doing so twice is allowed."""
        self._process(Trigger.CLOSE)
        self._decoder.discard()

    def _process(self, trigger: Trigger) -> None:
        self._state = TRANSITIONS[self._state][trigger]
        self._sends = SENDS[self._role][self._state]

    def _break(self, fault: BadHeaderError) -> None:
        self._fault = fault
        self._process(Trigger.FAULT)
        self._decoder.discard()

    def _need_data(self) -> ConnectionClosed | Literal[NeedData.NEED_DATA]:
        self.size = 0
        if self._state is _OPEN:
            return NEED_DATA
        return ConnectionClosed(truncated=self._decoder.buffered > 0)

    def _refusal(self, frame_type: FrameType) -> str:
        where = f"a {self._role.value} whose connection is {self._state.value}"
        allowed = ", ".join(each.name for each in sorted(self._sends)) or "nothing"
        return f"{where} may send {allowed}, not {frame_type.name}"


def _json_for(frame_type: FrameType, wanted: Format) -> Format:
    # The payload of a push is encoded already, and would stay what it is.
    if frame_type is FrameType.PUSH and wanted is not Format.JSON:
        msg = f"pushes are written in JSON, not {wanted.name}"
        raise LocalProtocolError(msg)
    return Format.JSON
