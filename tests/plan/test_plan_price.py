"""Plans are priced by the SQL that prices runs, and what-ifs change one thing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green.errors import InputError, UsageError
from tests.plan.helper import RECORD, Planner, figures, text_of, what_ifs

FIGURES = ("energy_kwh", "facility_energy_kwh", "operational_kgco2e", "embodied_kgco2e", "emissions_kgco2e", "water_l")
REGIONS = st.sampled_from(["DE", "FR", "SE", "aws:eu-west-1", "gcp:europe-west1"])
FEW = settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def records(draw: st.DrawFn) -> dict[str, object]:
    site = {"region": draw(REGIONS)}
    if draw(st.booleans()):
        site["pue"] = draw(st.sampled_from([1.1, "1.2 ± 5 %"]))  # type: ignore[assignment] -- a quantity may be a number
    if draw(st.integers(0, 3)) == 0:
        site["intensity"] = "300 gCO2e/kWh"
    device = {"device": draw(st.sampled_from(["NVIDIA H100 SXM", "NVIDIA A100-SXM4-80GB", "L4", "no such device"]))}
    draws = draw(st.sampled_from([{"load": 0.8}, {"average_power": "300 W ± 10 %"}, {}]))
    device |= draws | {"count": draw(st.integers(1, 64))}  # type: ignore[arg-type, operator] -- as above
    hours = draw(st.floats(0.1, 2000, allow_nan=False))
    return {"duration": f"{hours!r} h", "site": site, "hardware": [device]}


@FEW
@given(drawn=st.lists(records(), min_size=5, max_size=8))
def test_plans_have_the_figures_of_the_same_records_as_runs_that_were_completed(drawn: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        work = Planner(Path(folder))
        for number, said in enumerate(drawn):
            work.put(f"../plans/{number}/run.yaml", text_of(**said, run_id=f"r{number}"))
            work.put(f"{number}/run.yaml", text_of(**said, run_id=f"r{number}", status="completed"))
        plans = {one["run_id"]: one for one in work.priced(work.folder / "plans")["plans"]}
        work.ledgered()
        runs = {row["run_id"]: row for row in work.query("SELECT * FROM runs")}
        assert plans.keys() == runs.keys()
        for run_id, run in runs.items():
            found = figures(plans[run_id])
            assert found["cost_usd"][0] == run["cost_usd"]
            for name in FIGURES:
                assert found[name] == (run[name], run[f"{name}_low"], run[f"{name}_high"]), (run_id, name)
            assert plans[run_id]["unknown_reasons"] == run["unknown_reasons"]


@FEW
@given(drawn=st.lists(records(), min_size=5, max_size=8))
def test_a_what_if_that_changes_nothing_is_the_plan(drawn: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        work = Planner(Path(folder))
        for number, said in enumerate(drawn):
            work.put(f"../plans/{number}/run.yaml", text_of(**said, run_id=f"r{number}"))
        regions = tuple({said["site"]["region"] for said in drawn})
        devices = tuple({said["hardware"][0]["device"] for said in drawn})
        plans = {
            one["run_id"]: one for one in work.priced(work.folder / "plans", regions=regions, devices=devices)["plans"]
        }
        for number, said in enumerate(drawn):
            plan = plans[f"r{number}"]
            for change, value in (("region", said["site"]["region"]), ("device", said["hardware"][0]["device"])):
                (same,) = (one for one in plan["what_if"] if (one["change"], one["value"]) == (change, value))
                assert figures(same) == figures(plan)
                assert same["flags"] == plan["flags"]


def test_regions_hours_and_devices_change_what_they_are(tmp_path: Path) -> None:
    found = Planner(tmp_path).found(
        text_of(), regions=("FR", "Sweden"), hours=(36.0,), devices=("NVIDIA A100-SXM4-80GB",)
    )
    base, other = figures(found["plans"][0]), what_ifs(found)
    assert base["energy_kwh"] == pytest.approx((0.7 * 0.8 * 8 * 72, 0.7 * 0.7 * 8 * 72, 0.7 * 0.9 * 8 * 72))
    assert next(iter(other)) == ("region", "SE"), "the best stands first"
    assert figures(other["region", "FR"])["energy_kwh"] == base["energy_kwh"]
    assert other["region", "SE"]["emissions_ratio"] < other["region", "FR"]["emissions_ratio"] < 0.2
    half = figures(other["hours", 36.0])
    assert all(math.isclose(half[name][0] * 2, base[name][0]) for name in FIGURES[:5])  # type: ignore[operator] -- known
    a100 = other["device", "NVIDIA A100-SXM4-80GB"]
    assert figures(a100)["energy_kwh"][0] == pytest.approx(0.4 * 0.8 * 8 * 72), "the same share of its rated power"


def test_a_stated_precision_makes_another_device_take_as_long_as_the_work(tmp_path: Path) -> None:
    found = Planner(tmp_path).found(text_of(precision="bfloat16"), devices=("NVIDIA A100-SXM4-80GB",))
    (other,) = found["plans"][0]["what_if"]
    assert other["duration_s"] / (72 * 3600) == pytest.approx(989.4 / 312, rel=0.01)


def test_what_was_stated_of_a_grid_is_not_stated_of_another(tmp_path: Path) -> None:
    site = {"region": "DE", "pue": 1.2, "intensity": "5 gCO2e/kWh", "ewif": "9 L/kWh", "wue": "1 L/kWh"}
    found = Planner(tmp_path).found(text_of(site=site, cost={"tariff": "9 USD/kWh"}), regions=("FR",))
    base, moved = figures(found["plans"][0]), figures(found["plans"][0]["what_if"][0])
    assert base["operational_kgco2e"][0] == pytest.approx(base["facility_energy_kwh"][0] * 0.005)  # type: ignore[operator] -- known
    assert moved["operational_kgco2e"][0] > base["operational_kgco2e"][0]  # type: ignore[operator] -- known
    assert moved["water_l"][0] < base["water_l"][0]  # type: ignore[operator] -- known
    assert moved["cost_usd"] != base["cost_usd"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("H100", "NVIDIA H100 SXM5 80GB"),
        ("A100", "NVIDIA A100 PCIe 40GB"),
        ("NVIDIA H10 SXM5 80GB", "NVIDIA H100 SXM5 80GB"),
    ],
)
def test_a_device_that_no_table_knows_is_unknown_with_the_names_that_may_be_meant(
    name: str, words: str, tmp_path: Path
) -> None:
    found = Planner(tmp_path).found(text_of(), devices=(name,))
    (other,) = found["plans"][0]["what_if"]
    assert other["figures"]["energy_kwh"]["value"] is None
    assert other["figures"]["embodied_kgco2e"]["value"] is None
    assert any(f'no device "{name}"' in note and words in note for note in found["notes"])


def test_a_region_that_no_table_knows_is_unknown_with_the_names_that_may_be_meant(tmp_path: Path) -> None:
    found = Planner(tmp_path).found(text_of(), regions=("Germony",))
    (other,) = found["plans"][0]["what_if"]
    assert other["figures"]["operational_kgco2e"]["value"] is None
    assert other["figures"]["energy_kwh"]["value"] is not None
    assert 'no region "Germony" in the tables: did you mean DE?' in found["notes"]


def test_limits_judge_a_plan_as_a_run_and_measurements_are_not_asked_of_it(tmp_path: Path) -> None:
    found = Planner(tmp_path).found(text_of())
    said = {(one["policy"], one["subject"]): one["verdict"] for one in found["verdicts"]}
    assert said == {("B", "team=nlp"): "unknown", ("C", "p"): "fail", ("E", "p"): "pass"}
    assert found["not_judged"] == ["Q"]
    assert found["exit_code"] == 1
    (budget,) = found["budgets"]
    assert (budget["reason"], budget["used"], budget["left"]) == ("NO_HISTORY", None, None)


def test_a_budget_shows_what_is_used_what_plans_add_and_what_is_left(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("a/run.yaml", text_of(run_id="a", status="completed", duration="24 h"))
    work.put("b/run.yaml", text_of(run_id="b", status="completed", team="other"))
    work.ledgered()
    before = work.store.read_bytes()
    found = work.found(text_of(duration="12 h"))
    (used,) = work.query("SELECT emissions_kgco2e AS kg FROM runs WHERE run_id = 'a'")
    (budget,) = found["budgets"]
    plan = figures(found["plans"][0])["emissions_kgco2e"][0]
    assert plan is not None
    assert budget["used"] == used["kg"]
    assert budget["plans"] == plan
    assert budget["left"] == pytest.approx(200 - used["kg"] - plan, rel=1e-12)
    assert found["exit_code"] == 0
    assert found["verdicts"][0]["subject"] == "team=nlp"
    assert work.store.read_bytes() == before, "nothing is recorded"
    over = work.found(text_of(duration="170 h", site={"region": "DE", "pue": 1}))
    assert over["budgets"][0]["verdict"] == "fail"
    assert over["budgets"][0]["left"] < 0


def test_a_plan_that_the_store_holds_counts_once_and_one_that_ran_is_said(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("p/run.yaml", text_of(duration="12 h"))
    work.put("a/run.yaml", text_of(run_id="a", status="completed", duration="24 h"))
    work.ledgered()
    found = work.priced(tmp_path / "logs" / "p" / "run.yaml")
    (used,) = work.query("SELECT emissions_kgco2e AS kg FROM runs WHERE run_id = 'a'")
    assert found["budgets"][0]["used"] == used["kg"]
    work.put("p/run.yaml", text_of(duration="12 h", status="completed"))
    work.ledgered()
    again = work.found(text_of(duration="12 h"))
    assert "p has run already: here its plan stands in the place of the run" in again["notes"]
    assert again["budgets"][0]["used"] == used["kg"]


def test_several_plans_are_priced_together_and_other_records_left_out(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("x/run.yaml", text_of(run_id=None))
    work.put("y/run.json", json.dumps({**RECORD, "run_id": "y"}))
    work.put("z/run.yaml", text_of(run_id="z", status="completed"))
    work.put("x/power.csv", "no log that anybody reads\n")
    found = work.priced(work.logs)
    assert [one["run_id"] for one in found["plans"]] == ["x", "y"]
    assert any("1 records are no plans" in note for note in found["notes"])
    assert found["budgets"][0]["plans"] == pytest.approx(2 * figures(found["plans"][0])["emissions_kgco2e"][0])  # type: ignore[operator] -- known


def test_what_cannot_be_priced_is_refused_with_its_place(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    with pytest.raises(InputError, match="no such record"):
        work.priced(tmp_path / "none")
    with pytest.raises(InputError, match="BAD_UNIT: duration") as bad:
        work.found(text_of(duration="72 hh"))
    assert str(bad.value.where).endswith("plans/p/run.yaml:1")
    with pytest.raises(InputError, match="no plan: it has status completed"):
        work.found(text_of(status="completed"))
    other = work.put("../plans/q/run.yaml", text_of())
    with pytest.raises(InputError, match="two plans of run_id 'p'"):
        work.priced(work.put("../plans/p/run.yaml", text_of()), other)
    with pytest.raises(UsageError, match="no accelerator"):
        work.found(text_of(hardware=None), devices=("L4",))


def series(*grams: float | None, zone: str = "DE") -> str:
    rows = (f"{zone},2026-03-01T{hour:02d}:00:00Z,{'' if gram is None else gram}" for hour, gram in enumerate(grams))
    return "\n".join(["zone,hour_at,intensity_gco2e_per_kwh", *rows]) + "\n"


def hourly(folder: Path, text: str) -> Planner:
    (folder / "hours.csv").write_text(text, encoding="utf-8")
    return Planner(folder, {"emissions": {"series": (str(folder / "hours.csv"),)}})


def begins(found: dict[str, object]) -> tuple[str, str]:
    (plan,) = found["plans"]  # type: ignore[misc] -- a list of one
    return plan["started_at"][11:16], plan["what_if"][0]["value"][11:16]


def test_the_greenest_start_is_found_and_priced(tmp_path: Path) -> None:
    work = hourly(tmp_path, series(400, 100, 300, 200, 100, 50, None, 10))
    found = work.found(text_of(duration="2 h", started_at="2026-03-01T00:00:00Z"), start_at="best")
    assert begins(found) == ("00:00", "04:00")
    (plan,) = found["plans"]
    assert plan["what_if"][0]["operational_ratio"] == pytest.approx(75 / 250)
    part = work.found(text_of(duration="1.5 h", started_at=None), start_at="best")
    assert begins(part) == ("00:00", "04:00")
    assert part["plans"][0]["what_if"][0]["operational_ratio"] == pytest.approx((100 + 25) / (400 + 50))
    window = work.found(text_of(duration="2 h", started_at=None), start_at="2026-03-01T01:00Z..2026-03-01T03:00Z")
    assert begins(window) == ("01:00", "03:00")


def test_an_hour_that_the_series_lacks_belongs_to_no_start(tmp_path: Path) -> None:
    work = hourly(tmp_path, series(400, None, 100, 100))
    assert begins(work.found(text_of(duration="1 h", started_at="2026-03-01T00:00:00Z"), start_at="best"))[1] == "02:00"
    with pytest.raises(UsageError, match="has no 3 h in a row"):
        work.found(text_of(duration="3 h"), start_at="best")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"site": {"region": "FR"}}, "no series for FR: there is one for DE"),
        ({"site": {"region": "DE", "intensity": "5 gCO2e/kWh"}}, "declares its own intensity"),
        ({"duration": None}, "states no duration"),
    ],
)
def test_no_start_is_greener_where_nothing_tells_hours_apart(
    said: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        hourly(tmp_path, series(1, 2, 3)).found(text_of(**said), start_at="best")
    with pytest.raises(UsageError, match="no hourly series is configured") as none:
        Planner(tmp_path).found(text_of(), start_at="best")
    assert "emissions: {series:" in none.value.mend


def test_a_start_that_is_a_time_is_that_of_every_plan(tmp_path: Path) -> None:
    found = Planner(tmp_path).found(text_of(started_at=None), start_at="2026-05-01")
    assert found["plans"][0]["started_at"] == "2026-05-01T00:00:00Z"
    assert found["plans"][0]["ended_at"] == "2026-05-04T00:00:00Z"
