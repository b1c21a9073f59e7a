"""The pictures of the report: Vega-Lite in plain dictionaries, drawn to SVG that stands inside the page.

Colours are of Okabe and Ito's set, which colour-blind readers tell apart. In the page they are names: the
style sheet replaces each (`[fill="#0072B2"]`) by one that suits a light or a dark background, and UNKNOWN by
hatching. Nothing here runs or loads anything when the page is read.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from green.output.markup import clean, shown
from green.units import convert, format_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from green.output.page import Budget, Figure, Group, Run

ENERGY, OPERATIONAL, EMBODIED = "#009E73", "#0072B2", "#E69F00"
OVER, UNKNOWN, TRACK, INK, FAINT = "#D55E00", "#999998", "#DDDDDC", "#333332", "#777776"
MOST_LABEL_CHARS = 24
PANEL_PX, WIDE_PX, STEP_PX, BAR_PX = 265, 600, 26, 12
_FONT = "system-ui, sans-serif"
# The reader's font may be wider than the one that the picture was measured with.
_PADDING = {"left": 28, "right": 40, "top": 4, "bottom": 4}

Spec = dict[str, Any]


def runs(rows: Sequence[Run]) -> str:
    """Draw energy and emissions of runs side by side, each with its interval."""
    if not rows:
        return ""
    labels = [row.run_id for row in rows]
    panels = [
        _panel("Energy (IT)", ENERGY, [row.energy for row in rows], labels),
        _panel("Emissions", OPERATIONAL, [row.emissions for row in rows], []),
    ]
    return _draw({"hconcat": panels, "spacing": 28}, "Energy and emissions of runs, with their intervals")


def budgets(rows: Sequence[Budget]) -> str:
    """Draw how much of each budget is used, in percent of its limit."""
    keys = _keys(rows)
    layers: list[Spec] = [
        _bars(TRACK, [{"key": key, "from": 0, "to": 100} for key in keys], keys),
        _labels([row.subject for row in rows], keys),
    ]
    for color, is_over in ((OPERATIONAL, False), (OVER, True)):
        filled = [
            {"key": key, "from": 0, "to": row.used}
            for key, row in zip(keys, rows, strict=True)
            if row.used is not None and (row.verdict == "fail") is is_over
        ]
        layers.append(_bars(color, filled, keys))
    unknown = [
        {"key": key, "from": min(row.used or 0, 100), "to": 100}
        for key, row in zip(keys, rows, strict=True)
        if row.verdict == "unknown"
    ]
    layers.append(_bars(UNKNOWN, unknown, keys))
    low_high = [(row.low, row.high) for row in rows]
    layers += _whiskers(
        [{"key": k, "low": low, "high": high} for k, (low, high) in zip(keys, low_high, strict=True)], keys
    )
    warns = [{"key": key, "x": row.warn} for key, row in zip(keys, rows, strict=True) if row.warn is not None]
    layers += [_ticks(warns, keys, EMBODIED, 22), _ticks([{"key": key, "x": 100} for key in keys], keys, INK, 22)]
    layers.append(_figures([_share(row) for row in rows], keys, WIDE_PX))
    spec = _layered("Percent of the limit", WIDE_PX, [layer for layer in layers if layer["data"]["values"]])
    return _draw(spec, "How much of each budget is used") if rows else ""


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
    keys = _keys(rows)
    parts = [(row.operational.value or 0.0, row.embodied.value or 0.0) for row in rows]
    unit = _unit([max((sum(pair) for pair in parts), default=0.0)], "kgCO2e")
    scaled = [(_in(first, "kgCO2e", unit), _in(second, "kgCO2e", unit)) for first, second in parts]
    both = list(zip(keys, scaled, strict=True))
    layers = [
        _labels([row.names[0] or "(none)" for row in rows], keys),
        _bars(OPERATIONAL, [{"key": key, "from": 0, "to": first} for key, (first, _) in both], keys),
        _bars(EMBODIED, [{"key": key, "from": first, "to": first + second} for key, (first, second) in both], keys),
        _figures([_known(row) for row in rows], keys, WIDE_PX),
    ]
    spec = _layered(f"Known emissions, {unit}", WIDE_PX, layers)
    return _draw(spec, "Operational and embodied emissions by project") if any(map(sum, parts)) else ""


def _known(row: Group) -> str:
    total = shown((row.operational.value or 0.0) + (row.embodied.value or 0.0), "kgCO2e")
    if row.operational.value is None and row.embodied.value is None:
        return f"{row.unknown} unknown"
    return f"{total} + {row.unknown} unknown" if row.unknown else total


def _panel(title: str, color: str, figures: Sequence[Figure], labels: Sequence[str]) -> Spec:
    """Return one panel: bars, whiskers, hatching where unknown, and the figure in words."""
    keys, stored = _keys(figures), figures[0].unit
    ends = [end for one in figures for end in (one.value, one.high) if end is not None]
    unit = _unit(ends, stored)
    rows = [
        {"key": key, **{end: _in(getattr(one, end), stored, unit) for end in ("value", "low", "high")}}
        for key, one in zip(keys, figures, strict=True)
    ]
    layers = [
        _labels(labels, keys),
        _bars(color, [{"key": r["key"], "from": 0, "to": r["value"]} for r in rows if r["value"] is not None], keys),
        _hatched([{"key": r["key"]} for r in rows if r["value"] is None], keys),
        *_whiskers(rows, keys),
        _figures([_words(one) for one in figures], keys, PANEL_PX),
    ]
    return _layered(f"{title}, {unit}", PANEL_PX, [layer for layer in layers if layer["data"]["values"]])


def _words(figure: Figure) -> str:
    if figure.value is None:
        return f"unknown ({figure.reason})"
    return shown(figure.value, figure.unit) + ("" if figure.high is not None else ", unbounded")


def _unit(values: Iterable[float], unit: str) -> str:
    """Return the unit that people write the largest value in."""
    return format_quantity(max(values, default=0.0), unit).partition(" ")[2] or unit


def _in(value: float | None, unit: str, to_unit: str) -> Any:  # noqa: ANN401 -- a number of the specification, or null
    return None if value is None else float(convert(value, unit, to_unit))


def _keys(rows: Sequence[object]) -> list[str]:
    """Return what places a row; names do not, for two may look alike once they are cut."""
    return [f"{index:04d}" for index in range(len(rows))]


def _y(keys: Sequence[str]) -> Spec:
    return {"field": "key", "type": "ordinal", "axis": None, "scale": {"domain": list(keys)}}


def _x(field: str) -> Spec:
    axis = {"title": None, "tickCount": 4, "grid": True}
    return {"field": field, "type": "quantitative", "axis": axis, "scale": {"nice": True, "zero": True}}


def _bars(color: str, rows: list[Spec], keys: Sequence[str]) -> Spec:
    mark = {"type": "bar", "height": BAR_PX, "color": color}
    return {"data": {"values": rows}, "mark": mark, "encoding": {"x": _x("from"), "x2": {"field": "to"}, "y": _y(keys)}}


def _hatched(rows: list[Spec], keys: Sequence[str]) -> Spec:
    """Return bars of no length in particular: the whole track, for it may be anything."""
    mark = {"type": "bar", "height": BAR_PX, "color": UNKNOWN, "x": 0, "x2": PANEL_PX}
    return {"data": {"values": rows}, "mark": mark, "encoding": {"y": _y(keys)}}


def _whiskers(rows: Iterable[Spec], keys: Sequence[str]) -> list[Spec]:
    known = [row for row in rows if row["low"] is not None and row["high"] is not None]
    encoding = {"x": _x("low"), "x2": {"field": "high"}, "y": _y(keys)}
    ends = [{"key": row["key"], "x": row[end]} for row in known for end in ("low", "high")]
    line = {"data": {"values": known}, "mark": {"type": "rule", "color": INK}, "encoding": encoding}
    return [line, _ticks(ends, keys, INK, 8)]


def _ticks(rows: list[Spec], keys: Sequence[str], color: str, size_px: int) -> Spec:
    mark = {"type": "tick", "color": color, "size": size_px, "thickness": 1.5}
    return {"data": {"values": rows}, "mark": mark, "encoding": {"x": _x("x"), "y": _y(keys)}}


def _texts(texts: Sequence[str], keys: Sequence[str], mark: Spec) -> Spec:
    rows = [{"key": key, "text": text} for key, text in zip(keys, texts, strict=False)]
    encoding = {"y": _y(keys), "text": {"field": "text", "type": "nominal"}}
    base = {"type": "text", "fontSize": 12, "baseline": "middle"}
    return {"data": {"values": rows}, "mark": {**base, **mark}, "encoding": encoding}


def _labels(names: Sequence[str], keys: Sequence[str]) -> Spec:
    return _texts([_cut(name) for name in names], keys, {"align": "right", "x": -10, "color": INK})


def _figures(texts: Sequence[str], keys: Sequence[str], width_px: int) -> Spec:
    return _texts(texts, keys, {"align": "left", "x": width_px + 8, "color": FAINT})


def _cut(name: str) -> str:
    text = clean(name)
    return text if len(text) <= MOST_LABEL_CHARS else f"{text[:14]}…{text[-9:]}"


def _layered(title: str, width_px: int, layers: list[Spec]) -> Spec:
    head = {"text": title, "anchor": "start", "fontSize": 12, "fontWeight": 600, "color": INK, "offset": 8}
    return {"title": head, "width": width_px, "height": {"step": STEP_PX}, "layer": layers}


def _draw(spec: Spec, title: str) -> str:
    """Return an SVG with a title, without anything that could differ between two runs."""
    import vl_convert  # noqa: PLC0415 -- 0.4 s, only where there is something to draw

    axis = {"labelColor": FAINT, "gridColor": TRACK, "domain": False, "ticks": False, "labelFontSize": 11}
    config = {
        "font": _FONT,
        "padding": _PADDING,
        "background": None,
        "aria": False,
        "view": {"stroke": None},
        "axis": axis,
    }
    svg: str = vl_convert.vegalite_to_svg({**spec, "config": config}, allowed_base_urls=[])
    head, _, body = svg.partition(">")
    return f'{head} role="img"><title>{escape(title)}</title>{body}'
