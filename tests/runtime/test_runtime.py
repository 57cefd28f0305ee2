"""The scope that actors live in: starting, ending, and what leaves it."""

from __future__ import annotations

import os
import signal

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_test_runtime


@acton.message(ipc=True)
class Ping(acton.Request[str]):
    """Asks for a name."""


@acton.message
class Fall:
    """Makes the actor fail."""


@acton.message(ipc="Taken")
class First(acton.Request[int]):
    """Has a name on the wire."""


@acton.message(ipc="Taken")
class Second(acton.Request[int]):
    """Has the same."""


@acton.message(ipc=True)
class Knock(acton.Request["Answer"]):
    """Is answered with a question."""


@acton.message(ipc=True)
class Answer(acton.Request[Knock]):
    """Asks in turn."""


@acton.actor
class Named:
    """Knows its name."""

    name: str = "nobody"

    @acton.act_on
    def ping(self, _request: Ping) -> str:
        """Tell it."""
        return self.name

    @acton.mutate_on
    def fall(self, _command: Fall) -> None:
        """Fail."""
        raise ValueError(self.name)


@acton.actor
class FailsToStart:
    """Fails in a hook, or in its making."""

    where: str

    def __attrs_post_init__(self) -> None:
        if self.where == "factory":
            raise KeyError(self.where)

    @acton.before_start
    async def before_start(self) -> None:
        """Fail or wait."""
        if self.where == "before_start":
            raise KeyError(self.where)
        if self.where == "never":
            await trio.sleep_forever()

    @acton.after_start
    def after_start(self) -> None:
        """Fail."""
        raise KeyError(self.where)


NEVER = acton.RestartLimit(max_restarts=0)


