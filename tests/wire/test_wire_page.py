"""`docs/wire-protocol.md` says of the protocol what the code does, table by table."""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypedDict

import msgspec
import pytest

import acton_trio as acton
from acton_trio._base.formats import Format
from acton_trio._ipc.config import IPC_FILE
from acton_trio._ipc.exchange import milliseconds_left
from acton_trio._ipc.session import FAREWELL_SECONDS
from acton_trio._messages.codec import codec_of
from acton_trio._wire import codes
from acton_trio._wire.answers import ActorEntry, Capabilities, ProtocolVersion
from acton_trio._wire.bodies import MAX_HEADERS_SIZE, decode_body
from acton_trio._wire.codes import ErrorCode
from acton_trio._wire.connection import Connection
from acton_trio._wire.envelopes import (
    Cancel,
    Discover,
    Push,
    Request,
    Response,
    StreamItem,
    Subscribe,
    Unsubscribe,
)
from acton_trio._wire.events import NEED_DATA
from acton_trio._wire.faults import BadHeaderError
from acton_trio._wire.frames import (
    DEFAULT_MAX_MESSAGE_SIZE,
    FRAME_TYPES,
    MAX_FRAME_SIZE,
    Frame,
    FrameType,
    encode_frame,
)
from acton_trio._wire.malformed import Malformed
from acton_trio._wire.refusals import (
    REFUSED_CORRELATION_ID,
    UNKNOWN_CORRELATION_ID,
    connection_limit_refusal,
)
from acton_trio._wire.salvage import MAX_CORRELATION_ID_SIZE
from acton_trio._wire.states import RECEIVES, Role
from acton_trio._wire.versions import MAX_VERSION, MIN_VERSION

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = (DOCS / "wire-protocol.md").read_text("utf-8")
VECTORS: Final = json.loads((DOCS / "wire-vectors.json").read_text("utf-8"))


