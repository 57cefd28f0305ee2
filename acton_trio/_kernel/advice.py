"""What to add to Python's own errors where the mistake behind them is known.

A forgotten ``await`` shows as a coroutine that has no such attribute, a method of
the actor that is called on its handle as a handle that has none.  Those errors are
Python's; whoever sees them on their way adds a note.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import CoroutineType
from typing import Final

from .._base.teaching import def_line, lesson, spoken
from .._base.util import leaves, name_of, note
from .actor import behaviour_of
from .context import Context
from .handle import ActorHandle

__all__ = ["advise", "advise_on_unhandled"]

_ON_CONTEXT: Final = {"ctx", "context", *dir(Context)}

_UNEXPECTED: Final = re.compile(
    # From the beginning of a word: else a long one, which may be of a peer's choosing,
    # would be looked at from each of its letters on.
    r"\b(?P<owner>\w+)\.(?P<call>\w+)\(\) got an unexpected keyword argument "
    r"'(?P<name>\w+)'"
)


_NOT_AWAITABLE: Final = re.compile(r"object (?P<kind>\w+) can't be used in 'await'")

# What calls that do not wait give, and how they are called.
_AT_ONCE: Final = {
    "ActorHandle": "runtime.find(...)",
    "ActorSubscription": "handle.subscribe(...)",
    "IdleActor": "runtime.new_actor(...)",
    "RemoteActorHandle": "client.actor(...)",
    "ScheduledSend": "handle.send_after(...)",
}

_ASSIGNED: Final = re.compile(
    r"'(?P<owner>\w+)' object (attribute '(?P<constant>\w+)' is read-only"
    r"|has no attribute '(?P<unknown>\w+)')"
)


def advise(error: BaseException, method: Callable[..., object] | None = None) -> None:
    """Add to *error*, and to those in a group, what was probably meant.

    Args:
        error: What was raised.
        method: The handler of an actor that has raised it, if it was one.
    """
    for each in leaves(error):
        text = _advice_on(each, method)
        if text is not None:
            note(each, text)


def advise_on_unhandled(error: BaseException, model: type, kind: type) -> None:
    """Add to *error* which method of *model* takes messages of *kind*, if one does."""
    name = name_of(kind)
    for each in filter(inspect.isfunction, vars(model).values()):
        parameters = [*inspect.signature(each).parameters.values()]
        if len(parameters) > 1 and parameters[1].annotation in (kind, kind.__name__):
            line = def_line(each)
            fault = f"{name_of(each)} takes a {name}, but is not decorated."
            note(error, lesson(fault, line, f"@act_on\n{line}", f"@mutate_on\n{line}"))
            return


def _advice_on(
    error: BaseException, method: Callable[..., object] | None
) -> str | None:
    words = error.args[0] if error.args else None
    if not isinstance(words, str):
        return None
    # Subclasses are somebody's own, and say what they mean.
    if type(error) is AttributeError:
        is_read = error.obj is not None and "for setting" not in words
        return _on_attribute(error) if is_read else _on_field(words, method)
    return _on_call(words) if type(error) is TypeError else None


def _on_field(words: str, method: Callable[..., object] | None) -> str | None:
    """Return what is to be said of an actor's assignment to what is no field."""
    found = _ASSIGNED.match(words)
    *_, owner, _ = f"..{name_of(method)}".split(".")
    if found is None or found["owner"] != owner:
        return None
    name = found["constant"] or found["unknown"]
    written = f"{name} = 0" if found["constant"] else "..."
    return lesson(
        f"{owner} declares no field {name!r}: those that have an annotation are state.",
        f"class {owner}:\n    {written}",
        f"class {owner}:\n    {name}: int = 0",
    )


def _on_attribute(error: AttributeError) -> str | None:
    thing, name = error.obj, error.name
    if isinstance(thing, CoroutineType):
        call = f"{spoken(thing.__qualname__)}(...)"
        return lesson(
            f"{call} was not awaited: until then it gives a coroutine.",
            f"{call}.{name}",
            f"(await {call}).{name}",
        )
    if isinstance(thing, ActorHandle):
        return lesson(
            "a handle is not the actor: it takes messages for it.",
            f"handle.{name}",
            "await handle.ask(MyRequest(...))",
        )
    if name in _ON_CONTEXT and behaviour_of(type(thing)) is not None:
        right = "ctx" if name in ("ctx", "context") else f"ctx.{name}"
        return lesson(
            f"{name_of(type(thing))} holds its own state; the rest is the context's.",
            f"def handler(self, message: MyMessage):\n    self.{name}",
            f"def handler(self, message: MyMessage, ctx: Context):\n    {right}",
        )
    return None


def _on_call(text: str) -> str | None:
    if "just-started coroutine" in text:
        return lesson(
            "this is a coroutine, not a handle: the call that gave it was not awaited.",
            "handle = runtime.start(MyService)",
            "handle = await runtime.start(MyService)",
        )
    if "'coroutine'" in text:
        return lesson(
            "a call was not awaited: until then it gives a coroutine.",
            "value = handle.ask(MyRequest(...))",
            "value = await handle.ask(MyRequest(...))",
        )
    if "ActorSubscription" in text and "async" in text:
        return lesson(
            "handle.subscribe(...) is for actors, who handle what comes; other code "
            "reads it from the broker.",
            "async with handle.subscribe(MyEvent) as events: ...",
            "async with broker.subscribe(MyEvent) as events: ...",
        )
    awaited = _NOT_AWAITABLE.search(text)
    if awaited is not None and awaited["kind"] in _AT_ONCE:
        call = _AT_ONCE[awaited["kind"]]
        return lesson("this has nothing to wait for.", f"await {call}", call)
    found = _UNEXPECTED.search(text)
    if found is None:
        return None
    name, call = found["name"], spoken(f"{found['owner']}.{found['call']}")
    if name == "timeout" and found["owner"] in ("ActorHandle", "RemoteActorHandle"):
        return lesson(
            "how long to wait is said by trio, as everywhere.",
            f"await {call}(..., timeout=5)",
            f"with trio.fail_after(5):\n    await {call}(...)",
        )
    if call == "runtime.start":
        return lesson(
            "fields of the actor are given by place, or with functools.partial.",
            f"await runtime.start(MyService, {name}=...)",
            f"await runtime.start(partial(MyService, {name}=...))",
        )
    return None
