"""What a peer can learn of the messages it may send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

import acton_trio as acton
from acton_trio._messages import schema

from .answers import answer_frame
from .peers import (
    DISCOVER,
    ERROR,
    JSON,
    MESSAGEPACK,
    RESPONSE,
    Peer,
    Service,
    SetValue,
    open_world,
)

pytestmark = pytest.mark.usefixtures("each_transport")

SET_VALUE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "SetValue",
    "description": "Sets the value.",
    "type": "object",
    "properties": {"value": {"type": "integer"}},
    "required": ["value"],
}


@attrs.frozen
class Huge:
    """Has more to tell than fits a frame."""

    __doc__ = "x" * (16 * 1024 * 1024)


@acton.message(ipc=True)
class TellHuge:
    """Brings too much."""

    value: Huge


@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_schemas_are_told_when_asked_for(
    autojump_clock: MockClock, form: int
) -> None:
    """There is one for every message type, in the format of the question."""
    async with open_world() as w:
        peer = w.peer()
        await peer.say(
            DISCOVER, {"correlation_id": "d", "include_schemas": True}, form=form
        )
        seen = await peer.read_frame()
        schemas = seen.body["schemas"]

        assert (seen.kind, seen.form) == (RESPONSE, form)
        assert sorted(schemas) == seen.body["message_types"]
        assert schemas["SetValue"] == SET_VALUE
        assert schemas["GetValue"]["type"] == ["object", "null"]
        assert schemas["GetValue"]["x-acton-reply"] == {"$ref": "#/$defs/Value"}
        assert "Value" in schemas["GetValue"]["$defs"]


@pytest.mark.parametrize("wish", [{}, {"include_schemas": False}], ids=str)
async def test_schemas_are_not_made_when_nobody_asks(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, wish: dict[str, bool]
) -> None:
    """Peers that do not know of them get the answer that they know."""
    monkeypatch.setattr(schema, "_make_schema", None)
    async with open_world() as w:
        peer = w.peer()
        await peer.say(DISCOVER, {"correlation_id": "d"} | wish)
        answer = await peer.answer()

        assert answer["success"]
        assert "schemas" not in answer


async def test_schemas_are_told_without_the_names(autojump_clock: MockClock) -> None:
    """Each wish is heard for itself."""
    async with open_world() as w:
        peer = w.peer()
        body = {
            "correlation_id": "d",
            "include_actors": False,
            "include_message_types": False,
            "include_schemas": True,
        }
        await peer.say(DISCOVER, body)
        answer = await peer.answer()

        assert answer.keys() == {
            "correlation_id",
            "success",
            "protocol_version",
            "schemas",
        }


async def test_type_of_two_names_has_its_schema_under_both(
    autojump_clock: MockClock,
) -> None:
    """A message is read under each of its names."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        w.runtime.ipc_registry.register(SetValue, "PutValue")
        found = await client.discover(include_schemas=True)

        assert found.schemas["SetValue"] == found.schemas["PutValue"] == SET_VALUE


async def test_payload_after_the_schema_is_accepted(
    autojump_clock: MockClock,
) -> None:
    """A client without the types learns from it what to send."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        found = await client.discover(include_schemas=True)
        fields = found.schemas["SetValue"]["properties"]
        payload = {
            name: 7 for name, what in fields.items() if what["type"] == "integer"
        }
        response = await client.request("service", "SetValue", payload)

        assert response.error_code == "IO_ERROR"  # it has no reply
        assert w.service.values == [7]


async def test_client_is_told_no_schemas_unless_it_asks(
    autojump_clock: MockClock,
) -> None:
    """What it has found can be put in a set, with schemas or without."""
    async with open_world() as w, acton.ipc.open_client(w.door.connect()) as client:
        plain = await client.discover()
        full = await client.discover(include_schemas=True)

        assert plain.schemas == {}
        assert set(full.schemas) == set(full.message_types)
        assert len({plain, full}) == 2


@pytest.mark.parametrize(
    ("told", "schemas"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"schemas": {}}, {}, id="no types"),
        pytest.param(
            {"schemas": {"A": {"type": "null"}, "B": True, "C": 3}},
            {"A": {"type": "null"}},
            id="what is no object",
        ),
    ],
)
async def test_client_takes_the_schemas_that_there_are(
    autojump_clock: MockClock, told: dict[str, Any], schemas: dict[str, Any]
) -> None:
    """A peer need not know of them, or may tell what is of no use."""
    able = dict.fromkeys(["messagepack", "streaming", "push", "discovery"], True)
    version = {
        "current": 2,
        "min_supported": 1,
        "max_supported": 2,
        "description": "",
        "capabilities": able,
    }
    ours, theirs = trio.testing.memory_stream_pair()
    peer = Peer(theirs)
    body = {"success": True, "protocol_version": version} | told

    async def answer() -> None:
        kind, question = await peer.read()
        assert kind == DISCOVER
        assert question["include_schemas"] is True
        await peer.write(answer_frame(question["correlation_id"], body))

    async with acton.ipc.open_client(ours) as client, trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        found = await client.discover(include_schemas=True)

    assert found.schemas == schemas


async def test_blocking_client_discovers_schemas(tmp_path: Path) -> None:
    """It is the same call."""
    path = tmp_path / "s"

    def discover() -> acton.ipc.Discovery:
        with acton.ipc.BlockingClient(path) as client:
            assert client.discover().schemas == {}
            return client.discover(include_schemas=True)

    async with acton.open_runtime() as runtime:
        await runtime.start(Service, name="service", expose=True)
        async with acton.ipc.open_listener(runtime, path=path):
            found = await trio.to_thread.run_sync(discover)

    assert found.schemas["SetValue"] == SET_VALUE


@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
async def test_more_than_fits_a_frame_is_an_error(
    autojump_clock: MockClock, form: int
) -> None:
    """The connection stays open, and what fits can be asked for."""
    async with open_world() as w:
        w.runtime.ipc_registry.register(TellHuge)
        peer = w.peer()
        question = {"correlation_id": "d", "include_schemas": True}
        await peer.say(DISCOVER, question, form=form)
        seen = await peer.read_frame()
        await peer.say(DISCOVER, {"correlation_id": "d"})
        after = await peer.answer()

        assert (seen.kind, seen.form) == (ERROR, form)
        assert seen.body["correlation_id"] == "d"
        assert seen.body["error_code"]
        assert "TellHuge" in after["message_types"]
