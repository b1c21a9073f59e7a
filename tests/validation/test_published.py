"""What papers print is what the pipeline gives: every published result through one run of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from green import units
from green.model import Record

from .cases import METRICS, Anomaly, Case, anomalies, counted, not_a_run
from .table import COMMAND, PAGE, page

CASES = counted()
ANOMALIES = anomalies()
LEAST_CASES = 60

ALL: list[Case | Anomaly] = [*CASES, *ANOMALIES]

Pipeline = Callable[[Path, Path], Path]
Runs = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def runs(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Give view `runs` after one run of the pipeline over all records."""
    work = tmp_path_factory.mktemp("published")
    logs = work / "logs"
    for one in ALL:
        (logs / one.id).mkdir(parents=True)
        (logs / one.id / "run.yaml").write_text(json.dumps(one.record), encoding="utf-8")  # JSON is YAML 1.2
    store = pipeline(logs, work)
    with duckdb.connect(str(store), read_only=True) as connection:
        rows = connection.execute(f"SELECT run_id, {', '.join(METRICS)}, flags FROM runs").fetchall()
    return {run_id: dict(zip((*METRICS, "flags"), figures, strict=True)) for run_id, *figures in rows}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_pipeline_gives_the_published_figure(case: Case, runs: Runs) -> None:
    figures = runs[case.id]
    got = figures[case.expect.metric]
    assert case.expect.agrees(got), f"{case.citation}\n{case.expect.against(got)}"
    known = [metric for metric in case.unknown if figures[metric] is not None]
    assert not known, f"{case.citation}\nthe source leaves {', '.join(known)} blank: unknown, not a number"


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.id)
def test_pipeline_does_not_repeat_a_published_mistake(anomaly: Anomaly, runs: Runs) -> None:
    got = runs[anomaly.id][anomaly.published.metric]
    assert not anomaly.published.agrees(got), f"{anomaly.citation}\n{anomaly.lesson}"
    got = runs[anomaly.id][anomaly.right.metric]
    assert anomaly.right.agrees(got), f"{anomaly.citation}\n{anomaly.right.against(got)}"
    assert set(anomaly.flags) <= set(runs[anomaly.id]["flags"]), f"{anomaly.citation} is not flagged"


def test_each_result_is_counted_once_or_left_out_with_a_reason() -> None:
    ids = Counter(one.id for group in (CASES, ANOMALIES, not_a_run()) for one in group)
    assert [name for name, number in ids.items() if number > 1] == []
    print(f"{len(CASES)} published results counted")  # noqa: T201 -- the count is to be seen with -s
    assert len(CASES) >= LEAST_CASES


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_record_is_accepted_as_a_whole(one: Case | Anomaly) -> None:
    Record.model_validate(one.record)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_record_does_not_hold_its_own_answer(one: Case | Anomaly) -> None:
    answer = one.expect if isinstance(one, Case) else one.right
    stated = [text for text in _texts(one.record) if _is_quantity_of(text, answer.unit)]
    assert all(units.parse(text, answer.unit).value != answer.value for text in stated)


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.id)
def test_right_figure_of_an_anomaly_is_not_the_published_one(anomaly: Anomaly) -> None:
    apart = abs(anomaly.right.value - anomaly.published.value)
    assert apart > anomaly.right.margin + anomaly.published.margin


def test_page_of_published_results_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    assert written == page(), f"docs/validation.md is behind the records: run `{COMMAND}`"


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