def tables() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield the tables of the page, each with the heading that it is under."""
    heading = ""
    rows: list[list[str]] = []
    for line in [*PAGE.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]])
            continue
        if rows:
            head, _, *body = rows
            yield heading, [dict(zip(head, each, strict=True)) for each in body]
            rows = []
        if line.startswith("#"):
            heading = line.lstrip("#").strip()


def table(heading: str, number: int = 0) -> list[dict[str, str]]:
    """Return one of the tables under *heading*."""
    return [rows for name, rows in tables() if name == heading][number]


def word(cell: str) -> str:
    """Return what stands in a cell as code."""
    words: list[str] = re.findall(r"`([^`]+)`", cell)
    (found,) = words
    return found


def yes(cell: str) -> bool:
    """Return what a cell says that begins with yes or no."""
    return {"yes": True, "no": False}[cell.partition(":")[0]]


# --- frames


def test_types_of_frames() -> None:
    """Their codes, who sends them, and which versions have them."""
    rows = table("Types")
    readers = {
        "client to server": {Role.SERVER},
        "server to client": {Role.CLIENT},
        "both": {Role.CLIENT, Role.SERVER},
    }

    assert [int(word(row["code"]), 16) for row in rows] == sorted(FrameType)
    for row in rows:
        kind = FrameType(int(word(row["code"]), 16))

        assert row["type"] == kind.name
        assert readers[row["direction"]] == {
            role for role in Role if kind in RECEIVES[role]
        }
        assert yes(row["version 1"]) is (kind in FRAME_TYPES[1])
        assert yes(row["version 2"]) is (kind in FRAME_TYPES[2])


def test_formats() -> None:
    """Their codes, and that version 1 has no byte for them."""
    rows = table("Formats")
    found = {int(word(row["code"]), 16): row["format"] for row in rows}

    assert found == {Format.JSON: "JSON", Format.MESSAGEPACK: "MessagePack"}
    assert [row["version 1"] for row in rows] == ["implied", "no"]
    assert [row["version 2"] for row in rows] == ["yes", "yes"]


def test_header() -> None:
    """Its fields lie where the page says."""
    rows = table("Frames")
    size, version, kind, body_format = (
        slice(int(row["offset"]), int(row["offset"]) + int(row["bytes"]))
        for row in rows
    )
    second = encode_frame(
        FrameType.CANCEL, b"\xc0" * 258, format=Format.MESSAGEPACK, version=2
    )
    first = encode_frame(FrameType.REQUEST, b"{}", version=1)

    assert (second[size], second[version]) == (b"\0\0\x01\x02", b"\x02")
    assert (second[kind], second[body_format]) == (b"\x0a", b"\x02")
    assert second[7:] == b"\xc0" * 258
    assert (first[size], first[version], first[kind]) == (b"\0\0\0\x02", b"\1", b"\1")
    assert first[6:] == b"{}"
    assert "6 bytes in version 1 and 7 bytes in version 2" in PAGE
    assert [word(rows[1][f"version {n}"]) for n in (1, 2)] == ["0x01", "0x02"]
    assert (MIN_VERSION, MAX_VERSION) == (1, 2)


# Headers that are wrong in all that comes from the place of the row on.
FAULTY: Final = {
    "1": bytes.fromhex("ffffffff0900ff"),
    "2": bytes.fromhex("ffffffff0200ff"),
    "3": bytes.fromhex("ffffffff0201ff"),
    "4": bytes.fromhex("ffffffff020101"),
}


@pytest.mark.parametrize("row", table("How a header is judged"), ids=str)
def test_order_in_which_a_header_is_judged(row: dict[str, str]) -> None:
    """The first fault decides, as soon as it can be seen, in these words."""
    header = FAULTY[row["order"]]
    enough = int(row["bytes"].split(",")[0])
    server = Connection(Role.SERVER)
    server.receive_data(header[: enough - 1])
    assert server.next_event() is NEED_DATA

    server.receive_data(header[enough - 1 : enough])
    with pytest.raises(BadHeaderError) as caught:
        server.next_event()
    hint = caught.value.hint

    facts = {
        "<version>": "09" if row["order"] == "1" else "02",
        "<type>": "00",
        "<format>": "ff",
        "<length>": str(0xFFFFFFFF),
        "<limit>": str(DEFAULT_MAX_MESSAGE_SIZE),
    }
    assert hint.error_code == word(row["code"])
    assert hint.error == filled(word(row["text"]), facts)
    assert hint.correlation_id == UNKNOWN_CORRELATION_ID
    assert caught.value.hint_version == 2


@pytest.mark.parametrize("row", table("How a header is judged")[1:], ids=str)
def test_version_of_the_last_words(row: dict[str, str]) -> None:
    """It is the frame's, where version 1 has such a fault at all."""
    header = {"2": "000000000105", "3": "", "4": "ffffffff0101"}[row["order"]]
    if not header:
        return
    server = Connection(Role.SERVER)
    server.receive_data(bytes.fromhex(header))
    with pytest.raises(BadHeaderError) as caught:
        server.next_event()

    assert row["answer's version"] == "the frame's"
    assert caught.value.hint_version == 1
    assert caught.value.hint.error_code == word(row["code"])


def filled(text: str, facts: Mapping[str, str]) -> str:
    """Return *text* with each fact at its place."""
    for place, fact in facts.items():
        text = text.replace(place, fact)
    return text


# --- limits

FIXED: Final = {
    "payload of any frame": f"{MAX_FRAME_SIZE} bytes",
    "correlation id, in UTF-8": f"{MAX_CORRELATION_ID_SIZE} bytes",
    "`headers`, names and values together, in UTF-8": f"{MAX_HEADERS_SIZE} bytes",
    "writing last words": f"{round(FAREWELL_SECONDS * 1000)} ms",
}


@pytest.mark.parametrize("row", table("Sizes, limits and times"), ids=str)
def test_limit_or_default(row: dict[str, str]) -> None:
    """It is that of the configuration, or else fixed in the code."""
    if not row["setting"]:
        assert row["value"] == FIXED[row["what"]]
        return
    key = word(row["setting"])
    (setting,) = (
        each for each in IPC_FILE.settings() if f"{each.section}.{each.key}" == key
    )
    default: Any = setting.default
    if default is None:
        assert row["value"] == "none"
        return
    number, _, unit = row["value"].partition(" ")
    assert float(number) == default * (1000 if key.endswith("_ms") else 1)
    assert (unit == "ms") is key.endswith("_ms")


