"""What is drawn: the state machines of the package, and its layers."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from drawings import Layer, Machine, Move

from acton_trio import ActorState
from acton_trio._wire.states import TRANSITIONS, State, Trigger

__all__ = ["ACTOR", "LIVES", "MACHINES", "connection", "layers_of", "pure_packages"]

# The package has no table of this: each state is entered where the reason for it
# is.  `tests/test_diagrams.py` sees that these are the ways there are.
LIVES: Final[Mapping[ActorState, Mapping[ActorState, str]]] = {
    ActorState.STARTING: {
        ActorState.RUNNING: "its start hooks are done",
        ActorState.STOPPING: "stopped; its hooks return in time",
        ActorState.DOWN: "its factory or a start hook fails, or is cut off",
    },
    ActorState.RUNNING: {
        ActorState.STOPPING: "fails, ends or is stopped",
        ActorState.RESTART_PENDING: "stopped with its group; a handler is cut off",
        ActorState.DOWN: "stopped; a handler is cut off",
    },
    ActorState.STOPPING: {
        ActorState.RESTART_PENDING: "is to come back",
        ActorState.DOWN: "is not to come back",
        ActorState.ESCALATED: "has failed too often",
    },
    ActorState.RESTART_PENDING: {
        ActorState.RESTARTING: "its turn",
        ActorState.DOWN: "is stopped",
    },
    ActorState.RESTARTING: {
        ActorState.RUNNING: "its start hooks are done",
        ActorState.RESTART_PENDING: "a start hook fails",
        ActorState.DOWN: "is stopped",
        ActorState.ESCALATED: "a start hook fails, once too often",
    },
}

ACTOR: Final = Machine(
    "The states of an actor",
    [each.value.replace("_", " ") for each in ActorState],
    [
        Move(source.value.replace("_", " "), target.value.replace("_", " "), when)
        for source, targets in LIVES.items()
        for target, when in targets.items()
    ],
)


def connection(table: Mapping[State, Mapping[Trigger, State]]) -> Machine:
    """Return what *table* says of a connection, moves alike as one."""
    moves = [
        Move(
            source.value,
            target.value,
            ", or ".join(
                each.value for each, where in targets.items() if where is target
            ),
        )
        for source, targets in table.items()
        for target in dict.fromkeys(targets.values())
    ]
    return Machine("The states of a connection", [each.value for each in State], moves)


MACHINES: Final = {"actor": ACTOR, "connection": connection(TRANSITIONS)}


def _contract(project: str, kind: str) -> Mapping[str, Any]:
    settings = tomllib.loads(project)["tool"]["importlinter"]["contracts"]
    contract: Mapping[str, Any] = next(
        each for each in settings if each["type"] == kind
    )
    return contract


def layers_of(project: str) -> list[Layer]:
    """Return the layers, the highest first, that the text of pyproject.toml names.

    In brackets are packages whose place is kept, and which are not there yet.
    """
    lines: list[str] = _contract(project, "layers")["layers"]
    return [
        Layer(re.findall(r"\w+", line), frozenset(re.findall(r"\((\w+)\)", line)))
        for line in lines
    ]


def pure_packages(project: str) -> frozenset[str]:
    """Return the packages that may do no I/O, as the same text says."""
    sources: list[str] = _contract(project, "forbidden")["source_modules"]
    return frozenset(each.rpartition(".")[2] for each in sources)
