"""Exports: each form holds what the store knows, unknown stays unknown, the schemas that are published hold."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import cyclonedx.schema
import duckdb
import jsonschema
import pytest
from referencing import Registry, Resource
from ruamel.yaml import YAML

from green import export
from green.audit import store
from green.errors import InputError, UsageError
from tests.conftest import BIN, REPO
from tests.core.helper import Work, steady

SCHEMAS = Path(cyclonedx.schema.__file__).parent / "_res"
ODD = 'mo"del: | <b> — \u2028 ---\n#x'


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    made = Work(tmp_path_factory.mktemp("export"))
    base = "team: t\nkind: training\nsite: {region: DE, pue: 1.2}\n"
    made.put("a/run.yaml", f"{base}model: m\nfunctional_units: {{tokens: 1000}}\nflops: 1e15\n")
    made.put("a/gpu.csv", steady(200, 3600))
    made.put("b/run.yaml", f"{base}model: m\nflops: 2e15\n")
    made.put("b/gpu.csv", steady(100, 3600))
    made.put("nothing/run.yaml", "team: t\nkind: training\nmodel: unclear\n")
    made.put("odd/run.yaml", f"{base}model: {json.dumps(ODD)}\n")
    made.put("odd/gpu.csv", steady(70, 60))
    made.put("noregion/run.yaml", "team: t\nkind: inference\nmodel: half\n")
    made.put("noregion/gpu.csv", steady(90, 60))
    made.ledgered()
    return made


def facts(work: Work, **choice: Any) -> export.Facts:
    with store.reader(work.store) as con:
        return export.collect(con, export.Choice(**choice))


def schema_of(version: str) -> Any:
    names = {
        name: json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
        for name in (
            f"bom-{version}.SNAPSHOT.schema.json",
            "spdx.SNAPSHOT.schema.json",
            "jsf-0.82.SNAPSHOT.schema.json",
            "cryptography-defs.SNAPSHOT.schema.json",
        )
    }
    whole = names[f"bom-{version}.SNAPSHOT.schema.json"]
    resources = [(one["$id"], Resource.from_contents(one)) for one in names.values()]
    return jsonschema.Draft7Validator(whole, registry=Registry().with_resources(resources))


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_bom_is_what_the_schema_of_owasp_asks_for(work: Work, version: str) -> None:
    form = "cyclonedx" if version == "1.6" else "cyclonedx-1.7"
    bom = json.loads(export.render(form, facts(work)))
    validator = schema_of(version)
    assert [error.message for error in validator.iter_errors(bom)] == []
    bom["components"][0]["modelCard"]["considerations"]["environmentalConsiderations"]["energyConsumptions"] = [{}]
    assert list(validator.iter_errors(bom)), "the schema does look at energy consumptions"


def test_bom_has_the_figures_of_the_store_and_no_number_for_what_is_unknown(work: Work) -> None:
    bom = json.loads(export.render("cyclonedx", facts(work)))
    components = {
        one["name"]: one["modelCard"]["considerations"]["environmentalConsiderations"] for one in bom["components"]
    }
    runs = {row["run_id"]: row for row in work.query("FROM runs")}
    (one, other) = components["m"]["energyConsumptions"]
    assert one["activityEnergyCost"] == {"value": runs["a"]["facility_energy_kwh"], "unit": "kWh"}
    assert one["co2CostEquivalent"] == {"value": runs["a"]["operational_kgco2e"] / 1000, "unit": "tCO2eq"}
    assert other["activity"] == "training"
    assert components["unclear"]["energyConsumptions"] == []
    unknown = {row["name"]: row["value"] for row in components["unclear"]["properties"]}
    assert "energy_kwh" in unknown["green:run:nothing:unknown"].split()
    assert unknown["green:run:nothing:unknown_reasons"] != "[]"
    (half,) = components["half"]["energyConsumptions"]
    assert "co2CostEquivalent" not in half
    assert {"name": "green:energy_basis", "value": "IT equipment, before PUE"} in half["properties"]


def test_every_known_figure_of_a_run_is_in_the_bom(work: Work) -> None:
    bom = json.loads(export.render("cyclonedx", facts(work, run=["a"])))
    (entry,) = bom["components"][0]["modelCard"]["considerations"]["environmentalConsiderations"]["energyConsumptions"]
    found = {row["name"]: row["value"] for row in entry["properties"]}
    (run,) = work.query("FROM runs WHERE run_id = 'a'")
    for name, value in run.items():
        if isinstance(value, float):
            assert float(found[f"green:{name}"]) == value


def test_model_card_says_grams_and_is_yaml_whatever_names_hold(work: Work) -> None:
    runs = {row["run_id"]: row for row in work.query("FROM runs")}
    for model in ("m", ODD):
        text = export.render("huggingface", facts(work, model=model))
        assert text.startswith("---\n")
        card = YAML(typ="safe").load(text.strip("-\n"))
        chosen = [row for row in runs.values() if row["model"] == model]
        total = sum(row["operational_kgco2e"] for row in chosen)
        assert card["co2_eq_emissions"]["emissions"] == pytest.approx(1000 * total, rel=1e-12)
        assert card["co2_eq_emissions"]["training_type"] == "pre-training"
        assert card["green"]["runs"] == sorted(row["run_id"] for row in chosen)


def test_model_card_of_unknown_emissions_has_none_and_says_why(work: Work) -> None:
    card = YAML(typ="safe").load(export.render("huggingface", facts(work, model="unclear")).strip("-\n"))
    assert "co2_eq_emissions" not in card
    assert card["green"]["operational_kgco2e_missing_because"].startswith("1 of 1 runs: ")


def test_scope_2_has_both_totals_and_one_with_an_unknown_part_is_null(work: Work) -> None:
    report = json.loads(export.render("scope2", facts(work)))
    year = next(one for one in report["years"] if one["year"] == 2026)
    assert {"location_based_kgco2e", "market_based_kgco2e"} <= set(year)
    assert year["location_based_kgco2e"] is None
    assert year["missing_because"] == "1 runs have no location-based figure"
    german = next(row for row in year["regions"] if row["region"] == "DE")
    runs = work.query("SELECT operational_kgco2e FROM runs WHERE region = 'DE'")
    assert german["location_based_kgco2e"] == pytest.approx(sum(row["operational_kgco2e"] for row in runs), rel=1e-12)


def test_sci_is_its_terms_put_together(work: Work) -> None:
    scores = {one["run"]: one for one in json.loads(export.render("sci", facts(work)))["scores"]}
    one = scores["a"]
    assert one["sci_gco2e_per_unit"] == pytest.approx((one["E_kwh"] * one["I_gco2e_per_kwh"] + one["M_gco2e"]) / 1000)
    terms = one["M_of_devices"][0]
    share = terms["TiR_h"] / (terms["EL_h"] * terms["utilisation"]) * terms["RR"] / terms["ToR"]
    assert terms["M_kgco2e"] == pytest.approx(terms["TE_kgco2e"] * share)
    assert scores["b"]["sci_gco2e_per_unit"] is None
    assert scores["b"]["missing_because"] == ["no functional unit is declared"]
    assert scores["nothing"]["E_kwh"] is None


def test_annex_xi_has_compute_time_and_energy_and_says_what_is_missing_and_why(work: Work) -> None:
    text = export.render("eu-ai-act", facts(work, team="t"))
    section = text.partition("## m\n")[2].partition("\nRuns:")[0]
    assert "| 2 (d) | floating-point operations | 3e+15 | declared |" in section
    assert "| 2 (d) | training time (sum of runs) | 7200 s | records and logs |" in section
    unclear = text.partition("## unclear\n")[2].partition("\nRuns:")[0]
    assert "| 2 (e) | energy of the computing equipment | unknown | missing because 1 of 1 runs: " in unclear
    assert "<b>" not in text
    assert "half" not in text, "an inference run trains nothing"


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
@pytest.mark.parametrize("view", ["runs", "by_project", "lineage"])
def test_table_holds_the_view_row_by_row_and_null_is_null(work: Work, tmp_path: Path, form: str, view: str) -> None:
    from green.export.table import render  # noqa: PLC0415 -- beside its one use

    with store.reader(work.store) as con:
        content = render(con, form, view)
    rows = work.query(f"SELECT * FROM {view} ORDER BY ALL")
    if form == "csv":
        found = list(csv.DictReader(io.StringIO(content.decode())))
        assert [[value == "" for value in row.values()] for row in found] == [
            [value is None for value in row.values()] for row in rows
        ]
    elif form == "json":
        found = json.loads(content)
        assert [row["run_id"] for row in found if "run_id" in row] == [row["run_id"] for row in rows if "run_id" in row]
        assert [[value is None for value in row.values()] for row in found] == [
            [value is None for value in row.values()] for row in rows
        ]
    else:
        (tmp_path / "x.parquet").write_bytes(content)
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            got = con.execute(f"FROM '{tmp_path / 'x.parquet'}'").fetchall()
        assert got == [tuple(row.values()) for row in rows]


@pytest.mark.parametrize("form", [*export.FORMS, *export.TABLES])
def test_same_facts_give_the_same_bytes(work: Work, form: str) -> None:
    command = [str(BIN / "green"), "export", form, "--store", str(work.store)]
    one, other = (subprocess.run(command, capture_output=True, check=True, cwd=work.folder).stdout for _ in range(2))
    assert one == other
    assert one


def test_form_view_or_run_that_is_not_there_is_an_error_and_never_an_empty_file(work: Work) -> None:
    with pytest.raises(UsageError, match="no counted run zzz"):
        facts(work, run=["zzz"])
    with pytest.raises(InputError, match="nothing to export"):
        facts(work, team="nobody")
    done = subprocess.run(
        [str(BIN / "green"), "export", "x", "--store", str(work.store)], capture_output=True, check=False
    )
    assert done.returncode == 3


def test_every_form_has_its_page() -> None:
    pages = {path.stem for path in (REPO / "docs" / "exports").glob("*.md")}
    assert {name.removesuffix("-1.7") for name in export.FORMS} | {"tables"} <= pages
