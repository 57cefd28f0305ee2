"""What can be spoken to as an actor can."""

from __future__ import annotations

import pytest
import trio.testing
from trio.testing import MockClock

import acton_trio as acton
from acton_trio.testing import open_probe


@pytest.mark.parametrize("thing", [None, "name", 3, trio.Event])
def test_other_things_are_no_refs(thing: object) -> None:
    """A ref has a name, and can be sent to, asked, and asked for streams."""
    assert not isinstance(thing, acton.Ref)


async def test_every_handle_is_a_ref(autojump_clock: MockClock) -> None:
    """In the process, in another one, and in a test."""
    ours, _ = trio.testing.memory_stream_pair()
    async with (
        acton.open_runtime() as runtime,
        open_probe(runtime) as probe,
        acton.ipc.open_client(ours) as client,
    ):
        idle = runtime.new_actor(int, name="a")

        assert isinstance(await idle.start(), acton.Ref)
        assert isinstance(probe, acton.Ref)
        assert isinstance(client.actor("a"), acton.Ref)
        assert not isinstance(client, acton.Ref)
