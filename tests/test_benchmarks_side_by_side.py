"""Green beside the tools of the field, as far as it can be tested without them."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import peer_accounting, peer_boavizta, side_by_side
from benchmarks.side_by_side import Case, Result, Row, filled, merged
from green import reasons
from green.model import Record

CASES = side_by_side.cases()
CALLS = {**peer_accounting.CALLS, **peer_boavizta.CALLS}


def gpu() -> dict[str, Any]:
    """Return what BoaviztAPI says of an accelerator, in its form."""
    names = (
        "casing_weight", "heatsink_weight", "weight", "pwb_surface", "vram", "vram_dies",
        "transport_boat", "transport_truck", "transport_plane",
    )  # fmt: skip
    return {name: {"value": 2} for name in names}


def server() -> dict[str, Any]:
    """Return what BoaviztAPI says of a server, in its form."""
    units = {"units": {"value": 2.0, "min": 2.0, "max": 2.0}}
    density = {"value": 2.0, "min": 1.0, "max": 4.0}
    return {
        "CPU-1": {**units, "die_size": {"value": 800}},
        "RAM-1": {**units, "capacity": {"value": 64}, "density": density},
        "SSD-1": {**units, "capacity": {"value": 3840}, "density": density},
        "POWER_SUPPLY-1": {**units, "unit_weight": {"value": 3, "min": 1, "max": 5}},
        "GPU-1": {**units, **gpu()},
    }


def names_in(value: Any) -> set[str]:
    """Return the inputs that a record takes from an answer."""
    if isinstance(value, dict):
        return {name for one in value.values() for name in names_in(one)}
    if isinstance(value, list):
        return {name for one in value for name in names_in(one)}
    return set(re.findall(r"\{(\w+)\}", value)) if isinstance(value, str) else set()


def given_by(call: str) -> set[str]:
    """Return the keys of the answers of a call, from its source."""
    tree = ast.parse(inspect.getsource(CALLS[call]))
    answers = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    keys = [key for answer in answers if isinstance(answer, ast.Dict) for key in answer.keys]
    return {str(key.value) for key in keys if isinstance(key, ast.Constant)}


def sample(case: Case) -> dict[str, Any]:
    """Make an answer that a case could get."""
    parts = [peer_boavizta.gpu_part(gpu(), 814.0)]
    if case.ask["call"] == "boavizta_server":
        parts = peer_boavizta.bill(server(), 814.0)
    return {name: {"parts": parts, "pue": 1.5}.get(name, 0.5) for name in given_by(case.ask["call"])}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case_is_a_valid_record_and_a_valid_call(case: Case) -> None:
    function = CALLS[case.ask["call"]]
    ask = {name: value for name, value in case.ask.items() if name != "call"}
    inspect.signature(function).bind(*([None] if case.ask["call"] in peer_boavizta.CALLS else []), **ask)
    needed = names_in(case.record) | names_in(case.aligned) | set(case.compare.values())
    assert needed <= given_by(case.ask["call"])
    Record.model_validate(filled(case.record, sample(case)))
    Record.model_validate(filled(merged(case.record, case.aligned), sample(case)))


def test_there_are_twenty_cases_of_all_four_tools_each_once() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 20
    assert {case.tool for case in CASES} == {"CodeCarbon", "EcoLogits", "BoaviztAPI", "Green Algorithms"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reason_comes_with_the_change_that_proves_it(case: Case) -> None:
    assert bool(case.reason) == bool(case.aligned)
    assert not (case.reason and case.within), "who computes the same by the same method has no reason to differ"


def test_unknown_comes_with_a_code_that_exists_and_with_a_reason() -> None:
    unknown = [case for case in CASES if case.unknown]
    assert unknown
    known = {code for section in reasons.sections().values() for code in section}
    assert all(case.unknown in known and case.reason for case in unknown)


def test_record_does_not_hold_the_answer() -> None:
    taken = {name for case in CASES for name in names_in(case.record) | names_in(case.aligned)}
    assert taken.isdisjoint({"value", "printed", "low", "high", "whole"})


def test_page_shows_every_case_and_its_reason() -> None:
    rows = [line for line in side_by_side.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    reason = {case.id: f"{case.reason} (`{case.unknown}`)" if case.unknown else case.reason for case in CASES}
    due = [(case.what, case.tool, f"`{metric}`", reason[case.id]) for case in CASES for metric in case.compare]
    shown = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows]
    mend = f"docs/side_by_side.md is out of date: run `{side_by_side.COMMAND}`"
    assert [(*cells[:3], cells[-1]) for cells in shown] == due, mend


def row(ours: float | None, *, reason: str = "", aligned: float | None = None, within: float | None = None) -> Row:
    unknown = "NO_PUE" if ours is None else ""
    codes = ("NO_PUE", "NO_FACTOR") if ours is None else ("NO_FACTOR",)
    return Row("case", "tool", "what", "energy_kwh", ours, 100.0, aligned, within, reason, unknown, codes)


def test_difference_above_five_percent_needs_a_reason() -> None:
    assert row(104.9).fault == ""
    assert "has no reason" in row(105.1).fault
    assert "has no reason" in row(94.9).fault
    assert "has no reason" in row(None).fault


def test_reason_must_take_the_difference_away() -> None:
    assert row(150.0, reason="other factor", aligned=100.05).fault == ""
    assert row(None, reason="a default", aligned=100.0).fault == ""
    assert "still" in row(150.0, reason="other factor", aligned=100.2).fault
    assert "still" in row(150.0, reason="other factor", aligned=None).fault


def test_unknown_must_be_for_the_code_that_the_case_names() -> None:
    right = row(None, reason="a default", aligned=100.0)
    assert right.fault == ""
    assert "NO_PUE is due" in replace(right, codes=("NO_FACTOR",)).fault
    assert "NO_PUE is due" in replace(right, ours=100.0).fault
    assert "nothing is due" in replace(right, unknown="").fault


def test_reason_that_no_difference_needs_is_out_of_date() -> None:
    assert "out of date" in row(102.0, reason="other factor", aligned=100.0).fault


def test_same_method_must_agree_to_its_own_bound() -> None:
    assert row(100.09, within=0.1).fault == ""
    assert "0.1 % is allowed" in row(100.11, within=0.1).fault
    assert "0.1 % is allowed" in row(None, within=0.1).fault


def test_fault_ends_the_run_and_names_the_case() -> None:
    Result([row(100.0)], {}).check()
    with pytest.raises(SystemExit, match="case: energy_kwh differs by unknown"):
        Result([row(100.0), row(None)], {}).check()


def test_inputs_of_an_answer_take_the_place_of_their_names() -> None:
    record = {"site": {"pue": "{pue}"}, "hardware": [{"parts": "{parts}", "load": 1, "device": "8 x"}], "a": "{w} W"}
    answer = {"pue": 1.2, "parts": [{"part": "hdd"}], "w": 2.5}
    parts = [{"parts": [{"part": "hdd"}], "load": 1, "device": "8 x"}]
    assert filled(record, answer) == {"site": {"pue": 1.2}, "hardware": parts, "a": "2.5 W"}
    with pytest.raises(KeyError):
        filled("{lost} W", answer)


def test_change_replaces_keys_of_mappings_and_whole_lists() -> None:
    record = {"site": {"pue": 1.2, "region": "DE"}, "hardware": [1, 2]}
    assert merged(record, {"site": {"pue": 1.5}, "hardware": [3]}) == {
        "site": {"pue": 1.5, "region": "DE"},
        "hardware": [3],
    }
    assert record == {"site": {"pue": 1.2, "region": "DE"}, "hardware": [1, 2]}


def test_green_algorithms_formula_gives_a_job_by_hand() -> None:
    # 12 h x (16 x 7.5 W + 64 GB x 0.3725 W/GB) x 1.67 = 12 x 143.84 x 1.67 Wh
    answer = peer_accounting.green_algorithms(duration_h=12, memory_gb=64, cores=16, core_power_w=7.5, core_usage=1)
    assert answer["value"] == pytest.approx(2.8825536, rel=1e-12)


def test_bill_of_a_server_keeps_the_interval_of_each_part() -> None:
    parts = {part["part"]: part for part in peer_boavizta.bill(server(), 814.0)}
    assert set(parts) == {"chassis", "board", "assembly", "cpu", "ram", "ssd", "psu", "gpu"}
    assert parts["ram"]["density"] == {"value": "2.0 GB/cm2", "low": "1.0 GB/cm2", "high": "4.0 GB/cm2"}
    assert parts["cpu"] == {"part": "cpu", "count": 2, "die": "800 mm2"}
    assert parts["gpu"]["count"] == 2
