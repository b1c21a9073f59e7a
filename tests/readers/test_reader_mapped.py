"""Tables of no known tool, by what config.yaml says of their columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from fake import FakeSink, write_log
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from green import ingest, stages
from green.config import Config
from green.index import scan
from green.mapping import Mapping_
from green.readers import UNDATED_US
from green.readers.mapped import Mapped
from green.testing import opened

if TYPE_CHECKING:
    from pathlib import Path

START_US = 1_767_225_600_000_000
from_truth = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reader(columns: list[dict[str, Any]], time: dict[str, Any] | None = None, **more: Any) -> Mapped:
    value = {"name": "own", "match": "*", "time": time or {"column": "t", "unit": "s"}, "columns": columns, **more}
    return Mapped(Mapping_.model_validate(value))


def read(mapped: Mapped, folder: Path, text: str) -> FakeSink:
    log, sink = write_log(folder, text, zone_assumed=True), FakeSink()
    assert mapped.recognises(log)
    mapped.read(log, sink)
    return sink


@from_truth
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=8),
    st.sampled_from([("uW", 1e-6), ("mW", 1e-3), ("W", 1.0), ("kW", 1e3)]),
    st.sampled_from(["wide", "jsonl"]),
)
def test_powers_come_back_in_watts(tmp_path: Path, truth: list[int], unit: tuple[str, float], form: str) -> None:
    name, factor = unit
    if form == "wide":
        rows = ["t,p"] + [f"{1_767_225_600 + n},{value}" for n, value in enumerate(truth)]
    else:
        rows = [json.dumps({"t": 1_767_225_600 + n, "p": value}) for n, value in enumerate(truth)]
    mapped = reader([{"column": "p", "unit": name}], format="csv" if form == "wide" else "jsonl")
    sink = read(mapped, tmp_path, "\n".join(rows) + "\n")
    assert sink.powers() == pytest.approx([value * factor for value in truth], rel=1e-12)
    assert [t_us for _, t_us, *_ in sink.samples] == [START_US + n * 10**6 for n in range(len(truth))]


def test_counters_and_energies_of_intervals(tmp_path: Path) -> None:
    columns = [
        {"column": "meter", "unit": "kWh", "component": "host"},
        {"column": "used", "unit": "Wh", "component": "cpu", "each": "interval"},
    ]
    text = "t;meter;used\n1767225600;10.5;100\n1767225660;11.5;150.5 Wh\n1767225720;-;-3\n"
    sink = read(reader(columns, separator=";"), tmp_path, text)
    assert [energy_j for *_, energy_j, _ in sink.samples] == [37_800_000.0, 41_400_000.0, None]
    assert sink.statements == [(0, ("cpu",), "0.2505", "device")]
    assert sink.rejects == [(4, "NEGATIVE")]


def test_long_tables_have_a_series_a_device(tmp_path: Path) -> None:
    text = "t,id,p\n1767225600,a,1\n1767225600,b,2\n1767225601,a,3\n1767225601,,4\n"
    sink = read(reader([{"column": "p", "unit": "W"}], device="id"), tmp_path, text)
    assert [(one["device"], sink.powers(n)) for n, one in enumerate(sink.all_series)] == [("a", [1, 3]), ("b", [2])]
    assert sink.rejects == [(5, "UNKNOWN_DEVICE")]


def test_total_is_compared_and_never_added(tmp_path: Path) -> None:
    columns = [{"column": "a", "unit": "W"}, {"column": "b", "unit": "W"}]
    mapped = reader(columns, total={"column": "all", "unit": "mW"})
    agrees = read(mapped, tmp_path, "t,a,b,all\n1767225600,1,2,3000\n")
    assert (len(agrees.all_series), agrees.runs[0].flags, agrees.rejects) == (2, [], [])
    differs = read(mapped, tmp_path, "t,a,b,all\n1767225600,1,2,3000\n1767225601,1,2,4000\n")
    assert differs.runs[0].flags == ["TOTAL_DISAGREES"]
    assert differs.rejects == [(3, "TOTAL_DISAGREES")]


def test_iso_times_are_local_and_flagged_where_the_zone_is_assumed(tmp_path: Path) -> None:
    mapped = reader([{"column": "p", "unit": "W"}], {"column": "t"})
    sink = read(mapped, tmp_path, "t,p\n2026-01-01 00:00:00,1\n01/01/26,1\n")
    assert (sink.samples[0][1], sink.runs[0].flags) == (START_US, ["ASSUMED_UTC"])
    assert sink.rejects == [(3, "BAD_TIME")]
    assert read(mapped, tmp_path, "t,p\n2026-01-01T00:00:00Z,1\n").runs[0].flags == []


def test_a_table_is_told_by_its_path_and_its_columns(tmp_path: Path) -> None:
    mapped = reader([{"column": "p", "unit": "W"}], match="power/*.csv")
    assert not mapped.recognises(write_log(tmp_path, "t,p\n1,2\n"))
    assert not reader([{"column": "q", "unit": "W"}]).recognises(write_log(tmp_path, "t,p\n1,2\n"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": []}, "at least 1"),
        ({"columns": [{"column": "p", "unit": "GW"}]}, "unit"),
        ({"columns": [{"column": "t", "unit": "W"}]}, "named twice"),
        ({"time": {"column": "t", "relative": True}}, "relative time is a number"),
        ({"total": {"column": "all", "unit": "J"}}, "both power, or both energy"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_mistakes_of_a_mapping_are_said(change: dict[str, Any], words: str) -> None:
    value = {"name": "x", "match": "*", "time": {"column": "t", "unit": "s"}, "columns": [{"column": "p", "unit": "W"}]}
    with pytest.raises(ValidationError, match=words):
        Mapping_.model_validate({**value, **change})


def energies(logs: Path, work: Path, mappings: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Run ingest and energy, and return what they say of the runs."""
    config = Config.model_validate({"logs": str(logs), "readers": mappings})
    ingest.ingest(config, scan(logs).sources, settings="", out=work / "ingest" / "all", cache=work / "cache" / "all")
    out, own = work / "energy" / "all.parquet", stages.settings_of(config)["energy"]
    stages.run(stages.STAGES["energy"], work, ["all"], out, settings=own)
    with stages.connect() as con:
        for table in ("run", "energy"):
            stages.bind(con, table, stages.files_of(table, work, ["all"]))
        return con.execute(
            "SELECT run_id, epoch_us(started_at), duration_s, flags, sum(energy_kwh)::DOUBLE, min(epoch_us(from_at))"
            " FROM run JOIN energy USING (run_id) GROUP BY ALL ORDER BY 1"
        ).fetchall()


