"""Every error, tested for what all of them promise."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import typing
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import attrs
import pytest
import trio

import acton_trio as acton
from acton_trio._messages.misfit import MisfitError
from acton_trio._wire.codes import ErrorCode

HOMES = [
    importlib.import_module(each.name)
    for each in pkgutil.walk_packages(acton.__path__, "acton_trio.")
    # What the command line raises ends in an exit code, and goes nowhere; part of
    # it needs an extra, and one module runs it.
    if "_cli" not in each.name and not each.name.endswith("__main__")
]

# Programs and clients in other languages match on these: they never change.
CODES = {
    "ActonError": "ACTON_ERROR",
    "ActorStoppedError": "ACTOR_STOPPED",
    "AskCycleError": "ASK_CYCLE",
    "AskError": "ASK_ERROR",
    "AskTimeoutError": "TIMEOUT",
    "ConfigError": "CONFIG_ERROR",
    "ConnectionRefusedByPeerError": "CONNECTION_REFUSED",
    "DuplicateNameError": "DUPLICATE_NAME",
    "HandlerFailedError": "HANDLER_FAILED",
    "MailboxFullError": "TARGET_BUSY",
    "NoReplyError": "NO_REPLY",
    "PeerLostError": "CONNECTION_CLOSED",
    "RestartLimitError": "RESTART_LIMIT",
    "SupervisionDepthError": "SUPERVISION_DEPTH",
    "UnknownChildError": "UNKNOWN_CHILD",
    "SerializationError": "SERIALIZATION_ERROR",
    "UnexpectedReplyError": "UNEXPECTED_REPLY",
    "UnhandledMessageError": "UNKNOWN_MESSAGE_TYPE",
    # One fault, seen from either side of the wire, which has one name for it.
    "ProtocolError": "PROTOCOL_ERROR",
    "LocalProtocolError": "PROTOCOL_ERROR",
    "RemoteProtocolError": "PROTOCOL_ERROR",
    "BadHeaderError": "PROTOCOL_ERROR",
    "BadFormatError": "PROTOCOL_ERROR",
    "BadFrameTypeError": "PROTOCOL_ERROR",
    "FrameTooLargeError": "PROTOCOL_ERROR",
    "UnsupportedVersionError": "UNSUPPORTED_PROTOCOL_VERSION",
}

ASK_ERRORS = {
    acton.NoReplyError,
    acton.AskTimeoutError,
    acton.ActorStoppedError,
    acton.HandlerFailedError,
    acton.AskCycleError,
    acton.UnexpectedReplyError,
    acton.PeerRejectedError,
    acton.PeerLostError,
    acton.UnhandledMessageError,
}

Copier: TypeAlias = Callable[[Exception], Exception]

# Facts that the text does not repeat.
NOT_IN_THE_TEXT = {
    ("BadFormatError", "version"): "not what was wrong",
    ("FrameTooLargeError", "version"): "not what was wrong",
    ("ConnectionRefusedByPeerError", "limit"): "the peer's words have it",
    ("HandlerFailedError", "owned_by_supervisor"): "a phrase, tested below",
    ("RemoteRejection", "fields"): "the peer's words are the text",
    ("RemoteRejection", "type_name"): "the text only where the peer sent no words",
}


def all_errors(base: type[Exception]) -> Iterator[type[Exception]]:
    """Yield *base* and all classes of ours derived from it."""
    yield base
    for each in base.__subclasses__():
        if each.__module__.startswith("acton_trio"):
            yield from all_errors(each)


def sample(cls: type[Exception]) -> Exception:
    """Return an error of *cls* whose facts can be told from each other."""
    if not attrs.has(cls):
        return cls("words")
    hints = typing.get_type_hints(cls)
    numbers = count(11)
    values = [
        fact(each.name, hints[each.name], next(numbers))
        for each in attrs.fields(cls)
        if each.init
    ]
    return typing.cast("Exception", cls(*values))


def fact(name: str, hint: Any, number: int) -> object:
    """Return a value of the type *hint* that no other fact has."""
    hints = {hint, *typing.get_args(hint)}
    if typing.get_origin(hint) is tuple:
        return (f"a {name}", f"another {name}")
    if bool in hints:
        return True
    if int in hints:
        return number
    if float in hints:
        return number + 0.5
    assert hints & {str, object}, f"{name}: no sample for {hint}"
    return f"the {name}"


def words_for(value: object) -> list[list[str]]:
    """Return the ways to write *value*, or each of its parts, in a text."""
    parts = value if isinstance(value, tuple) else (value,)
    return [
        [str(part), f"{part:#04x}"] if isinstance(part, int) else [str(part)]
        for part in parts
    ]


def facts_of(error: Exception) -> dict[str, Any]:
    """Return all that *error* carries."""
    cls: Any = type(error)
    names = [each.name for each in attrs.fields(cls)] if attrs.has(cls) else []
    return {name: getattr(error, name) for name in names}


def pickled(error: Exception, protocol: int) -> Any:
    """Return *error* as another process gets it."""
    return pickle.loads(pickle.dumps(error, protocol))


CLASSES = [*all_errors(acton.ActonError), acton.RemoteRejection]
ERRORS = [pytest.param(each, id=each.__name__) for each in CLASSES]
CODED = [
    pytest.param(each, id=each.__name__)
    for each in CLASSES
    if each not in (acton.PeerRejectedError, acton.RemoteRejection)
]
COPIERS = [
    pytest.param(copy.copy, id="copy"),
    pytest.param(copy.deepcopy, id="deepcopy"),
    *(
        pytest.param(partial(pickled, protocol=protocol), id=f"pickle {protocol}")
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ),
]
FACTS = [
    pytest.param(each, name, id=f"{each.__name__}.{name}")
    for each in CLASSES
    for name in facts_of(sample(each))
    if (each.__name__, name) not in NOT_IN_THE_TEXT
]


def test_error_has_one_root() -> None:
    """Nothing else that the package raises is an exception of its own making."""
    ours = {
        each
        for home in HOMES
        for each in vars(home).values()
        if inspect.isclass(each)
        and issubclass(each, BaseException)
        and each.__module__.startswith("acton_trio")
        # The testing kit fails tests, in the way that tests fail.
        and each.__module__ != "acton_trio.testing"
    }
    # It never leaves the codec, which makes a SerializationError of it.
    ours.discard(MisfitError)

    assert ours == {*CLASSES, acton.Rejection}


@pytest.mark.parametrize("cls", ERRORS)
def test_error_is_documented_and_named_for_its_fault(cls: type[Exception]) -> None:
    """Every error has a sentence of its own, and a name that ends in Error."""
    assert vars(cls)["__doc__"]
    assert cls.__name__.endswith("Error") or cls is acton.RemoteRejection


@pytest.mark.parametrize("cls", CODED)
def test_code_is_stable(cls: type[acton.ActonError]) -> None:
    """Machines tell errors by a word in upper case, which never changes."""
    assert cls.code == CODES[cls.__name__]
    assert cls.code == cls.code.upper()
    assert getattr(sample(cls), "code", None) == cls.code


def test_code_belongs_to_one_kind_of_error() -> None:
    """No two errors share a code, but the faults that are one on the wire."""
    protocol = {each.__name__ for each in all_errors(acton.ProtocolError)}
    codes = [code for name, code in CODES.items() if name not in protocol]

    assert len(codes) == len(set(codes))
    assert not set(codes) & {CODES[name] for name in protocol}


def test_code_that_travels_is_the_one_of_the_wire() -> None:
    """Where the wire has a word for an error, it is the error's code."""
    travelling: dict[type[acton.ActonError], str] = {
        acton.AskTimeoutError: ErrorCode.TIMEOUT,
        acton.HandlerFailedError: ErrorCode.HANDLER_FAILED,
        acton.MailboxFullError: ErrorCode.TARGET_BUSY,
        acton.PeerLostError: ErrorCode.CONNECTION_CLOSED,
        acton.RemoteProtocolError: ErrorCode.PROTOCOL_ERROR,
        acton.SerializationError: ErrorCode.SERIALIZATION_ERROR,
        acton.UnhandledMessageError: ErrorCode.UNKNOWN_MESSAGE_TYPE,
    }

    assert {cls: cls.code for cls in travelling} == travelling


