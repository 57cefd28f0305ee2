"""What can be set, and what happens to those who set nonsense."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Ask(acton.Request[int]):
    """Is answered."""


def test_defaults_are_the_references() -> None:
    """Without a word: 30 s for an ask, 10 s and 30 s to stop, 512 and 100."""
    config = acton.Config()

    assert attrs.asdict(config) == {
        "timeouts": {"ask": 30.0, "actor_shutdown": 10.0, "system_shutdown": 30.0},
        "limits": {
            "actor_inbox_capacity": 512,
            "concurrent_handlers_high_water_mark": 100,
        },
        "defaults": {"actor_name": "actor"},
        "behavior": {"enable_tracing": True},
        "introspection": False,
    }


def test_configuration_cannot_be_changed() -> None:
    """It is frozen: what a runtime was opened with stays."""
    config = acton.Config()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.timeouts.ask = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]

    assert config == acton.Config()
    assert hash(config) == hash(acton.Config())


def test_endless_patience_can_be_configured() -> None:
    """Infinity is a number above 0."""
    assert acton.Timeouts(ask=math.inf).ask == math.inf


TIMEOUTS = ["ask", "actor_shutdown", "system_shutdown"]
LIMITS = ["actor_inbox_capacity", "concurrent_handlers_high_water_mark"]


@pytest.mark.parametrize("value", [0, -1, math.nan, -math.inf, "30", None])
@pytest.mark.parametrize("key", TIMEOUTS)
def test_timeout_that_is_no_time_is_a_config_error(key: str, value: object) -> None:
    """The error says where, which key, and what was expected and found."""
    with pytest.raises(acton.ConfigError) as caught:
        acton.Timeouts(**{key: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert caught.value.key.endswith(key)
    assert repr(value) in caught.value.expected
    assert caught.value.source in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "512", None, math.inf])
@pytest.mark.parametrize("key", LIMITS)
def test_limit_that_is_no_number_is_a_config_error(key: str, value: object) -> None:
    """A limit is a whole number from 1 on, and nothing that only looks like one."""
    with pytest.raises(acton.ConfigError) as caught:
        acton.Limits(**{key: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert caught.value.key.endswith(key)
    assert repr(value) in caught.value.expected


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: acton.Defaults(actor_name=""), id="no name"),
        pytest.param(lambda: acton.Defaults(actor_name="a/b"), id="a path"),
        pytest.param(lambda: acton.Defaults(actor_name="x" * 41), id="a long name"),
        pytest.param(lambda: acton.Behavior(enable_tracing="no"), id="a text"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pytest.param(lambda: acton.Timeouts(ask=True), id="yes, as a number"),
    ],
)
def test_default_that_is_none_is_a_config_error(make: Callable[[], object]) -> None:
    """What would fail later, or mean something else, is refused at once."""
    with pytest.raises(acton.ConfigError, match=r"expected .*, got "):
        make()


async def test_actor_without_any_name_has_the_configured_one(
    autojump_clock: MockClock,
) -> None:
    """Neither it nor its factory has one: the configuration's begins it."""
    defaults = acton.Defaults(actor_name="worker")
    async with acton.open_runtime(acton.Config(defaults=defaults)) as runtime:
        nameless = await runtime.new_actor(partial(dict[str, int])).start()
        named = await runtime.new_actor(dict).start()

        assert nameless.name.startswith("worker-")
        assert named.name.startswith("dict-")


async def test_limits_are_those_of_every_actor(autojump_clock: MockClock) -> None:
    """An actor that says nothing gets what the configuration says."""

    async def slow(_model: object, _request: Ask) -> int:
        await trio.sleep(1)
        return 1

    limits = acton.Limits(concurrent_handlers_high_water_mark=2)
    async with acton.open_runtime(acton.Config(limits=limits)) as runtime:
        handle = await runtime.new_actor(object).act_on(Ask, slow).start()
        own = runtime.new_actor(object, max_concurrency=4).act_on(Ask, slow)
        other = await own.start()
        for each, seconds in ((handle, 2), (other, 1)):
            begin = trio.current_time()
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(each.ask, Ask())

            assert trio.current_time() - begin == pytest.approx(seconds)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"mailbox_capacity": 0}, id="no room"),
        pytest.param({"mailbox_capacity": 1.5}, id="half a message"),
        pytest.param({"max_concurrency": 0}, id="no handler"),
        pytest.param({"max_concurrency": 2.5}, id="half a handler"),
    ],
)
async def test_option_that_is_no_whole_number_from_1_on_is_refused(
    autojump_clock: MockClock, options: dict[str, float]
) -> None:
    """What an actor says for itself is held to the same as the configuration."""
    async with open_test_runtime() as runtime:
        with pytest.raises((ValueError, TypeError), match="whole number"):
            runtime.new_actor(object, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
