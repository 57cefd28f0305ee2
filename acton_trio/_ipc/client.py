"""`open_client`: a trio task's way to the actors of another process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar, final, overload

import attrs
import trio
from msgspec import UNSET

from .._base.blocks import async_block
from .._base.util import publish_names
from .._kernel.instruments import Panel
from .._policy.backoff import Backoff
from .._policy.delivery import Delivery
from .._supervision.instruments import Instrument
from .._wire.envelopes import Discover, Unsubscribe
from .backlog import Backlog, terms_of
from .calls import Calls
from .dialogue import Dialogue
from .discovery import Discovery
from .exchange import IpcResponse
from .interests import Interests
from .notifications import Notification, codecs_for
from .reconnecting import Line
from .remote_handle import RemoteActorHandle
from .remote_subscription import RemoteSubscription
from .ways import Where, opened, way_to

__all__ = ["Client", "calls_of", "open_client", "stream_of"]

T = TypeVar("T")


@final
@attrs.define(eq=False, repr=False)
class Client:
    """A connection to another process; lives as long as its `open_client` block.

    Any number of tasks may use it at once.
    """

    _line: Line
    _calls: Calls

    def actor(self, name: str) -> RemoteActorHandle:
        """Return a handle of the actor that the peer exposes as *name*.

        Whether there is one shows when it is used.
        """
        return RemoteActorHandle(name, self._calls)

    async def request(
        self, target: str, message_type: str, payload: object = None
    ) -> IpcResponse:
        """Ask with names and plain data, for when the types are not at hand.

        Args:
            target: Name under which the actor is exposed.
            message_type: Name of the message's type.
            payload: The message as plain data.

        Returns:
            The answer, also when it is an error.

        Raises:
            AskTimeoutError: If no answer came in 30 seconds, and the caller
                has no deadline of its own.
            PeerLostError: If the connection broke.
            ConnectionRefusedByPeerError: If the peer refused it.
            SerializationError: If the payload is no plain data.

        Cancellation:
            The answer is dropped when it comes, and the request given up by
            a peer that can.
        """
        return await self._calls.request(target, message_type, payload)

    async def discover(self, *, include_schemas: bool = False) -> Discovery:
        """Ask the peer what it has to offer.

        Args:
            include_schemas: Whether it shall tell the JSON Schemas of its
                message types, too.

        Raises:
            AskTimeoutError: If no answer came in 30 seconds, and the caller
                has no deadline of its own.
            PeerLostError: If the connection broke.
            ConnectionRefusedByPeerError: If the peer refused it.

        Cancellation:
            The answer is dropped when it comes.
        """
        question = Discover("", include_schemas=include_schemas or UNSET)
        return Discovery.of((await self._calls.discover(question)).response)

    @overload
    def subscribe(
        self,
        message_type: type[T],
        /,
        *message_types: type[T],
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
    ) -> AbstractAsyncContextManager[RemoteSubscription[T]]: ...
    @overload
    def subscribe(
        self,
        message_type: str,
        /,
        *message_types: str,
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
    ) -> AbstractAsyncContextManager[RemoteSubscription[Notification]]: ...
    @overload
    def subscribe(
        self,
        message_type: type[T] | str,
        /,
        *message_types: type[T] | str,
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
    ) -> AbstractAsyncContextManager[RemoteSubscription[T | Notification]]: ...
    @async_block("client.subscribe(...)", "events", "event")
    @asynccontextmanager
    async def subscribe(
        self,
        message_type: type | str,
        /,
        *message_types: type | str,
        delivery: Delivery = Delivery.DROP_OLDEST,
        capacity: int | None = None,
    ) -> AsyncGenerator[RemoteSubscription[Any], None]:
        """Read what is broadcast in the other process, of these types.

        ::

            async with client.subscribe(PriceChanged) as events:
                async for event in events:
                    ...

        The block is entered when the peer has agreed.  What is lost is counted:
        ``events.missed`` tells how much, where it was.

        Args:
            message_type: A message class; or a name on the wire, for messages
                as `Notification`.
            *message_types: More of them.
            delivery: What happens to messages while the reader is behind; nobody
                waits for it.
            capacity: By how many messages it may be; by default 256, and one of
                `Delivery.LATEST`.

        Raises:
            PeerRejectedError: If the peer refuses.
            PeerLostError: If the connection broke; while reading, if it does.
            AskTimeoutError: If the peer did not say in 30 seconds.
            SerializationError: While reading, if a message is not what its type
                declares.
            TypeError: If one of them is not a message class, or does not travel.
            ValueError: If others would have to wait for the reader.

        Cancellation:
            Nothing is subscribed to.
        """
        codecs = codecs_for([message_type, *message_types])
        backlog = Backlog(codecs, terms_of(delivery, capacity))
        line = self._line
        subscription = RemoteSubscription[Any](backlog, line.read_on)
        try:
            await self._calls.subscribe(subscription)
            yield subscription
        finally:
            subscription.close()
            unwanted = line.interests.remove(subscription)
            # Of no names it would mean: of all.
            if unwanted:
                dialogue = line.dialogue
                wish = Unsubscribe(dialogue.new_id("unsub"), tuple(sorted(unwanted)))
                dialogue.say(wish)
                dialogue.read_on()


def calls_of(client: Client) -> Calls:
    """Return what *client* calls actors by, also by names: for the command line."""
    return client._calls  # noqa: SLF001 - not for users


def stream_of(client: Client) -> trio.abc.Stream:
    """Return what *client* talks over: for tests, which cut it."""
    return client._line.dialogue.stream  # noqa: SLF001 - not for users


@async_block("open_client(...)", "client")
@asynccontextmanager
async def open_client(
    where: Where,
    *,
    instruments: Iterable[object] = (),
    reconnect: Backoff | None = None,
) -> AsyncGenerator[Client, None]:
    """Connect to another process.

    Args:
        where: Path of its socket, or its abstract name, ``@name``; or any trio
            stream, which is closed with the block; or a function that returns
            one, sync or async.
        instruments: Who hears of what is sent, and may add headers to it: the
            ``message_sent`` of an `acton_trio.instruments.Instrument`.  By default,
            for what an actor sends, those of its runtime.
        reconnect: How long to wait before each try to connect again when the
            connection is lost; by default it is not tried.  What was in flight
            fails with `PeerLostError`, what is asked in the meantime waits, and
            subscriptions are taken up again.  A peer that has no room for more
            connections is tried again, one that denies access or does not speak
            the protocol is not.

    Raises:
        TypeError: If one of *instruments* is none, or a stream is to be
            connected again.
        OSError: If nobody listens at that path, to begin with; a `TimeoutError` if
            whoever does has accepted nobody for 30 seconds.
        trio.BrokenResourceError: If a handshake of TLS fails, from what was wrong.
        ConfigError: If no socket can be there.

    Cancellation:
        The connection is closed.
    """
    panel = Panel(Instrument)
    for each in instruments:
        panel.add(each)
    way = way_to(where, reconnect)
    stream = await opened(where, way)
    interests = Interests()
    line = Line(Dialogue(stream, interests), interests, way, reconnect)
    body_error: BaseException | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.run, name="ipc client")
        # The nursery would wrap what the block raises in a group.
        try:
            yield Client(line, Calls(line, panel))
        except BaseException as error:  # noqa: BLE001, ASYNC103 - raised below
            body_error = error
        nursery.cancel_scope.cancel(reason="the client's block was left")
    if body_error is not None:
        raise body_error


publish_names(globals(), ["Client", "open_client"], "acton_trio.ipc")
