"""The pictures of the report: bars with their intervals, drawn as SVG that stands inside the page.

Colours are of Okabe and Ito's set, which colour-blind readers tell apart. In the page they are names: the
style sheet replaces each (`[fill="#0072B2"]`) by one that suits a light or a dark background, and UNKNOWN by
hatching. Nothing here runs or loads anything when the page is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.output import svg
from green.output.markup import shown
from green.units import convert, format_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from green.output.page import Budget, Figure, Group, Run

ENERGY, OPERATIONAL, EMBODIED = "#009E73", "#0072B2", "#E69F00"
OVER, UNKNOWN, TRACK = "#D55E00", "#999998", "#DDDDDC"
LIMIT_PERCENT = 100.0
_GAP_PX, _NEAR_PX, _TAIL_PX = 30, 9, 30


def runs(rows: Sequence[Run]) -> str:
    """Draw energy and emissions of runs side by side, each with its interval."""
    if not rows:
        return ""
    panels = (
        ("Energy (IT)", ENERGY, [row.energy for row in rows]),
        ("Emissions", OPERATIONAL, [row.emissions for row in rows]),
    )
    words = [[_words(one) for one in figures] for _, _, figures in panels]
    labels = [svg.cut(row.run_id) for row in rows]
    left = svg.width_of(labels) + _NEAR_PX
    taken = left + _GAP_PX + sum(svg.width_of(column) + _NEAR_PX for column in words)
    width = (svg.WIDTH_PX - taken) // len(panels)
    parts = [_labels(labels, left)]
    for (title, color, figures), column in zip(panels, words, strict=True):
        names = [f"{row.run_id}: {title} {said}" for row, said in zip(rows, column, strict=True)]
        parts.append(_panel(title, color, figures, names, (left, width)))
        parts.append(_values(column, left + width))
        left += width + _NEAR_PX + svg.width_of(column) + _GAP_PX
    return svg.document("Energy and emissions of runs, with their intervals", len(rows), parts)


def _panel(title: str, color: str, figures: Sequence[Figure], names: Sequence[str], room: tuple[float, float]) -> str:
    """Draw bars, whiskers, and hatching over the whole width where anything may be true."""
    stored = figures[0].unit
    ends = [end for one in figures for end in (one.value, one.high) if end is not None]
    unit = _unit(ends, stored)
    at = svg.scale(*room, (_in(end, stored, unit) for end in ends))
    drawn = []
    for index, one in enumerate(figures):
        if one.value is None:
            drawn.append(svg.bar(UNKNOWN, index, at.left_px, at.right_px))
            continue
        known = svg.bar(color, index, at.left_px, at.x(_in(one.value, stored, unit)))
        if one.low is not None and one.low != one.high:
            high = None if one.high is None else _in(one.high, stored, unit)
            known += svg.whisker(index, at, _in(one.low, stored, unit), high)
        drawn.append(known)
    head = svg.text("head", at.left_px, 12, f"{title}, {unit}")
    return head + at.axis(len(figures)) + svg.rows(names, drawn)


def budgets(rows: Sequence[Budget]) -> str:
    """Draw how much of each budget is used, in percent of its limit."""
    if not rows:
        return ""
    labels, words = [svg.cut(row.subject) for row in rows], [_share(row) for row in rows]
    left = svg.width_of(labels) + _NEAR_PX
    width = svg.WIDTH_PX - left - _NEAR_PX - svg.width_of(words)
    ends = (end for row in rows for end in (row.used, row.high, row.warn) if end is not None)
    at = svg.scale(left, width, [LIMIT_PERCENT, *ends])
    names = [f"{row.policy} {row.subject}: {said}" for row, said in zip(rows, words, strict=True)]
    limit, bottom = at.x(LIMIT_PERCENT), svg.HEAD_PX + len(rows) * svg.STEP_PX
    parts = [
        svg.text("head", left, 12, "Percent of the limit"),
        at.axis(len(rows)),
        _labels(labels, left),
        svg.rows(names, [_budget(index, row, at) for index, row in enumerate(rows)]),
        svg.line("limit", limit, svg.HEAD_PX - 6, limit, bottom),
        _values(words, at.right_px),
    ]
    return svg.document("How much of each budget is used", len(rows), parts)


def _budget(index: int, row: Budget, at: svg.Scale) -> str:
    """Draw one budget on its track; what is open up to the limit is hatched."""
    limit, y = at.x(LIMIT_PERCENT), svg.middle(index)
    used_px = at.x(row.used or 0.0)
    drawn = svg.bar(TRACK, index, at.left_px, limit)
    if row.used:
        drawn += svg.bar(OVER if row.verdict == "fail" else OPERATIONAL, index, at.left_px, used_px)
    if row.verdict == "unknown":
        drawn += svg.bar(UNKNOWN, index, used_px, max(limit, used_px + _TAIL_PX))
    if row.low is not None and row.low != row.high:
        drawn += svg.whisker(index, at, row.low, row.high)
    if row.warn is not None:
        drawn += svg.line("warning", at.x(row.warn), y - svg.STEP_PX / 2 + 3, at.x(row.warn), y + svg.STEP_PX / 2 - 3)
    return drawn


def used(row: Budget) -> str:
    """Say how much of a budget is used, and that it is only the known part where that is so."""
    if row.used is None or (row.verdict == "unknown" and not row.used):
        return "unknown"
    part = format_quantity(row.used, "%")
    return f"unknown, known {part}" if row.verdict == "unknown" else part


def _share(row: Budget) -> str:
    share = used(row)
    return share if share == "unknown" else f"{share} of {shown(row.limit, row.unit)}"


def stacked(rows: Sequence[Group]) -> str:
    """Draw what is known of operational and embodied emissions, one upon the other."""
    parts = [(row.operational.value or 0.0, row.embodied.value or 0.0) for row in rows]
    if not any(map(sum, parts)):
        return ""
    whole = [row.names[0] or "(none)" for row in rows]
    labels, words = [svg.cut(one) for one in whole], [_known(row) for row in rows]
    left = svg.width_of(labels) + _NEAR_PX
    # A tail of hatching goes beyond the bar, and the words beyond that.
    width = svg.WIDTH_PX - left - _NEAR_PX - _TAIL_PX - svg.width_of(words)
    unit = _unit(map(sum, parts), "kgCO2e")
    scaled = [(_in(first, "kgCO2e", unit), _in(second, "kgCO2e", unit)) for first, second in parts]
    at = svg.scale(left, width, map(sum, scaled))
    drawn = [_stack(index, row, scaled[index], at) for index, row in enumerate(rows)]
    names = [f"{name}: {said}" for name, said in zip(whole, words, strict=True)]
    return svg.document(
        "Operational and embodied emissions by project",
        len(rows),
        [
            svg.text("head", left, 12, f"Known emissions, {unit}"),
            at.axis(len(rows)),
            _labels(labels, left),
            svg.rows(names, drawn),
            _values(words, at.right_px + _TAIL_PX),
        ],
    )


def _stack(index: int, row: Group, pair: tuple[float, float], at: svg.Scale) -> str:
    """Draw both parts; unknown runs add a tail of no length in particular, or are all that there is."""
    first, both = at.x(pair[0]), at.x(sum(pair))
    drawn = svg.bar(OPERATIONAL, index, at.left_px, first) if pair[0] else ""
    drawn += svg.bar(EMBODIED, index, first, both) if pair[1] else ""
    if row.operational.value is None and row.embodied.value is None:
        return svg.bar(UNKNOWN, index, at.left_px, at.right_px)
    return drawn + (svg.bar(UNKNOWN, index, both, both + _TAIL_PX) if row.unknown else "")


def _known(row: Group) -> str:
    total = shown((row.operational.value or 0.0) + (row.embodied.value or 0.0), "kgCO2e")
    if row.operational.value is None and row.embodied.value is None:
        return f"{row.unknown} unknown"
    return f"{total} + {row.unknown} unknown" if row.unknown else total


def _labels(names: Sequence[str], left_px: float) -> str:
    rows = enumerate(names)
    return "".join(svg.text("label", left_px - _NEAR_PX, svg.middle(index) + 4, name) for index, name in rows)


def _values(words: Sequence[str], right_px: float) -> str:
    rows = enumerate(words)
    return "".join(svg.text("value", right_px + _NEAR_PX, svg.middle(index) + 4, said) for index, said in rows)


def _words(figure: Figure) -> str:
    if figure.value is None:
        return f"unknown ({figure.reason})"
    return shown(figure.value, figure.unit) + ("" if figure.high is not None else ", unbounded")


def _unit(values: Iterable[float], unit: str) -> str:
    """Return the unit that people write the largest value in."""
    return format_quantity(max(values, default=0.0), unit).partition(" ")[2] or unit


def _in(value: float, unit: str, to_unit: str) -> float:
    return float(convert(value, unit, to_unit))