def test_every_limit_is_listed() -> None:
    """Nothing that a peer can run into is left out."""
    listed = {row["setting"].strip("`") for row in table("Sizes, limits and times")}
    sections = {"limits", "rate_limit", "timeouts", "shutdown"}

    assert listed - {""} == {
        f"{each.section}.{each.key}"
        for each in IPC_FILE.settings()
        if each.section in sections and each.field != "enabled"
    }
    assert set(FIXED) == {
        row["what"] for row in table("Sizes, limits and times") if not row["setting"]
    }


def test_no_deadline_is_the_number_of_the_page() -> None:
    """It is what we write for infinity."""
    assert f"`{milliseconds_left(float('inf'))}`" in PAGE


# --- bodies

BODIES: Final[list[tuple[str, int, type[msgspec.Struct]]]] = [
    ("REQUEST", 0, Request),
    ("SUBSCRIBE", 0, Subscribe),
    ("UNSUBSCRIBE", 0, Unsubscribe),
    ("DISCOVER", 0, Discover),
    ("CANCEL", 0, Cancel),
    ("RESPONSE and ERROR", 0, Response),
    ("STREAM", 0, StreamItem),
    ("PUSH", 0, Push),
    ("The answer to DISCOVER", 0, ProtocolVersion),
    ("The answer to DISCOVER", 1, Capabilities),
    ("The answer to DISCOVER", 2, ActorEntry),
]

POWERS: Final = {2**32 - 1: "2^32-1", 2**63 - 1: "2^63-1"}


def words_of(type_: msgspec.inspect.Type) -> str:
    """Return what the page calls a type."""
    inspect = msgspec.inspect
    match type_:
        case inspect.StrType():
            return "string"
        case inspect.BoolType():
            return "boolean"
        case inspect.IntType(ge=0, le=int(most)):
            return f"integer, 0 to {POWERS[most]}"
        case inspect.IntType():
            return "integer"
        case inspect.RawType():
            return "any"
        case inspect.DictType(value_type=inspect.StrType()):
            return "object of strings"
        case inspect.DictType() | inspect.StructType():
            return "object"
        case inspect.VarTupleType(item_type=item):
            return f"array of {words_of(item)}s"
        case inspect.UnionType(types=types):
            (known,) = (each for each in types if not is_unset(each))
            return words_of(known)
        case _:
            raise AssertionError(type_)


def is_unset(type_: msgspec.inspect.Type) -> bool:
    return isinstance(type_, msgspec.inspect.CustomType) and (
        type_.cls is msgspec.UnsetType
    )


def default_of(field: msgspec.inspect.Field) -> str:
    """Return how the page writes the default of *field*."""
    if field.required:
        return ""
    if field.default is msgspec.NODEFAULT:
        # Not there: `UNSET`, which msgspec does not count among the defaults.
        return "absent"
    return f"`{json.dumps(field.default)}`"


@pytest.mark.parametrize(
    ("heading", "number", "struct"),
    [pytest.param(*each, id=each[2].__name__) for each in BODIES],
)
def test_fields_of_a_body(
    heading: str, number: int, struct: type[msgspec.Struct]
) -> None:
    """All of them, in the order in which we write them, as the code reads them."""
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType)
    rows = every_field_table(heading)[number]

    assert [word(row["field"]) for row in rows] == [
        field.encode_name for field in info.fields
    ]
    for row, field in zip(rows, info.fields, strict=True):
        assert yes(row["required"]) is field.required, field.name
        assert row["default"] == default_of(field), field.name
        assert type_in(row) == words_of(field.type), field.name


def every_field_table(heading: str) -> list[list[dict[str, str]]]:
    found = [rows for name, rows in tables() if name == heading]
    return [rows for rows in found if "required" in rows[0]]


