"""Every error, tested for what all of them promise."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
import typing
from typing import Any

import attrs
import pytest
import trio

import acton_trio as acton

for module in pkgutil.walk_packages(acton.__path__, "acton_trio."):
    importlib.import_module(module.name)

SAMPLES: dict[str, Any] = {
    "str": "words",
    "float": 2.5,
    "int": 7,
    "bool": True,
    "object": ("x",),
    "tuple[str, ...]": ("a", "b"),
    "int | None": 9,
}

ASK_ERRORS = [
    acton.NoReplyError,
    acton.AskTimeoutError,
    acton.ActorStoppedError,
    acton.HandlerFailedError,
    acton.AskCycleError,
    acton.UnexpectedReplyError,
    acton.PeerRejectedError,
    acton.PeerLostError,
    acton.UnhandledMessageError,
]


def all_errors(base: type[Exception]) -> list[type[Exception]]:
    """Return *base* and all classes derived from it."""
    return [base, *(each for sub in base.__subclasses__() for each in all_errors(sub))]


def sample(cls: type[Exception]) -> Exception:
    """Return an error of *cls* with plausible facts."""
    if not attrs.has(cls):
        return cls("words")
    values = [
        SAMPLES[each.type if isinstance(each.type, str) else type_name(each.type)]
        for each in attrs.fields(cls)
        if each.init
    ]
    return typing.cast("Exception", cls(*values))


def type_name(hint: object) -> str:
    """Return *hint* as it was written."""
    return hint.__name__ if isinstance(hint, type) and hint is not tuple else str(hint)


ERRORS = [
    pytest.param(each, id=each.__name__)
    for each in [*all_errors(acton.ActonError), acton.RemoteRejection]
]


@pytest.mark.parametrize("cls", ERRORS)
def test_error_is_documented_and_coded(cls: type[Exception]) -> None:
    """Every error has a sentence, a telling name, and a code for machines."""
    assert cls.__doc__
    error = sample(cls)
    if isinstance(error, acton.ActonError):
        assert cls.__name__.endswith("Error")
        assert cls is acton.PeerRejectedError or error.code == error.code.upper()


@pytest.mark.parametrize("cls", ERRORS)
@pytest.mark.parametrize(
    "again",
    [
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(lambda error: pickle.loads(pickle.dumps(error)), id="pickle"),
    ],
)
def test_error_survives_copying(cls: type[Exception], again: Any) -> None:
    """Errors cross process boundaries and test reports with all their facts."""
    error = sample(cls)
    twin = again(error)

    assert type(twin) is cls
    assert str(twin) == str(error)
    assert twin.args == error.args


@pytest.mark.parametrize("cls", ASK_ERRORS)
def test_ask_error_is_one(cls: type[Exception]) -> None:
    """All ways in which an ask can fail can be caught at once."""
    assert issubclass(cls, acton.AskError)


def test_error_that_is_trios_as_well() -> None:
    """Out of time and out of room are what they are for trio's users."""
    assert issubclass(acton.AskTimeoutError, trio.TooSlowError)
    assert issubclass(acton.MailboxFullError, trio.WouldBlock)


def test_rejection_is_no_error_of_ours() -> None:
    """A rejection is the user's own: neither our error nor a failed ask."""
    assert not issubclass(acton.Rejection, acton.ActonError)


def test_code_of_a_refusal_is_the_peers() -> None:
    """What the peer says is passed on as it said it."""
    error = acton.PeerRejectedError("TARGET_BUSY", "full")

    assert error.code == "TARGET_BUSY"
    assert str(error) == "the peer refused with TARGET_BUSY: full"


def test_handler_failure_says_who_owns_it() -> None:
    """An asker can tell whether the actor goes on."""
    alone = acton.HandlerFailedError("a", "B", "ValueError")
    owned = acton.HandlerFailedError("a", "B", "ValueError", owned_by_supervisor=True)

    assert str(alone) == "a raised ValueError while handling B"
    assert str(owned) == "a raised ValueError while handling B; the actor fails with it"
