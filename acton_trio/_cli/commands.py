"""What each command does with a connection; `main` knows their arguments.

A command returns when it has said what there is to say, and raises what stands
in the way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from itertools import count, islice
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs
import msgspec
import trio
from msgspec import Raw

from .._base.errors import PeerRejectedError, SerializationError
from .._ipc.client import Client, calls_of
from .._ipc.discovery import ActorInfo, Discovery
from .._ipc.introspection import INTROSPECTION, GetSnapshot
from .._ipc.notifications import Notification
from .._ipc.remote_subscription import RemoteSubscription
from .._kernel.statistics import RuntimeSnapshot
from .arguments import Arguments
from .output import Output
from .rates import standings
from .render import headline, milliseconds, top_table, tree_table
from .screens import open_screen, show_table
from .text import clean, json_of
from .views import View

__all__ = ["COMMANDS", "Command"]

Command: TypeAlias = Callable[[Client, Arguments, bytes, Output], Awaitable[None]]
"""Does it, with what is to be said to an actor, if anything."""

_NO_INTROSPECTION: Final = frozenset({"ACTOR_NOT_FOUND", "UNKNOWN_MESSAGE_TYPE"})

_HOW_TO_INTROSPECT: Final = (
    "the service does not tell how its actors are; for that it needs "
    "introspection = true in config.toml, or Config(introspection=True)"
)


# --- what there is


async def _discover(
    client: Client, arguments: Arguments, _: bytes, output: Output
) -> None:
    found = await client.discover(include_schemas=arguments.schemas)
    if output.as_json:
        output.data(attrs.asdict(found) | {"capabilities": sorted(found.capabilities)})
        return
    for actor in found.actors:
        output.line(_actor_line(actor))
    others = sorted({*found.message_types}.difference(*_accepted(found)))
    if others:
        output.line(f"also known: {', '.join(map(clean, others))}")
    for name, schema in sorted(found.schemas.items()):
        output.line()
        output.line(f"{clean(name)}:")
        output.data(schema)


def _actor_line(actor: ActorInfo) -> str:
    accepts = ", ".join(map(clean, actor.accepts)) or "it does not tell what"
    return f"{clean(actor.name)} accepts {accepts}"


def _accepted(found: Discovery) -> Iterable[tuple[str, ...]]:
    return (each.accepts for each in found.actors)


async def _ping(client: Client, arguments: Arguments, _: bytes, output: Output) -> None:
    for number in range(arguments.count or 1):
        if number:
            await trio.sleep(arguments.interval)
        began = trio.current_time()
        await client.discover()
        seconds = trio.current_time() - began
        if output.as_json:
            output.data({"seconds": seconds})
        else:
            output.line(f"answered in {milliseconds(seconds)}")


# --- what is said to actors


async def _ask(
    client: Client, arguments: Arguments, payload: bytes, output: Output
) -> None:
    calls, target, name = calls_of(client), arguments.target, arguments.type
    output.data(await calls.ask_by_name(target, name, Raw(payload)))


async def _send(
    client: Client, arguments: Arguments, payload: bytes, _: Output
) -> None:
    calls, target, name = calls_of(client), arguments.target, arguments.type
    await calls.send_by_name(target, name, Raw(payload))


async def _stream(
    client: Client, arguments: Arguments, payload: bytes, output: Output
) -> None:
    calls, target, name = calls_of(client), arguments.target, arguments.type
    async with calls.stream_by_name(target, name, Raw(payload)) as replies:
        async for reply in replies:
            output.line(json_of(reply))


# --- what is broadcast


async def _watch(
    client: Client, arguments: Arguments, _: bytes, output: Output
) -> None:
    async with client.subscribe(*arguments.types) as subscription:
        known = (await client.discover()).message_types
        for each in sorted({*arguments.types}.difference(known)):
            output.remark(f"the service knows no message type {clean(each)}, so far")
        told = 0
        for _number in islice(count(), arguments.count):
            notification = await _next_of(subscription, output)
            if subscription.missed > told:
                _tell_dropped(subscription.missed - told, output)
                told = subscription.missed
            _tell(notification, output)


async def _next_of(
    subscription: RemoteSubscription[Notification], output: Output
) -> Notification:
    while True:
        try:
            return await anext(subscription)
        except SerializationError as error:
            output.remark(f"a message makes no sense: {clean(str(error))}")


def _tell_dropped(number: int, output: Output) -> None:
    if output.as_json:
        output.data({"dropped": number})
    else:
        output.line(f"({number} dropped)")


def _tell(notification: Notification, output: Output) -> None:
    if output.as_json:
        output.data(attrs.asdict(notification))
    else:
        name = clean(notification.message_type)
        output.line(f"{name} {json_of(notification.payload)}")


# --- how actors are


async def _snapshot_from(client: Client) -> RuntimeSnapshot:
    try:
        return await client.actor(INTROSPECTION).ask(GetSnapshot())
    except PeerRejectedError as error:
        if error.code not in _NO_INTROSPECTION:
            raise
        raise PeerRejectedError(error.code, _HOW_TO_INTROSPECT) from error


async def _tree(client: Client, _: Arguments, __: bytes, output: Output) -> None:
    snapshot = await _snapshot_from(client)
    if output.as_json:
        output.data(msgspec.to_builtins(snapshot))
    else:
        show_table(tree_table(snapshot), output)


async def _top(client: Client, arguments: Arguments, _: bytes, output: Output) -> None:
    before: RuntimeSnapshot | None = None
    looks = 1 if arguments.once else arguments.count
    with open_screen(output) as screen:
        for number in islice(count(), looks):
            if number:
                await trio.sleep(arguments.interval)
            now = await _snapshot_from(client)
            screen.show(_view_of(before, now, arguments.sort))
            before = now


def _view_of(before: RuntimeSnapshot | None, now: RuntimeSnapshot, order: str) -> View:
    found = standings(before, now, order)
    return View(
        headline(found, is_stopping=now.is_stopping),
        top_table(found),
        found,
        now.taken_at,
    )


COMMANDS: Final = MappingProxyType(
    {
        "discover": _discover,
        "ask": _ask,
        "send": _send,
        "stream": _stream,
        "watch": _watch,
        "ping": _ping,
        "tree": _tree,
        "top": _top,
    }
)
"""The commands that talk to a service, by name."""
