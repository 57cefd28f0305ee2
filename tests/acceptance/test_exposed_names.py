"""The names under which peers reach actors, and what restarts do to them."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import IpcPair, open_ipc_pair, open_test_runtime

from .items import covers


@acton.message(ipc=True)
class WhoAreYou(acton.Request[str]):
    """Asks an actor for its label, and which incarnation it is."""


@acton.message
class Break:
    """Makes an actor fail."""


@acton.actor
class Named:
    """Knows its label."""

    label: str

    @acton.act_on
    def who(self, _request: WhoAreYou, ctx: acton.Context) -> str:
        """Tell."""
        return f"{self.label}, {ctx.generation}"

    @acton.mutate_on
    def break_(self, _message: Break) -> None:
        """Fail."""
        raise ZeroDivisionError


async def who(pair: IpcPair, name: str) -> str:
    """Return who answers under *name*, or that nobody does."""
    try:
        return await pair.client.actor(name).ask(WhoAreYou())
    except acton.PeerRejectedError as error:
        return error.code


async def fail(handle: acton.ActorHandle, generation: int) -> None:
    """Make an actor fail, and wait until it runs once more."""
    await handle.send(Break())
    await handle.wait_generation(generation)


# --- names


@covers(177, 178)
async def test_actor_is_reached_under_its_plain_name(
    autojump_clock: MockClock,
) -> None:
    """Its identifier, which nobody else ever has, is no name."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        handle = await runtime.start(Named, "first", name="prices", expose=True)

        assert await who(pair, "prices") == "first, 0"
        assert await who(pair, handle.id) == "ACTOR_NOT_FOUND"
        assert await who(pair, handle.id.rpartition(":")[2]) == "ACTOR_NOT_FOUND"


@covers(179, 180)
async def test_name_that_is_taken_is_refused(autojump_clock: MockClock) -> None:
    """Whoever has it keeps it, and the error says what and who."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        first = await runtime.start(Named, "first", name="a", expose="prices")
        second = await runtime.start(Named, "second", name="b")
        with pytest.raises(acton.DuplicateNameError) as caught:
            runtime.ipc_expose("prices", second)

        assert "prices" in str(caught.value)
        assert first.id in str(caught.value)
        assert await who(pair, "prices") == "first, 0"


@covers(181)
async def test_hidden_name_is_free(autojump_clock: MockClock) -> None:
    """The actor runs on; somebody else may have the name."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        first = await runtime.start(Named, "first", name="a", expose="prices")
        second = await runtime.start(Named, "second", name="b")
        hidden = runtime.ipc_hide("prices")
        between = await who(pair, "prices")
        runtime.ipc_expose("prices", second)

        assert hidden is first
        assert between == "ACTOR_NOT_FOUND"
        assert await who(pair, "prices") == "second, 0"
        assert await first.ask(WhoAreYou()) == "first, 0"


@covers(182, 183, 184)
async def test_child_is_reached_by_its_path(autojump_clock: MockClock) -> None:
    """It takes nothing from its parent or its siblings."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        parent = await runtime.start(Named, "parent", name="prices", expose=True)
        for label in ("alpha", "beta"):
            await parent.supervise(Named, label, name=label, expose=True)

        assert await who(pair, "prices") == "parent, 0"
        assert await who(pair, "prices/alpha") == "alpha, 0"
        assert await who(pair, "prices/beta") == "beta, 0"
        assert await who(pair, "alpha") == "ACTOR_NOT_FOUND"


@covers(185)
async def test_one_actor_may_have_several_names(autojump_clock: MockClock) -> None:
    """Beside those of others."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        first = await runtime.start(Named, "first", name="a", expose=True)
        await runtime.start(Named, "second", name="b", expose=True)
        runtime.ipc_expose("also-a", first)

        assert [await who(pair, name) for name in ("a", "also-a", "b")] == [
            "first, 0",
            "first, 0",
            "second, 0",
        ]


# --- restarts


