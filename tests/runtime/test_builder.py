"""Actors put together at run time."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message
class Add:
    """Is counted."""

    amount: int


@acton.message(ipc=True)
class BuilderTotal(acton.Request[int]):
    """Asks for the sum."""


@attrs.define
class Model:
    """A class that is not decorated as an actor."""

    total: int = 0
    trace: list[str] = attrs.field(factory=list[str])

    def add(self, message: Add) -> None:
        """Count it."""
        self.total += message.amount

    async def tell(self, _request: BuilderTotal) -> int:
        """Tell, after a while."""
        await trio.sleep(1)
        return self.total


@acton.actor
class Declared:
    """A class that is."""

    total: int = 0

    @acton.mutate_on
    def add(self, message: Add) -> None:
        """Count it."""
        self.total += message.amount

    @acton.act_on
    def tell(self, _request: BuilderTotal) -> int:
        """Tell."""
        return self.total

    @acton.before_start
    def begin(self) -> None:
        """Do not begin at 0."""
        self.total = 100


async def test_any_class_can_be_the_model_of_an_actor(
    autojump_clock: MockClock,
) -> None:
    """Its methods serve as handlers; *args* go to it as `start` would pass them."""
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Model, 40, name="built")
        handle = await (
            idle.mutate_on(Add, Model.add).act_on(BuilderTotal, Model.tell).start()
        )
        await handle.send(Add(2))

        assert await handle.ask(BuilderTotal()) == 42
        assert handle.name == "built"
        assert runtime.find("built") is handle


async def test_every_step_returns_the_idle_actor(autojump_clock: MockClock) -> None:
    """The steps can be chained; nothing runs before `start`."""

    def hook(model: Model) -> None:
        model.trace.append("hook")

    async def life(model: Model) -> AsyncIterator[None]:  # noqa: ASYNC124
        model.trace.append("in")
        yield

    def sorry(_model: Model, error: ValueError, _message: Add) -> None:
        """Do nothing about it."""

    model = Model()
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(lambda: model, name="built")
        for step in (
            idle.act_on(BuilderTotal, Model.tell),
            idle.mutate_on(Add, Model.add),
            idle.on_error(Add, ValueError, sorry),
            idle.before_start(hook),
            idle.after_start(hook),
            idle.before_stop(hook),
            idle.after_stop(hook),
            idle.lifespan(life),
            idle.expose_for_ipc(),
        ):
            assert step is idle
        assert (runtime.actors(), model.trace) == ((), [])
        await idle.start()
        assert model.trace == ["in", "hook", "hook"]


async def test_addition_takes_the_place_of_what_is_declared(
    autojump_clock: MockClock,
) -> None:
    """What is added for a type counts; all else that is declared still holds."""

    def double(model: Declared, message: Add) -> None:
        model.total += 2 * message.amount

    async with open_test_runtime() as runtime:
        handle = await runtime.new_actor(Declared).mutate_on(Add, double).start()
        plain = await runtime.start(Declared)
        for each in (handle, plain):
            await each.send(Add(1))

        assert await handle.ask(BuilderTotal()) == 102
        assert await plain.ask(BuilderTotal()) == 101


def wants_nothing(_model: Model) -> None:
    """Take no message."""


def wants_more(_model: Model, _message: Add, _ctx: acton.Context, _more: int) -> None:
    """Take more than there is."""


async def yields(_model: Model, _message: Add) -> AsyncIterator[int]:  # noqa: ASYNC124
    """Answer more than once."""
    yield 1


WRONG: list[Any] = [
    pytest.param(lambda idle: idle.act_on(int, wants_nothing), "int is", id="int"),
    pytest.param(
        lambda idle: idle.act_on(Add, wants_nothing), "a handler takes", id="too few"
    ),
    pytest.param(
        lambda idle: idle.mutate_on(Add, wants_more), "a handler takes", id="too many"
    ),
    pytest.param(
        lambda idle: idle.act_on(Add, yields), "Add is answered once", id="generator"
    ),
    pytest.param(
        lambda idle: idle.on_error(Add, KeyboardInterrupt, wants_more),
        "not an exception class",
        id="no Exception",
    ),
    pytest.param(
        lambda idle: idle.after_stop(wants_more), "a hook takes", id="wrong hook"
    ),
    pytest.param(
        lambda idle: idle.lifespan(wants_nothing), "async generator", id="no lifespan"
    ),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
async def test_mistake_is_a_type_error_where_it_is_made(
    autojump_clock: MockClock,
    mistake: Callable[[acton.IdleActor[Model]], object],
    words: str,
) -> None:
    """Whatever the decorators refuse the builder refuses too, before `start`."""
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Model)
        with pytest.raises(TypeError, match=words):
            mistake(idle)


async def test_idle_actor_starts_once(autojump_clock: MockClock) -> None:
    """After `start` it can be neither changed nor started again."""
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Model)
        await idle.start()
        with pytest.raises(RuntimeError, match="has started"):
            await idle.start()
        with pytest.raises(RuntimeError, match="has started"):
            idle.expose_for_ipc()
        with pytest.raises(RuntimeError, match="has started"):
            idle.before_stop(wants_nothing)

        assert len(runtime.actors()) == 1


async def test_exposed_actor_has_its_messages_registered(
    autojump_clock: MockClock,
) -> None:
    """Peers may name the types that may travel, and only those."""
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(Model, name="own")
        idle.mutate_on(Add, Model.add).act_on(BuilderTotal, Model.tell)
        handle = await idle.expose_for_ipc("other").start()

        assert runtime.ipc_registry.type_names() == ("BuilderTotal",)
        assert runtime.ipc_hide("own") is None
        assert runtime.ipc_hide("other") is handle


class Teller:
    """A thing that is called like an asynchronous function."""

    async def __call__(self, _model: Model, _request: BuilderTotal) -> int:
        """Tell."""
        await trio.sleep(1)
        return 5


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function in the way that decorators do."""

    @functools.wraps(function)
    def wrapper(*args: object) -> object:
        return function(*args)

    return wrapper


