"""What peers are told of the actors, where that is wanted."""

from __future__ import annotations

from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton
from acton_trio.testing import open_ipc_pair

from .peers import Service

CURIOUS = acton.Config(introspection=True)


async def test_peer_is_told_how_the_actors_are(autojump_clock: MockClock) -> None:
    """As `snapshot` tells it in the process, but for who tells it."""
    async with acton.open_runtime(CURIOUS) as runtime, open_ipc_pair(runtime) as pair:
        service = await runtime.start(Service, name="service", expose=True)
        await service.supervise(Service, name="child")
        await wait_all_tasks_blocked()
        snapshot = await pair.client.actor("acton").ask(acton.ipc.GetSnapshot())

        assert isinstance(snapshot, acton.RuntimeSnapshot)
        assert [each.name for each in snapshot.walk()] == ["service", "service/child"]
        ours = [each for each in runtime.snapshot().actors if each.name == "service"]
        assert snapshot.actors == tuple(ours)


async def test_snapshot_is_plain_data_to_any_client(autojump_clock: MockClock) -> None:
    """Who has no types at hand reads names and numbers."""
    async with acton.open_runtime(CURIOUS) as runtime, open_ipc_pair(runtime) as pair:
        await runtime.start(Service, name="service")
        answer = await pair.client.request("acton", "acton.GetSnapshot")
        (actor,) = answer.payload["actors"]

        assert (actor["name"], actor["state"]) == ("service", "running")


async def test_nobody_is_told_unless_it_is_wanted(autojump_clock: MockClock) -> None:
    """By default there is no such actor, and no such message."""
    async with acton.open_runtime() as runtime, open_ipc_pair(runtime) as pair:
        answer = await pair.client.request("acton", "acton.GetSnapshot")

        assert answer.error_code == "ACTOR_NOT_FOUND"
        assert runtime.actors() == ()
