"""Cutting a stream of bytes into frames."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st

from acton_trio._base.errors import LocalProtocolError, RemoteProtocolError
from acton_trio._base.formats import Format
from acton_trio._wire.faults import (
    BadFormatError,
    BadFrameTypeError,
    BadHeaderError,
    FrameTooLargeError,
    UnsupportedVersionError,
)
from acton_trio._wire.frames import (
    FRAME_TYPES,
    MAX_FRAME_SIZE,
    MAX_HEADER_SIZE,
    Frame,
    FrameDecoder,
    FrameType,
    encode_frame,
)
from acton_trio._wire.versions import negotiate_version

HEARTBEAT = bytes.fromhex("000000020204017b7d")

v2_frames = st.builds(
    Frame,
    st.just(2),
    st.sampled_from(FrameType),
    st.sampled_from(Format),
    st.binary(max_size=60),
)
v1_frames = st.builds(
    Frame,
    st.just(1),
    st.sampled_from(sorted(FRAME_TYPES[1].values())),
    st.just(Format.JSON),
    st.binary(max_size=60),
)
frames = v2_frames | v1_frames


def encode(frame: Frame) -> bytes:
    return encode_frame(
        frame.type, frame.payload, version=frame.version, format=frame.format
    )


def drain(decoder: FrameDecoder) -> list[Frame]:
    return list(iter(decoder.next_frame, None))


def chop(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Cut *stream* into chunks of these sizes, over and over."""
    chunks: list[bytes] = []
    start = 0
    while start < len(stream):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(stream[start : start + size])
        start += size
    return chunks


def decode(stream: bytes, chunks: list[bytes]) -> tuple[list[Frame], object]:
    """Return the frames of a stream, and the fault that ended it."""
    decoder = FrameDecoder(max_payload=100)
    found: list[Frame] = []
    for chunk in chunks:
        decoder.receive_data(chunk)
        try:
            while (frame := decoder.next_frame()) is not None:
                found.append(frame)
        except BadHeaderError as fault:
            return found, (type(fault), str(fault))
    return found, decoder.buffered


@given(st.lists(frames), st.lists(st.integers(1, 30), min_size=1))
def test_frames_survive_any_chunking(sent: list[Frame], sizes: list[int]) -> None:
    """However the network cuts the stream, the same frames come out."""
    decoder = FrameDecoder()
    received: list[Frame] = []

    for chunk in chop(b"".join(map(encode, sent)), sizes):
        decoder.receive_data(chunk)
        received += drain(decoder)

    assert received == sent
    assert decoder.buffered == 0


@given(st.lists(frames), st.binary(), st.lists(st.integers(1, 9), min_size=1))
def test_faults_survive_any_chunking(
    before: list[Frame], garbage: bytes, sizes: list[int]
) -> None:
    """Whatever the bytes, how they arrive changes neither frames nor fault."""
    stream = b"".join(map(encode, before)) + garbage

    assert decode(stream, chop(stream, sizes)) == decode(stream, [stream])


@given(st.lists(st.binary(max_size=20)))
def test_decoder_given_garbage_holds_less_than_a_frame(chunks: list[bytes]) -> None:
    """No peer can make us keep more than one frame that is not complete."""
    decoder = FrameDecoder(max_payload=30)
    for chunk in chunks:
        decoder.receive_data(chunk)
        try:
            drain(decoder)
        except BadHeaderError:
            return

        assert decoder.buffered < MAX_HEADER_SIZE + 30


def test_decoder_keeps_of_a_chunk_what_is_no_frame_yet() -> None:
    """A connection that has nothing to say for a while takes no room."""
    decoder = FrameDecoder()
    decoder.receive_data(HEARTBEAT * 1000 + HEARTBEAT[:3])
    drain(decoder)
    begun = len(decoder._buffer)
    decoder.receive_data(HEARTBEAT[3:])
    drain(decoder)

    assert begun == 3
    assert len(decoder._buffer) == 0


def test_decoder_that_is_never_drained_forgets_what_was_taken() -> None:
    """Being always one frame behind does not make it hold all of them."""
    decoder = FrameDecoder()
    decoder.receive_data(HEARTBEAT)
    for _ in range(100):
        decoder.receive_data(HEARTBEAT)
        decoder.next_frame()

        assert len(decoder._buffer) <= 2 * len(HEARTBEAT)


@pytest.mark.parametrize("size", range(len(HEARTBEAT)))
def test_truncated_frame(size: int) -> None:
    """A frame is a frame with its last byte, and not before."""
    decoder = FrameDecoder()
    decoder.receive_data(HEARTBEAT[:size])

    assert decoder.next_frame() is None
    assert decoder.buffered == size

    decoder.receive_data(HEARTBEAT[size:])

    assert decoder.next_frame() == Frame(2, FrameType.HEARTBEAT, Format.JSON, b"{}")


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        pytest.param("00000000ff04", UnsupportedVersionError, id="version 255"),
        pytest.param("000000000004", UnsupportedVersionError, id="version 0"),
        pytest.param("000000000304", UnsupportedVersionError, id="version 3"),
        pytest.param("000000000200", BadFrameTypeError, id="type 0"),
        pytest.param("00000000020b", BadFrameTypeError, id="type 11"),
        pytest.param("000000000105", BadFrameTypeError, id="push in version 1"),
        pytest.param("00000000010a", BadFrameTypeError, id="cancel in version 1"),
        pytest.param("00000000020400", BadFormatError, id="format 0"),
        pytest.param("00000000020403", BadFormatError, id="format 3"),
        pytest.param("ffffffff020101", FrameTooLargeError, id="4 GiB"),
        pytest.param("ffffffff0101", FrameTooLargeError, id="4 GiB in version 1"),
        pytest.param("ffffffffffff", UnsupportedVersionError, id="version first"),
        pytest.param("ffffffff02ff", BadFrameTypeError, id="then the type"),
        pytest.param("ffffffff0201ff", BadFormatError, id="then the format"),
    ],
)
def test_bad_header(header: str, fault: type[BadHeaderError]) -> None:
    """It is refused with the byte that makes it bad, and stays refused."""
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex(header)[:-1])

    assert decoder.next_frame() is None

    decoder.receive_data(bytes.fromhex(header)[-1:])
    for _ in range(2):
        with pytest.raises(fault):
            decoder.next_frame()