@covers(186, 187, 188)
async def test_names_lead_to_the_new_incarnation(autojump_clock: MockClock) -> None:
    """All of them, and those of others to whom they led before."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        parent = await runtime.start(Named, "parent", name="p", expose=True)
        child = await parent.supervise(Named, "child", name="c", expose=True)
        runtime.ipc_expose("by-another-name", child)
        await fail(child, 1)

        assert await who(pair, "p/c") == "child, 1"
        assert await who(pair, "by-another-name") == "child, 1"
        assert await who(pair, "p") == "parent, 0"


@covers(189)
async def test_child_that_is_not_restarted_loses_its_names(
    autojump_clock: MockClock,
) -> None:
    """Peers hear that there is nobody, and the name is free."""
    async with acton.open_runtime() as runtime, open_ipc_pair(runtime) as pair:
        parent = await runtime.start(Named, "parent", name="p")
        child = await parent.supervise(
            Named,
            "child",
            name="c",
            expose=True,
            restart_policy=acton.RestartPolicy.TEMPORARY,
        )
        runtime.ipc_expose("by-another-name", child)
        await child.send(Break())
        await child.wait_stopped()

        assert await who(pair, "p/c") == "ACTOR_NOT_FOUND"
        assert await who(pair, "by-another-name") == "ACTOR_NOT_FOUND"


@covers(190, 191)
async def test_child_that_is_given_up_loses_its_names(
    autojump_clock: MockClock,
) -> None:
    """As every actor that is down for good; one that is not keeps them."""
    async with acton.open_runtime() as runtime, open_ipc_pair(runtime) as pair:
        parent = await runtime.start(
            Named, "parent", name="p", escalation=acton.Escalation.NOTIFY_PARENT
        )
        limit = acton.RestartLimit(max_restarts=0)
        child = await parent.supervise(
            Named, "child", name="c", expose=True, restart_limit=limit
        )
        await parent.supervise(Named, "other", name="o", expose=True)
        await child.send(Break())
        await child.wait_stopped()

        assert child.status.state is acton.ActorState.ESCALATED
        assert await who(pair, "p/c") == "ACTOR_NOT_FOUND"
        assert await who(pair, "p/o") == "other, 0"


@covers(192, 193)
async def test_child_that_is_let_go_keeps_its_names_until_it_is_down(
    autojump_clock: MockClock,
) -> None:
    """One that is told to go loses them, one that is released does not."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        parent = await runtime.start(Named, "parent", name="p")
        told = await parent.supervise(Named, "told", name="a", expose=True)
        released = await parent.supervise(Named, "released", name="b", expose=True)
        await parent.unsupervise(told)
        await parent.release(released)

        assert await who(pair, "p/a") == "ACTOR_NOT_FOUND"
        assert await who(pair, "p/b") == "released, 0"
        await fail(released, 1)
        assert await who(pair, "p/b") == "released, 1"


@covers(194)
async def test_stopped_supervisor_takes_the_names_of_its_children_along(
    autojump_clock: MockClock,
) -> None:
    """And nobody else's."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        parent = await runtime.start(Named, "parent", name="p", expose=True)
        await parent.supervise(Named, "child", name="c", expose=True)
        await runtime.start(Named, "other", name="o", expose=True)
        await parent.stop()

        assert await who(pair, "p") == "ACTOR_NOT_FOUND"
        assert await who(pair, "p/c") == "ACTOR_NOT_FOUND"
        assert await who(pair, "o") == "other, 0"


@covers(186)
async def test_peer_that_asks_during_a_restart_is_answered_after_it(
    autojump_clock: MockClock,
) -> None:
    """The mailbox belongs to the seat, for peers as well."""
    async with open_test_runtime() as runtime, open_ipc_pair(runtime) as pair:
        handle = await runtime.start(
            Named,
            "patient",
            name="p",
            expose=True,
            restart_limit=acton.RestartLimit(initial_backoff=5),
        )
        await handle.send(Break())
        await trio.sleep(1)

        assert await who(pair, "p") == "patient, 1"
        assert trio.current_time() == pytest.approx(5)
