"""Answers of a server, and the errors that clients have to make of them."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

import acton_trio as acton

from .peers import ERROR, REQUEST, RESPONSE, OutOfStock, Peer, frame

NO_REPLY_TEXT: Final = "I/O error: Response channel closed without receiving a response"


def failure(code: str | None, text: str = "words", **more: Any) -> dict[str, Any]:
    """Return the body of an answer that is an error; ``None`` is left out."""
    body = {"success": False, "error": text, "error_code": code, **more}
    return {key: value for key, value in body.items() if value is not None}


ANSWERS: Final = [
    *(
        pytest.param(failure(code), acton.PeerRejectedError, id=code)
        for code in (
            "ACTOR_NOT_FOUND",
            "UNKNOWN_MESSAGE_TYPE",
            "SERIALIZATION_ERROR",
            "TARGET_BUSY",
            "RATE_LIMITED",
            "SHUTTING_DOWN",
            "STREAM_ERROR",
            "ACCESS_DENIED",
            "PROTOCOL_ERROR",
            "UNSUPPORTED_PROTOCOL_VERSION",
            "CANCELLED",
            "SOMETHING_NEW",
        )
    ),
    pytest.param(failure(None), acton.PeerRejectedError, id="no code"),
    pytest.param(failure("TIMEOUT"), acton.AskTimeoutError, id="TIMEOUT"),
    pytest.param(
        failure("HANDLER_FAILED", "Handler failed: KeyError"),
        acton.HandlerFailedError,
        id="HANDLER_FAILED",
    ),
    pytest.param(
        failure("HANDLER_FAILED", ""),
        acton.HandlerFailedError,
        id="HANDLER_FAILED without words",
    ),
    pytest.param(
        failure("IO_ERROR", "I/O error: Recipient channel is closed"),
        acton.ActorStoppedError,
        id="IO_ERROR, stopped",
    ),
    pytest.param(
        failure("IO_ERROR", NO_REPLY_TEXT), acton.NoReplyError, id="IO_ERROR, no reply"
    ),
    pytest.param(failure("CONNECTION_CLOSED"), acton.PeerLostError, id="closed"),
    pytest.param(
        failure("REJECTED", message_type="OutOfStock", payload={"left": 2}),
        OutOfStock,
        id="known rejection",
    ),
    pytest.param(
        failure("REJECTED", message_type="Other", payload={"left": 2}),
        acton.RemoteRejection,
        id="unknown rejection",
    ),
    pytest.param(failure("REJECTED"), acton.RemoteRejection, id="bare rejection"),
    pytest.param(
        failure("REJECTED", message_type="OutOfStock", payload={"left": "x"}),
        acton.RemoteRejection,
        id="rejection of another shape",
    ),
    pytest.param(
        failure("REJECTED", message_type="GetValue", payload={}),
        acton.RemoteRejection,
        id="rejection that names what is none",
    ),
    pytest.param(
        {"success": True, "payload": {"value": "x"}},
        acton.UnexpectedReplyError,
        id="wrong shape",
    ),
    pytest.param(
        {"success": True, "payload": None},
        acton.UnexpectedReplyError,
        id="null for a reply with fields",
    ),
    pytest.param({"success": True}, acton.NoReplyError, id="no payload"),
    pytest.param(
        {"success": "perhaps"}, acton.RemoteProtocolError, id="no answer at all"
    ),
]
"""What a server answers to `GetValue`, and what is raised."""


def check_facts(error: Exception, body: dict[str, Any]) -> None:
    """Check that *error* carries what *body* says."""
    match error:
        case acton.PeerRejectedError():
            assert error.code == body.get("error_code", error.code)
            assert error.detail == "words"
        case OutOfStock():
            assert error.left == 2
        case acton.RemoteRejection() if body.get("message_type") == "Other":
            assert (error.type_name, error.fields) == ("Other", {"left": 2})
            assert str(error) == "words"
        case acton.HandlerFailedError():
            assert error.__cause__ is None
            assert error.actor == "a"
            assert not body["error"] or error.error == "KeyError"
        case acton.ActorStoppedError() | acton.NoReplyError():
            assert error.actor == "a"
        case _:
            assert str(error)


def answer_frame(cid: str, body: dict[str, Any]) -> bytes:
    """Return the frame that answers the request *cid* with *body*."""
    kind = RESPONSE if body.get("success") is True else ERROR
    return frame(kind, json.dumps({"correlation_id": cid, **body}).encode())


async def next_request(server: Peer) -> dict[str, Any]:
    """Return the body of the next request that a client has sent."""
    kind, body = await server.read()
    while kind != REQUEST:
        assert kind != 0
        kind, body = await server.read()
    assert isinstance(body, dict)
    return body


async def answer_next(server: Peer, body: dict[str, Any]) -> dict[str, Any]:
    """Answer the next request with *body*, and return the request."""
    request = await next_request(server)
    await server.write(answer_frame(request["correlation_id"], body))
    return request
