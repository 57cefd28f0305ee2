"""Calls that are wrong: the error shows the one that was meant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton

from .lessons import (
    GetValue,
    Plain,
    Query,
    Service,
    SetValue,
    Use,
    Watch,
    await_it,
    enter,
    enter_at_once,
    lines,
    loop,
    loop_at_once,
    said,
)


async def go_on(block: Any) -> None:  # noqa: ASYNC124 - as users write it
    """Use what is entered as if it were what that gives."""
    block.start(Service)


async def read_at_once(_runtime: acton.Runtime, service: Any) -> None:
    """Read a stream and forget ``async``."""
    async with service.stream(Watch()) as replies:
        for _ in replies:
            pass


async def hand_over(runtime: acton.Runtime, _service: object) -> None:  # noqa: ASYNC124 - as users write it
    """Mix up what is exposed, and its name."""
    swapped: Any = (Plain(), "plain")
    runtime.ipc_expose(*swapped)


async def subscribe(_runtime: object, service: Any, thing: object) -> None:  # noqa: ASYNC124 - as users write it
    """Subscribe an actor to *thing*."""
    service.subscribe(thing)


async def add_option(_runtime: object, service: Any) -> None:
    """Give a field as if it were an option."""
    await service.supervise(Service, value=3)


async def make_later() -> Service:
    """Make an actor, in time."""
    await trio.lowlevel.checkpoint()
    return Service()


def forget_return() -> None:
    """Make an actor, and keep it."""
    Service()


def block_of(usage: Callable[[acton.Runtime, Any], object], use: Any) -> Use:
    """Return what opens something, and enters it in the wrong way."""
    return lambda runtime, service: use(usage(runtime, service))


CALLS = {
    "start an instance": (
        lambda r, _: r.start(Service()),
        """
        Service(value=0) cannot be called: an actor is built anew for each of its incarnations, so give its class, and what to call it with.
          incorrect: await runtime.start(Service(...))
          correct:   await runtime.start(Service, ...)
        """,
    ),
    "start a name": (
        lambda r, _: r.start("Service"),
        """
        'Service' cannot be called: an actor is built anew for each of its incarnations, so give its class, and what to call it with.
          incorrect: await runtime.start('Service')
          correct:   await runtime.start(Service)
        """,
    ),
    "start nothing": (
        lambda r, _: r.start(None),
        """
        None cannot be called: an actor is built anew for each of its incarnations, so give its class, and what to call it with.
          incorrect: await runtime.start(None)
          correct:   await runtime.start(MyService)
        """,
    ),
    "start a handle": (
        lambda r, s: r.start(s),
        """
        service runs already: an actor is started by its class.
          incorrect: await runtime.start(handle)
          correct:   await runtime.start(MyService)
        """,
    ),
    "start an undecorated class": (
        lambda r, _: r.start(Plain, name="plain"),
        """
        Plain is not an actor: decorate the class with @actor.
          incorrect: class Plain: ...
          correct:   @actor
                     class Plain: ...
          or:        runtime.new_actor(Plain)
        in plain, its factory
        """,
    ),
    "start a message": (
        lambda r, _: r.start(SetValue, 1, name="set"),
        """
        SetValue is a message, not an actor: an actor is started, and sent it.
          incorrect: await runtime.start(SetValue, ...)
          correct:   await handle.send(SetValue(...))
        in set, its factory
        """,
    ),
    "start with an async factory": (
        lambda r, _: r.start(make_later, name="late"),
        """
        the factory make_later is asynchronous, so what it makes is not an actor; what has to wait belongs in a hook.
          incorrect: async def make_later(...): ...
          correct:   def make_later(...): ...
          or:        @before_start
                     async def prepare(self): ...
        in late, its factory
        """,
    ),
    "start with a factory that returns nothing": (
        lambda r, _: r.start(forget_return, name="none"),
        """
        the factory has returned None, which is not an actor.
          incorrect: def make():
                         MyService()
          correct:   def make():
                         return MyService()
        in none, its factory
        """,
    ),
    "supervise with a field": (
        add_option,
        """
        'value' is no option of an actor; there are escalation, expose, mailbox_capacity, max_concurrency, name, restart_limit, restart_policy, strategy.
          incorrect: supervise(Service, value=...)
          correct:   supervise(partial(Service, value=...))
        """,
    ),
    "send a class": (
        lambda _, s: s.send(SetValue),
        """
        SetValue is a message class, not a message.
          incorrect: await handle.send(SetValue)
          correct:   await handle.send(SetValue(...))
        """,
    ),
    "send an undecorated instance": (
        lambda _, s: s.send(Plain()),
        """
        Plain() is not a message: decorate its class with @message.
          incorrect: class Plain: ...
          correct:   @message
                     class Plain: ...
        """,
    ),
    "send a text": (
        lambda _, s: s.send("hello"),
        """
        'hello' is not a message: a class says what a str is to mean.
          incorrect: await handle.send('hello')
          correct:   @message
                     class MyMessage:
                         value: str
                     await handle.send(MyMessage('hello'))
        """,
    ),
    "send nothing": (
        lambda _, s: s.send(None),
        """
        None is not a message.
          incorrect: await handle.send(None)
          correct:   await handle.send(MyMessage(...))
        """,
    ),
    "ask what has no reply": (
        lambda _, s: s.ask(SetValue(1)),
        """
        SetValue is a message without a reply.
          incorrect: await handle.ask(SetValue(...))
          correct:   await handle.send(SetValue(...))
          or:        class SetValue(Request[int]): ...
        """,
    ),
    "ask a class": (
        lambda _, s: s.ask(GetValue),
        """
        GetValue is a message class, not a message.
          incorrect: await handle.ask(GetValue)
          correct:   await handle.ask(GetValue(...))
        """,
    ),
    "ask an undecorated request": (
        lambda _, s: s.ask(Query()),
        """
        Query() is not a message: decorate its class with @message.
          incorrect: class Query(Request[int]): ...
          correct:   @message
                     class Query(Request[int]): ...
        """,
    ),
    "ask for a stream": (
        lambda _, s: s.ask(Watch()),
        """
        Watch is answered with a stream.
          incorrect: await handle.ask(Watch(...))
          correct:   async with handle.stream(Watch(...)) as replies: ...
        """,
    ),
    "stream what is answered once": (
        lambda _, s: enter(s.stream(GetValue())),
        """
        GetValue is not answered with a stream.
          incorrect: async with handle.stream(GetValue(...)) as replies: ...
          correct:   await handle.ask(GetValue(...))
          or:        class GetValue(StreamRequest[int]): ...
        """,
    ),
    "stream what is not answered": (
        lambda _, s: enter(s.stream(SetValue(1))),
        """
        SetValue is not answered with a stream.
          incorrect: async with handle.stream(SetValue(...)) as replies: ...
          correct:   await handle.send(SetValue(...))
          or:        class SetValue(StreamRequest[int]): ...
        """,
    ),
    "stream a class": (
        lambda _, s: enter(s.stream(Watch)),
        """
        Watch is a message class, not a message.
          incorrect: async with handle.stream(Watch) as replies: ...
          correct:   async with handle.stream(Watch(...)) as replies: ...
        """,
    ),
    "broadcast a class": (
        lambda r, _: r.broker.broadcast(SetValue),
        """
        SetValue is a message class, not a message.
          incorrect: await broker.broadcast(SetValue)
          correct:   await broker.broadcast(SetValue(...))
        """,
    ),
    "subscribe to a message": (
        partial(subscribe, thing=SetValue(1)),
        """
        SetValue(value=1) is not a message class, but a message.
          incorrect: SetValue(...)
          correct:   SetValue
        """,
    ),
    "subscribe to a name": (
        partial(subscribe, thing="SetValue"),
        """
        'SetValue' is not a message class.
          incorrect: 'SetValue'
          correct:   SetValue
        """,
    ),
    "subscribe to an undecorated class": (
        partial(subscribe, thing=Plain),
        """
        Plain is not a message class: it is not decorated.
          incorrect: class Plain: ...
          correct:   @message
                     class Plain: ...
        """,
    ),
    "with open_runtime": (
        block_of(lambda _r, _s: acton.open_runtime(), enter_at_once),
        """
        open_runtime() is entered with `async with`.
          incorrect: with open_runtime() as runtime: ...
          correct:   async with open_runtime() as runtime: ...
        """,
    ),
    "await open_runtime": (
        block_of(lambda _r, _s: acton.open_runtime(), await_it),
        """
        open_runtime() is entered with `async with`.
          incorrect: runtime = await open_runtime()
          correct:   async with open_runtime() as runtime: ...
        """,
    ),
    "async for in a stream that is not entered": (
        block_of(lambda _, s: s.stream(Watch()), loop),
        """
        handle.stream(...) is entered with `async with`.
          incorrect: async for reply in handle.stream(...): ...
          correct:   async with handle.stream(...) as replies:
                         async for reply in replies: ...
        """,
    ),
    "for in a stream that is not entered": (
        block_of(lambda _, s: s.stream(Watch()), loop_at_once),
        """
        handle.stream(...) is entered with `async with`.
          incorrect: for reply in handle.stream(...): ...
          correct:   async with handle.stream(...) as replies:
                         async for reply in replies: ...
        """,
    ),
    "for in a runtime that is not entered": (
        block_of(lambda _r, _s: acton.open_runtime(), loop_at_once),
        """
        open_runtime() is entered with `async with`.
          incorrect: for each in open_runtime(): ...
          correct:   async with open_runtime() as runtime: ...
        """,
    ),
    "with a subscription of the broker": (
        block_of(lambda r, _: r.broker.subscribe(SetValue), enter_at_once),
        """
        broker.subscribe(...) is entered with `async with`.
          incorrect: with broker.subscribe(...) as events: ...
          correct:   async with broker.subscribe(...) as events: ...
        """,
    ),
    "await a listener": (
        block_of(lambda r, _: acton.ipc.open_listener(r), await_it),
        """
        open_listener(runtime) is entered with `async with`.
          incorrect: listener = await open_listener(runtime)
          correct:   async with open_listener(runtime) as listener: ...
        """,
    ),
    "await a client": (
        block_of(lambda _r, _s: acton.ipc.open_client("/none"), await_it),
        """
        open_client(...) is entered with `async with`.
          incorrect: client = await open_client(...)
          correct:   async with open_client(...) as client: ...
        """,
    ),
    "for in a stream": (
        read_at_once,
        """
        what comes in its own time is read with `async for`.
          incorrect: for each in items: ...
          correct:   async for each in items: ...
        """,
    ),
    "expose the other way round": (
        hand_over,
        """
        an actor is exposed by a name, and its handle.
          incorrect: runtime.ipc_expose(Plain(), 'plain')
          correct:   runtime.ipc_expose("my-service", handle)
        """,
    ),
}


@pytest.mark.parametrize(
    ("use", "text"), [pytest.param(*CALLS[name], id=name) for name in CALLS]
)
async def test_wrong_call_shows_the_right_one(
    autojump_clock: MockClock, use: Use, text: str
) -> None:
    """The mistake is a `TypeError` where it is made, in the user's own names."""
    async with acton.open_runtime() as runtime:
        service = await runtime.start(Service, name="service")
        with pytest.raises(TypeError) as caught:
            await use(runtime, service)

    assert said(caught.value) == lines(text)


async def test_block_that_is_not_entered_has_nothing_of_what_it_gives() -> None:
    """To go on without the block is an `AttributeError`, as for everything else."""
    with pytest.raises(AttributeError) as caught:
        await go_on(acton.open_runtime())

    assert said(caught.value) == lines("""
        open_runtime() is entered with `async with`.
          incorrect: runtime = open_runtime()
                     runtime.start
          correct:   async with open_runtime() as runtime:
                         runtime.start
    """)
    assert not hasattr(acton.open_runtime(), "__fspath__")
