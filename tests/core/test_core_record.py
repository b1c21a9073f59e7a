"""The record: every key of the contract lands in its column; what is wrong is unknown, and the rest counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green import record
from tests.core.helper import Work

EXAMPLE = """\
run_id: bert-large-07
project: nlp
team: search
model: bert-large
parameters: 340000000
dataset_size: 5
iterations: 6
precision: bf16
techniques: [quantization]
flops: 1e21
kind: training
parent: lr-sweep
status: completed
started_at: 2026-10-01T08:00:00Z
ended_at: 2026-10-01T20:00:00Z
duration: "12 h"
site:
  name: eu-dc-1
  region: DE
  timezone: Europe/Berlin
  pue: 1.2
  intensity: "432.7 gCO2e/kWh"
  market_intensity: "0 gCO2e/kWh"
  wue: "1.8 L/kWh"
  ewif: "3.1 L/kWh"
cost: {device_hour: "0.43 USD", tariff: "0.12 USD/kWh"}
hardware:
- device: NVIDIA A100-SXM4-80GB
  count: 8
  average_power: "330 W ± 10 W"
  rated_power: "0.4 kW"
  load: 0.9
  embodied: {value: "150 kgCO2e", low: "0.1 tCO2e", high: "200 kgCO2e"}
  lifetime: "6 y"
  utilisation: 0.85
  share: 0.5
