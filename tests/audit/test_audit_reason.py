"""A later assessment supersedes: the view shows the newest, history stays, and why it was made is on record."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import duckdb
import pytest

from green import explain
from green.audit import reason, store, verify
from green.errors import StoreError, UsageError
from tests.conftest import BIN
from tests.core.helper import Work, steady

if TYPE_CHECKING:
    from pathlib import Path

WHY = "the log of the first try was read; name\u202e\x1b of \"nobody\" 'n' {}"


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path)
    made.put("a/run.yaml", "team: t\nsite: {region: DE, pue: 1.2}\n")
    for watts in (100, 300, 200):
        made.put("a/gpu.csv", steady(watts, 3600))
        made.ledgered()
    return made


def ledger_of(work: Work) -> list[tuple[object, ...]]:
    with duckdb.connect(str(work.store), read_only=True) as con:
        return con.execute("SELECT seq, payload, hash FROM ledger ORDER BY seq").fetchall()


def test_view_shows_the_newest_and_history_has_all_with_what_differs(work: Work) -> None:
    (run,) = work.query("FROM runs")
    assert run["energy_kwh"] == pytest.approx(0.2)
    history = work.query("FROM run_history")
    assert [round(row["energy_kwh"], 6) for row in history] == [0.1, 0.3, 0.2]
    assert [row["superseded_by"] for row in history] == [history[1]["seq"], history[2]["seq"], None]
    assert [row["superseded_because"] for row in history] == [["inputs"], ["inputs"], None]
    assert [row["superseded_reason"] for row in history] == [None, None, None]


def test_run_whose_share_of_an_instrument_moved_with_another_run_says_so(tmp_path: Path) -> None:
    wind = {"id": "w", "kind": "ppa", "zone": "DE", "vintage": 2026, "quantity": "0.1 kWh", "source": "c"}
    made = Work(tmp_path, settings={"instruments": [wind]})
    made.put("a/run.yaml", 'site: {region: DE, pue: 1.2, market_intensity: "500 gCO2e/kWh"}\n')
    made.put("a/gpu.csv", steady(100, 3600))
    made.ledgered()
    made.put("b/run.yaml", "site: {region: DE, pue: 1.2}\n")
    made.put("b/gpu.csv", steady(200, 3600))
    made.ledgered()
    history = made.query("FROM run_history WHERE run_id = 'a'")
    assert [row["superseded_because"] for row in history] == [["instruments"], None]


def test_reason_is_beside_its_assessment_and_of_no_other(work: Work) -> None:
    before = ledger_of(work)
    (first, second, _) = [row["seq"] for row in work.query("SELECT seq FROM assessment ORDER BY seq")]
    given = reason.give(work.store, f"  {WHY} ", str(second))
    assert (given.assessment, given.is_new) == (second, True)
    assert ledger_of(work)[: len(before)] == before, "nothing is updated"
    assert [row["superseded_reason"] for row in work.query("FROM run_history")] == [WHY, None, None]
    assert verify.verify(work.store).wrong == []
    assert first < second


def test_same_reason_twice_adds_nothing_and_a_later_one_supersedes(work: Work) -> None:
    reason.give(work.store, "one")
    before = ledger_of(work)
    assert reason.give(work.store, "one ").is_new is False
    assert ledger_of(work) == before
    assert reason.give(work.store, "two").is_new
    assert len(ledger_of(work)) == len(before) + 1
    assert [row["superseded_reason"] for row in work.query("FROM run_history")] == [None, "two", None]


def test_same_facts_after_a_reason_still_add_nothing(work: Work) -> None:
    reason.give(work.store, "one")
    before = ledger_of(work)
    assert work.ledgered().events == 0
    assert ledger_of(work) == before


def test_explain_shows_what_took_whose_place_and_why(work: Work) -> None:
    reason.give(work.store, WHY)
    with store.reader(work.store) as con:
        history = explain.explain(con, "a")["history"]
    assert [one["superseded_reason"] for one in history] == [None, WHY]
    command = [str(BIN / "green"), "explain", "a", "--store", str(work.store)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=work.folder).stdout
    assert "(other inputs): nobody said why" in text
    assert "(other inputs): the log of the first try was read; name" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_command_says_what_it_did_and_refuses_what_is_no_assessment_or_no_reason(work: Work, tmp_path: Path) -> None:
    command = [str(BIN / "green"), "reason", "because", "--json", "--store", str(work.store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=work.folder)
    (newest,) = work.query("SELECT max(seq) AS seq FROM assessment")
    assert json.loads(done.stdout) == {"assessment": newest["seq"], "is_new": True}
    before = ledger_of(work)
    for text, which in ((" ", "latest"), ("x" * 1001, "latest"), ("x", "1"), ("x", "0 OR true"), ("x", "²")):
        with pytest.raises(UsageError):
            reason.give(work.store, text, which)
    assert ledger_of(work) == before
    absent = tmp_path / "nowhere" / "green.duckdb"
    with pytest.raises(StoreError, match="no audit store"):
        reason.give(absent, "x")
    assert not absent.parent.exists(), "a reason makes no store"
