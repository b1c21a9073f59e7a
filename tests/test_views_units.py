"""Views of what runs are for: units, quality, computation, sweeps, models, break-even, equivalents, instruments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from green.audit import schema
from tests.core.helper import fetched

if TYPE_CHECKING:
    from collections.abc import Iterator


class Store:
    """A store in memory, its projections filled by hand."""

    def __init__(self) -> None:
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")
        schema.create(self.con)
        self.seq = 0

    def insert(self, table: str, **row: Any) -> None:
        slots = ", ".join("?" for _ in row)
        names = ", ".join(f'"{name}"' for name in row)
        self.con.execute(f"INSERT INTO {table} ({names}) VALUES ({slots})", list(row.values()))

    def run(self, run_id: str, kg: float | None = None, **row: Any) -> None:
        """Add a run whose energy is ten times its emissions and whose interval is a half to double."""
        self.seq += 1
        units, metrics = row.pop("units", {}), row.pop("metrics", {})
        row = {"flags": [], "unknown_reasons": [], "factor_ids": [], "hardware": [], **row}
        if kg is not None:
            for name, value in (("emissions_kgco2e", kg), ("energy_kwh", 10 * kg), ("cost_usd", 3 * kg)):
                for end, by in (("", 1), ("_low", 0.5), ("_high", 2)):
                    row.setdefault(f"{name}{end}", str(value * by))
        self.insert("run", seq=self.seq, run_id=run_id, **row)
        for unit, amount in units.items():
            self.insert("functional_unit", seq=self.seq, run_id=run_id, unit=unit, amount=amount)
        for metric, value in metrics.items():
            self.insert("quality_metric", seq=self.seq, run_id=run_id, metric=metric, value=value)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return fetched(self.con, sql)

    def one(self, sql: str) -> dict[str, Any]:
        (row,) = self.rows(sql)
        return row


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.con.close()


def part(row: dict[str, Any], **expected: Any) -> None:
    for name, value in expected.items():
        wanted = pytest.approx(value, rel=1e-12) if isinstance(value, int | float) else value
        assert row[name] == wanted, (name, row)


def test_each_unit_has_its_own_figures_with_their_interval(store: Store) -> None:
    store.run("a", 8, units={"tokens": 4, "requests": 0})
    store.run("b", None, units={"tokens": 4})
    a, zero = store.rows("FROM run_intensity WHERE run_id = 'a' ORDER BY unit DESC")
    part(a, amount=4, energy_kwh_per_unit=20, kgco2e_per_unit=2, kgco2e_per_unit_low=1, kgco2e_per_unit_high=4)
    part(a, cost_usd_per_unit=6, water_l_per_unit=None, operational_kgco2e_per_unit=None)
    part(zero, kgco2e_per_unit=None)
    part(store.one("FROM run_intensity WHERE run_id = 'b'"), kgco2e_per_unit=None, amount=4)


def test_a_unit_has_its_energy_at_the_meter_of_the_building_and_units_for_a_kwh(store: Store) -> None:
    ends = {"facility_energy_kwh": "0.24", "facility_energy_kwh_low": "0.12", "facility_energy_kwh_high": "0.48"}
    store.run("a", 0.02, units={"prompts": 1000}, **ends)  # 0.2 kWh of IT energy
    row = store.one("FROM run_intensity")
    part(row, facility_energy_kwh_per_unit=0.00024, facility_energy_kwh_per_unit_high=0.00048)
    part(row, amount_per_facility_kwh=4166.666666666667, amount_per_facility_kwh_low=2083.3333333333335)
    part(row, amount_per_kwh=5000, amount_per_kwh_low=2500, amount_per_kwh_high=10_000)


def operational(kg: float) -> dict[str, str]:
    return {f"operational_kgco2e{end}": str(kg * by) for end, by in (("", 1), ("_low", 0.5), ("_high", 2))}


def test_operation_has_totals_and_comparisons_where_nobody_knows_the_hardware(store: Store) -> None:
    store.run("a", None, parent="sweep", model="m", kind="training", **operational(30))
    store.run("b", None, parent="sweep", model="m", kind="training", **operational(20))
    store.insert("factor", seq=1, factor_id="f", quantity="equivalent", subject="km", value=0.25, low=0.2, high=0.5)
    for view in ("family", "model_lifetime"):
        part(store.one(f"FROM {view}"), operational_kgco2e=50, operational_kgco2e_low=25, emissions_kgco2e=None)
    row = store.one("FROM equivalents WHERE run_id = 'a'")
    part(row, amount=None, operational_amount=120, operational_amount_low=30, operational_amount_high=300)
    store.run("c", None, parent="sweep", model="m", kind="training")
    for view in ("family", "model_lifetime"):
        part(store.one(f"FROM {view}"), operational_kgco2e=None, known_operational_kgco2e=50)


def test_only_the_newest_assessment_of_a_run_counts(store: Store) -> None:
    store.run("a", 8, units={"tokens": 4})
    store.run("a", 4, units={"tokens": 4})
    part(store.one("FROM run_intensity"), kgco2e_per_unit=1)


def test_a_metric_above_zero_has_figures_for_a_point(store: Store) -> None:
    store.run("a", 8, metrics={"accuracy": 0.5, "loss": -1})
    row = store.one("FROM metric_intensity")
    part(row, metric="accuracy", value=0.5, kgco2e_per_point=16, energy_kwh_per_point=160, cost_usd_per_point=48)


def test_performance_is_computation_for_the_energy_of_the_run(store: Store) -> None:
    facts = json.dumps({"flops": 7.2e15, "precision": "bf16"})
    store.run("a", 0.2, facts=facts, duration_s=3600.0, capacity_flop=1.44e16)  # 2 kWh are 7.2 MJ
    store.run("b", 0.2, facts="{}")
    row = store.one("FROM performance")
    part(row, flops=7.2e15, flops_per_joule=1e9, flops_per_joule_low=5e8, flops_per_joule_high=2e9)
    part(row, tflops_per_w=0.001, tflops=2, utilisation_ratio=0.5, precision="bf16")


def test_a_family_holds_failed_and_killed_trials_and_the_runs_below_its_runs(store: Store) -> None:
    store.run("t1", 1, parent="sweep", status="completed", kind="tuning")
    store.run("t2", 2, parent="sweep", status="failed", kind="tuning")
    store.run("t3", 4, parent="sweep", status="killed", kind="tuning")
    store.run("deep", 8, parent="t3", status="completed", kind="evaluation")
    store.run("plan", 99, parent="sweep", status="planned", kind="tuning")
    sweep = store.one("FROM family WHERE parent = 'sweep'")
    part(sweep, runs=4, runs_completed=2, runs_failed=1, runs_killed=1, runs_unknown=0, survivors=1)
    part(sweep, emissions_kgco2e=15, emissions_kgco2e_low=7.5, emissions_kgco2e_high=30, energy_kwh=150)
    part(sweep, kgco2e_per_survivor=15, cost_usd_per_survivor=45, energy_kwh_per_survivor=150, reason=None)
    nested = store.one("FROM family WHERE parent = 't3'")  # a run itself: its own energy is a part of the whole
    part(nested, runs=2, emissions_kgco2e=12)


def test_an_unknown_trial_makes_the_total_unknown_and_leaves_what_is_known(store: Store) -> None:
    store.run("t1", 1, parent="sweep", status="completed", kind="training")
    store.run("t2", None, parent="sweep", status="failed", kind="training")
    store.run("t3", 1, parent="sweep", kind="training")
    row = store.one("FROM family")
    part(row, emissions_kgco2e=None, known_emissions_kgco2e=2, runs_unknown=1, kgco2e_per_survivor=None)
    part(row, survivors=None, cost_usd=None, known_cost_usd=6, known_energy_kwh=20)


@pytest.mark.parametrize("parents", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "a", "leaf": "a"}])
def test_a_cycle_of_parents_ends_and_is_said(store: Store, parents: dict[str, str]) -> None:
    for run_id, parent in parents.items():
        store.run(run_id, 1, parent=parent, status="completed", kind="training")
    rows = store.rows("FROM family")
    assert {row["parent"] for row in rows} == set(parents.values())
    for row in rows:
        part(row, reason="PARENT_CYCLE", emissions_kgco2e=None, runs=len(parents), kgco2e_per_survivor=None)
        part(row, known_emissions_kgco2e=len(parents))


def test_a_copy_does_not_count_in_totals(store: Store) -> None:
    store.run("a", 1, parent="sweep", model="m", kind="training", status="completed")
    store.run("copy", 1, parent="sweep", model="m", kind="training", status="completed")
    store.insert("state", seq=9, run_id="copy", state="current", is_counted=False, flags=["DUPLICATE_INPUT"])
    part(store.one("FROM family"), runs=1, emissions_kgco2e=1)
    part(store.one("FROM model_lifetime"), runs=1, emissions_kgco2e=1)


def test_the_life_of_a_model_has_three_phases_and_one_for_what_says_nothing(store: Store) -> None:
    for number, (kind, kg) in enumerate(
        [("tuning", 1), ("evaluation", 2), ("other", 4), ("training", 8), ("inference", 16), (None, None)]
    ):
        store.run(f"r{number}", kg, model="m", kind=kind)
    store.run("nameless", 99, kind="training")
    found = {row["phase"]: row for row in store.rows("FROM model_lifetime")}
    assert set(found) == {"development", "training", "serving", "unstated"}
    part(found["development"], runs=3, emissions_kgco2e=7, emissions_kgco2e_high=14, energy_kwh=70, cost_usd=21)
    part(found["serving"], emissions_kgco2e=16)
    part(found["unstated"], runs_unknown=1, emissions_kgco2e=None, known_emissions_kgco2e=None)


def test_break_even_is_training_divided_by_serving_one_unit(store: Store) -> None:
    store.run("t1", 60, model="m", kind="training")
    store.run("t2", 40, model="m", kind="training")
    store.run("s1", 1, model="m", kind="inference", units={"requests": 100})
    store.run("s2", 1, model="m", kind="inference", units={"requests": 300, "tokens": 10})
    store.run("other", 1, model="n", kind="inference", units={"requests": 1})
    found = {row["unit"]: row for row in store.rows("FROM break_even")}
    assert set(found) == {"requests", "tokens"}
    row = found["requests"]
    part(row, model="m", training_kgco2e=100, serving_kgco2e=2, served_amount=400, serving_kgco2e_per_unit=0.005)
    part(row, break_even_amount=20_000, break_even_amount_low=5_000, break_even_amount_high=80_000)
    part(row, energy_break_even_amount=20_000)
    store.run("t3", None, model="m", kind="training")
    part(store.one("FROM break_even WHERE unit = 'tokens'"), break_even_amount=None, training_kgco2e=None)


def test_equivalents_take_the_factor_nearest_to_the_run(store: Store) -> None:
    for factor_id, value, day in (("old", 0.5, "2019-01-01"), ("new", 0.25, "2024-01-01"), ("next", 0.2, "2026-01-01")):
        store.insert(
            "factor", seq=1, factor_id=factor_id, quantity="equivalent", subject="km", value=value, valid_from=day
        )
    store.insert("factor", seq=1, factor_id="tree", quantity="equivalent", subject="tree", value=20, low=10, high=40)
    store.run("a", 10, ended_at="2025-03-01T00:00:00Z")
    store.run("past", 10, ended_at="2001-03-01T00:00:00Z")
    store.run("unknown", None, ended_at="2025-03-01T00:00:00Z")
    km, tree = store.rows("FROM equivalents WHERE run_id = 'a' ORDER BY equivalent")
    part(km, amount=40, amount_low=20, amount_high=80, factor_id="new")
    part(tree, amount=0.5, amount_low=0.125, amount_high=2)
    part(store.one("FROM equivalents WHERE run_id = 'past' AND equivalent = 'km'"), factor_id="old")
    assert [row["amount"] for row in store.rows("FROM equivalents WHERE run_id = 'unknown'")] == [None, None]


def test_instruments_show_what_is_left_and_what_gone_runs_hold_beside_it(store: Store) -> None:
    store.insert("ledger", seq=5, recorded_at="2026-01-01", kind="instruments", subject="config", payload="", **EVENT)
    store.insert("instrument", seq=3, instrument_id="of-last-year", quantity_kwh=1.0)
    store.insert("instrument", seq=5, instrument_id="a", quantity_kwh=100.0)
    store.insert("instrument", seq=5, instrument_id="b", quantity_kwh=10.0)
    share = {"allocated_kwh": "30.5", "drawn_kwh": "61", "instrument_id": "a"}
    other = {"allocated_kwh": "10", "drawn_kwh": "20", "instrument_id": "b"}
    store.run("r1", 1, instruments=json.dumps([share, other]))
    store.run("r2", 1, instruments=json.dumps([share]))
    store.run("r3", 1)
    a, b = store.rows("FROM instruments")
    part(a, instrument_id="a", quantity_kwh=100, consumed_kwh=122, allocated_kwh=61, left_kwh=39, reason=None)
    part(b, allocated_kwh=10, left_kwh=0, reason=None)
    store.run("gone", 1, instruments=json.dumps([other]))
    part(store.rows("FROM instruments")[1], allocated_kwh=20, left_kwh=-10, reason="OVERALLOCATED")


EVENT = {"payload_sha256": "", "prev_hash": "", "hash": "", "actor": "", "tool_version": ""}


def energy(store: Store, run_id: str, *parts: tuple[str, str, str | None, float | None]) -> None:
    """Add the counted answers of the newest run: component, method, basis, kWh."""
    for number, (component, method, basis, kwh) in enumerate(parts):
        row = {"method": method, "covers": component.split("+"), "basis": basis, "energy_kwh": kwh, "is_counted": True}
        store.insert("energy", seq=store.seq, run_id=run_id, answer=f"a{number}", **row)


def test_each_component_says_what_its_energy_rests_on_and_how_much_was_metered(store: Store) -> None:
    store.run("a", pue=1.25)
    parts = [("gpu", "counter", "device", 4.0), ("gpu", "counter", "device", 2.0), ("cpu", "modelled", "device", 1.0)]
    energy(store, "a", *parts, ("memory", "declared", "facility", 1.25), ("gpu", "sampled", "device", None))
    rows = store.rows("FROM run_quality")
    assert [(row["component"], row["method"], row["quality_tier"]) for row in rows] == [
        ("cpu", "modelled", "modelled"),
        ("gpu", "counter", "measured"),
        ("memory", "declared", "declared"),
    ]
    assert [(row["energy_kwh"], row["energy_share"]) for row in rows] == [(1, 0.125), (6, 0.75), (1, 0.125)]
    part(store.one("FROM measured_share"), energy_kwh=8, measured_share=0.75)


def test_what_nobody_metered_is_a_share_of_zero_and_what_nobody_knows_is_no_share(store: Store) -> None:
    store.run("declared", pue=None)
    energy(store, "declared", ("cpu+gpu+memory+rest", "declared", "facility", 5.0))
    part(store.one("FROM run_quality"), component="cpu+gpu+memory+rest", energy_kwh=None, energy_share=1)
    part(store.one("FROM measured_share"), energy_kwh=None, measured_share=0)
    store.run("mixed", pue=None)  # without PUE nobody knows what the facility's part is of the whole
    energy(store, "mixed", ("gpu", "counter", "device", 5.0), ("cpu", "declared", "facility", 5.0))
    assert [row["energy_share"] for row in store.rows("FROM run_quality WHERE run_id = 'mixed'")] == [None, None]
    part(store.one("FROM measured_share WHERE run_id = 'mixed'"), measured_share=None)
    store.run("dark")
    energy(store, "dark", ("gpu", "sampled", "device", None))
    assert store.rows("FROM measured_share WHERE run_id = 'dark'") == []
