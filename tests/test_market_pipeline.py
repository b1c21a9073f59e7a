"""Instruments, factors of the catalogue and the modelled rest, from config.yaml to the views and `green explain`."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import BIN, snakemake

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
shards: 1
factors: [own.csv]
energy: {{model_rest: true}}
sites:
  hall:
    region: DE
    pue: 1.25
    market_intensity: "700 gCO2e/kWh"
instruments:
- {{id: rec-25, kind: rec, zone: DEU, vintage: 2025, quantity: "{kwh} kWh", source: registry 7}}
- {{id: rec-20, kind: rec, zone: DE, vintage: {{from: 2020-01-01, to: 2020-06-30}}, quantity: "9 kWh", source: x}}
"""
OWN = (
    "factor_id,quantity,subject,value,low,high,unit,valid_from,valid_to,method,source,url,licence,note\n"
    "own/wue,wue,DE,0.5,0.4,0.7,L/kWh,2020-01-01,2020-12-31,annual mean,our provider's letter,https://example.org,own,\n"
)
# 8 kWh at the device and 100 GB for 10 h modelled by 0.3725 W/GB: 8.3725 kWh, x 1.25 = 10.465625 kWh
RECORD = """
run_id: {name}
kind: training
parent: sweep
status: completed
started_at: 2025-03-01T08:00:00Z
ended_at: 2025-03-01T18:00:00Z
site: {{name: hall}}
memory: "100 GB"
energy: {{gpu: "8 kWh ± 5 %", basis: device}}
functional_units: {{tokens: 1000}}
"""


def configure(work: Path, kwh: float) -> None:
    (work / "config.yaml").write_text(CONFIG.format(kwh=kwh), encoding="utf-8")


def run(work: Path) -> str:
    done = snakemake(work, logs=work / "logs")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def green(work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / "green"), *arguments], cwd=work, capture_output=True, text=True, check=False)


