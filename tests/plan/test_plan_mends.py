"""What would make a finding pass is priced and judged before it is told."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green import mends, whatif
from green.check import check
from green.config import Config
from green.output import json as as_json
from green.output import would
from green.policy.judge import Judgement
from green.policy.load import load
from green.review import read_verdicts
from tests.core.helper import steady
from tests.plan.helper import Planner, text_of

HEAD = "apiVersion: green/v1\nbundle: {id: test, version: 1.0.0}\npolicies:\n"
FEW = settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def limit(metric: str, most: str, name: str = "L", **more: str) -> str:
    parts = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{HEAD}- {{id: {name}, title: t, kind: limit, metric: {metric}, limit: {{max: {most}}}{parts}}}\n"


def judged(work: Planner, policies: str, rates: whatif.Rates | None = None, **options: Any) -> Judgement:
    rules = load(work.put("../policies/p.yaml", policies))
    rates = rates or whatif.rates_of(Config())
    return check(work.store, rules, as_of="latest", commit=False, rates=rates, **options).judgement


def told(judgement: Judgement, policy: str = "L") -> dict[str, list[str | float]]:
    """Return what a finding of the policy is told: values by the kind of change."""
    found: dict[str, list[str | float]] = {}
    for one in judgement.verdicts:
        if one.policy == policy:
            for mend in one.would_pass:
                found.setdefault(mend.change, []).append(mend.value)
    return found


def ran(folder: Path, **said: Any) -> Planner:
    """Record a run that was completed."""
    work = Planner(folder)
    work.put("r/run.yaml", text_of(run_id="r", status="completed", **said))
    work.ledgered()
    return work


COLUMNS = {
    "energy.facility": ("facility_energy_kwh_high", "kWh"),
    "carbon.total": ("emissions_kgco2e_high", "kgCO2e"),
    "carbon.embodied": ("embodied_kgco2e_high", "kgCO2e"),
    "water.offsite": ("water_offsite_l_high", "L"),
    "time.duration": ("duration_s", "s"),
}


@FEW
@given(
    drawn=st.lists(st.tuples(st.sampled_from(sorted(COLUMNS)), st.floats(0.5, 900), st.floats(0.02, 0.98)), min_size=6)
)
def test_the_hours_that_are_told_pass_and_a_step_more_does_not(drawn: list[tuple[str, float, float]]) -> None:
    with TemporaryDirectory() as folder:
        work = Planner(Path(folder))
        for number, (_, hours, _) in enumerate(drawn):
            said = text_of(run_id=f"r{number}", status="completed", duration=f"{hours!r} h")
            work.put(f"{number}/run.yaml", said)
        work.ledgered()
        runs = {row["run_id"]: row for row in work.query("SELECT * FROM runs")}
        policies = HEAD
        for number, (metric, _, share) in enumerate(drawn):
            column, unit = COLUMNS[metric]
            most = runs[f"r{number}"][column] * share
            policies += (
                f"- {{id: L{number}, title: t, kind: limit, metric: {metric}, limit: {{max: {most:.12f} {unit}}},"
                f" select: {{run_id: [r{number}, p{number}, m{number}]}}}}\n"
            )
        for verdict in judged(work, policies).verdicts:
            (mend,) = (one for one in verdict.would_pass if one.change == "hours")
            more = float(mend.value) + (0.01 if mend.unit == "h" else 1)
            for name, value in (("p", mend.value), ("m", more)):
                run_id = f"{name}{verdict.policy[1:]}"
                said = text_of(run_id=run_id, status="completed", duration=f"{value!r} {mend.unit}")
                work.put(f"{run_id}/run.yaml", said)
        work.ledgered()
        found = {one.subject: one.verdict for one in judged(work, policies).verdicts}
        assert {verdict for run_id, verdict in found.items() if run_id.startswith("p")} == {"pass"}
        assert {verdict for run_id, verdict in found.items() if run_id.startswith("m")} <= {"fail", "at_risk"}
        assert len(found) == 3 * len(drawn)


def test_regions_that_are_told_pass_as_a_run_there_does(tmp_path: Path) -> None:
    work = ran(tmp_path)
    policies = limit("carbon.total", "40 kgCO2e")
    regions = told(judged(work, policies))["region"]
    assert regions == ["NO", "SE", "CH"], "the three cleanest countries with a region of a provider, the best first"
    for region in regions:
        site = {"region": region, "pue": 1.2}
        work.put(f"{region}/run.yaml", text_of(run_id=str(region), status="completed", site=site))
    work.ledgered()
    found = {one.subject: one.verdict for one in judged(work, policies).verdicts}
    assert found == {"r": "fail", **dict.fromkeys(map(str, regions), "pass")}


def test_a_run_in_a_cloud_is_told_regions_of_its_provider(tmp_path: Path) -> None:
    work = ran(tmp_path, site={"region": "aws:eu-central-1"})
    regions = told(judged(work, limit("carbon.operational", "40 kgCO2e")))["region"]
    assert regions
    assert all(str(region).startswith("aws:") for region in regions)


def test_devices_are_told_where_the_precision_says_how_long_they_take(tmp_path: Path) -> None:
    hardware = [{"device": "NVIDIA A100-SXM4-80GB", "count": 8, "load": 0.8}]
    policies = limit("energy.it", "150 kWh")
    assert "device" not in told(judged(ran(tmp_path / "a", hardware=hardware), policies))
    work = ran(tmp_path / "b", hardware=hardware, precision="bf16")
    devices = told(judged(work, policies))["device"]
    assert devices
    (other,) = work.found(text_of(hardware=hardware, precision="bf16"), devices=(str(devices[0]),))["plans"][0][
        "what_if"
    ]
    assert other["figures"]["energy_kwh"]["high"] <= 150


def test_a_measured_run_is_told_hours_and_regions(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("m/gpu.csv", steady(400.0, 7200, 10))
    record = {"run_id": "m", "status": "completed", "site": {"region": "DE", "pue": 1.3}}
    work.put("m/run.yaml", json.dumps(record))
    work.ledgered()
    found = told(judged(work, limit("carbon.operational", "300 gCO2e")))
    assert found["region"] == ["NO", "SE", "CH"]
    (hours,) = found["hours"]
    assert 0 < float(hours) < 2


@pytest.mark.parametrize(
    ("said", "policies"),
    [
        ({}, limit("energy.it", "10000 kWh")),  # passes
        ({"site": {"region": "DE"}}, limit("carbon.total", "1 kgCO2e")),  # unknown: no PUE
        ({}, HEAD + "- {id: L, title: t, kind: allow, field: region, allow: [FR]}\n"),
        ({}, HEAD + "- {id: L, title: t, kind: limit, metric: energy.it, limit: {min: 900 kWh}}\n"),
        ({}, HEAD + "- {id: L, title: t, kind: limit, metric: share.embodied, limit: {max: 0.1 %}}\n"),
    ],
)
def test_what_no_hour_region_or_device_mends_is_told_nothing(
    said: dict[str, Any], policies: str, tmp_path: Path
) -> None:
    judgement = judged(ran(tmp_path, **said), policies)
    assert told(judgement) == {}
    assert "would_pass" not in as_json.render(judgement)


def test_an_intensity_is_told_regions_and_no_hours(tmp_path: Path) -> None:
    work = ran(tmp_path, functional_units={"tokens": 1e9})
    policies = HEAD + (
        "- {id: L, title: t, kind: intensity, metric: carbon.operational, per: tokens, limit: {max: 50 gCO2e/Mtoken}}\n"
    )
    assert set(told(judged(work, policies))) == {"region"}


def test_a_budget_is_told_what_its_plans_could_be(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("a/run.yaml", text_of(run_id="a", status="completed", duration="24 h"))
    work.put("b/run.yaml", text_of(run_id="b", duration="72 h"))
    work.ledgered()
    policies = HEAD + (
        "- {id: L, title: t, kind: budget, metric: carbon.total, group_by: [team], window: {rolling: 90d},"
        " limit: {max: 100 kgCO2e}}\n"
    )
    judgement = judged(work, policies)
    assert judgement.verdicts[0].verdict == "fail"
    (one,) = (mend for mend in judgement.verdicts[0].would_pass if mend.change == "hours")
    assert one.run_id == "b"
    assert told(judgement)["region"] == ["NO", "SE", "CH"]
    assert would([mend._asdict() for mend in judgement.verdicts[0].would_pass], "team=nlp").startswith("b in at most ")
    work.put("b/run.yaml", text_of(run_id="b", duration=f"{one.value} h"))
    work.ledgered()
    assert judged(work, policies).verdicts[0].verdict == "pass"
    work.put("b/run.yaml", text_of(run_id="b", duration="72 h", status="completed"))
    work.ledgered()
    assert told(judged(work, policies)) == {}, "what has run cannot be changed"


def test_a_run_whose_figures_do_not_come_out_again_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = ran(tmp_path)
    policies = limit("carbon.total", "30 kgCO2e")
    assert told(judged(work, policies))
    text = mends.text_of
    wrong = text("again").replace("* 3.6e6 /", "* 3.7e6 /")
    monkeypatch.setattr(mends, "text_of", lambda name: wrong if name == "again" else text(name))
    assert told(judged(work, policies)) == {}


def test_no_digest_and_no_event_depends_on_what_is_told(tmp_path: Path) -> None:
    work = ran(tmp_path)
    rules = load(work.put("../policies/p.yaml", limit("carbon.total", "30 kgCO2e")))
    plain = check(work.store, rules, as_of="latest", commit=False).judgement
    advised = judged(work, limit("carbon.total", "30 kgCO2e"))
    assert advised.digest == plain.digest
    assert advised.lines != plain.lines
    first = check(work.store, rules, as_of="latest").head
    assert check(work.store, rules, as_of="latest", rates=whatif.rates_of(Config())).head == first
    record = json.loads(as_json.render(advised))
    assert record["verdicts"] == [one.record() for one in advised.verdicts]
    (tmp_path / "verdicts.json").write_text(as_json.render(advised), encoding="utf-8")
    assert read_verdicts(tmp_path / "verdicts.json").records[0]["would_pass"][0]["change"] == "hours"


def test_nothing_is_priced_where_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = ran(tmp_path)
    monkeypatch.setattr("green.whatif.connect", lambda _: pytest.fail("a check without a failure pays nothing"))
    judged(work, limit("carbon.total", "30000 kgCO2e"))


def test_what_was_told_is_kept_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = ran(tmp_path)
    policies = limit("carbon.total", "30 kgCO2e")
    rates = whatif.Rates(whatif.rates_of(Config()).settings, memory=tmp_path / "mends.json", keeps=True)
    first = judged(work, policies, rates)
    with monkeypatch.context() as patched:
        patched.setattr("green.whatif.connect", lambda _: pytest.fail("it was priced before"))
        assert judged(work, policies, rates).lines == first.lines
    assert told(judged(work, limit("carbon.total", "35 kgCO2e"), rates)) != told(first)
    work.put("r/run.yaml", text_of(run_id="r", status="completed", site={"region": "DE", "pue": 1.3}))
    work.ledgered()
    assert told(judged(work, policies, rates)) == told(judged(work, policies))
    (tmp_path / "mends.json").write_text("cut off {", encoding="utf-8")
    assert told(judged(work, policies, rates)) == told(judged(work, policies))


def test_a_month_of_failing_runs_is_priced_in_one_bounded_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Planner(tmp_path)
    for number in range(55):
        work.put(
            f"r{number:02d}/run.yaml", text_of(run_id=f"r{number:02d}", status="completed", duration=f"{72 + number} h")
        )
    work.ledgered()
    passes: list[int] = []
    price = whatif.price
    monkeypatch.setattr(
        "green.whatif.price", lambda con, changes, rates: (passes.append(len(changes)), price(con, changes, rates))
    )
    judgement = judged(work, limit("carbon.total", "30 kgCO2e"))
    advised = [one.subject for one in judgement.verdicts if one.would_pass]
    assert len(passes) == 1
    assert advised == [f"r{number:02d}" for number in range(5, 55)], "those that are furthest over"


def test_a_plan_on_the_command_line_is_told_the_same(tmp_path: Path) -> None:
    found = Planner(tmp_path).found(text_of(run_id="r"), policies=limit("carbon.total", "30 kgCO2e"))
    work = ran(tmp_path / "run")
    (verdict,) = judged(work, limit("carbon.total", "30 kgCO2e")).verdicts
    mends_of_run = [(one.change, one.value, one.becomes) for one in verdict.would_pass]
    assert [(one["change"], one["value"], one["becomes"]) for one in found["verdicts"][0]["would_pass"]] == mends_of_run
