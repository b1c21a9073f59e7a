"""BoAmps: a report is what the form demands, loses nothing that is known, and is not made where it would lie."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from green import export
from green.audit import store
from green.errors import InputError
from tests.conftest import BIN
from tests.core.helper import Work, steady

SCHEMA = json.loads(Path(__file__).with_name("boamps.schema.json").read_text(encoding="utf-8"))
BASE = "team: t\nsite: {region: DE-BY, pue: 1.2}\n"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    made = Work(tmp_path_factory.mktemp("boamps"))
    made.put(
        "a/run.yaml",
        f"{BASE}kind: training\nmodel: m\nparameters: 7000000000\nprecision: bf16\n"
        "functional_units: {tokens: 1000}\n",
    )
    made.put("a/gpu.csv", steady(200, 3600))
    made.put("cloud/run.yaml", 'kind: inference\nmodel: chat\nsite: {region: "gcp:europe-west3", pue: 1.1}\n')
    made.put("cloud/gpu.csv", steady(300, 3600))
    made.put("nothing/run.yaml", "team: t\nkind: training\nmodel: unclear\n")
    made.put("hours/run.yaml", f'{BASE}energy: {{total: "27 kWh", basis: device}}\n')
    made.ledgered()
    return made


def reports(work: Work, *runs: str) -> Any:
    with store.reader(work.store) as con:
        return json.loads(export.render("boamps", export.collect(con, export.Choice(runs))))


def test_report_is_what_the_form_asks_for(work: Work) -> None:
    validator = jsonschema.Draft4Validator(SCHEMA)
    found = reports(work)
    assert found[0]["properties"][0] == {"name": "green:run_id", "value": "a"}
    for report in found:
        assert [error.message for error in validator.iter_errors(report)] == []
    found[0]["measures"][0].pop("powerConsumption")
    assert list(validator.iter_errors(found[0])), "the schema does look at measures"


def test_report_has_the_figures_of_the_store(work: Work) -> None:
    report = reports(work, "a")
    (run,) = work.query("FROM runs WHERE run_id = 'a'")
    (measure,) = report["measures"]
    assert measure["powerConsumption"] == run["energy_kwh"]
    assert measure["measurementDuration"] == run["duration_s"]
    assert measure["measurementMethod"] == "nvidia_smi"
    assert measure["gpuTrackingMode"] == "sampled"
    assert report["task"]["taskStage"] == "training"
    assert report["task"]["algorithms"] == [{"algorithmName": "m", "parametersNumber": 7.0, "quantization": "bf16"}]
    assert report["task"]["dataset"] == [{"dataUsage": "input", "dataType": "token", "dataQuantity": 1000}]
    assert report["environment"]["country"] == "DE"
    assert report["quality"] == "high"
    (component,) = report["infrastructure"]["components"]
    assert (component["componentType"], component["nbComponent"]) == ("gpu", 1)


def test_every_known_figure_is_in_a_property_and_what_is_unknown_is_named(work: Work) -> None:
    found = {row["name"]: row["value"] for row in reports(work, "a")["properties"]}
    (run,) = work.query("FROM runs WHERE run_id = 'a'")
    for name, value in run.items():
        if isinstance(value, float):
            assert float(found[f"green:{name}"]) == value
        elif value is None:
            assert name in found["green:unknown"].split()


def test_hardware_that_the_form_has_no_number_for_is_named_beside(work: Work) -> None:
    with store.reader(work.store) as con:
        facts = export.collect(con, export.Choice(("a",)))
    (device,) = facts.devices["a"]
    beside = [{**device, "name": "A100", "count": 0.5}, {**device, "device_id": "d2", "name": None, "count": None}]
    report = json.loads(export.render("boamps", replace(facts, devices={"a": [device, *beside]})))
    assert len(report["infrastructure"]["components"]) == 1
    named = [row["value"] for row in report["properties"] if row["name"] == "green:hardware_left_out"]
    assert named == ["A100", "d2"]
    assert "green:hardware_left_out" not in {row["name"] for row in reports(work, "a")["properties"]}


def test_clouds_region_names_its_provider_and_no_country_is_guessed(work: Work) -> None:
    report = reports(work, "cloud")
    assert report["infrastructure"]["infraType"] == "publicCloud"
    assert report["infrastructure"]["cloudProvider"] == "gcp"
    assert "environment" not in report
    assert report["task"]["algorithms"] == [{"foundationModelName": "chat"}]


def test_run_without_what_the_form_demands_has_no_report_and_the_command_says_why(work: Work) -> None:
    assert {row["value"] for one in reports(work) for row in one["properties"] if row["name"] == "green:run_id"} == {
        "a",
        "cloud",
    }
    for run, words in (("nothing", "its energy"), ("hours", "hardware with its number")):
        with pytest.raises(InputError, match=words):
            reports(work, run)
    command = [str(BIN / "green"), "export", "boamps", "--store", str(work.store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=work.folder)
    assert "note: no report of hours: hardware with its number" in done.stderr
    assert "note: no report of nothing: its energy (" in done.stderr
    done = subprocess.run([*command, "--run", "nothing"], capture_output=True, text=True, check=False, cwd=work.folder)
    assert (done.returncode, done.stdout) == (4, "")
