"""`lazy_names`: where a facade finds its names, and when."""

from __future__ import annotations

import sys
from collections import deque
from types import ModuleType

import pytest

import acton_trio._base
from acton_trio._base.facade import lazy_names

MODULE = "acton_trio._base.made_for_this_test"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module that can be imported from the package."""
    module = ModuleType(MODULE)
    vars(module).update(thing=deque(), other=None)
    monkeypatch.setitem(sys.modules, MODULE, module)
    return module


def test_name_is_looked_up_in_its_home(home: ModuleType) -> None:
    """The facade hands out the very object, also one that is false."""
    find = lazy_names("facade", {"_base.made_for_this_test": ["thing", "other"]})

    assert find("thing") is home.thing
    assert find("other") is None


def test_name_is_looked_up_when_it_is_asked_for() -> None:
    """A table may speak of modules that are not imported, and are never."""
    find = lazy_names("facade", {"_base.not_there": ["thing"]})

    with pytest.raises(ModuleNotFoundError, match=r"acton_trio\._base\.not_there"):
        find("thing")


def test_name_of_a_module_is_the_module(home: ModuleType) -> None:
    """Under its own name or another."""
    find = lazy_names("facade", {}, modules={"inside": "_base.made_for_this_test"})

    assert find("inside") is home


@pytest.mark.parametrize("name", ["missing", "_base", "__path__", "thing "])
def test_name_that_is_not_in_the_table_is_an_attribute_error(name: str) -> None:
    """It names the facade and the name, as any module does."""
    find = lazy_names("acton_trio.facade", {"_base.errors": ["ActonError"]})

    with pytest.raises(AttributeError) as raised:
        find(name)

    assert raised.value.name == name
    assert str(raised.value) == f"module 'acton_trio.facade' has no attribute {name!r}"


def test_name_that_its_home_lacks_is_reported_by_the_home(home: ModuleType) -> None:
    """A mistake in the table says where it is."""
    find = lazy_names("facade", {"_base.made_for_this_test": ["moved"]})

    with pytest.raises(AttributeError, match="made_for_this_test"):
        find("moved")


def test_private_packages_can_still_be_imported_by_path() -> None:
    """A facade stands before the layers and does not hide them."""
    assert acton_trio._base.__name__ == "acton_trio._base"