@pytest.mark.parametrize("cls", CODED)
def test_code_is_declared_as_a_plain_str(cls: type[acton.ActonError]) -> None:
    """Checkers see a ``str`` attribute, which a subclass may make a field."""
    assert typing.get_type_hints(cls, include_extras=True)["code"] is str


@pytest.mark.parametrize("cls", ERRORS)
@pytest.mark.parametrize("again", COPIERS)
def test_error_survives_copying(cls: type[Exception], again: Copier) -> None:
    """Errors cross process boundaries and test reports with all their facts."""
    error = sample(cls)
    twin = again(error)

    assert type(twin) is cls
    assert facts_of(twin) == facts_of(error)
    assert twin.args == error.args
    assert str(twin) == str(error)


@pytest.mark.parametrize("again", COPIERS)
def test_notes_survive_copying(again: Copier) -> None:
    """Which actor it was, and which message, stays with a copied error."""
    lost: list[str] = []

    for cls in CLASSES:
        error = sample(cls)
        error.add_note("a note")
        if getattr(again(error), "__notes__", None) != ["a note"]:
            lost.append(cls.__name__)

    assert lost == []


@pytest.mark.parametrize("cls", ERRORS)
def test_error_is_equal_to_itself_only(cls: type[Exception]) -> None:
    """Two failures with the same facts are still two failures."""
    error, other = sample(cls), sample(cls)

    assert error != other
    assert len({error, other, error}) == 2


