"""Streams of frames at random, good and bad, each named by one number.

A corpus is some thousand frames, made once; a case is a stream put together
from them, perhaps wounded, and cut into chunks.  The seed of a case is all
that it depends on: the same seed makes the same bytes on every machine.

Of most frames it is known what has to come of them, since they were made that
way: see `Good` and `Bad`.  Of the others only that nothing else may suffer.
Headers are written by hand, and JSON by the standard library.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Final, NamedTuple, TypeAlias, final

import attrs
import msgspec

from acton_trio._base.formats import Format
from acton_trio._wire.envelopes import Body
from acton_trio._wire.states import Role

from .bodies import KINDS, Bytes, Field, Kind, dump, join, strange_value
from .wounds import faulty, framed, hurt_in_the_body, wound

__all__ = ["CASES_PER_CORPUS", "Bad", "Case", "Corpus", "Good", "Outcome", "corpus_of"]

FRAMES_PER_CORPUS: Final = 2000
CASES_PER_CORPUS: Final = 800

JSON: Final = Format.JSON
MESSAGEPACK: Final = Format.MESSAGEPACK

# The type bytes that version 1 knows.
OLD_KINDS: Final = (1, 2, 3, 4)


class Good(NamedTuple):
    """The frame says this."""

    body: Body


class Bad(NamedTuple):
    """The frame's body makes no sense, and is answered as one of that id."""

    correlation_id: str | None
    """``None`` if the id may be found or not."""


Outcome: TypeAlias = Good | Bad | None
"""What has to come of a frame; ``None``: anything of these."""


class Sample(NamedTuple):
    """A frame, and what has to come of it on the side that reads it."""

    data: bytes
    outcome: Outcome


# --- frames that are well-formed, as far as their headers go


@final
@attrs.define
class _Draft:
    """A body in the making: its kind, its fields, and how it is written."""

    kind: Kind
    version: int
    form: Format
    fields: list[Field]

    @property
    def correlation_id(self) -> str:
        """Its id, the last one if it has two; that of a push is nobody's."""
        ids = [each.value for each in self.fields if each.name == "correlation_id"]
        return str(ids[-1]) if ids else "unknown"

    def finish(self, outcome: Outcome = None) -> Sample:
        """Return the frame."""
        payload = join(self.fields, self.form)
        return Sample(self._framed(payload), outcome)

    def finish_with(self, payload: bytes, outcome: Outcome = None) -> Sample:
        """Return the frame with another body."""
        return Sample(self._framed(payload), outcome)

    def finish_well(self) -> Sample:
        """Return the frame, that is as it should be."""
        values = {each.name: each.value for each in self.fields if each.is_known}
        for each in self.fields:
            if isinstance(each.value, Bytes):
                values[each.name] = msgspec.Raw(each.value)
        if self.version == 1 and values.get("expects_stream") is True:
            return self.finish(Bad(self.correlation_id))
        return self.finish(Good(self.kind.struct(**values)))

    def _framed(self, payload: bytes) -> bytes:
        return framed(payload, self.version, self.kind.code, self.form)


def _draft(chance: random.Random, kind: Kind) -> _Draft:
    version = 1 if kind.code in OLD_KINDS and chance.random() < 0.2 else 2
    form = MESSAGEPACK if version == 2 and chance.random() < 0.35 else JSON
    fields = kind.fields(chance, form)
    if chance.random() < 0.3:
        chance.shuffle(fields)
    return _Draft(kind, version, form, fields)


def _well(chance: random.Random, draft: _Draft) -> Sample:
    return draft.finish_well()


def _with_more(chance: random.Random, draft: _Draft) -> Sample:
    """Add fields that nobody knows."""
    for number in range(chance.randint(1, 20)):
        value = dump(strange_value(chance), draft.form)
        extra = Field(f"x{number}", None, value, is_known=False)
        draft.fields.insert(chance.randint(0, len(draft.fields)), extra)
    return draft.finish_well()


def _with_twins(chance: random.Random, draft: _Draft) -> Sample:
    """Say something twice: the last time counts."""
    twin = chance.choice(draft.kind.fields(chance, draft.form))
    draft.fields.append(twin)
    return draft.finish_well()


def _without(chance: random.Random, draft: _Draft) -> Sample:
    """Leave out what is required."""
    required = [each for each in draft.fields if each.is_required]
    gone = chance.choice(required)
    draft.fields.remove(gone)
    return draft.finish(Bad(draft.correlation_id))


