"""`Lookout`: whether there is such a message in a long queue, asked again and again."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TypeAlias, final

import attrs

from .envelope import Envelope

__all__ = ["Lookout"]

_Glimpse: TypeAlias = Callable[[], Envelope | None]


def _nothing() -> None:
    return None


@final
@attrs.define(eq=False)
class Lookout:
    """Looks for messages of one kind; lives as long as what is meant by that.

    It looks from the end, and only as far as it has not looked before: a handler may
    ask again and again while a long queue waits.
    """

    is_such: Callable[[Envelope], bool]
    _found: _Glimpse = attrs.field(default=_nothing, init=False)
    _none_up_to: _Glimpse = attrs.field(default=_nothing, init=False)

    def sees_any(self, latest_first: Iterable[Envelope]) -> bool:
        """Return whether there is one.

        Args:
            latest_first: All that there are.
        """
        found, seen = self._found(), self._none_up_to()
        if found is not None and self.is_such(found):
            return True
        latest: Envelope | None = None
        for each in latest_first:
            if each is seen:
                break
            if self.is_such(each):
                self._found = weakref.ref(each)
                return True
            latest = latest or each
        if latest is not None:
            self._none_up_to = weakref.ref(latest)
        return False
