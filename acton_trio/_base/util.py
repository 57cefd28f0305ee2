"""Small tools for declaring public names, used by every layer."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import suppress

__all__ = [
    "leaves",
    "name_of",
    "never",
    "note",
    "publish_names",
    "show_methods_as",
    "shown",
]


def publish_names(
    namespace: MutableMapping[str, typing.Any],
    names: Iterable[str],
    home: str = "acton_trio",
) -> None:
    """Make the classes and functions *names* say that they live in *home*.

    Tracebacks, documentation and pickles then show the name that users type,
    not the private module it happens to be written in.

    String annotations are evaluated in the module that ``__module__`` names,
    so a class's own are evaluated here first, while that is still the truth.
    """
    for name in names:
        thing = namespace[name]
        if isinstance(thing, type):
            _resolve_annotations(thing)
            for member in vars(thing).values():
                if getattr(member, "__module__", None) == thing.__module__:
                    _rename(member, home)
        _rename(thing, home)


def show_methods_as(cls: type, name: str) -> None:
    """Have the methods of *cls* say that they are those of the class *name*.

    That is the one that users know, and *cls* a base of it.  Python writes these
    names when a call has wrong arguments, or was not awaited.
    """
    for member in vars(cls).values():
        if inspect.isfunction(member):
            member.__qualname__ = f"{name}.{member.__name__}"


def _resolve_annotations(cls: type) -> None:
    own = inspect.get_annotations(cls)
    if not own:
        return
    module = sys.modules[cls.__module__]
    hints = typing.get_type_hints(cls, vars(module), include_extras=True)
    cls.__annotations__ = {name: hints[name] for name in own}


def _rename(thing: object, home: str) -> None:
    # Functions keep their module: it is where their globals are, which is
    # what annotation lookup and debuggers want.
    if isinstance(thing, type):
        thing.__module__ = home


def name_of(thing: object) -> str:
    """Return how to call *thing* in a message to a person.

    Where a function holds it says nothing to them.

    >>> name_of(int), name_of(print), name_of(3)
    ('int', 'print', '3')
    """
    name = getattr(thing, "__qualname__", None)
    return name.rpartition("<locals>.")[2] if isinstance(name, str) else shown(thing)


def shown(thing: object, limit: int = 200) -> str:
    """Return *thing* as it is shown in a message to a person, which never fails.

    Args:
        thing: Anything, also what cannot show itself.
        limit: The longest text, in characters; the rest is left out.
    """
    try:
        text = repr(thing)
    except Exception as error:  # noqa: BLE001 - whatever its class makes of that
        reason = type(error).__name__
        text = f"<{type(thing).__qualname__}, whose repr raises {reason}>"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def never() -> bool:
    """Return ``False``: what is not asked for does not happen."""
    return False


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group of them, and in those in it; or *error* itself."""
    if isinstance(error, BaseExceptionGroup):
        group = typing.cast("BaseExceptionGroup[BaseException]", error)
        for each in group.exceptions:
            yield from leaves(each)
    else:
        yield error


def note(error: BaseException, text: str) -> None:
    """Add *text* to the notes of *error*, once, if its class lets anybody do so."""
    with suppress(Exception):
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)
