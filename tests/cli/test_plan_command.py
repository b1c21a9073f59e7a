"""`green plan` on the command line: options, records, exit codes, and a record that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from green.cli import main
from tests.plan.helper import POLICIES, text_of

H100 = ("--device", "NVIDIA H100 SXM", "--count", "8", "--hours", "72", "--region", "DE", "--pue", "1.2")
BASE = (*H100, "--load", "0.8", "--start", "2026-03-01T08:00Z", "--team", "nlp", "--kind", "training")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(POLICIES, encoding="utf-8")
    return tmp_path


def plan(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--policies", "p.yaml", *arguments])
    return int(str(ended.value.code))


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    plan(*arguments, "--json")
    out: dict[str, Any] = json.loads(capsys.readouterr().out)
    return out


def test_a_plan_from_options_is_priced_and_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(*BASE) == 1
    captured = capsys.readouterr()
    assert "plan: 8 x NVIDIA H100 SXM, 3 d, DE, from 2026-03-01T08:00:00Z" in captured.out
    assert "energy (IT)\t323 kWh\t323 kWh\t323 kWh" in captured.out
    assert "fail\tC\tplan\t" in captured.out
    assert "B a team\tteam=nlp\t200 kgCO2e\tunknown (NO_HISTORY)\t131 kgCO2e" in captured.out
    assert "not judged, for they ask for a measurement: Q" in captured.out
    assert "no store at green.duckdb: budgets are unknown" in captured.err


def test_the_first_name_is_the_plan_and_the_others_are_what_ifs(capsys: pytest.CaptureFixture[str]) -> None:
    one = found(capsys, *BASE[:7], "DE,FR", *BASE[8:], "--device", "L4", "--hours", "1 d")
    assert one["plans"][0]["region"] == "DE"
    assert one["plans"][0]["hardware"] == [{"device": "NVIDIA H100 SXM", "count": 8.0}]
    assert {(each["change"], each["value"]) for each in one["plans"][0]["what_if"]} == {
        ("region", "FR"),
        ("device", "L4"),
        ("hours", 24.0),
    }


def test_a_plan_that_is_written_is_a_record_with_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    first = found(capsys, *BASE, "--write", "plans/a/run.yaml", "--run-id", "a b: c", "--memory", "512 GB")
    again = found(capsys, "plans/a/run.yaml")
    assert again["plans"][0]["run_id"] == "a b: c"
    assert again["plans"][0]["figures"] == first["plans"][0]["figures"]
    assert again["verdicts"] == [
        {**one, "where": {"file": "a/run.yaml", "line": 1} if one["policy"] != "B" else one["where"]}
        for one in first["verdicts"]
    ]


def test_what_the_command_line_does_not_say_is_assumed_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(*H100, "--as-of", "2026-03-01", "--json") == 1
    captured = capsys.readouterr()
    one = json.loads(captured.out)
    energy = one["plans"][0]["figures"]["energy_kwh"]
    assert (energy["value"], energy["low"], energy["high"]) == pytest.approx((403.2, 0.12 * 403.2, 403.2))
    assert any("no --load" in note for note in one["notes"])
    assert "no --start: it starts at 2026-03-01" in one["notes"]


def test_a_plan_that_breaks_nothing_ends_0(folder: Path) -> None:
    kept = POLICIES.partition("- {id: B")[0]
    (folder / "p.yaml").write_text(kept, encoding="utf-8")
    assert plan(*BASE[:4], "--hours", "10", *BASE[6:]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to price"),
        (("--device", "L4"), "nothing to price"),
        (("--device", "L4", "--hours", "many"), '--hours: "many" does not begin with a number'),
        (("--device", "L4", "--hours", "72 kWh"), "--hours"),
        (("--device", "L4", "--hours", "-3"), "--hours"),
        (("--device", "L4", "--hours", "3", "--load", "8"), "--load: a share is above 0"),
        (("--device", "L4", "--hours", "3", "--pue", "0.5"), "--pue: a PUE is at least 1"),
        (("--device", "L4", "--hours", "3", "--count", "0"), "--count"),
        (("--device", "L4", "--hours", "3", "--memory", "lots"), "--memory"),
        (("--device", "L4", "--hours", "3", "--kind", "sleeping"), "--kind"),
        (("--device", "L4", "--hours", "3", "--power", "3 W", "--load", "0.5"), "--power and --load"),
        (("--device", "L4", "--hours", "3", "--start", "noon"), "'noon' is no time"),
        (("--device", "L4", "--hours", "3", "--start", "2026-02-01..2026-01-01"), "it ends before it begins"),
        (("--device", "L4", "--hours", "3", "--start", "best"), "no hourly series is configured"),
        (("--device", "L4", "--hours", "3", "--write", "p.yaml/x"), "cannot write p.yaml/x"),
        (("plans", "--pue", "1.2"), "--pue with records"),
    ],
)
def test_a_wrong_call_ends_3_and_says_why(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(*arguments) == 3
    captured = capsys.readouterr()
    assert words in captured.err
    assert "mend:" in captured.err


def test_a_record_that_is_wrong_ends_4_with_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "x").mkdir()
    (folder / "x" / "run.yaml").write_text(f'{text_of()[:-1]},\n"duration": "3 kWh"}}', encoding="utf-8")
    assert plan("x") == 4
    assert plan("none") == 4
    (folder / "x" / "run.yaml").write_text("status: planned\nduration: 3 kWh\n", encoding="utf-8")
    assert plan("x/run.yaml") == 4
    assert "x/run.yaml:2" in capsys.readouterr().err


def test_names_in_a_plan_stay_text(capsys: pytest.CaptureFixture[str]) -> None:
    plan(*BASE[2:], "--device", "\x1b[31mL4", "--run-id", "a\n::error::x", "--region", "DE\x1b[0m")
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "\n::error" not in captured.out + captured.err
