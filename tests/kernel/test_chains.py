"""Asks that leave the process, and those that come back into it."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

import acton_trio as acton
from acton_trio._kernel.activity import waiting_activity
from acton_trio._kernel.chains import abroad, chain_of, refuse_returning
from acton_trio._kernel.envelope import Ask, Envelope
from acton_trio._kernel.handle import seat_of
from acton_trio.testing import wait_idle


@acton.message
class Leave(acton.Request[str]):
    """Has the handler wait for another process, and tells what it said to it."""

    seconds: float = 0
    before: float = 0


@acton.message
class Pass(acton.Request[str]):
    """Has the handler ask the traveller."""


@acton.message
class Look(acton.Request[int]):
    """Asks for something that can be answered beside others."""


@acton.actor
class Traveller:
    """Waits for other processes, alone or not."""

    chains: list[str] = attrs.field(factory=list[str])

    @acton.mutate_on
    async def leave(self, request: Leave) -> str:
        """Wait for another process, as an ask would."""
        await trio.sleep(request.before)
        with abroad(waiting_activity()) as chain:
            self.chains.append(chain)
            await trio.sleep(request.seconds)
        return chain

    @acton.act_on
    def look(self, _request: Look) -> int:
        """Answer."""
        return 1


def asked(request: object, *chain: str) -> Envelope:
    """Return *request* as it comes in with a chain."""
    envelope = Envelope(request, is_remote=True)
    envelope.ask = Ask("traveller", "Leave", lambda _: None, chain=chain)
    return envelope


async def test_ask_that_comes_back_to_who_waits_for_it_is_refused(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """The path begins and ends with the actor that is asked."""
    traveller = Traveller()
    handle = await runtime.start(lambda: traveller, name="traveller")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handle.ask, Leave(5))
        await trio.sleep(1)
        mailbox = seat_of(handle).mailbox
        (chain,) = traveller.chains
        for request in (Leave(), Look()):
            with pytest.raises(acton.AskCycleError) as caught:
                refuse_returning(asked(request, "x-1", chain), mailbox, handle.name)

            assert caught.value.path == ("traveller", "traveller")
        refuse_returning(asked(Look(), "x-1"), mailbox, handle.name)
    refuse_returning(asked(Look(), chain), mailbox, handle.name)


async def test_chain_that_came_in_goes_out_with_what_is_asked(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """Also if the handler that asks was asked by one in its own process."""
    traveller = Traveller()
    handle = await runtime.start(lambda: traveller, name="traveller")

    @acton.actor
    class Between:
        @acton.act_on
        async def pass_(self, _request: Pass) -> str:
            return await handle.ask(Leave())

    between = await runtime.start(Between, name="between")
    envelope = asked(Pass(), "a-1", "b-7")
    seat_of(between).mailbox.put_nowait(envelope)
    await wait_idle(runtime)
    (chain,) = traveller.chains

    assert chain.startswith("a-1,b-7,")
    assert len(chain.split(",")) == 3


async def test_chain_ends_where_nobody_waits_any_more(
    runtime: acton.Runtime, autojump_clock: MockClock
) -> None:
    """Who works for somebody that has gone keeps nobody waiting."""
    traveller = Traveller()
    handle = await runtime.start(lambda: traveller, name="traveller")
    envelope = asked(Leave(before=2), "a-1")
    assert envelope.ask is not None
    seat_of(handle).mailbox.put_nowait(envelope)
    await trio.sleep(1)
    envelope.ask.abandon(envelope)
    await wait_idle(runtime)
    (chain,) = traveller.chains

    assert len(chain.split(",")) == 1
    assert not chain.startswith("a-1")


def test_plain_code_has_no_chain() -> None:
    """Nobody can wait for it through a message."""
    with abroad(None) as chain:
        assert chain == ""


def test_chain_is_read_from_a_header() -> None:
    """One without end is none."""
    assert chain_of(None) == chain_of("") == ()
    assert chain_of("a,b") == ("a", "b")
    assert len(chain_of(",".join("x" * 256))) == 256
    assert chain_of(",".join("x" * 257)) == ()
    assert chain_of("x," * 10**6) == ()
