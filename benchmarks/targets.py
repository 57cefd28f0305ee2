"""What is aimed at: which figure, next to which other, and where that is met.

The names are those that the questions give their contenders.  A verdict is a
pure function of a target and of what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import attrs
from findings import EACH, P50, P99, Answer, Figure, shown, times

__all__ = ["TARGETS", "Comparison", "Mark", "Target", "Verdict", "verdict"]


class Comparison(StrEnum):
    """How a figure is compared."""

    COST = "cost"
    """How many times the reference it is: less is better."""

    SPEED = "speed"
    """How many times as fast as the reference it is: more is better."""

    VALUE = "value"
    """The figure itself: less is better."""


class Mark(StrEnum):
    """What has become of a target."""

    AMBITIOUS = "ambitious met"
    MET = "met"
    MISSED = "missed"
    SKIPPED = "skipped"


@attrs.frozen
class Target:
    """One thing that is aimed at."""

    what: str
    question: str
    """Name of the file that asks, without its suffix."""

    figure: Figure
    reference: Figure | None
    comparison: Comparison
    must: float
    ambitious: float | None = None
    least: str = ""
    """Name of what does no more than it has to, if that was measured as well."""

    least_reference: str = ""
    """The same of what it is compared with, if that is ours, too."""

    @property
    def at_least(self) -> Target:
        """The same for what does no more than it has to."""
        figure = attrs.evolve(self.figure, contender=self.least)
        reference = self.reference
        if reference is not None and self.least_reference:
            reference = attrs.evolve(reference, contender=self.least_reference)
        return attrs.evolve(self, figure=figure, reference=reference, least="")

    @property
    def than(self) -> str:
        """What it is compared with, for people."""
        return self.reference.contender if self.reference else ""

    def shown(self, measured: float) -> str:
        """Return a measured or a wanted number with its unit."""
        if self.comparison is Comparison.VALUE:
            return shown(measured, self.figure.metric)
        return f"{times(measured)}x"

    @property
    def wanted(self) -> str:
        """What must be, and what would be fine, for people."""
        sign = ">=" if self.comparison is Comparison.SPEED else "<="
        wanted = f"{sign} {self.shown(self.must)}"
        if self.ambitious is None:
            return wanted
        return f"{wanted} ({self.shown(self.ambitious)})"


@attrs.frozen
class Verdict:
    """What has become of a target, and by which number."""

    target: Target
    mark: Mark
    measured: float | None = None
    reason: str = ""
    """Why it was skipped."""

    least: Verdict | None = None
    """What has become of it where no more is done than has to be."""

    def __str__(self) -> str:
        if self.least is not None and Mark.MISSED is self.mark is self.least.mark:
            return f"{self.mark}, by the least too"
        return f"{self.mark}: {self.reason}" if self.reason else str(self.mark)

    @property
    def shown(self) -> str:
        """The measured number with its unit, or a dash."""
        return "-" if self.measured is None else self.target.shown(self.measured)


def verdict(target: Target, answers: Mapping[str, Answer]) -> Verdict:
    """Compare what was found, by the names of the questions, with *target*."""
    answer = answers.get(target.question)
    if answer is None:
        return Verdict(target, Mark.SKIPPED, reason="not asked")
    for figure in (target.figure, target.reference):
        reason = _lack(answer, figure) if figure is not None else ""
        if reason:
            return Verdict(target, Mark.SKIPPED, reason=reason)
    measured = _measured(target, answer)
    if measured is None:
        return Verdict(target, Mark.SKIPPED, reason="no round had both")
    least = None
    if target.least:
        least = verdict(target.at_least, answers)
    return Verdict(target, _mark(target, measured), measured, least=least)


def _lack(answer: Answer, figure: Figure) -> str:
    finding = answer.find(figure.contender)
    if finding is None:
        return f"{answer.question} has no {figure.contender}"
    if figure.metric not in finding.rounds:
        return finding.skipped or f"{figure.contender} has no {figure.metric}"
    return ""


def _measured(target: Target, answer: Answer) -> float | None:
    match target.comparison, target.reference:
        case _, None:
            return answer.value(target.figure)
        case Comparison.SPEED, reference:
            return answer.ratio(reference, target.figure)
        case _, reference:
            return answer.ratio(target.figure, reference)


def _mark(target: Target, measured: float) -> Mark:
    def is_reached(limit: float) -> bool:
        if target.comparison is Comparison.SPEED:
            return measured >= limit
        return measured <= limit

    if target.ambitious is not None and is_reached(target.ambitious):
        return Mark.AMBITIOUS
    return Mark.MET if is_reached(target.must) else Mark.MISSED


# --- the table

LEAST: Final[Mapping[tuple[str, str], str]] = {
    ("send", "send"): "least",
    ("ask", "ask"): "two switches",
    ("ask", "ask, 100 callers"): "100 switches",
    ("spawn", "start, ask, stop"): "least",
    ("codec", "acton_trio, 1 kB"): "msgspec, whole body, 1 kB",
    ("stack", "acton_trio"): "trio pump, actor",
    ("stack", "acton_trio, 64 in flight"): "trio pump, actor, 64 in flight",
    **{
        ("server", f"acton_trio, {shape}"): f"trio pump, actor, {shape}"
        for shape in ("1", "8", "64", "512", "1 x 16", "64 x 16")
    },
}
"""By the question, and what is ours: what does no more than has to be done in its place."""


@attrs.frozen
class _Row:
    """Builds the targets of one figure."""

    what: str
    question: str
    contender: str
    metric: str = EACH

    def cost(
        self,
        reference: str,
        must: float,
        ambitious: float | None = None,
        metric: str | None = None,
    ) -> Target:
        """Require at most *must* times the reference."""
        return self._target(Comparison.COST, reference, must, ambitious, metric)

    def speed(
        self, reference: str, must: float, ambitious: float | None = None
    ) -> Target:
        """Require it to be at least *must* times as fast as the reference."""
        return self._target(Comparison.SPEED, reference, must, ambitious, None)

    def value(self, must: float, ambitious: float | None = None) -> Target:
        """Require it to be at most *must*."""
        return self._target(Comparison.VALUE, None, must, ambitious, None)

    def _target(
        self,
        comparison: Comparison,
        reference: str | None,
        must: float,
        ambitious: float | None,
        metric: str | None,
    ) -> Target:
        other = None if reference is None else Figure(reference, metric or self.metric)
        figure = Figure(self.contender, self.metric)
        return Target(
            self.what,
            self.question,
            figure,
            other,
            comparison,
            must,
            ambitious,
            LEAST.get((self.question, self.contender), ""),
            LEAST.get((self.question, reference or ""), ""),
        )


_SEND: Final = _Row("send 1->1, plain handler", "send", "send", P50)
_ASK: Final = _Row("ask, deadline included", "ask", "ask", P50)
_ASK_P99: Final = _Row("ask, deadline included: p99", "ask", "ask", P99)
_SPAWN: Final = _Row("start, one ask, stop", "spawn", "start, ask, stop", P50)
_TIMERS: Final = "100,000 armed timers"
_ONE: Final = _Row("server, 1 connection: p50", "server", "acton_trio, 1", P50)
_64: Final = _Row("server, 64 connections", "server", "acton_trio, 64")
_512: Final = _Row("server, 512 connections", "server", "acton_trio, 512")
_DEEP: Final = _Row("server, 1 connection, 16 deep", "server", "acton_trio, 1 x 16")
_64_DEEP: Final = _Row("server, 64, 16 deep", "server", "acton_trio, 64 x 16")
_STACK: Final = _Row("whole stack: p50", "stack", "acton_trio", P50)
_FLIGHT: Final = _Row("64 in flight, one client", "stack", "acton_trio, 64 in flight")
_SCALING: Final = "cost per message"

TARGETS: Final = (
    _SEND.cost("bare", 8, 5.5),
    _SEND.speed("asyncio.Queue", 1.4),
    _SEND.speed("pykka", 8),
    _SEND.speed("xoscar", 80),
    _Row("send to 1,000 plain actors", "send", "send to 1,000", P50).cost(
        "bare", 36, 12
    ),
    _ASK.cost("two switches", 1.25, 1.1),
    # 45 us where two switches take 11 us.
    _ASK_P99.cost("two switches", 45 / 11, metric=P50),
    _ASK.speed("textbook trio", 4),
    _ASK.speed("pykka", 2.5),
    _ASK.speed("xoscar", 8),
    _Row("ask, 100 callers", "ask", "ask, 100 callers").cost("bare", 70, 52),
    _Row("wait graph, deadline, withdrawal", "ask", "ask in a handler", P50).cost(
        "the same, unguarded", 1.15, 1.05
    ),
    _SPAWN.cost("bare", 750, 480),
    _SPAWN.speed("pykka", 4),
    _Row("idle actor", "memory", "idle", "bytes").value(1000, 300),
    _Row("actor after first use", "memory", "used", "bytes").value(4200, 3200),
    _Row("100,000 idle actors, each", "memory", "100,000 idle", "bytes").cost(
        "idle", 1.5, 1.2
    ),
    _Row("another task under a flood: p99", "fairness", "flood", P99).value(2e-3, 1e-3),
    _Row("the same, handlers of 100 us", "fairness", "flood of 100 us each", P99).value(
        2e-3, 1e-3
    ),
    # A send to one actor again and again wakes it once for many messages; a
    # broadcast wakes each.
    _Row("broadcast to 1,000, per delivery", "broadcast", "broadcast", P50).cost(
        "send to each", 1.5, 1.1
    ),
    _Row(f"{_TIMERS}, cancelled", "timers", "arm and cancel").cost("heap", 4, 2),
    _Row(f"{_TIMERS}, handled", "timers", "arm, send and handle").cost("heap", 4, 2),
    _Row(f"{_TIMERS}: tasks", "timers", "arm", "tasks").value(1),
    _Row("decode a 1 kB body", "codec", "acton_trio, 1 kB", P50).cost(
        "msgspec, 1 kB", 1.25, 1.1
    ),
    _ONE.speed("asyncio streams, 1", 1.2, 1.4),
    _ONE.speed("Node, 1", 0.9, 1.1),
    _ONE.speed("uvloop Protocol, 1", 0.7, 0.8),
    _64.speed("asyncio streams, 64", 1.6, 2),
    _64.speed("Node, 64", 1.2, 1.6),
    _64.speed("uvloop Protocol, 64", 0.9, 1.2),
    _512.speed("asyncio streams, 512", 1.6, 2),
    _512.speed("Node, 512", 1.2, 1.6),
    _512.speed("uvloop Protocol, 512", 0.9, 1.2),
    _DEEP.speed("asyncio streams, 1 x 16", 1.8, 3),
    _DEEP.speed("Node, 1 x 16", 1, 1.3),
    _DEEP.speed("uvloop Protocol, 1 x 16", 0.75, 1),
    _64_DEEP.speed("asyncio streams, 64 x 16", 1.8, 3),
    _64_DEEP.speed("Node, 64 x 16", 1, 1.3),
    _64_DEEP.speed("uvloop Protocol, 64 x 16", 0.75, 1),
    _STACK.cost("blocking sockets", 2.6, 2.1),
    _STACK.cost("asyncio streams", 0.55, 0.44),
    _STACK.cost("zmq REQ/REP", 0.95, 0.75),
    _STACK.cost("gRPC", 0.2, 0.13),
    _FLIGHT.speed("gRPC, 64 in flight", 15, 22),
    _FLIGHT.speed("zmq DEALER, 64 in flight", 1.3, 1.6),
    _FLIGHT.speed("asyncio streams, 64 in flight", 0.9, 1.1),
    _Row("calls per second at 512 connections", "server", "acton_trio, 512").speed(
        "acton_trio, 8", 1, 1.5
    ),
    _Row("p99 at 512 connections", "server", "acton_trio, 512", P99).cost(
        "acton_trio, 512", 2.5, 1.7, metric=P50
    ),
    _Row(f"{_SCALING}, 10,000 actors", "scaling", "10,000 actors").cost(
        "10 actors", 1.2
    ),
    _Row(f"{_SCALING}, 1,000 types", "scaling", "1,000 types").cost("1 type", 1.2),
    _Row("import acton_trio", "imports", "acton_trio").cost("its libraries", 1.3),
    _Row("acton-trio --help: imports of trio", "imports", "--help", "trio").value(0),
)
"""All that is aimed at, in the order in which it is told."""
