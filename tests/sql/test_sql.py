"""Every SQL stage on a handful of rows: given tables, settings, expected rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from green import stages, yaml
from green.sql import text_of

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("*/*.yaml"))


def load(con: Any, table: str, rows: list[dict[str, Any]]) -> None:
    columns = stages.COLUMNS[table]
    unknown = {key for row in rows for key in row} - set(columns)
    assert not unknown, f"{table} has no column {unknown}"
    typed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({typed})")
    for row in rows:
        slots = ", ".join(f"CAST(? AS {columns[name]})" for name in row)
        names = ", ".join(f'"{name}"' for name in row)
        con.execute(f"INSERT INTO {table} ({names}) VALUES ({slots})", [value_of(v) for v in row.values()])


def value_of(raw: Any) -> Any:
    return str(raw) if isinstance(raw, float) and math.isfinite(raw) else raw


def expand(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let a case write one base row and several that differ: {base: {...}, rows: [...]}."""
    if isinstance(rows, dict):
        return [{**rows["base"], **row} for row in rows["rows"]]
    return rows


def result(case: dict[str, Any], stage: stages.Stage) -> list[dict[str, Any]]:
    with stages.connect() as con:
        for table in stage.reads:
            load(con, table, expand(case["given"].get(table, [])))
        settings = {name: case.get("settings", {}).get(name) for name in stage.settings}
        got = con.execute(text_of(stage.name), settings)
        names = [column[0] for column in got.description]
        return [dict(zip(names, row, strict=True)) for row in got.fetchall()]


def agrees(expected: Any, found: Any, tolerance: float = 1e-12) -> bool:
    if expected is None or found is None or isinstance(expected, bool | list):
        return expected == found
    if isinstance(expected, int | float):
        return math.isclose(float(found), expected, rel_tol=tolerance, abs_tol=1e-15)
    if hasattr(found, "isoformat"):
        return found.strftime("%Y-%m-%dT%H:%M:%S") == str(expected).rstrip("Z")
    return expected == found


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_stage_gives_what_the_case_expects(path: Path) -> None:
    case = yaml.load(path).value
    stage = stages.STAGES[path.parent.name]
    if "error" in case:
        with pytest.raises(Exception, match=case["error"]):
            result(case, stage)
        return
    found = result(case, stage)
    assert len(found) == len(case["expect"]), found
    for expected, row in zip(case["expect"], found, strict=True):
        for name, value in expected.items():
            assert agrees(value, row[name], case.get("tolerance", 1e-12)), (
                f"{name}: expected {value}, found {row[name]} in {row}"
            )


def test_every_sql_stage_has_cases() -> None:
    assert {path.parent.name for path in CASES} == set(stages.STAGES)