def type_in(row: dict[str, str]) -> str:
    # The bounds of this one are not in its type: msgspec has none so high.
    if row["field"] == "`response_timeout_ms`":
        return row["type"].removesuffix(", 0 to 2^64-1")
    return row["type"]


def test_bounds_of_the_timeout() -> None:
    """They are those of the page, which no type says."""
    body = (
        '{"correlation_id":"r","target":"a","message_type":"T","response_timeout_ms":'
    )
    for number, is_read in [(0, True), (2**64 - 1, True), (2**64, False), (-1, False)]:
        found = read(FrameType.REQUEST, f"{body}{number}}}".encode())

        assert isinstance(found, Request) is is_read


def read(frame_type: FrameType, payload: bytes) -> object:
    return decode_body(Frame(2, frame_type, Format.JSON, payload))


@pytest.mark.parametrize("row", table("JSON"), ids=str)
def test_body_that_is_read_or_refused(row: dict[str, str]) -> None:
    """The examples of JSON are judged as the page says."""
    found = read(FrameType.DISCOVER, word(row["body"]).encode())
    verdict = row["is"]

    assert isinstance(found, Malformed) is verdict.startswith("refused")
    if isinstance(found, Discover):
        assert found == Discover(found.correlation_id)
        assert found.correlation_id in {"d1", ""}
    else:
        assert isinstance(found, Malformed)


# --- answers

# What the texts of the code are called with, and how the page shows that.
SHOWN: Final = {"T0": "<target>", "T1": "<type>", "77": "<N>"}


def texts() -> set[str]:
    """Return the texts that the code has words for, as the page shows them."""
    found = [
        codes.NO_REPLY_TEXT,
        codes.RECIPIENT_CLOSED_TEXT,
        codes.TARGET_BUSY_TEXT,
        codes.STREAM_TARGET_BUSY_TEXT,
        codes.SHUTTING_DOWN_TEXT,
        codes.CONNECTION_CLOSED_TEXT,
        codes.actor_not_found_text("T0"),
        codes.unknown_message_type_text("T1"),
        codes.request_timed_out_text(77),
        codes.stream_timed_out_text(77),
        codes.rate_limited_text(77),
    ]
    return {filled(each, SHOWN) for each in found}


def test_every_error_code_is_listed() -> None:
    """In order, and no other."""
    listed = [word(row["code"]) for row in table("Error codes")]

    assert sorted(set(listed)) == sorted(ErrorCode)
    assert listed == sorted(listed)


def test_texts_of_errors() -> None:
    """Each that the code has is in the page, to the letter."""
    listed = {word(row["text"]) for row in table("Error codes")}
    limit = str(connection_limit_refusal(77).error).replace("77", "<limit>")

    assert texts() | {limit} <= listed


def test_errors_of_the_vectors_are_as_listed() -> None:
    """Code, text and kind of frame of each are those of a row."""
    rows = table("Error codes")
    patterns = {row["text"]: text_pattern(word(row["text"])) for row in rows}
    for vector in VECTORS:
        body = vector.get("body", {})
        if "error_code" not in body:
            continue
        kind = FrameType(vector["frame"]["type"]).name
        matching = [
            row
            for row in rows
            if word(row["code"]) == body["error_code"]
            and kind in row["frame"].split(", ")
            and patterns[row["text"]].fullmatch(body["error"])
        ]

        assert matching, vector["name"]


def text_pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<\\?\w+>", ".+", re.escape(text)), re.DOTALL)


def test_what_closes_a_connection() -> None:
    """What a row says that closes it is what a reader leaves after."""
    closing = {vector["answer"] for vector in VECTORS if vector.get("closes")}
    rows = table("Error codes")
    for vector in VECTORS:
        if vector["name"] in closing:
            code = vector["body"]["error_code"]

            assert any(
                row["closes"] == "yes" for row in rows if word(row["code"]) == code
            )
    for row in rows:
        if row["closes"] == "yes":
            assert row["frame"] == "ERROR"