def query(work: Path, sql: str) -> list[dict[str, Any]]:
    done = green(work, "query", sql, "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    for name in ("a", "b"):
        (folder / "logs" / name).mkdir(parents=True)
        (folder / "logs" / name / "run.yaml").write_text(RECORD.format(name=name), encoding="utf-8")
    (folder / "own.csv").write_text(OWN, encoding="utf-8")
    configure(folder, 10.465625)
    run(folder)
    return folder


def test_half_is_covered_and_everything_says_where_it_comes_from(work: Path) -> None:
    for row in query(work, "FROM runs"):
        assert row["energy_kwh"] == pytest.approx(8.3725)
        assert row["facility_energy_kwh"] == pytest.approx(10.465625)
        assert (row["scope"], row["method"], row["quality_tier"]) == ("gpu+memory", "declared", "declared")
        assert row["market_covered_kwh"] == pytest.approx(10.465625 / 2)
        assert row["operational_market_kgco2e"] == pytest.approx(10.465625 / 2 * 0.7)
        assert row["water_onsite_l"] == pytest.approx(8.3725 * 0.5)
        assert {"CATALOGUE_WUE", "AGED_CATALOGUE", "MODELLED_REST"} <= set(row["flags"])
        assert row["cost_usd"] is None
        assert "NO_TARIFF" in row["unknown_reasons"]
    bought = {row["instrument_id"]: row for row in query(work, "FROM instruments")}
    assert bought["rec-25"]["zone"] == "DE"
    assert bought["rec-25"]["consumed_kwh"] == pytest.approx(2 * 10.465625)
    assert bought["rec-25"]["left_kwh"] == pytest.approx(0, abs=1e-9)
    assert (bought["rec-20"]["allocated_kwh"], bought["rec-20"]["left_kwh"]) == (0, 9)
    [sweep] = query(work, "FROM family")
    assert (sweep["runs"], sweep["survivors"], sweep["reason"]) == (2, 2, None)
    assert green(work, "verify").returncode == 0


def test_explain_shows_water_market_and_cost_with_their_factors(work: Path) -> None:
    done = green(work, "explain", "a", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {one["metric"]: one for one in json.loads(done.stdout)["figures"]}
    market = found["carbon.operational_market"]
    [instrument] = [one for one in market["inputs"] if one["input"] == "instrument"]
    assert (instrument["instrument_id"], instrument["source"]) == ("rec-25", "registry 7")
    assert instrument["allocated_kwh"] == pytest.approx(10.465625 / 2)
    [mix] = [one for one in market["inputs"] if one["input"] == "rate"]
    assert (mix["origin"], mix["value"]) == ("declared", pytest.approx(700))
    onsite = next(one for one in found["water.total"]["inputs"] if one.get("metric") == "water.onsite")
    [wue] = [one for one in onsite["inputs"] if one["input"] == "rate"]
    assert (wue["origin"], wue["low"], wue["value"], wue["high"], wue["age_y"]) == ("factor", 0.4, 0.5, 0.7, 5)
    assert onsite["agrees"]
    assert not onsite["not_recomputed"]
    [unknown] = found["cost.total"]["unknown"]
    assert (unknown["code"], unknown["missing"]) == ("NO_TARIFF", ["device_hour or tariff of cost"])
    text = green(work, "explain", "a").stdout
    assert "instrument rec-25 (rec, zone DE, from 2025-01-01 until 2026-01-01)" in text
    assert "factor own/wue: 0.5 [0.4, 0.7] L/kWh" in text
    assert "factor power/memory/per-gb" in text
    assert "mend: write device_hour or tariff below cost:" in text


def test_a_changed_instrument_computes_emissions_and_nothing_before(work: Path) -> None:
    before = query(work, "SELECT max(seq) AS seq FROM ledger")[0]["seq"]
    configure(work, 30)
    said = run(work)
    assert "rule emissions" in said
    for earlier in ("rule ingest", "rule energy", "rule embodied"):
        assert earlier not in said
    assert {row["operational_market_kgco2e"] for row in query(work, "FROM runs")} == {0}
    [row] = query(work, "FROM instruments WHERE instrument_id = 'rec-25'")
    assert row["left_kwh"] == pytest.approx(30 - 2 * 10.465625)
    kinds = query(work, f"SELECT kind, count(*) AS n FROM ledger WHERE seq > {before} GROUP BY kind")
    assert {row["kind"]: row["n"] for row in kinds}["instruments"] == 1
    assert "Nothing to be done" in run(work)
    assert green(work, "verify").returncode == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{id: a, kind: rec, vintage: 2025, quantity: 1 MWh, source: x}", "either a zone or a site"),
        ("{id: a, kind: rec, zone: DE, site: s, vintage: 2025, quantity: 1 MWh, source: x}", "either a zone or a site"),
        ("{id: a, kind: offset, zone: DE, vintage: 2025, quantity: 1 MWh, source: x}", "'rec', 'ppa', 'go'"),
        ("{id: a, kind: rec, zone: DE, vintage: 1999, quantity: 1 MWh, source: x}", "2000"),
        (
            "{id: a, kind: rec, zone: DE, vintage: {from: 2025-02-01, to: 2025-01-01}, quantity: 1 MWh, source: x}",
            "ends",
        ),
        ("{id: a, kind: rec, zone: DE, vintage: 2025, quantity: 1 MWh}", "source"),
        ("{id: a, kind: rec, site: nowhere, vintage: 2025, quantity: 1 MWh, source: x}", "not one of sites"),
    ],
)
def test_an_instrument_that_is_none_is_a_mistake_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "config.yaml").write_text(f"allow_empty: true\ninstruments:\n- {text}\n", encoding="utf-8")
    done = green(tmp_path, "ingest", "logs")
    assert done.returncode == 3, done.stdout + done.stderr
    assert said in done.stderr