memory: "512 GB"
energy: {total: "27 kWh", basis: facility}
device_hours: "1082990 h"
functional_units: {tokens: 300000000000}
metrics: {accuracy: 0.93}
labels: {purpose: benchmark}
"""


def ingested(folder: Path, text: str) -> Work:
    work = Work(folder)
    work.put("a/run.yaml", text)
    work.ingest()
    return work


def test_every_key_of_the_contract_lands_in_its_column(tmp_path: Path) -> None:
    work = ingested(tmp_path, EXAMPLE)
    assert work.rows("rejects") == []
    (run,) = work.rows("run")
    expected: dict[str, Any] = {
        "run_id": "bert-large-07",
        "source": "a",
        "where_file": "a/run.yaml",
        "project": "nlp",
        "team": "search",
        "model": "bert-large",
        "kind": "training",
        "parent": "lr-sweep",
        "status": "completed",
        "site": "eu-dc-1",
        "started_at": datetime(2026, 10, 1, 8, tzinfo=UTC),
        "ended_at": datetime(2026, 10, 1, 20, tzinfo=UTC),
        "duration_s": 43200.0,
        "device_hours_h": 1082990.0,
        "pue": 1.2,
        "intensity_gco2e_per_kwh": 432.7,
        "market_gco2e_per_kwh": 0.0,
        "wue_l_per_kwh": 1.8,
        "ewif_l_per_kwh": 3.1,
        "device_hour_usd": 0.43,
        "tariff_usd_per_kwh": 0.12,
        "logs": 0,
    }
    assert {key: run[key] for key in expected} == expected
    facts = {"parameters": 340000000, "dataset_size": 5, "iterations": 6, "precision": "bf16", "flops": 1e21}
    facts |= {"techniques": ["quantization"], "memory_gb": 512, "labels": {"purpose": "benchmark"}}
    said = json.loads(run["facts"])
    lines = said.pop("lines")
    assert said == facts
    text = (work.logs / run["where_file"]).read_text().splitlines()
    assert text[lines["energy.total"] - 1].lstrip().startswith(("energy:", "total:"))
    assert text[lines["site.region"] - 1].lstrip().startswith(("site:", "region:"))
    (device,) = work.rows("device")
    hardware = {"name": "NVIDIA A100-SXM4-80GB", "component": "gpu", "count": 8.0, "share": 0.5, "utilisation": 0.85}
    hardware |= {"average_power_w": 330.0, "average_power_low_w": 320.0, "average_power_high_w": 340.0}
    hardware |= {"rated_power_w": 400.0, "load": 0.9, "lifetime_h": 6 * 8760.0, "origin": "hardware"}
    hardware |= {"embodied_kgco2e": 150.0, "embodied_low_kgco2e": 100.0, "embodied_high_kgco2e": 200.0}
    assert {key: device[key] for key in hardware} == hardware
    (said,) = work.rows("statement")
    assert (str(said["energy_kwh"]), said["basis"], said["covers"], said["method"]) == (
        "27.000000000000000000",
        "facility",
        ["gpu", "cpu", "memory", "rest"],
        "declared",
    )
    assert [(u["unit"], u["amount"]) for u in work.rows("units")] == [("tokens", 3e11)]
    assert [(m["metric"], m["value"]) for m in work.rows("metrics")] == [("accuracy", 0.93)]


QUANTITIES = [
    ("duration", "duration: {}"),
    ("device_hours", "device_hours: {}"),
    ("memory", "memory: {}"),
    ("site.pue", "site: {{pue: {}}}"),
    ("site.intensity", "site: {{intensity: {}}}"),
    ("site.wue", "site: {{wue: {}}}"),
    ("site.ewif", "site: {{ewif: {}}}"),
    ("cost.device_hour", "cost: {{device_hour: {}}}"),
    ("cost.tariff", "cost: {{tariff: {}}}"),
    ("energy.total", "energy: {{basis: wall, total: {}}}"),
    ("hardware.0.average_power", "hardware: [{{device: X, average_power: {}}}]"),
    ("hardware.0.rated_power", "hardware: [{{device: X, rated_power: {}}}]"),
    ("hardware.0.embodied", "hardware: [{{device: X, embodied: {}}}]"),
    ("hardware.0.lifetime", "hardware: [{{device: X, lifetime: {}}}]"),
    ("functional_units.tokens", "functional_units: {{tokens: {}}}"),
]


@pytest.mark.parametrize(
    "bad", ['"5 parsec"', '"-5 W"', ".nan", ".inf", '"1 EUR"', "[1]", "true", "1e31", '""', '"1,5 W"']
)
@pytest.mark.parametrize(("name", "text"), QUANTITIES, ids=[name for name, _ in QUANTITIES])
def test_a_bad_quantity_is_bad_unit_with_its_line_and_the_rest_counts(
    tmp_path: Path, name: str, text: str, bad: str
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"team: t\n{text.format(bad)}\nmodel: m\n")
    found = record.read(str(file), "a/run.yaml")
    assert [(m.line, m.reason) for m in found.mistakes] == [(2, "BAD_UNIT")], found.mistakes
    assert found.mistakes[0].detail.startswith(f"{name}: ")
    assert (found.record.team, found.record.model) == ("t", "m")
    value: Any = {**found.record.model_dump(), "functional_units": dict(found.functional_units)}
    for step in name.split("."):
        value = value[int(step)] if step.isdigit() else (value or {}).get(step)
    assert value is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("teem: t", "UNKNOWN_KEY"),
        ("site: {pue: 0.9}", "BAD_VALUE"),
        ("kind: dreaming", "BAD_VALUE"),
        ("started_at: yesterday", "BAD_VALUE"),
        ("started_at: 1999-12-31T00:00:00Z", "BAD_VALUE"),
        ("ended_at: 2100-01-01T00:00:00Z", "BAD_VALUE"),
        ("hardware: [{device: X, load: 1.5}]", "BAD_VALUE"),
        ("hardware: [{device: X, share: 0}]", "BAD_VALUE"),
        ("hardware: [{count: 2}]", "BAD_VALUE"),
        ("energy: {total: 1 kWh, basis: moon}", "BAD_VALUE"),
        ("project: ''", "BAD_VALUE"),
        ("metrics: {accuracy: high}", "BAD_VALUE"),
    ],
)
def test_another_mistake_is_a_reject_too(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"team: t\n{text}\n")
    found = record.read(str(file), "run.yaml")
    assert [(m.line, m.reason) for m in found.mistakes] == [(2, reason)]
    assert found.record.team == "t"


def test_unknown_key_names_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("projct: p\n")
    (mistake,) = record.read(str(tmp_path / "run.yaml"), "run.yaml").mistakes
    assert mistake.detail == "unknown key projct; did you mean project?"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "EMPTY_RECORD"), ("- 1\n", "EMPTY_RECORD"), ("a: [\n", "NOT_YAML"), ("a: &x 1\n", "NOT_YAML")],
)
def test_a_record_that_is_none_is_still_a_run_of_which_nothing_is_known(tmp_path: Path, text: str, reason: str) -> None:
    work = ingested(tmp_path, text)
    assert work.rejected() == {("a/run.yaml", reason)}
    (run,) = work.rows("run")
    assert (run["run_id"], reason in run["reasons"]) == ("a", True)


def test_json_record_says_the_same_as_yaml(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("a/run.json", json.dumps({"team": "t", "site": {"pue": 1.2}, "duration": "12 h"}, indent="\t"))
    work.ingest()
    (run,) = work.rows("run")
    assert (run["team"], run["pue"], run["duration_s"], work.rows("rejects")) == ("t", 1.2, 43200.0, [])


TIMES = [
    ("2026-10-25T02:30:00+02:00", "", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), []),
    ("2026-07-01T12:00:00", "site: {timezone: Europe/Berlin}", datetime(2026, 7, 1, 10, tzinfo=UTC), []),
    ("2026-01-01T12:00:00", "site: {timezone: Europe/Berlin}", datetime(2026, 1, 1, 11, tzinfo=UTC), []),
    ("2026-01-01 12:00:00", "", datetime(2026, 1, 1, 12, tzinfo=UTC), ["ASSUMED_UTC"]),
]


@pytest.mark.parametrize(("written", "site", "expected", "flags"), TIMES)
def test_naive_time_is_in_the_site_s_zone_else_utc_and_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, site: str, expected: datetime, flags: list[str]
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    (run,) = ingested(tmp_path, f"started_at: {written}\n{site}\n").rows("run")
    assert (run["started_at"], run["flags"]) == (expected, flags)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("started_at: 2026-01-01T00:00:00Z\nduration: 2 h\n", (0, 2, 7200.0)),
        ("ended_at: 2026-01-01T02:00:00Z\nduration: 2 h\n", (0, 2, 7200.0)),
        ("started_at: 2026-01-01T00:00:00Z\nended_at: 2026-01-01T03:00:00Z\nduration: 2 h\n", (0, 3, 10800.0)),
        ("duration: 90 min\n", (None, None, 5400.0)),
        ("started_at: 2026-01-01T03:00:00Z\nended_at: 2026-01-01T00:00:00Z\n", (None, None, None)),
    ],
)
def test_two_of_start_end_and_duration_give_the_third(tmp_path: Path, text: str, expected: tuple[Any, ...]) -> None:
    (run,) = ingested(tmp_path, text).rows("run")
    hours = [None if run[key] is None else run[key].hour for key in ("started_at", "ended_at")]
    assert (*hours, run["duration_s"]) == expected


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.just("5 kWh")
    | st.just("1e29 W"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["device", "total", "pue", "x", "count", "value"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from([*record.Record.model_fields, "nonsense"])


@settings(max_examples=150, deadline=2000)
@given(st.dictionaries(KEYS, ANY, max_size=6))
def test_any_mapping_is_read_with_a_mistake_for_each_bad_field(tmp_path_factory: Any, body: dict[str, Any]) -> None:
    file = tmp_path_factory.getbasetemp() / "any.json"
    text = json.dumps(body).replace("NaN", ".nan").replace("-Infinity", "-.inf").replace("Infinity", ".inf")
    file.write_text(text)
    found = record.read(str(file), "run.yaml")
    assert len(found.mistakes) <= record.MOST_MISTAKES + 1
    for mistake in found.mistakes:
        assert mistake.line >= 1
        assert mistake.reason in {"BAD_UNIT", "BAD_VALUE", "UNKNOWN_KEY", "NOT_YAML", "EMPTY_RECORD", "BAD_RECORD"}
    if "nonsense" in body and not any(m.reason == "NOT_YAML" for m in found.mistakes):
        assert "UNKNOWN_KEY" in found.reasons