def test_payload_as_large_as_allowed() -> None:
    """The limit is the size of the largest payload, not of the first refused."""
    decoder = FrameDecoder(max_payload=3)
    decoder.receive_data(encode_frame(FrameType.REQUEST, b"abc"))
    decoder.receive_data(encode_frame(FrameType.REQUEST, b"abcd"))

    frame = decoder.next_frame()

    assert frame is not None
    assert frame.payload == b"abc"
    with pytest.raises(FrameTooLargeError, match="4 bytes exceeds the limit of 3"):
        decoder.next_frame()


def test_hard_limit_is_above_the_configured_one() -> None:
    """No configuration makes us accept more than 16 MiB."""
    decoder = FrameDecoder(max_payload=2**32)
    decoder.receive_data((MAX_FRAME_SIZE + 1).to_bytes(4, "big") + b"\x02\x01\x01")

    with pytest.raises(FrameTooLargeError, match=f"the limit of {MAX_FRAME_SIZE}"):
        decoder.next_frame()


def test_discarded_bytes_are_gone() -> None:
    """After `discard` the next byte is the first of a frame."""
    decoder = FrameDecoder()
    decoder.receive_data(HEARTBEAT + b"\xff")
    decoder.next_frame()
    decoder.discard()
    decoder.receive_data(HEARTBEAT)

    assert len(drain(decoder)) == 1


@pytest.mark.parametrize(
    ("fault", "code", "text", "version"),
    [
        pytest.param(
            UnsupportedVersionError(0xFF),
            "UNSUPPORTED_PROTOCOL_VERSION",
            "Unsupported protocol version 0xff, supported range: 0x01-0x02",
            2,
            id="version",
        ),
        pytest.param(
            BadFrameTypeError(5, 1),
            "PROTOCOL_ERROR",
            "Protocol error: unknown frame type 0x05 in protocol version 0x01",
            1,
            id="type",
        ),
        pytest.param(
            BadFormatError(3, 2),
            "PROTOCOL_ERROR",
            "Protocol error: unknown format 0x03, "
            "expected 0x01 (JSON) or 0x02 (MessagePack)",
            2,
            id="format",
        ),
        pytest.param(
            FrameTooLargeError(9, 3, 1),
            "PROTOCOL_ERROR",
            "Protocol error: frame of 9 bytes exceeds the limit of 3",
            1,
            id="size",
        ),
    ],
)
def test_fault_says_how_to_answer(
    fault: BadHeaderError, code: str, text: str, version: int
) -> None:
    """A fault carries the last words that its peer can understand."""
    hint = fault.hint

    assert isinstance(fault, RemoteProtocolError)
    assert (hint.correlation_id, hint.success) == ("unknown", False)
    assert (hint.error_code, hint.error) == (code, text)
    assert fault.code == code
    assert fault.hint_version == version
    assert str(fault) in text


@pytest.mark.parametrize(
    "fault",
    [
        UnsupportedVersionError(9),
        BadFrameTypeError(5, 1),
        BadFormatError(3, 2),
        FrameTooLargeError(9, 3, 1),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_fault_survives_a_pickle(fault: BadHeaderError) -> None:
    """A fault can be handed to another process with all its facts."""
    copy = pickle.loads(pickle.dumps(fault))

    assert type(copy) is type(fault)
    assert str(copy) == str(fault)
    assert copy.hint == fault.hint
    assert copy.hint_version == fault.hint_version


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        pytest.param(
            Frame(1, FrameType.PUSH, Format.JSON, b""),
            "version 1 has no PUSH",
            id="type of version 2 in version 1",
        ),
        pytest.param(
            Frame(3, FrameType.REQUEST, Format.JSON, b""),
            "version 3 has no REQUEST",
            id="version",
        ),
        pytest.param(
            Frame(1, FrameType.REQUEST, Format.MESSAGEPACK, b""),
            "version 1 has JSON only",
            id="format in version 1",
        ),
        pytest.param(
            Frame(2, FrameType.REQUEST, Format.JSON, bytes(MAX_FRAME_SIZE + 1)),
            "exceeds the limit of 16777216",
            id="size",
        ),
    ],
)
def test_frame_that_nobody_reads_is_not_written(frame: Frame, match: str) -> None:
    """We refuse ourselves what every peer would refuse."""
    with pytest.raises(LocalProtocolError, match=match):
        encode(frame)


@pytest.mark.parametrize(
    ("client", "server", "version"),
    [(1, 2, 1), (2, 1, 1), (2, 2, 2), (0, 2, None), (1, 0, None), (7, 9, 2)],
)
def test_negotiated_version(client: int, server: int, version: int | None) -> None:
    """It is the highest that both sides know."""
    assert negotiate_version(client, server) == version