def test_codes_of_the_order_of_checks_exist() -> None:
    """What a request is refused with is an error code, in either column."""
    rows = table("REQUEST", 1)

    assert [row["order"] for row in rows] == [str(n + 1) for n in range(len(rows))]
    for row in rows:
        for column in ("answer", "in a stream"):
            for code in re.findall(r"`([^`]+)`", row[column]):
                assert ErrorCode(code)


def test_special_ids_are_in_the_page() -> None:
    """A client has to know both."""
    assert f"`{UNKNOWN_CORRELATION_ID}`" in PAGE
    assert f"`{REFUSED_CORRELATION_ID}`" in PAGE


# --- values


class Colour(enum.Enum):
    RED = "red"


@acton.message
class Point:
    x: int
    label: str = "a"


@acton.message
class Line:
    length: int


@acton.message
class Nothing:
    pass


class Pair(NamedTuple):
    first: int
    second: int


class Typed(TypedDict):
    a: int


UNIQUE: Final = uuid.UUID("12345678-1234-5678-1234-567812345678")
AHEAD: Final = dt.timezone(dt.timedelta(hours=2))

VALUES: Final[dict[str, list[tuple[object, object]]]] = {
    "a message, an attrs class, a dataclass": [(Point, Point(1))],
    "a message without fields": [(Nothing, Nothing())],
    "`bool`": [(bool, True)],
    "`int`": [(int, 2**53 + 1)],
    "`float`": [(float, 1.5)],
    "`str`": [(str, "é")],
    "`bytes`": [(bytes, b"\x00\xff\x10")],
    "`None`, or `X \\| None` without a value": [(None, None), (Point | None, None)],
    "an enum": [(Colour, Colour.RED)],
    "`Literal`": [(Literal["asc", "desc"], "asc")],
    "`list`, `tuple`, a named tuple": [
        (list[int], [1, 2]),
        (tuple[int, ...], (1, 2)),
        (Pair, Pair(1, 2)),
    ],
    "`set`, `frozenset`": [(set[int], {1}), (frozenset[int], frozenset({1}))],
    "`dict`, a typed dict": [(dict[str, int], {"a": 1}), (Typed, {"a": 1})],
    "`dict` with other keys than strings": [(dict[int, str], {7: "a"})],
    "`datetime` with a time zone": [
        (dt.datetime, dt.datetime(2024, 1, 2, 3, 4, 5, 678, AHEAD))
    ],
    "`datetime` without one": [
        (dt.datetime, dt.datetime(2024, 1, 2, 3, 4, 5))  # noqa: DTZ001 - it is about that
    ],
    "`date`": [(dt.date, dt.date(2024, 1, 2))],
    "`time`": [(dt.time, dt.time(3, 4, 5))],
    "`timedelta`": [(dt.timedelta, dt.timedelta(days=1, seconds=90.5))],
    "`UUID`": [(uuid.UUID, UNIQUE)],
    "`Decimal`": [(Decimal, Decimal("1.10"))],
    "`Path`": [(Path, Path("/a"))],
    "a union of classes": [(Point | Line, Point(1))],
    "a union of one class and others": [(Point | int, 3)],
    "`Any`, `object`": [(Any, {"a": [1, None]}), (object, {"a": [1, None]})],
}

IN_MESSAGEPACK: Final = {
    "`bytes`": b"\x00\xff\x10",
    "`dict` with other keys than strings": {7: "a"},
    "`datetime` with a time zone": dt.datetime(2024, 1, 2, 1, 4, 5, 678, dt.UTC),
}


def test_every_kind_of_value_has_its_example() -> None:
    """Nothing that can be declared is in one list only."""
    assert [row["declared as"] for row in table("Values")] == [*VALUES]


@pytest.mark.parametrize("row", table("Values"), ids=lambda row: row["declared as"])
def test_value_looks_as_the_page_says(row: dict[str, str]) -> None:
    """It is written so, in both formats, and read back as what it was."""
    kind = row["declared as"]
    written = word(row["example"])
    for type_, value in VALUES[kind]:
        codec = codec_of(type_)
        packed = codec.encode(value, Format.MESSAGEPACK)

        assert shown(codec.encode(value, Format.JSON).decode()) == shown(written)
        for wire in Format:
            assert codec.decode(codec.encode(value, wire), wire) == value
        expected = IN_MESSAGEPACK.get(kind, json.loads(written))
        assert msgspec.msgpack.decode(packed, strict=False) == expected
        assert (kind in IN_MESSAGEPACK) <= (row["in MessagePack"] != "the same")


