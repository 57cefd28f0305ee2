"""Mistakes that Python finds: what was meant is added to its error."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio._kernel.advice import advise

from .lessons import (
    GetValue,
    Service,
    SetValue,
    Use,
    await_it,
    enter,
    lines,
    said,
)


async def forget_ask(_runtime: object, service: Any) -> None:  # noqa: ASYNC124 - as users write it
    """Use the reply before it has come."""
    reply = service.ask(GetValue())
    with contextlib.closing(reply):
        assert reply.value


async def add_to_ask(_runtime: object, service: Any) -> None:  # noqa: ASYNC124 - as users write it
    """Calculate with the reply before it has come."""
    reply = service.ask(GetValue())
    with contextlib.closing(reply):
        assert reply + 1


async def forget_start(runtime: Any, _service: object) -> None:
    """Use a handle before there is one."""
    handle = runtime.start(Service)
    with contextlib.closing(handle):
        await handle.send(SetValue(1))


async def in_a_nursery(runtime: Any, service: Any) -> None:
    """Make the mistake where it is wrapped in a group."""
    async with trio.open_nursery() as nursery:  # noqa: ASYNC112 - for its group
        nursery.start_soon(forget_ask, runtime, service)


NOTES: dict[str, tuple[Any, str]] = {
    "use of a reply": (
        forget_ask,
        """
        'coroutine' object has no attribute 'value'
        handle.ask(...) was not awaited: until then it gives a coroutine.
          incorrect: handle.ask(...).value
          correct:   (await handle.ask(...)).value
        """,
    ),
    "use of a reply, in a nursery": (
        in_a_nursery,
        """
        'coroutine' object has no attribute 'value'
        handle.ask(...) was not awaited: until then it gives a coroutine.
          incorrect: handle.ask(...).value
          correct:   (await handle.ask(...)).value
        """,
    ),
    "sum of a reply": (
        add_to_ask,
        """
        unsupported operand type(s) for +: 'coroutine' and 'int'
        a call was not awaited: until then it gives a coroutine.
          incorrect: value = handle.ask(MyRequest(...))
          correct:   value = await handle.ask(MyRequest(...))
        """,
    ),
    "use of a handle": (
        forget_start,
        """
        can't send non-None value to a just-started coroutine
        this is a coroutine, not a handle: the call that gave it was not awaited.
          incorrect: handle = runtime.start(MyService)
          correct:   handle = await runtime.start(MyService)
        """,
    ),
    "timeout": (
        lambda _, s: s.ask(GetValue(), timeout=5),
        """
        ActorHandle.ask() got an unexpected keyword argument 'timeout'
        how long to wait is said by trio, as everywhere.
          incorrect: await handle.ask(..., timeout=5)
          correct:   with trio.fail_after(5):
                         await handle.ask(...)
        """,
    ),
    "field in start": (
        lambda r, _: r.start(Service, value=3),
        """
        Runtime.start() got an unexpected keyword argument 'value'
        fields of the actor are given by place, or with functools.partial.
          incorrect: await runtime.start(MyService, value=...)
          correct:   await runtime.start(partial(MyService, value=...))
        """,
    ),
    "method of a handle": (
        lambda _, s: s.get_value(GetValue()),
        """
        'ActorHandle' object has no attribute 'get_value'
        a handle is not the actor: it takes messages for it.
          incorrect: handle.get_value
          correct:   await handle.ask(MyRequest(...))
        """,
    ),
    "await of what does not wait": (
        lambda _, s: await_it(s.subscribe(SetValue)),
        """
        object ActorSubscription can't be used in 'await' expression
        this has nothing to wait for.
          incorrect: await handle.subscribe(...)
          correct:   handle.subscribe(...)
        """,
    ),
    "block of an actor's subscription": (
        lambda _, s: enter(s.subscribe(SetValue)),
        """
        'ActorSubscription' object does not support the asynchronous context manager protocol
        handle.subscribe(...) is for actors, who handle what comes; other code reads it from the broker.
          incorrect: async with handle.subscribe(MyEvent) as events: ...
          correct:   async with broker.subscribe(MyEvent) as events: ...
        """,
    ),
}


@pytest.mark.parametrize(
    ("use", "text"), [pytest.param(*NOTES[name], id=name) for name in NOTES]
)
async def test_error_of_python_gets_a_note_when_it_leaves_the_runtime(
    autojump_clock: MockClock, use: Use, text: str
) -> None:
    """Python says that something is wrong; the note says what was meant."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of every kind
        async with acton.open_runtime() as runtime:
            await use(runtime, await runtime.start(Service, name="service"))

    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert said(error) == lines(text)


async def test_error_that_means_something_else_gets_no_note(
    autojump_clock: MockClock,
) -> None:
    """Who raises an error of the same type has words of its own."""
    for error in (TypeError(3), AttributeError("no"), TypeError(), ValueError("x")):
        with pytest.raises(type(error)) as caught:
            async with acton.open_runtime():
                raise error

        assert not hasattr(caught.value, "__notes__")


def test_long_word_in_an_error_is_passed_over_in_one_go() -> None:
    """A peer may choose it: it must not keep everybody waiting.

    From each of its letters on, it would take an hour.
    """
    error = TypeError("cannot store " + "a" * 1_000_000)

    advise(error)

    assert not hasattr(error, "__notes__")