async def test_actor_is_found_from_its_start_to_its_end(
    autojump_clock: MockClock,
) -> None:
    """A name names one running actor at a time, and is free afterwards."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Named, "a", name="first")
        other = await runtime.start(Named)
        with pytest.raises(acton.DuplicateNameError, match="first"):
            await runtime.start(Named, name="first")

        assert await handle.ask(Ping()) == "a"
        assert runtime.find("first") is handle
        assert runtime.actors() == (handle, other)
        assert other.name.startswith("Named-")
        assert handle.id.startswith("ern:acton:reactive:component:first_")
        assert repr(handle) == "<ActorHandle first>"
        assert repr(runtime) == "<Runtime with 2 actors>"
        await handle.stop()
        assert runtime.find("first") is None
        await runtime.start(Named, name="first")


@pytest.mark.parametrize("where", ["factory", "before_start", "after_start"])
async def test_failure_to_start_is_the_starters(
    autojump_clock: MockClock, where: str
) -> None:
    """It is raised as it is, never tried again, and the name is free."""
    async with open_test_runtime() as runtime:
        for _ in range(2):
            with pytest.raises(KeyError, match=where):
                await runtime.start(FailsToStart, where, name="x")
        assert runtime.actors() == ()


async def test_start_that_is_cancelled_leaves_nothing(
    autojump_clock: MockClock,
) -> None:
    """The half-started actor is down before the cancellation leaves."""
    async with open_test_runtime() as runtime:
        with trio.move_on_after(1) as scope:
            await runtime.start(FailsToStart, "never", name="x")
        assert scope.cancelled_caught
        await runtime.start(Named, name="x")


async def test_undecorated_class_is_a_type_error(autojump_clock: MockClock) -> None:
    """What is no actor is named, with two ways to make it one."""
    async with open_test_runtime() as runtime:
        with pytest.raises(TypeError, match="decorate the class with @actor"):
            await runtime.start(dict)


@pytest.mark.parametrize(
    "options", [{"mailbox_capacity": 0}, {"max_concurrency": 0}, {"name": "a/b"}]
)
async def test_impossible_option_is_a_value_error(
    autojump_clock: MockClock, options: dict[str, object]
) -> None:
    """Nothing starts with a value that makes no sense."""
    async with open_test_runtime() as runtime:
        with pytest.raises(ValueError, match="1"):
            await runtime.start(Named, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_name_for_peers_is_checked_before_it_is_given(
    autojump_clock: MockClock,
) -> None:
    """An actor that cannot be exposed as wished is not left running."""
    async with open_test_runtime() as runtime:
        one = await runtime.start(Named, name="one", expose="door")
        with pytest.raises(acton.DuplicateNameError, match="door"):
            await runtime.start(Named, name="two", expose="door")
        with pytest.raises(ValueError, match="empty"):
            runtime.ipc_expose("", one)

        assert runtime.actors() == (one,)
        assert runtime.ipc_registry.type_names() == ("Ping",)
        assert runtime.ipc_hide("door") is one
        assert runtime.ipc_hide("door") is None


async def test_two_classes_of_one_wire_name_are_refused(
    autojump_clock: MockClock,
) -> None:
    """Nobody could tell which of them a peer means."""
    async with open_test_runtime() as runtime:
        idle = (
            runtime.new_actor(object).act_on(First, lambda _m, _r: 1).expose_for_ipc()
        )
        await idle.start()
        twin = runtime.new_actor(object).act_on(Second, lambda _m, _r: 1)
        with pytest.raises(acton.DuplicateNameError, match="Taken"):
            await twin.expose_for_ipc("other").start()


async def test_requests_may_be_answered_with_each_other(
    autojump_clock: MockClock,
) -> None:
    """Both are known then, and nobody goes round in a circle."""
    async with open_test_runtime() as runtime:
        idle = runtime.new_actor(object).act_on(Knock, lambda _m, _r: Answer())

        await idle.expose_for_ipc().start()

        assert runtime.ipc_registry.type_names() == ("Answer", "Knock")


async def test_builder_fills_the_same_table(autojump_clock: MockClock) -> None:
    """An actor put together at run time does all that a declared one does."""
    log: list[str] = []

    def ping(model: Named, _request: Ping) -> str:
        log.append("ping")
        raise LookupError(model.name)

    def sorry(_model: Named, error: LookupError, _request: Ping) -> str:
        return f"sorry, {error}"

    async with open_test_runtime() as runtime:
        idle = (
            runtime.new_actor(Named, "n", name="built")
            .act_on(Ping, ping)
            .on_error(Ping, LookupError, sorry)
            .before_start(lambda _model: log.append("before_start"))
            .after_start(lambda _model: log.append("after_start"))
            .before_stop(lambda _model: log.append("before_stop"))
            .after_stop(lambda _model: log.append("after_stop"))
        )
        with pytest.raises(TypeError, match="has a handler already"):
            idle.mutate_on(Ping, ping)
        handle = await idle.start()
        with pytest.raises(RuntimeError, match="has started"):
            idle.act_on(Ping, ping)

        assert await handle.ask(Ping()) == "sorry, n"
    assert log == ["before_start", "after_start", "ping", "before_stop", "after_stop"]


async def test_body_error_leaves_alone_as_it_is(autojump_clock: MockClock) -> None:
    """The block is no nursery to its user."""
    with pytest.raises(KeyboardInterrupt):
        async with open_test_runtime() as runtime:
            await runtime.start(Named)
            raise KeyboardInterrupt


async def test_failures_leave_as_one_group_with_the_bodys_own(
    autojump_clock: MockClock,
) -> None:
    """Nothing is lost, and nothing is flattened or wrapped twice."""
    with pytest.raises(BaseExceptionGroup) as caught:  # noqa: ASYNC401 - how many is chance
        async with open_test_runtime() as runtime:
            for name in ("a", "b"):
                handle = await runtime.start(Named, name, restart_limit=NEVER)
                handle.send_nowait(Fall())
            try:
                await trio.sleep_forever()
            finally:
                raise OSError
    kinds = [type(each) for each in caught.value.exceptions]

    assert kinds.count(acton.RestartLimitError) >= 1
    assert kinds[-1] is OSError


async def test_after_the_block_nothing_can_be_started(
    autojump_clock: MockClock,
) -> None:
    """A runtime that has ended says so."""
    async with open_test_runtime() as runtime:
        handle = await runtime.start(Named)
        await runtime.shutdown_all()
        with pytest.raises(acton.ActorStoppedError, match="stopping"):
            await runtime.start(Named)
    with pytest.raises(acton.ActorStoppedError):
        await handle.send(Fall())


async def test_shutdown_takes_no_longer_than_it_may(autojump_clock: MockClock) -> None:
    """What does not drain within timeouts.system_shutdown is cancelled."""

    async def hang(_model: object, _message: Fall) -> None:
        await trio.sleep_forever()

    timeouts = acton.Timeouts(actor_shutdown=20, system_shutdown=3)
    async with acton.open_runtime(acton.Config(timeouts=timeouts)) as runtime:
        handle = await runtime.new_actor(object).mutate_on(Fall, hang).start()
        await handle.send(Fall())
        await wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(3)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda: acton.Timeouts(ask=0), id="no time"),
        pytest.param(lambda: acton.Timeouts(ask=float("nan")), id="no number"),
        pytest.param(lambda: acton.Limits(actor_inbox_capacity=0), id="no room"),
    ],
)
def test_impossible_setting_is_a_config_error(wrong: object) -> None:
    """The key and what was expected are named."""
    assert callable(wrong)
    with pytest.raises(acton.ConfigError, match="expected"):
        wrong()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_is_waited_for(number: signal.Signals) -> None:
    """The signal that came is told."""
    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        seen: list[signal.Signals] = []

        async def wait() -> None:
            seen.append(await runtime.wait_for_signal())

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        os.kill(os.getpid(), number)
    assert seen == [number]


async def test_actor_of_any_factory_has_a_name(autojump_clock: MockClock) -> None:
    """Who names nothing need not care how the factory is called."""
    async with open_test_runtime() as runtime:
        for factory in (lambda: Named("x"), type("N" * 80, (Named,), {})):
            handle = await runtime.new_actor(factory).start()

            assert runtime.find(handle.name) is handle


async def test_names_that_are_made_up_are_never_taken(
    autojump_clock: MockClock,
) -> None:
    """Many actors of one class start without names, and keep their order."""
    async with open_test_runtime() as runtime:
        handles = [await runtime.start(Named) for _ in range(50)]

        assert len({each.name for each in handles}) == 50
        assert len({each.id for each in handles}) == 50
        assert runtime.actors() == tuple(handles)


async def test_name_made_up_steps_aside_for_one_that_was_chosen(
    autojump_clock: MockClock,
) -> None:
    """An actor without a name never fails to start because of another's name."""
    async with open_test_runtime() as runtime:
        first = await runtime.start(Named)
        prefix, _, number = first.name.rpartition("-")
        await runtime.start(Named, name=f"{prefix}-{int(number) + 1}")
        third = await runtime.start(Named)

        assert runtime.find(third.name) is third