@pytest.mark.parametrize(("cls", "name"), FACTS)
def test_text_mentions_the_fact(cls: type[Exception], name: str) -> None:
    """Whoever reads only the last line of a traceback has what there is to know."""
    error = sample(cls)

    for ways in words_for(facts_of(error)[name]):
        assert any(words in str(error) for words in ways)


@pytest.mark.parametrize("cls", ERRORS)
async def test_error_raised_in_a_task_keeps_its_story(cls: type[Exception]) -> None:
    """Cause and notes are still there when a nursery has wrapped the error."""
    error = sample(cls)
    cause = ValueError("the cause")

    async def fail() -> None:
        error.add_note("from a task")
        await trio.lowlevel.checkpoint()
        raise error from cause

    with pytest.RaisesGroup(cls) as raised:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(trio.sleep_forever)

    (alone,) = raised.value.exceptions
    assert alone is error
    assert alone.__cause__ is cause
    assert alone.__notes__ == ["from a task"]
    assert raised.value.subgroup(cls) is not None


def test_ask_error_gathers_the_ways_in_which_an_ask_can_fail() -> None:
    """All of them can be caught at once, and nothing else with them."""
    assert {*all_errors(acton.AskError)} == {acton.AskError, *ASK_ERRORS}


def test_error_that_is_trios_as_well() -> None:
    """Out of time and out of room are what they are for trio's users."""
    assert issubclass(acton.AskTimeoutError, trio.TooSlowError)
    assert issubclass(acton.MailboxFullError, trio.WouldBlock)


def test_protocol_error_is_a_fault_of_either_side() -> None:
    """Both can be caught at once, and told from each other."""
    assert issubclass(acton.LocalProtocolError, acton.ProtocolError)
    assert issubclass(acton.RemoteProtocolError, acton.ProtocolError)
    assert not issubclass(acton.LocalProtocolError, acton.RemoteProtocolError)


def test_rejection_is_no_error_of_ours() -> None:
    """A rejection is the user's own: neither our error nor a failed ask."""
    assert issubclass(acton.RemoteRejection, acton.Rejection)
    assert not issubclass(acton.Rejection, acton.ActonError)


def test_text_of_a_rejection_without_words_is_its_name() -> None:
    """A rejection that nobody knows here is at least called by its name."""
    assert str(acton.RemoteRejection("OutOfStock", {"left": 3})) == "OutOfStock"


def test_code_of_a_refusal_is_the_peers() -> None:
    """What the peer says is passed on as it said it, and so it is copied."""
    error = acton.PeerRejectedError("TARGET_BUSY", "full")

    assert error.code == "TARGET_BUSY"
    assert str(error) == "the peer refused with TARGET_BUSY: full"
    assert pickle.loads(pickle.dumps(error)).code == "TARGET_BUSY"


def test_handler_failure_says_who_owns_it() -> None:
    """An asker can tell whether the actor goes on."""
    alone = acton.HandlerFailedError("a", "B", "ValueError")
    owned = acton.HandlerFailedError("a", "B", "ValueError", owned_by_supervisor=True)

    assert str(alone) == "a raised ValueError while handling B"
    assert str(owned) == "a raised ValueError while handling B; the actor fails with it"


def test_timeout_says_where_the_message_was() -> None:
    """Where it waited, and for whom, is the first thing one wants to know."""
    error = acton.AskTimeoutError("shop", "Buy", 30.0, "queued behind 2 messages")

    assert str(error) == "shop did not answer Buy within 30 s: queued behind 2 messages"


def test_cycle_shows_its_path() -> None:
    """The path begins and ends with the actor that was asked."""
    error = acton.AskCycleError(("a", "b", "a"))

    assert str(error).endswith("each waits for the next: a -> b -> a")