def _mistyped(chance: random.Random, draft: _Draft) -> Sample:
    """Give a field a value of another type."""
    found = [n for n, each in enumerate(draft.fields) if each.misfits]
    number = chance.choice(found)
    field = draft.fields[number]
    value = dump(chance.choice(field.misfits), draft.form)
    draft.fields[number] = Field(field.name, None, value, is_known=False)
    spoilt = field.name == "correlation_id"
    draft_id = "unknown" if spoilt else draft.correlation_id
    return draft.finish(Bad(draft_id))


def _long_winded(chance: random.Random, draft: _Draft) -> Sample:
    """Have an id longer than anybody repeats."""
    text = chance.choice(["x" * 1025, "é" * 600, "𝄞" * 5000])
    ids = [n for n, each in enumerate(draft.fields) if each.name == "correlation_id"]
    for number in ids:
        draft.fields[number] = draft.fields[number].saying(text, draft.form)
    return draft.finish(Bad("unknown")) if ids else draft.finish_well()


def _huge(chance: random.Random, draft: _Draft) -> Sample:
    """Be large, for the most part less than is allowed."""
    size = chance.choice([5_000, 20_000, 70_000, 70_000, 300_000, 1_048_500, 1_100_000])
    value = dump("x" * size, draft.form)
    draft.fields.append(Field("x", None, value, is_known=False))
    return draft.finish_well()


def _deep(chance: random.Random, draft: _Draft) -> Sample:
    """Be nested deeper than anybody reads, somewhere."""
    depth = chance.choice([30, 200, 900, 1100, 5000, 60_000])
    opening, closing = (b"[", b"]") if draft.form is JSON else (b"\x91", b"")
    core = dump(None, draft.form)
    value = opening * depth + core + closing * depth
    name = chance.choice(["x", "payload", "message_types", "schemas", "headers"])
    deep = Field(name, None, value, is_known=False)
    draft.fields.insert(chance.randint(0, len(draft.fields)), deep)
    return draft.finish()


def _no_text(chance: random.Random, draft: _Draft) -> Sample:
    """Hold a string that is none, in a field that has to be one."""
    field = chance.choice([e for e in draft.fields if isinstance(e.value, str)])
    if draft.form is JSON:
        odd = chance.choice(
            [rb'"\ud800"', rb'"\udc00\ud800"', b'"\xff"', b'"\xc3"', rb'"\x"', b'"\n"']
        )
    else:
        odd = chance.choice([b"\xa1\xff", b"\xa2\xed\xa0", b"\xa1\xc3"])
    number = draft.fields.index(field)
    draft.fields[number] = Field(field.name, None, odd, is_known=False)
    return draft.finish(Bad(None))


def _no_object(chance: random.Random, draft: _Draft) -> Sample:
    """Be no object at all."""
    values: list[object] = [None, 0, 1.5, "x", True, [], ["r1"], [{}], 2**63]
    payload = dump(chance.choice(values), draft.form)
    return draft.finish_with(payload, Bad("unknown"))


def _no_body(chance: random.Random, draft: _Draft) -> Sample:
    return draft.finish_with(b"", Bad("unknown"))


def _too_much(chance: random.Random, draft: _Draft) -> Sample:
    """Go on after the end."""
    tail = chance.choice([b"x", b"{}", b"\0", join(draft.fields, draft.form)])
    return draft.finish_with(join(draft.fields, draft.form) + tail, Bad(None))


def _cut_short(chance: random.Random, draft: _Draft) -> Sample:
    """Stop before the end, but be announced that way."""
    payload = join(draft.fields, draft.form)
    return draft.finish_with(payload[: chance.randrange(len(payload))], Bad(None))


def _in_disguise(chance: random.Random, draft: _Draft) -> Sample:
    """Be written in the format that the header does not name."""
    payload = join(draft.fields, draft.form)
    if draft.version == 1:
        payload = join(draft.kind.fields(chance, MESSAGEPACK), MESSAGEPACK)
    else:
        draft.form = JSON if draft.form is MESSAGEPACK else MESSAGEPACK
    return draft.finish_with(payload, Bad("unknown"))


def _wounded(chance: random.Random, draft: _Draft) -> Sample:
    """Have been hurt on the way, but not in the header."""
    payload = wound(chance, join(draft.fields, draft.form))
    return draft.finish_with(payload)


