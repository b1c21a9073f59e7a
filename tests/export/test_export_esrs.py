"""ESRS E1: datapoints of each year; an unknown part makes a value null, and no source of electricity is assumed."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from green import export, stages
from green.audit import store
from green.export import esrs
from tests.core.helper import Work, steady

if TYPE_CHECKING:
    from pathlib import Path

SITE = 'site: {region: DE, pue: 1.25, market_intensity: "500 gCO2e/kWh"}'
WIND = {
    "id": "wind",
    "kind": "ppa",
    "zone": "DE",
    "vintage": 2026,
    "quantity": "0.1 kWh",
    "energy_source": "wind",
    "source": "contract 4",
}


def recorded(folder: Path, instruments: list[dict[str, Any]], logs: dict[str, str]) -> export.Facts:
    """Return the facts of runs at 200 W for an hour whose records are given."""
    work = Work(folder, settings={"instruments": instruments})
    for (name, text), step_s in zip(logs.items(), (10, 12), strict=False):  # logs of the same bytes count once
        work.put(f"{name}/run.yaml", text)
        work.put(f"{name}/gpu.csv", steady(200, 3600, step_s))
    work.compute()
    work.record(instruments=stages.instruments_of(work.config))
    with store.reader(work.store) as con:
        return export.collect(con, export.Choice())


def report(folder: Path, instruments: list[dict[str, Any]], logs: dict[str, str]) -> dict[str, dict[str, Any]]:
    return datapoints(recorded(folder, instruments, logs))


def datapoints(facts: export.Facts) -> dict[str, dict[str, Any]]:
    """Return the datapoints of 2026 by line."""
    said = json.loads(export.render("esrs-e1", facts))
    (year,) = said["years"]
    assert year["year"] == 2026
    by_number = {(row["datapoint"], row["name"]): row for row in year["datapoints"]}
    return {line: by_number[one["datapoint"], one["name"]] for line, one in esrs.mapping().items()}


def test_every_line_has_number_paragraph_unit_and_source_and_those_of_the_table_only(tmp_path: Path) -> None:
    found = report(tmp_path, [], {"a": SITE})
    with esrs.MAPPING.open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [row["line"] for row in table] == list(found)
    for row in table:
        assert all(row.values()), f"{row['line']}: a cell is empty"
        assert found[row["line"]]["paragraph"] == row["paragraph"]
        assert found[row["line"]]["unit"] == row["unit"]


def test_scope_2_is_given_by_both_methods_in_tonnes_and_energy_in_mwh(tmp_path: Path) -> None:
    found = report(tmp_path, [WIND], {"a": SITE, "b": SITE})
    assert found["electricity"]["value"] == pytest.approx(0.0005)
    assert found["electricity"]["low"] < found["electricity"]["value"] < found["electricity"]["high"]
    # 0.5 kWh, of which the contract covers 0.1 at 0 g/kWh, the rest 500 g/kWh
    assert found["market_based"]["value"] == pytest.approx(0.4 * 0.5 / 1000)
    assert "ppa wind: contract 4" in found["market_based"]["source"]
    assert found["location_based"]["value"] > found["market_based"]["value"] / 2
    assert any("Ember" in line and "lifecycle" in line for line in found["location_based"]["source"])
    assert found["instruments_share"]["value"] == pytest.approx(20)
    assert found["instruments_types"]["value"] == "ppa"


def test_only_what_an_instrument_states_is_renewable_and_the_rest_of_the_grid_has_no_source(tmp_path: Path) -> None:
    found = report(tmp_path, [WIND], {"a": SITE})
    assert found["renewable"]["value"] == pytest.approx(0.0001)
    for line in ("fossil", "nuclear"):
        assert found[line]["value"] is None
        assert found[line]["missing_because"].startswith("0.00015 MWh are covered by no instrument")


def test_electricity_that_is_wholly_covered_has_all_its_sources(tmp_path: Path) -> None:
    atom = {**WIND, "id": "xatom", "energy_source": "nuclear", "quantity": "9 kWh"}
    found = report(tmp_path, [WIND, atom], {"a": SITE})
    assert found["renewable"]["value"] + found["nuclear"]["value"] == pytest.approx(found["electricity"]["value"])
    assert found["nuclear"]["value"] > 0
    assert found["fossil"]["value"] == 0
    assert "missing_because" not in found["fossil"]


@pytest.mark.parametrize(("kind", "is_known"), [("rec", True), ("go", False), ("green_tariff", False)])
def test_certificate_that_states_no_source_is_renewable_only_where_its_kind_says_so(
    tmp_path: Path, *, kind: str, is_known: bool
) -> None:
    silent = {**WIND, "kind": kind, "energy_source": None}
    found = report(tmp_path, [silent], {"a": SITE})["renewable"]
    assert (found["value"] is not None) is is_known
    if not is_known:
        assert found["missing_because"] == "instruments that do not state their energy_source: wind"
        assert found["known"] == 0


def test_what_an_instrument_covers_is_never_taken_for_nothing_where_it_is_unknown(tmp_path: Path) -> None:
    facts = recorded(tmp_path, [WIND], {"a": SITE})
    dark = {run: [{**row, "allocated_kwh": None} for row in rows] for run, rows in facts.covered.items()}
    found = datapoints(replace(facts, covered=dark))
    for line in ("renewable", "nuclear", "fossil"):
        assert found[line]["value"] is None
        assert found[line]["missing_because"] == "how much an instrument covers is not recorded"


def test_without_an_instrument_no_source_is_known_not_even_that_there_is_none(tmp_path: Path) -> None:
    found = report(tmp_path, [], {"a": SITE})
    for line in ("renewable", "nuclear", "fossil", "instruments_share", "instruments_types"):
        assert found[line]["value"] is None
        assert found[line]["missing_because"] == esrs.NO_INSTRUMENT


def test_run_with_an_unknown_figure_makes_the_total_null_and_its_known_part_stands_beside(tmp_path: Path) -> None:
    found = report(tmp_path, [WIND], {"a": SITE, "b": "site: {region: DE}"})
    for line in ("electricity", "location_based", "market_based"):
        assert found[line]["value"] is None
        assert "NO_PUE" in found[line]["missing_because"]
        assert found[line]["missing_because"].startswith("1 of 2 runs: ")
    assert found["electricity"]["known"] == pytest.approx(0.00025)
    assert found["renewable"]["value"] is None


def test_cloud_is_bought_as_a_service_and_no_electricity_of_ones_own(tmp_path: Path) -> None:
    found = report(tmp_path, [], {"a": SITE, "b": 'site: {region: "gcp:europe-west3", pue: 1.1}'})
    assert found["electricity"]["value"] == pytest.approx(0.00025)
    assert found["category_1"]["value"] > 0
    assert found["category_2"]["value"] is None
    only = report(tmp_path / "only", [], {"b": 'site: {region: "gcp:europe-west3", pue: 1.1}'})
    assert only["electricity"] | {"value": None} == only["electricity"], "no zero where no run is there"
    assert only["electricity"]["missing_because"]
    none = report(tmp_path / "none", [], {"a": SITE})
    assert none["category_1"]["missing_because"] == esrs.NO_CLOUD
