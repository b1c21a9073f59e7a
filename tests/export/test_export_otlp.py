"""OTLP: joules of each device over its time; a host is never beside its parts, and the unknown is no point."""

from __future__ import annotations

import json
from typing import Any

import pytest

from green import export
from green.audit import store
from tests.core.helper import START, Work, native, steady


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    work = Work(tmp_path_factory.mktemp("otlp"))
    work.put("a/run.yaml", "model: m\nsite: {region: DE, pue: 1.2}\n")
    work.put("a/gpu.csv", steady(200, 60))
    sensors = [{"id": "h0", "kind": "host", "name": "server", "reads": "power_w"}]
    readings = [{"t": second, "h0": 500} for second in range(0, 61, 10)]
    work.put("host/x.green.jsonl", native("host", readings, sensors))
    work.put("paper/run.yaml", 'started_at: 2026-03-01T08:00:00Z\nenergy: {total: "27 kWh", basis: facility}\n')
    work.put("nothing/run.yaml", "team: t\n")
    work.ledgered()
    with store.reader(work.store) as con:
        said = json.loads(export.render("otlp", export.collect(con, export.Choice())))
    found = {}
    for one in said["resourceMetrics"]:
        attributes = {row["key"]: row["value"]["stringValue"] for row in one["resource"]["attributes"]}
        (scope,) = one["scopeMetrics"]
        found[attributes["green:run_id"]] = (attributes, {row["name"]: row for row in scope["metrics"]})
    return found


def points(metric: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**point, **{row["key"]: row["value"]["stringValue"] for row in point["attributes"]}}
        for point in metric["sum"]["dataPoints"]
    ]


def test_device_is_joules_between_the_runs_ends(resources: dict[str, Any]) -> None:
    attributes, metrics = resources["a"]
    assert attributes["service.name"] == "m"
    assert list(metrics) == ["hw.energy"]
    assert (metrics["hw.energy"]["unit"], metrics["hw.energy"]["sum"]["isMonotonic"]) == ("J", True)
    (point,) = points(metrics["hw.energy"])
    assert point["asDouble"] == pytest.approx(200 * 60)
    assert (point["hw.id"], point["hw.type"]) == ("gpu0/sampled", "gpu")
    assert float(point["green:low_j"]) < point["asDouble"] < float(point["green:high_j"])
    start, end = (int(point[key]) for key in ("startTimeUnixNano", "timeUnixNano"))
    assert (start, end - start) == (int(START.timestamp()) * 10**9, 60 * 10**9)


def test_whole_host_is_a_host_and_no_component(resources: dict[str, Any]) -> None:
    _, metrics = resources["host"]
    assert list(metrics) == ["hw.host.energy"]
    (point,) = points(metrics["hw.host.energy"])
    assert point["asDouble"] == pytest.approx(500 * 60)
    assert "hw.type" not in point


@pytest.mark.parametrize("run", ["paper", "nothing"])
def test_energy_of_a_facility_or_of_nobody_is_no_point(resources: dict[str, Any], run: str) -> None:
    attributes, metrics = resources[run]
    assert metrics == {}
    assert "energy_kwh" in attributes["green:unknown"].split()


def test_every_known_figure_of_a_run_is_an_attribute(resources: dict[str, Any]) -> None:
    attributes, _ = resources["a"]
    for name in ("operational_kgco2e", "facility_energy_kwh", "embodied_kgco2e"):
        assert float(attributes[f"green:{name}"]) > 0