async def test_start_returns_after_the_start_hooks(autojump_clock: MockClock) -> None:
    """Until then the actor cannot be found, but its name is taken."""

    async def wait(_model: object) -> None:
        await trio.sleep(2)

    async with open_test_runtime() as runtime, trio.open_nursery() as nursery:
        idle = runtime.new_actor(Named, name="slow").before_start(wait)
        nursery.start_soon(idle.after_start(wait).start)
        await trio.sleep(3)
        assert runtime.find("slow") is None
        assert runtime.actors() == ()
        with pytest.raises(acton.DuplicateNameError):
            await runtime.start(Named, name="slow")
        await trio.sleep(2)
        handle = runtime.find("slow")

        assert handle is not None
        assert await handle.ask(Ping()) == "nobody"


async def test_cancelled_start_is_down_before_cancelled_leaves(
    autojump_clock: MockClock,
) -> None:
    """Its clean-up has run, shielded, when the starter goes on."""
    trace: list[float] = []

    async def hang(_model: object) -> None:
        await trio.sleep_forever()

    async def clean_up(_model: object) -> None:
        await trio.sleep(3)
        trace.append(trio.current_time())

    async with open_test_runtime() as runtime:
        with trio.move_on_after(1) as scope:
            await (
                runtime.new_actor(object).after_start(hang).after_stop(clean_up).start()
            )
        assert scope.cancelled_caught
        assert trace == [pytest.approx(4)]
        assert runtime.actors() == ()
