"""Drawings in the documentation: they show what there is, and all of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from html import unescape
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree as ET

import pytest
import trio
from drawings import Layer, Machine, Move, draw_layers, draw_machine
from machines import LIVES, MACHINES, layers_of, pure_packages
from trio.testing import MockClock

import acton_trio as acton
from acton_trio import ActorState
from acton_trio._kernel.seat import Seat
from acton_trio._wire.states import TRANSITIONS

ROOT = Path(__file__).parents[1]

# What is done to an actor, which the one given supervises.
Story: TypeAlias = Callable[[acton.ActorHandle], Awaitable[object]]


def texts_of(svg: str) -> list[str]:
    """Return the words of a drawing, in their order."""
    return [unescape(each) for each in re.findall(r"<text [^>]*>([^<]*)</text>", svg)]


def project() -> str:
    """Return what pyproject.toml says."""
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_drawing_of_a_machine_has_each_state_and_each_move(name: str) -> None:
    """Every line of the table is in the picture of it, once."""
    machine = MACHINES[name]

    words = texts_of(draw_machine(machine))

    assert words == [*machine.states, *(each.when for each in machine.moves)]


def test_drawing_of_a_connection_leaves_out_no_transition() -> None:
    """What becomes of a connection in each state is drawn for each trigger."""
    drawn = {
        (move.source, when, move.target)
        for move in MACHINES["connection"].moves
        for when in move.when.split(", or ")
    }

    assert drawn == {
        (source.value, trigger.value, target.value)
        for source, targets in TRANSITIONS.items()
        for trigger, target in targets.items()
    }


def test_state_that_leads_nowhere_else_is_drawn_as_final() -> None:
    """An actor is down for good in two ways."""
    assert MACHINES["actor"].final == {
        each.value for each in ActorState if each.is_final
    }
    assert MACHINES["connection"].final == {"closed"}


@pytest.mark.parametrize(
    "svg",
    [
        pytest.param(draw_machine(MACHINES["actor"]), id="a machine"),
        pytest.param(draw_layers("<&>", [Layer(["_base"])], {"_base"}), id="layers"),
    ],
)
def test_drawing_is_xml_with_a_title(svg: str) -> None:
    """It stands in a page as it is, and is read out by its title."""
    drawing = ET.fromstring(svg)

    title = drawing.findtext("{http://www.w3.org/2000/svg}title")
    assert title == drawing.get("aria-label") != ""


def test_words_of_a_drawing_stay_within_it() -> None:
    """A long reason at the edge is moved, not cut off."""
    why = "because of this, or of that"
    svg = draw_machine(Machine("", ["a", "b"], [Move("b", "b", why)]))
    width = re.search(r'viewBox="0 0 (\d+) ', svg)
    place = re.search(rf'<text x="(\d+)"[^>]*>{why}', svg)

    assert width is not None
    assert place is not None
    assert int(place[1]) + len(why) * 6 / 2 <= int(width[1])


def test_every_layer_of_the_contract_is_drawn() -> None:
    """The layers are those that the linter of imports holds the package to."""
    layers = layers_of(project())

    words = texts_of(draw_layers("", layers, pure_packages(project())))

    names = [name for layer in layers for name in layer.packages]
    pure = words.index("no trio, no sockets, no clock below this line")
    assert [*words[:pure], *words[pure + 1 :]] == names
    assert set(words[pure + 1 :]) == pure_packages(project())


# --- the states of an actor, as they come


class MishapError(Exception):
    pass


@acton.message
class Fail:
    pass


@acton.message
class Hang:
    pass


@acton.actor
class Boss:
    pass


@acton.actor
class Subject:
    starts: Iterator[str]

    @acton.before_start
    async def start(self) -> None:
        match next(self.starts, "well"):
            case "failing":
                raise MishapError
            case "slowly":
                await trio.sleep(1)
            case "never":
                await trio.sleep_forever()
            case _:
                pass

    @acton.mutate_on
    def fail(self, _command: Fail) -> None:
        raise MishapError

    @acton.act_on
    async def hang(self, _command: Hang) -> None:
        await trio.sleep_forever()


def supervised(
    *starts: str, max_restarts: int = 5
) -> Callable[[acton.ActorHandle], Awaitable[acton.ActorHandle]]:
    """Return what starts a subject whose incarnations start in these ways."""

    async def begin(boss: acton.ActorHandle) -> acton.ActorHandle:
        limit = acton.RestartLimit(max_restarts=max_restarts, initial_backoff=1)
        return await boss.supervise(
            partial(Subject, iter(starts)), name="subject", restart_limit=limit
        )

    return begin


async def fails_and_comes_back(boss: acton.ActorHandle) -> None:
    subject = await supervised()(boss)
    await subject.send(Fail())
    await subject.wait_generation(1)


async def never_starts(boss: acton.ActorHandle) -> None:
    with pytest.raises(MishapError):
        await supervised("failing")(boss)


async def is_stopped_while_it_starts(boss: acton.ActorHandle) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(boss.stop)
        with pytest.raises(acton.ActorStoppedError):
            await supervised("slowly")(boss)


async def fails_too_often(boss: acton.ActorHandle) -> None:
    subject = await supervised(max_restarts=0)(boss)
    await subject.send(Fail())
    await subject.wait_stopped()


async def fails_to_come_back(boss: acton.ActorHandle) -> None:
    subject = await supervised("well", "failing")(boss)
    await subject.send(Fail())
    await subject.wait_generation(1)


async def fails_to_come_back_too_often(boss: acton.ActorHandle) -> None:
    subject = await supervised("well", "failing", max_restarts=1)(boss)
    await subject.send(Fail())
    await subject.wait_stopped()


async def is_stopped_before_it_comes_back(boss: acton.ActorHandle) -> None:
    subject = await supervised()(boss)
    await subject.send(Fail())
    await trio.sleep(0.5)
    await subject.stop()


async def is_stopped_while_it_comes_back(boss: acton.ActorHandle) -> None:
    subject = await supervised("well", "never")(boss)
    await subject.send(Fail())
    await trio.sleep(1.5)
    await subject.stop()


async def is_stopped_and_cut_off(boss: acton.ActorHandle) -> None:
    subject = await supervised()(boss)
    await subject.send(Hang())
    await trio.sleep(0.1)
    await subject.stop()


async def is_restarted_with_its_group_and_cut_off(boss: acton.ActorHandle) -> None:
    subject = await supervised()(boss)
    sibling = await boss.supervise(partial(Subject, iter(())), name="sibling")
    await subject.send(Hang())
    await trio.sleep(0.1)
    await sibling.send(Fail())
    await subject.wait_generation(1)


STORIES: list[Story] = [
    fails_and_comes_back,
    never_starts,
    is_stopped_while_it_starts,
    fails_too_often,
    fails_to_come_back,
    fails_to_come_back_too_often,
    is_stopped_before_it_comes_back,
    is_stopped_while_it_comes_back,
    is_stopped_and_cut_off,
    is_restarted_with_its_group_and_cut_off,
]


async def test_actor_goes_the_ways_that_are_drawn_and_no_other(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way from one state to the next is gone, whatever is told of an actor."""
    seen: set[tuple[ActorState, ActorState]] = set()
    enter = Seat.enter

    def watched(seat: Seat, state: ActorState) -> None:
        if state is not seat.state:
            seen.add((seat.state, state))
        enter(seat, state)

    monkeypatch.setattr(Seat, "enter", watched)
    for story in STORIES:
        async with acton.open_runtime() as runtime:
            boss = await runtime.start(
                Boss,
                strategy=acton.SupervisionStrategy.ONE_FOR_ALL,
                escalation=acton.Escalation.NOTIFY_PARENT,
            )
            await story(boss)

    drawn = {(state, target) for state, targets in LIVES.items() for target in targets}
    assert seen == drawn