def _noise(chance: random.Random, draft: _Draft) -> Sample:
    return draft.finish_with(chance.randbytes(chance.randint(0, 60)))


_Make: TypeAlias = Callable[[random.Random, _Draft], Sample]

_WAYS: Final[Mapping[_Make, int]] = {
    _well: 400,
    _with_more: 30,
    _with_twins: 30,
    _without: 40,
    _mistyped: 60,
    _long_winded: 10,
    _huge: 3,
    _deep: 5,
    _no_text: 25,
    _no_object: 15,
    _no_body: 5,
    _too_much: 15,
    _cut_short: 20,
    _in_disguise: 20,
    _wounded: 80,
    _noise: 20,
}


# --- corpora and cases


@final
@attrs.frozen(eq=False)
class Corpus:
    """Frames to make cases of."""

    questions: list[bytes]
    """What clients send, well or badly."""

    answers: list[bytes]
    """What servers send."""

    outcomes: Mapping[bytes, Outcome]
    """By frame, what has to come of it."""

    @classmethod
    def of(cls, seed: int) -> Corpus:
        """Return the corpus of that seed."""
        chance = random.Random(f"corpus {seed}")
        outcomes: dict[bytes, Outcome] = {}
        sides: dict[bool, list[bytes]] = {True: [], False: []}
        ways, weights = list(_WAYS), list(_WAYS.values())
        kinds, shares = list(KINDS), [each.share for each in KINDS]
        for kind, way in zip(
            chance.choices(kinds, shares, k=FRAMES_PER_CORPUS),
            chance.choices(ways, weights, k=FRAMES_PER_CORPUS),
            strict=True,
        ):
            sample = _sample(chance, kind, way)
            outcomes[sample.data] = sample.outcome
            for asks in (True, False):
                if kind.asks in (asks, None):
                    sides[asks].append(sample.data)
        return cls(sides[True], sides[False], outcomes)


def _sample(chance: random.Random, kind: Kind, way: _Make) -> Sample:
    draft = _draft(chance, kind)
    if kind.required:
        return way(chance, draft)
    # The body of a heartbeat is nothing, whatever it is.
    body = chance.choice([b"", b"{}", b"\xff", b"[[[", chance.randbytes(9)])
    return draft.finish_with(body, Good(kind.struct()))


corpus_of: Final = lru_cache(maxsize=2)(Corpus.of)


@final
@attrs.frozen(eq=False)
class Case:
    """A stream, for one side to read."""

    seed: int
    role: Role
    limit: int | None
    """The largest body that this side accepts; ``None``: what it does by itself."""

    stream: bytes
    corpus: Corpus

    @classmethod
    def of(cls, seed: int, role: Role | None = None) -> Case:
        """Return the case of that seed; *role* may choose the side."""
        chance = random.Random(seed)
        corpus = corpus_of(seed // CASES_PER_CORPUS)
        side = chance.choice(list(Role)) if role is None else role
        server = side is Role.SERVER
        own, other = corpus.questions, corpus.answers
        if not server:
            own, other = other, own
        shape = chance.random()
        count = chance.choice((1, 5, 20, 60, 120, 200))
        if shape < 0.08:
            # The same again and again.
            frames = chance.choices(own, k=chance.choice((1, 2, 3))) * (count // 2)
        else:
            frames = chance.choices(own, k=count)
            frames += chance.choices(other, k=count // 20)
            chance.shuffle(frames)
        if 0.2 <= shape < 0.35:
            frames = [hurt_in_the_body(chance, each) for each in frames]
        # One large frame is enough for a case.
        large = [each for each in frames if len(each) > 50_000][1:]
        stream = b"".join(each for each in frames if each not in large)
        if 0.08 <= shape < 0.2:
            stream = wound(chance, stream)
        elif shape > 0.6:
            stream += faulty(chance)
        limit = chance.choice((*[None] * 12, 65_536, 3000, 300, 0))
        return cls(seed, side, limit, stream, corpus)

    def sizes(self) -> Iterator[int]:
        """Return how large the chunks are in which the stream arrives, for ever.

        0 stands for as many bytes as the reader wants.
        """
        chance = random.Random(self.seed + 1)
        most = chance.choice((1, 3, 30, 500, *[4000] * 3, *[65_536] * 4, 0))
        if len(self.stream) > 300 * most > 0:
            most = 65_536
        draw = partial(chance.randint, 1, most) if most else int
        while True:
            yield draw()
