"""The least that an actor behind a socket can do: `trio_pump`, and our actor.

Requests are put in the mailbox as our own server does, with a deadline and an address
for the reply; whoever answers the last one of a connection writes.  Nothing else of what
a server of ours promises is done.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import attrs
import msgspec
import trio
from servers.desk import HEADER, done_with, listening_socket, report_ready
from servers.trading import Confirmation, Desk, Order
from servers.trio_pump import Pump

import acton_trio as acton
from acton_trio._kernel.envelope import Ask, Envelope, Result
from acton_trio._kernel.handle import seat_of

_encoder: Final = msgspec.json.Encoder()


class Request(msgspec.Struct):
    """A REQUEST's body."""

    correlation_id: str
    target: str
    message_type: str
    payload: Order
    expects_reply: bool = False
    response_timeout_ms: int = 30_000


class Response(msgspec.Struct):
    """A RESPONSE's body."""

    correlation_id: str
    success: bool
    payload: Confirmation
    message_type: str


_decoder: Final = msgspec.json.Decoder(Request)


@attrs.define(eq=False)
class Conversation:
    """What one connection still has to be told; lives as long as that."""

    number: int
    """Of its socket."""

    due: int = 0
    replies: list[bytes] = attrs.field(factory=list[bytes])

    def reply(self, correlation_id: str, value: Confirmation) -> None:
        """Answer a request; write if it was the last one that was due."""
        response = Response(
            correlation_id, success=True, payload=value, message_type="Confirmation"
        )
        body = _encoder.encode(response)
        self.replies.append(HEADER.pack(len(body), 2, 2, 1) + body)
        self.due -= 1
        if not self.due:
            data = b"".join(self.replies)
            self.replies.clear()
            # Who has hung up meanwhile reads nothing.
            with suppress(OSError):
                os.write(self.number, data)


class Question(msgspec.Struct, eq=False):
    """One request at work; lives until it is answered."""

    conversation: Conversation
    correlation_id: str
    pump: ActorPump
    envelope: Envelope

    def reply(self, value: object) -> None:
        """Answer it."""
        self.pump.patience.forget(self.envelope)
        assert isinstance(value, Confirmation)
        self.conversation.reply(self.correlation_id, value)


def _no_reply(_: Result) -> None:
    """Let whoever asks wait: this server is not told of failures."""


class ActorPump(Pump):
    """The same, with an actor; lives as long as the listener."""

    def serve_with(self, desk: acton.ActorHandle) -> None:
        """Have that actor handle what is read."""
        seat = seat_of(desk)
        self._mailbox = seat.mailbox
        self.patience = seat.surroundings.patience
        self._now = seat.surroundings.now
        self._conversations: dict[int, Conversation] = {}

    def answer(self, number: int, data: bytes) -> tuple[bytes, bytes]:
        """Put what has come in the mailbox; it is answered later."""
        conversation = self._conversations.get(number)
        if conversation is None:
            conversation = self._conversations[number] = Conversation(number)
        requests, rest = done_with(data, _decoder.decode)
        for each in requests:
            conversation.due += 1
            now = self._now()
            ask = Ask("desk", "Order", _no_reply, now)
            envelope = Envelope(each.payload, ask)
            ask.taker = Question(conversation, each.correlation_id, self, envelope)
            self.patience.watch_usual(envelope, now)
            self._mailbox.put_nowait(envelope)
        return b"", rest


async def main() -> None:
    """Serve until killed."""
    async with acton.open_runtime() as runtime:
        desk = await runtime.start(Desk, name="desk", mailbox_capacity=2048)
        with listening_socket() as listener:
            pump = ActorPump(listener)
            pump.serve_with(desk)
            report_ready()
            await pump.run()


if __name__ == "__main__":
    trio.run(main)