HANDLERS: dict[str, Callable[..., Any]] = {
    "an object": Teller(),
    "a wrapped function": logged(Model.tell),
    "a lambda around a coroutine": lambda model, request: model.tell(request),
    "one with a context": lambda model, _request, ctx: model.tell(ctx.message),
    "a partial function": functools.partial(Teller.__call__, Teller()),
    "an option of its own": lambda _model, _request, answer=5: answer,
}


@pytest.mark.parametrize(
    "handler", [pytest.param(each, id=name) for name, each in HANDLERS.items()]
)
@pytest.mark.parametrize("kind", ["act_on", "mutate_on"])
async def test_whatever_can_be_called_can_be_a_handler(
    kind: str, handler: Callable[..., Any], autojump_clock: MockClock
) -> None:
    """What a handler gives is awaited if it has to be; only `ctx` is given besides."""
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(lambda: Model(5))
        handle = await getattr(idle, kind)(BuilderTotal, handler).start()

        assert await handle.ask(BuilderTotal()) == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"restart_limit": 5}, "restart_limit is a RestartLimit", id="int"),
        pytest.param({"restart_policy": "permanent"}, "a RestartPolicy", id="str"),
        pytest.param({"expose": 5}, "exposed_as is True, False or a name", id="expose"),
    ],
)
async def test_wrong_option_is_a_type_error_at_once(
    options: Any, words: str, autojump_clock: MockClock
) -> None:
    """What an actor could not live by is refused before it is started."""
    async with open_test_runtime() as runtime:
        with pytest.raises(TypeError, match=words):
            await runtime.start(Declared, **options)

        assert runtime.actors() == ()


async def test_instance_in_place_of_a_class_is_refused(
    autojump_clock: MockClock,
) -> None:
    """An actor is built anew for each incarnation, so its class is wanted."""
    instance: Any = Declared()

    async with open_test_runtime() as runtime:
        with pytest.raises(
            TypeError, match=r"correct:   await runtime\.start\(Declared"
        ):
            await runtime.start(instance)


async def test_runtime_takes_a_config_and_nothing_else(
    autojump_clock: MockClock,
) -> None:
    """A wrong argument is a `TypeError`, and nothing was opened."""
    wrong: Any = {"timeouts": {"ask": 3}}

    with pytest.raises(TypeError, match="open_runtime takes a Config"):
        async with acton.open_runtime(wrong):
            pass
