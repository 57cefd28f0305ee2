"""Drawings of tables: what is known of the code, as text of an SVG.

Nothing here reads a file, knows Sphinx or needs a program: the same values give
the same text.  Colours are those of the page around a drawing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set as AbstractSet
from html import escape
from typing import Final, NamedTuple

__all__ = ["Layer", "Machine", "Move", "draw_layers", "draw_machine"]

# All in the pixels of a drawing that is not scaled.
_HEADING: Final = 44
_ROW: Final = 36
_COLUMN: Final = 106
_BOX: Final = 30
_GAP: Final = 12
_LETTER: Final = 8.2
_SMALL_LETTER: Final = 6.6
_MARGIN: Final = 16

_INK: Final = "currentColor"
_PAPER: Final = "var(--color-background-primary, white)"


class Move(NamedTuple):
    """One way from a state into another, or back into itself."""

    source: str
    target: str
    when: str


class Machine(NamedTuple):
    """States in the order of a life, and the ways between them."""

    title: str
    states: Sequence[str]
    moves: Sequence[Move]

    @property
    def final(self) -> AbstractSet[str]:
        """The states that lead nowhere else."""
        left = {each.source for each in self.moves if each.source != each.target}
        return set(self.states) - left


class Layer(NamedTuple):
    """Packages that do not know each other; they may import what is below them."""

    packages: Sequence[str]
    absent: AbstractSet[str] = frozenset()
    """Those whose place is kept, and which are not there yet."""


def draw_machine(machine: Machine) -> str:
    """Return a drawing of *machine*: a column for a state, a row for each move.

    So no two arrows ever cross, however many there are.
    """
    places = {
        state: round(_MARGIN + _COLUMN * (number + 0.5))
        for number, state in enumerate(machine.states)
    }
    width = _COLUMN * len(machine.states) + 2 * _MARGIN
    height = _HEADING + _ROW * len(machine.moves) + _MARGIN
    parts: list[str] = []
    for state, x in places.items():
        parts += _state(state, x, height, is_final=state in machine.final)
    for number, move in enumerate(machine.moves):
        y = _HEADING + _ROW * (number + 1) - 6
        source, target = places[move.source], places[move.target]
        parts += _loop(source, y) if source == target else _arrow(source, target, y)
        half = round(_SMALL_LETTER * len(move.when) / 2)
        x = min(max((source + target) // 2, half), width - half)
        parts.append(_text(x, y - 8, move.when, size=11))
    return _svg(width, height, machine.title, parts)


def _state(name: str, x: int, height: int, *, is_final: bool) -> list[str]:
    width, dashes = _COLUMN - 8, ' stroke-dasharray="2 4"'
    frame = _box(x - width // 2, 6, width, doubled=is_final)
    line = f'<path d="M{x} {6 + _BOX}V{height - 4}" {_stroke(0.35)}{dashes}/>'
    return [line, *frame, _text(x, 6 + 19, name, size=11, bold=True)]


def _arrow(source: int, target: int, y: int) -> list[str]:
    back = target + (-7 if target > source else 7)
    return [
        f'<circle cx="{source}" cy="{y}" r="3" fill="{_INK}"/>',
        f'<path d="M{source} {y}H{target}" {_stroke()}/>',
        f'<path d="M{back} {y - 4}L{target} {y}L{back} {y + 4}z" fill="{_INK}"/>',
    ]


def _loop(x: int, y: int) -> list[str]:
    return [
        f'<circle cx="{x}" cy="{y}" r="3" fill="{_INK}"/>',
        f'<path d="M{x} {y}c26 -6 26 14 2 8" {_stroke()}/>',
        f'<path d="M{x + 9} {y + 5}L{x + 1} {y + 7}L{x + 8} {y + 12}z" fill="{_INK}"/>',
    ]


def draw_layers(title: str, layers: Sequence[Layer], pure: AbstractSet[str]) -> str:
    """Return a drawing of *layers*, the highest first.

    Args:
        title: What it is of.
        layers: Each may import from those below it.
        pure: The packages that do no I/O, which are the lowest: a line is drawn
            above them.
    """
    rows = [
        [(name, round(_LETTER * len(name)) + 2 * _GAP) for name in layer.packages]
        for layer in layers
    ]
    widths = [sum(wide for _, wide in row) + _GAP * (len(row) - 1) for row in rows]
    note = "no trio, no sockets, no clock below this line"
    full = max([*widths, round(_LETTER * len(note))]) + 2 * _MARGIN
    parts: list[str] = []
    y, is_pure = _MARGIN, False
    for layer, row, wide in zip(layers, rows, widths, strict=True):
        if not is_pure and pure >= set(layer.packages):
            is_pure = True
            parts += _line(full, y + 8, note)
            y += 30
        x = (full - wide) // 2
        for name, width in row:
            parts += _box(x, y, width, dashed=name in layer.absent)
            parts.append(_text(x + width // 2, y + 19, name, size=13, mono=True))
            x += width + _GAP
        y += _BOX + _GAP
    return _svg(full, y + 4, title, parts)


def _line(width: int, y: int, note: str) -> list[str]:
    path = f'<path d="M{_MARGIN} {y}H{width - _MARGIN}" {_stroke(0.6)}'
    dashed = f'{path} stroke-dasharray="6 4"/>'
    return [dashed, _text(width // 2, y + 15, note, size=11)]


def _box(
    x: int, y: int, width: int, *, dashed: bool = False, doubled: bool = False
) -> list[str]:
    def rectangle(inset: int) -> str:
        return (
            f'<rect x="{x + inset}" y="{y + inset}" width="{width - 2 * inset}"'
            f' height="{_BOX - 2 * inset}" rx="{6 - inset}" fill="{_PAPER}"'
            f' stroke="{_INK}"{dashes}/>'
        )

    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return [rectangle(0), rectangle(3)] if doubled else [rectangle(0)]


def _stroke(opacity: float = 1) -> str:
    return f'fill="none" stroke="{_INK}" stroke-opacity="{opacity}"'


def _text(
    x: int, y: int, text: str, *, size: int, bold: bool = False, mono: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    family = "monospace" if mono else "sans-serif"
    # A seam of paper, where lines pass behind the letters.
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-family="{family}"{weight}'
        f' text-anchor="middle" fill="{_INK}" stroke="{_PAPER}" stroke-width="3"'
        f' paint-order="stroke">{escape(text)}</text>'
    )


def _svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    size = f'viewBox="0 0 {width} {height}" style="width:100%;max-width:{width}px"'
    label = f'role="img" aria-label="{escape(title)}"'
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>\n'
        f"<title>{escape(title)}</title>\n{body}\n</svg>\n"
    )
