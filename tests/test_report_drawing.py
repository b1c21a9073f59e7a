"""The strokes of the pictures: round axes, whiskers that tell the truth, and only the verdicts that are shown."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from green import report
from green.output import charts, collapsed, svg
from green.output.page import Budget, Figure

AT = svg.scale(100, 200, [10.0])  # 20 px a unit, ends at 10


def lines(drawn: str) -> list[dict[str, str]]:
    return [dict(one.attrib) for one in ET.fromstring(f"<g>{drawn}</g>").iter("line")]  # noqa: S314 -- our own picture


@pytest.mark.parametrize(
    ("most", "end", "step"),
    [(176, 200, 50), (84.8, 100, 20), (100, 100, 20), (0.3, 0.3, 0.1), (9.9, 10, 2), (1, 1, 0.2)],
)
def test_axis_ends_at_the_first_round_value_that_holds_all(most: float, end: float, step: float) -> None:
    found = svg.scale(0, 100, [most])
    assert (found.end, found.step) == pytest.approx((end, step))


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_axis_has_at_most_six_marks_and_no_value_leaves_it(most: float) -> None:
    found = svg.scale(0, 100, [most])
    assert most <= found.end * (1 + 1e-12)
    assert 1 <= round(found.end / found.step) <= 5
    assert 40 <= found.x(most) <= 100


def test_axis_without_any_value_has_no_marks() -> None:
    assert svg.scale(0, 100, []).axis(3) == ""


def test_whisker_stands_from_low_to_high() -> None:
    stem, first, last = lines(svg.whisker(0, AT, 2.0, 5.0))
    assert (float(stem["x1"]), float(stem["x2"])) == (140, 200)  # 100 + 2 x 20, 100 + 5 x 20
    assert float(first["x1"]) == float(first["x2"]) == 140
    assert float(last["x1"]) == float(last["x2"]) == 200


def test_whisker_without_upper_bound_is_an_arrow_to_the_end() -> None:
    stem, _, upper, lower = lines(svg.whisker(0, AT, 2.0, None))
    assert float(stem["x2"]) == float(upper["x2"]) == float(lower["x2"]) == 300
    assert float(upper["x1"]) == float(lower["x1"]) < 300


def test_interval_too_short_to_be_seen_hides_no_bar() -> None:
    assert svg.whisker(0, AT, 2.0, 2.1) == ""  # 2 px


def test_budget_over_its_limit_goes_beyond_it_in_the_colour_of_failure() -> None:
    row = Budget("B", "t", "team=a", "fail", 200.0, 190.0, 210.0, 80.0, 10.0, "kWh", "")
    bars = re.findall(r'<rect fill="(#\w+)" x="[\d.]+" y="[\d.]+" width="([\d.]+)"', charts.budgets([row]))
    (track, limit_px), (used, used_px) = bars
    assert (track, used) == (charts.TRACK, charts.OVER)
    assert float(used_px) == pytest.approx(2 * float(limit_px), abs=0.2)


def test_unknown_budget_is_hatched_from_what_is_known_to_its_limit() -> None:
    row = Budget("B", "t", "team=a", "unknown", 25.0, None, None, None, 10.0, "kWh", "")
    bars = re.findall(r'fill="(#\w+)" x="[\d.]+" y="[\d.]+" width="([\d.]+)"', charts.budgets([row]))
    width = {color: float(px) for color, px in bars}
    assert width[charts.OPERATIONAL] == pytest.approx(width[charts.TRACK] / 4, abs=0.2)
    assert width[charts.UNKNOWN] == pytest.approx(width[charts.TRACK] * 3 / 4, abs=0.2)


def test_label_is_cut_by_its_count_of_characters() -> None:
    assert svg.cut("a" * 24) == "a" * 24
    assert svg.cut("a" * 20 + "b" * 20) == "a" * 14 + "…" + "b" * 9
    assert svg.cut("one\u202etwo") == "one\\u202etwo"


def test_nothing_known_draws_no_axis() -> None:
    unknown = Figure(None, None, None, "kWh", "NO_SAMPLES")
    drawn = charts._panel("Energy", charts.ENERGY, [unknown], ["a"], (0, 100))  # noqa: SLF001 -- one panel of the picture
    assert 'class="tick"' not in drawn
    assert f'fill="{charts.UNKNOWN}"' in drawn


def record(sorts: list[str], title: str = "t") -> dict[str, Any]:
    keys = [(f"P-{index % 3}", sort) for index, sort in enumerate(sorts)]
    rows = [{"policy": policy, "title": title, "subject": "s", "verdict": sort} for policy, sort in keys]
    return {"as_of": None, "digest": "d", "summary": {}, "verdicts": rows}


def written(whole: dict[str, Any]) -> bytes:
    rows = ",\n".join(json.dumps(one, separators=(",", ":")) for one in whole["verdicts"])
    head = json.dumps({**whole, "verdicts": []}, separators=(",", ":")).removesuffix("]}")
    return f"{head}\n{rows}\n]}}\n".encode()


def test_first_verdicts_of_each_sort_and_all_of_a_budget_are_read() -> None:
    whole = record(["pass", "fail", "pass", "pass", "fail", "fail", "pass"])  # P-0 P-1 P-2 P-0 P-1 P-2 P-0
    part = json.loads(report._part(BytesIO(written(whole)), 1, ["P-0"]))  # noqa: SLF001 -- what is left out is the point
    kept = [index for index, one in enumerate(whole["verdicts"]) if one["policy"] == "P-0" or index in {0, 1}]
    assert part == {**whole, "verdicts": [whole["verdicts"][index] for index in kept]}


@given(st.text())
def test_no_title_is_taken_for_a_verdict(title: str) -> None:
    whole = record(["fail", "pass"], title + '"verdict":"pass",\n' + title)
    assert json.loads(report._part(BytesIO(written(whole)), 1, [])) == whole  # noqa: SLF001 -- as above


def test_verdicts_in_another_layout_are_read_whole() -> None:
    whole = record(["fail", "pass"])
    assert report._part(BytesIO(json.dumps(whole, indent=1).encode()), 1, []) == b""  # noqa: SLF001 -- as above


def test_reject_of_a_whole_file_stays_apart_from_those_of_its_lines() -> None:
    one = {"file": "a", "reason": "R", "detail": "d", "lines": 1}
    rows = collapsed([{**one, "line": None}, {**one, "line": 2}, {**one, "line": 3, "lines": 5}, {**one, "line": None}])
    assert [(row["line"], row["lines"]) for row in rows] == [(None, 1), (2, 6), (None, 1)]
