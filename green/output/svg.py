"""The strokes of a drawing: bars, whiskers and words on an axis, as SVG text that is the same on every machine.

No font is measured: a column is as wide as its characters are at most in the fonts that pages are read in. No
logarithm or power is taken either, for their last bit is the machine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from green.output.markup import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH_PX, HEAD_PX, STEP_PX, BAR_PX, FOOT_PX = 1000, 28, 27, 13, 26
MOST_LABEL_CHARS, LABEL_HEAD_CHARS, LABEL_TAIL_CHARS = 24, 14, 9
_SMALL_PX, _CAPITAL_PX, _BROAD_PX, _WIDE_PX = 7.4, 8.8, 11.8, 12.5  # of a character, in text of 12 px
_ROUND = (1, 2, 5, 10)
_MOST_TICKS = 5
_SHORTEST_PX = 3.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values stand, from zero at the left to the last tick at the right; `step` 0 has no value to show."""

    left_px: float
    width_px: float
    end: float
    step: float

    @property
    def right_px(self) -> float:
        """Return where the scale ends."""
        return self.left_px + self.width_px

    def x(self, value: float) -> float:
        """Return the place of a value, which never leaves the scale."""
        return self.left_px + self.width_px * min(max(value / self.end, 0.0), 1.0)

    def axis(self, rows: int) -> str:
        """Draw lines and words at round values, behind and below `rows` bars."""
        if not self.step:
            return ""
        bottom = HEAD_PX + rows * STEP_PX
        marks = [index * self.step for index in range(round(self.end / self.step) + 1)]
        lines = "".join(line("grid", self.x(mark), HEAD_PX - 4, self.x(mark), bottom) for mark in marks)
        return lines + "".join(text("tick", self.x(mark), bottom + 15, f"{mark:,.9g}") for mark in marks)


def scale(left_px: float, width_px: float, values: Iterable[float]) -> Scale:
    """Return a scale that ends at a round value, at or after the largest one."""
    most = max(values, default=0.0)
    if most <= 0:
        return Scale(left_px, width_px, 1.0, 0.0)
    power = int(f"{most / _MOST_TICKS:e}".partition("e")[2])
    steps = (float(f"{digit}e{power}") for digit in _ROUND)
    step = next((one for one in steps if most <= one * _MOST_TICKS), float(f"1e{power + 1}"))
    whole = int(most / step)
    return Scale(left_px, width_px, step * (whole if whole * step >= most else whole + 1), step)


def width_of(texts: Iterable[str]) -> int:
    """Return the room that the longest text needs, whatever the font."""
    return round(max((sum(map(_width, one)) for one in texts), default=0.0))


def _width(char: str) -> float:
    if east_asian_width(char) in "WF":
        return _WIDE_PX
    if char in "mwMW@%…":
        return _BROAD_PX
    return _CAPITAL_PX if char.isupper() else _SMALL_PX


def cut(name: str) -> str:
    """Return a name that is short enough for a label; its head and its tail tell most."""
    whole = clean(name)
    return whole if len(whole) <= MOST_LABEL_CHARS else f"{whole[:LABEL_HEAD_CHARS]}…{whole[-LABEL_TAIL_CHARS:]}"


def middle(row: int) -> float:
    """Return the height at which a row has its middle."""
    return HEAD_PX + (row + 0.5) * STEP_PX


def text(sort: str, x: float, y: float, words: str) -> str:
    """Write words; `sort` is head, label, value or tick, and the style sheet knows what each looks like."""
    return f'<text class="{sort}" x="{_px(x)}" y="{_px(y)}">{escape(words)}</text>'


def line(sort: str, x: float, y: float, to_x: float, to_y: float) -> str:
    """Draw a line; `sort` is grid, limit, warning or whisker."""
    return f'<line class="{sort}" x1="{_px(x)}" y1="{_px(y)}" x2="{_px(to_x)}" y2="{_px(to_y)}"></line>'


def bar(color: str, row: int, x: float, to_x: float) -> str:
    """Draw a bar; one that is something, however small, can be seen."""
    top, width = middle(row) - BAR_PX / 2, max(to_x - x, 1.0)
    return f'<rect fill="{color}" x="{_px(x)}" y="{_px(top)}" width="{_px(width)}" height="{BAR_PX}" rx="1.5"></rect>'


def whisker(row: int, at: Scale, low: float, high: float | None) -> str:
    """Draw an interval; one without an upper bound points out of the scale, one that is too short is left out."""
    y, first = middle(row), at.x(low)
    last = at.right_px if high is None else at.x(high)
    if high is not None and last - first < _SHORTEST_PX:  # two ends on one spot would hide the bar
        return ""
    ends = line("whisker", first, y, last, y) + line("whisker", first, y - 4, first, y + 4)
    if high is None:
        return ends + line("whisker", last - 5, y - 4, last, y) + line("whisker", last - 5, y + 4, last, y)
    return ends + line("whisker", last, y - 4, last, y + 4)


def rows(titles: Sequence[str], drawn: Sequence[str]) -> str:
    """Join what each row shows, with the words that appear when the pointer rests on it."""
    pairs = zip(titles, drawn, strict=True)
    return "".join(f"<g><title>{escape(clean(title))}</title>{one}</g>\n" for title, one in pairs)


def document(title: str, count: int, parts: Iterable[str]) -> str:
    """Return the whole picture of `count` rows."""
    height, name = HEAD_PX + count * STEP_PX + FOOT_PX, escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{WIDTH_PX}" height="{height}" '
        f'viewBox="0 0 {WIDTH_PX} {height}" role="img" aria-label="{name}"><title>{name}</title>\n'
        f"{''.join(parts)}</svg>"
    )


def _px(value: float) -> str:
    return f"{round(value, 1):g}"