RELATIVE = {"column": "t", "unit": "s", "relative": True}


def test_relative_times_begin_with_the_run_of_the_record(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for folder in ("dated", "undated"):
        (logs / folder).mkdir(parents=True)
        (logs / folder / "power.csv").write_text("t,p\n0,3600\n1,3600\n2,3600\n", encoding="utf-8")
    (logs / "dated" / "run.yaml").write_text("started_at: 2026-01-01T00:00:00Z\n", encoding="utf-8")
    one = {"name": "own", "match": "*", "time": RELATIVE, "columns": [{"column": "p", "unit": "W"}]}
    dated, undated = energies(logs, tmp_path / "work", [one])
    assert dated[1:5] == (START_US, 2.0, [], pytest.approx(0.002))
    assert dated[5] == START_US
    assert undated[1:5] == (None, 2.0, ["UNDATED"], pytest.approx(0.002))
    assert undated[5] == UNDATED_US


def test_parquet_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    with duckdb.connect() as con:
        con.execute(
            'COPY (SELECT TIMESTAMPTZ \'2026-01-01 00:00:00+00\' + i * INTERVAL 1 SECOND AS t, 3600.0 AS "p""q"'
            f" FROM range(3) AS r(i)) TO '{logs / 'a.parquet'}' (FORMAT parquet)"
        )
    (logs / "b.parquet").write_bytes((logs / "a.parquet").read_bytes()[:-9])
    one = {"name": "own", "match": "*", "format": "parquet", "time": {"column": "t"}}
    one["columns"] = [{"column": 'p"q', "unit": "W"}]
    assert [row[4] for row in energies(logs, tmp_path / "work", [one])] == [pytest.approx(0.002)]
    mapped = Mapped(Mapping_.model_validate(one))
    assert mapped.recognises(opened(logs / "b.parquet", "b.parquet"))
