"""How a facade finds its names: where they are written, when they are asked for.

So ``import acton_trio`` costs nothing until something is used, and what runs
without trio can be imported without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence

__all__ = ["lazy_names"]


def lazy_names(
    facade: str,
    homes: Mapping[str, Sequence[str]],
    modules: Mapping[str, str] | None = None,
) -> Callable[[str], object]:
    """Return the ``__getattr__`` of the module *facade*.

    Args:
        facade: Its name.
        homes: The names that each module of this package is the home of.
        modules: The modules of this package that are names of the facade.
    """
    package = "acton_trio"
    whole = modules or {}
    home_of = {name: home for home, names in homes.items() for name in names}

    def find(name: str) -> object:
        if name in home_of:
            home = importlib.import_module(f"{package}.{home_of[name]}")
            return getattr(home, name)
        if name in whole:
            return importlib.import_module(f"{package}.{whole[name]}")
        msg = f"module {facade!r} has no attribute {name!r}"
        raise AttributeError(msg, name=name)

    return find
