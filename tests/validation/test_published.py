"""What papers print is what the pipeline gives: every published result through one run of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from green import units
from green.model import Record
from green.reasons import sections

from .cases import Anomaly, Case, anomalies, counted, not_a_run
from .harness import KNOBS, Results, Second, run, seconds
from .table import COMMAND, PAGE, page

CASES = counted()
ANOMALIES = anomalies()
SECONDS = seconds(CASES)
LEAST_CASES = 170
LEAST_SECONDS = 100

ALL: list[Case | Anomaly] = [*CASES, *ANOMALIES]

Pipeline = Callable[[Path, Path], Path]


@pytest.fixture(scope="session")
def results(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Give the store after one run of the pipeline over all records."""
    return run(pipeline, tmp_path_factory.mktemp("published"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_pipeline_gives_the_published_figure(case: Case, results: Results) -> None:
    got = results.figure(case.id, case.expect)
    assert case.expect.agrees(got), f"{case.citation}\n{case.expect.against(got)}"
    known = [metric for metric in case.unknown if results.runs[case.id][metric] is not None]
    assert not known, f"{case.citation}\nthe source leaves {', '.join(known)} blank: unknown, not a number"


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.id)
def test_pipeline_does_not_repeat_a_published_mistake(anomaly: Anomaly, results: Results) -> None:
    got = results.figure(anomaly.id, anomaly.published)
    assert not anomaly.published.agrees(got), f"{anomaly.citation}\n{anomaly.lesson}"
    got = results.figure(anomaly.id, anomaly.right)
    assert anomaly.right.agrees(got), f"{anomaly.citation}\n{anomaly.right.against(got)}"
    if anomaly.flags:
        assert set(anomaly.flags) <= set(results.runs[anomaly.id]["flags"]), f"{anomaly.citation} is not flagged"


@pytest.mark.parametrize("second", SECONDS, ids=lambda second: second.run_id)
def test_result_with_our_own_factor_is_a_number_with_the_factor_or_a_reason(second: Second, results: Results) -> None:
    got = results.figure(second.run_id, second.case.expect)
    factors = results.factors(second.run_id, second.knob.quantity)
    if got is None:
        assert second.knob.reason in results.runs[second.run_id]["unknown_reasons"]
        assert factors == []
    else:
        assert factors != [], "a number without the row that it comes from"
        assert not set(factors) & set(results.runs[second.case.id]["factor_ids"]), "the first run declared it"


def test_cases_with_a_place_run_again_with_our_own_factors() -> None:
    placed = {case.id for case in CASES if case.place is not None}
    assert {second.case.id for second in SECONDS} == placed
    assert len(SECONDS) >= LEAST_SECONDS
    codes = {code for section in sections().values() for code in section}
    assert {knob.reason for knob in KNOBS} <= codes


def test_each_result_is_counted_once_or_left_out_with_a_reason() -> None:
    ids = Counter(one.id for group in (ALL, not_a_run()) for one in group)
    assert [name for name, number in ids.items() if number > 1] == []
    print(f"{len(CASES)} published results counted, {len(SECONDS)} again with our own factors")  # noqa: T201 -- to be seen with -s
    assert len(CASES) >= LEAST_CASES


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_record_is_accepted_as_a_whole(one: Case | Anomaly) -> None:
    for record in one.by_run.values():
        Record.model_validate(record)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_record_does_not_hold_its_own_answer(one: Case | Anomaly) -> None:
    answer = one.expect if isinstance(one, Case) else one.right
    for record in one.by_run.values():
        stated = [text for text in _texts(record) if _is_quantity_of(text, answer.unit)]
        assert all(units.parse(text, answer.unit).value != answer.value for text in stated)


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.id)
def test_right_figure_of_an_anomaly_is_not_the_published_one(anomaly: Anomaly) -> None:
    apart = abs(anomaly.right.value - anomaly.published.value)
    assert apart > anomaly.right.margin + anomaly.published.margin


def test_page_of_published_results_is_up_to_date(results: Results) -> None:
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    assert written == page(results), f"docs/validation.md is behind the records: run `{COMMAND}`"


def _texts(value: Any) -> Iterator[str]:
    """Give every text of a record."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _is_quantity_of(text: str, unit: str) -> bool:
    try:
        units.parse(text, unit)
    except units.BadQuantity:
        return False
    return True