def shown(text: str) -> object:
    """Return JSON as what counts of it: of an object that is not the order of keys."""
    return json.loads(text) if text.startswith("{") else text


def test_what_the_page_says_beside_the_examples() -> None:
    """Of numbers and of messages without fields."""

    def decode(type_: object, text: bytes) -> object:
        return codec_of(type_).decode(text, Format.JSON)

    assert decode(Nothing, b"null") == Nothing()
    assert decode(float, b"1") == 1.0
    assert decode(Decimal, b"1.10") == Decimal("1.10")
    assert decode(set[int], b"[1,1]") == {1}
    assert codec_of(float).encode(float("nan"), Format.JSON) == b"null"
    for type_, text in [(int, b"1.0"), (int, b'"1"'), (float, b"null")]:
        with pytest.raises(acton.ActonError):
            decode(type_, text)
    with pytest.raises(acton.ActonError):
        codec_of(int).encode(2**64, Format.MESSAGEPACK)


# --- vectors


def examples() -> list[tuple[str, str, Any]]:
    """Return the examples of the page: a vector's name, its bytes, its body."""
    blocks: list[tuple[str, str, str]] = re.findall(
        r"Vector `([^`]+)`[^`]*(?:`[0-9a-f]+`)?:\n\n"
        r"```text\n(.*?)```\n\n```json\n(.*?)```",
        PAGE,
        re.DOTALL,
    )
    return [
        (name, "".join(text.split()), json.loads(body)) for name, text, body in blocks
    ]


def frames_by_name() -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in VECTORS if "frame" in each}


@pytest.mark.parametrize(
    ("name", "text", "body"), [pytest.param(*each, id=each[0]) for each in examples()]
)
def test_example_is_its_vector(name: str, text: str, body: object) -> None:
    """Bytes and body are those of the file."""
    vector = frames_by_name()[name]

    assert text == vector["hex"]
    assert body == vector["body"]


def test_every_block_of_bytes_is_an_example() -> None:
    """None stands in the page unchecked, and each type of frame has one."""
    blocks: list[str] = re.findall(r"```text\n([0-9a-f\s]+)```", PAGE)
    kinds = {
        FrameType(frames_by_name()[each[0]]["frame"]["type"]) for each in examples()
    }

    assert ["".join(each.split()) for each in blocks] == [
        text for _, text, _ in examples()
    ]
    assert kinds | {FrameType.HEARTBEAT} == set(FrameType)


def test_bytes_within_a_sentence_are_in_the_vectors() -> None:
    """What stands in a line of text is a frame of the file, too."""
    known = {each["hex"] for each in VECTORS}
    found: list[str] = re.findall(r"`([0-9a-f]{12,})`", PAGE)
    frames = [each for each in found if not each.isdecimal() or each.startswith("00")]

    assert frames
    assert set(frames) <= known


def test_heartbeats_of_the_page_are_vectors() -> None:
    """Each with its name."""
    for row in table("HEARTBEAT"):
        vector = frames_by_name()[word(row["vector"])]

        assert vector["hex"] == word(row["frame"])
        assert vector["frame"]["type"] == FrameType.HEARTBEAT


@pytest.mark.parametrize(("number", "has"), [(0, "frame"), (1, "answer")])
def test_keys_of_a_vector(number: int, has: str) -> None:
    """The file is built as the page says."""
    keys = [word(row["key"]) for row in table("Test vectors", number)]
    vectors = [each for each in VECTORS if has in each]

    assert vectors
    for each in vectors:
        assert list(each) == keys


def test_links_within_the_page_lead_somewhere() -> None:
    """Each names a heading."""
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("#")
    }
    links: set[str] = set(re.findall(r"\]\(#([^)]+)\)", PAGE))

    assert links
    assert links <= headings
