"""Every form of a judgement carries the verdicts, and no name in it can do harm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from facts_for_tests import judged, run

from green.output import json as as_json
from green.output import markdown, text

if TYPE_CHECKING:
    from pathlib import Path

    from green.policy.judge import Judgement

EVIL = (
    "a|b\n::error file=x::\x1b[31m<img src=x onerror=alert(1)>@team #1 `c` [l](http://e.org) www.e.org ##[error]\u202e*"
)
LIMIT = "- {id: A, title: t, kind: limit, metric: energy.it, limit: {max: 50 kWh}, mend: stop it}\n"
ALLOW = "- {id: R, title: t, kind: allow, field: region, allow: [FR]}\n"
IDLE = "- {id: Z, title: t, kind: limit, metric: energy.it, select: {team: none}, limit: {max: 50 kWh}}\n"
KEYS = [
    "policy",
    "title",
    "subject",
    "verdict",
    "enforcement",
    "metric",
    "value",
    "low",
    "high",
    "limit",
    "unit",
    "reason",
    "message",
    "mend",
    "waiver",
    "where",
]


@pytest.fixture
def evil(tmp_path: Path) -> Judgement:
    rows = [
        run(EVIL, energy_kwh=62.0, region=EVIL, team="x"),
        run("fine", energy_kwh=1.0, region="FR", team="x"),
    ]
    return judged(tmp_path, LIMIT + ALLOW + IDLE, *rows)


def test_json_is_the_record_of_the_contract(evil: Judgement) -> None:
    record = json.loads(as_json.render(evil))
    assert list(record) == ["as_of", "digest", "summary", "verdicts"]
    assert record["summary"] == {
        "error": 0, "fail": 2, "unknown": 0, "at_risk": 0, "warn": 0, "waived": 0, "pass": 2, "not_applicable": 1,
    }  # fmt: skip
    assert all(list(verdict) == KEYS for verdict in record["verdicts"])
    assert [(v["policy"], v["subject"]) for v in record["verdicts"]] == [
        ("A", EVIL), ("A", "fine"), ("R", EVIL), ("R", "fine"),
    ]  # fmt: skip
    first = record["verdicts"][0]
    assert (first["value"], first["low"], first["limit"], first["unit"], first["waiver"]) == (
        62.0,
        None,
        50.0,
        "kWh",
        None,
    )
    assert first["where"]["file"].endswith("/p.yaml")  # a run without a file points at its policy
    assert first["where"]["line"] == 4
    assert "\x1b" not in as_json.render(evil)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_name_cannot_command_a_terminal_or_a_runner(evil: Judgement, is_terminal: bool) -> None:  # noqa: FBT001 -- parametrised
    shown = text.render(evil, is_terminal=is_terminal, width=200)
    assert "::error" not in shown
    assert "##[" not in shown
    assert "\x1b[31m<" not in shown
    assert "\u202e" not in shown
    assert "A" in shown
    assert "selected no run: Z" in shown


def test_plain_text_has_one_line_a_verdict_the_worst_first(evil: Judgement) -> None:
    lines = [line for line in text.render(evil, is_terminal=False).splitlines() if not line.startswith(" ")]
    assert [line.split()[:2] for line in lines[:4]] == [
        ["fail", "A"],
        ["fail", "R"],
        ["pass", "A"],
        ["pass", "R"],
    ]
    assert "62 kWh is 12 kWh (24 %) over the limit of 50 kWh" in lines[0]
    assert lines[-1] == "2 fail, 2 pass, 1 not_applicable (as of no known time)"


def test_a_table_for_a_pipe_is_never_cut_and_keeps_names_in_their_cell() -> None:
    shown = text.table(["run", "file"], [["a" * 300, EVIL], ["b", "c\td"]], is_terminal=False)
    lines = shown.splitlines()
    assert lines[0] == "run\tfile"
    assert lines[1].startswith("a" * 300 + "\t")
    assert lines[2] == "b\tc d"
    assert len(lines) == 3
    assert "\x1b" not in shown


def test_the_text_of_a_record_says_how_many_lines_were_not_read(evil: Judgement) -> None:
    record = json.loads(as_json.render(evil))
    assert "7 lines were not read" in text.render_record(record, 7, is_terminal=False)
    assert "not read" not in text.render_record(record, is_terminal=False)


def test_markdown_keeps_names_inside_their_cell(evil: Judgement) -> None:
    shown = markdown.render(evil)
    assert shown.startswith(markdown.MARK)
    rows = [line for line in shown.splitlines() if line.startswith("| **")]
    assert len(rows) == 2  # passes are counted, not listed
    assert all(row.count("|") == 6 for row in rows)
    for harm in ("<img", "@team", "::error", "[l](", "`c`", "http://", "www.e", "\x1b", "##["):
        assert harm not in shown
    assert "stop it" in rows[0]
    assert "Selected no run: Z" in shown


def test_markdown_stays_short_enough_for_a_comment_and_counts_the_rest(tmp_path: Path) -> None:
    rows = [run(f"{number:04d}" + "<" * 200, energy_kwh=60.0) for number in range(400)]
    shown = markdown.render(judged(tmp_path, LIMIT, *rows))
    listed = sum(line.startswith("| **") for line in shown.splitlines())
    assert len(shown) <= 60_000
    assert 0 < listed < 400
    assert f"and {400 - listed} more in `verdicts.json`" in shown
