"""Hourly series are read as providers export them, averaged only when whole, and refused where they mean another."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from green import series, stages
from green.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

OURS = "zone,hour_at,intensity_gco2e_per_kwh\n"
MAPS_OLD = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,Data Source,Data Estimated,"
    "Data Estimation Method\n"
)
MAPS_NEW = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),Renewable energy percentage (RE%),"
    "Data source,Data estimated,Data estimation method\n"
)
Rows = list[tuple[str, str, float]]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with stages.connect() as opened:
        yield opened


def written(tmp_path: Path, text: str, name: str = "series.csv") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def loaded(con: duckdb.DuckDBPyConnection, *files: str) -> Rows:
    series.load(con, files)
    return con.execute(
        "SELECT zone, strftime(hour_at, '%Y-%m-%d %H:%M'), intensity_gco2e_per_kwh FROM series ORDER BY ALL"
    ).fetchall()


def refused(con: duckdb.DuckDBPyConnection, *files: str) -> InputError:
    with pytest.raises(InputError) as caught:
        series.load(con, files)
    assert caught.value.mend
    return caught.value


def test_our_own_columns_are_read_in_any_order_and_zone(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "hour_at,zone,note,intensity_gco2e_per_kwh\n"
        '2026-01-01T00:00:00Z,DE,"a, b",432.7\n'
        "2026-01-01 02:00:00+01:00,DE,,400\n"
        "2026-01-01 00:00,island-1,,12.5\n",
    )
    assert loaded(con, file) == [
        ("DE", "2026-01-01 00:00", 432.7),
        ("DE", "2026-01-01 01:00", 400.0),
        ("island-1", "2026-01-01 00:00", 12.5),
    ]


@pytest.mark.parametrize("header", [MAPS_OLD, MAPS_NEW])
def test_both_ages_of_electricity_maps_give_the_lifecycle_column(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, header: str
) -> None:
    file = written(tmp_path, header + "2024-01-01 00:00:00,France,France,FR,21.4,38.2,93.1,31.9,rte,false,\n")
    assert loaded(con, file) == [("FR", "2024-01-01 00:00", 38.2)]


def test_gzip_semicolons_and_a_byte_order_mark_change_nothing(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "series.csv.gz"
    text = "\ufeff" + OURS.replace(",", ";") + "DE;2026-01-01T00:00:00Z;10\n"
    path.write_bytes(gzip.compress(text.encode()))
    assert loaded(con, str(path)) == [("DE", "2026-01-01 00:00", 10.0)]


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "VARCHAR"])
def test_parquet_is_read_as_csv_is(con: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "series.parquet"
    con.execute(
        f"COPY (SELECT 'DE' AS zone, '2026-01-01 05:00:00'::{kind} AS hour_at,"
        f" 99.5::FLOAT AS intensity_gco2e_per_kwh) TO '{path}' (FORMAT parquet)"
    )
    assert loaded(con, str(path)) == [("DE", "2026-01-01 05:00", 99.5)]


def test_a_zone_in_another_spelling_is_the_zone_of_the_runs(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = written(tmp_path, OURS + "Germany,2026-01-01T00:00:00Z,10\nus_ca,2026-01-01T00:00:00Z,20\n")
    assert [row[0] for row in loaded(con, file)] == ["DE", "US-CA"]


def test_halves_are_averaged_only_where_the_hour_has_both(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        OURS + "GB,2026-01-01T00:00:00Z,100\nGB,2026-01-01T00:30:00Z,200\n"
        "GB,2026-01-01T01:00:00Z,100\n"  # its second half is missing
        "GB,2026-01-01T02:00:00Z,100\nGB,2026-01-01T02:30:00Z,\n"  # and here it is blank
        "DE,2026-01-01T00:00:00Z,50\n",
    )
    assert loaded(con, file) == [("DE", "2026-01-01 00:00", 50.0), ("GB", "2026-01-01 00:00", 150.0)]


def test_quarters_are_averaged_too_and_no_order_of_rows_moves_a_bit(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = [f"GB,2026-01-01T00:{15 * i:02}:00Z,{value}\n" for i, value in enumerate((0.1, 0.2, 0.3, 0.7))]
    first = loaded(con, written(tmp_path, OURS + "".join(rows)))
    con.execute("DROP TABLE series")
    assert loaded(con, written(tmp_path, OURS + "".join(reversed(rows)))) == first
    assert first == [("GB", "2026-01-01 00:00", 0.325)]


def test_a_blank_hour_has_no_intensity_and_never_zero(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = written(tmp_path, OURS + "DE,2026-01-01T00:00:00Z,\nDE,2026-01-01T01:00:00Z,0\n")
    assert loaded(con, file) == [("DE", "2026-01-01 01:00", 0.0)]


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("Datetime (UTC),Zone id,Carbon intensity gCO₂eq/kWh (direct)", "Electricity Maps gives direct"),
        ("Datetime (UTC),Actual Carbon Intensity (gCO2/kWh),Forecast Carbon Intensity (gCO2/kWh),Index", "NESO"),
        ("DATETIME,GAS,COAL,NUCLEAR,WIND,GENERATION,CARBON_INTENSITY", "NESO historic generation mix gives direct"),
        ("Date;Heures;Consommation (MW);Taux de CO2 (g/kWh)", "RTE éCO2mix gives direct"),
        ("timestamp,MOER,MOER version,frequency", "WattTime gives marginal"),
        ("point_time,value,region", "WattTime gives marginal"),
    ],
)
def test_a_series_that_is_no_lifecycle_average_is_refused_with_its_reason(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, header: str, what: str
) -> None:
    error = refused(con, written(tmp_path, header + "\n"))
    assert what in error.what
    assert "never mixed" in error.what
    assert error.where is not None
    assert (error.where.file, error.where.line) == ("series.csv", 1)
    assert "lifecycle" in error.mend


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("a,b\n1,2\n", "not a series of intensity", 1),
        ("", "no header", 1),
        ("zone,zone\n", "a name twice", 1),
        (OURS + "DE,2026-01-01T00:00:00Z,10\nDE,yesterday,10\n", "yesterday, 10", 3),
        (OURS + "DE,2026-01-01T00:00:00Z,much\n", "much", 2),
        (OURS + "DE,2026-01-01T00:00:00Z,-1\n", "-1", 2),
        (OURS + "DE,2026-01-01T00:00:00Z,nan\n", "nan", 2),
        (OURS + ",2026-01-01T00:00:00Z,1\n", "2026-01-01T00:00:00Z, 1", 2),
        (OURS + "DE,2026-01-01T00:00:00Z\n", "not a series of intensity", 0),  # a cell is missing
        (OURS + "DE,2026-01-01T00:00:00Z,1\nDE,2026-01-01T00:00:00Z,2\n", "two intensities for DE", 0),
        (OURS + "DE,2026-01-01T00:05:00Z,1\n", "no even parts of an hour: minutes 5", 0),
        (OURS + "DE,2026-01-01T00:00:00Z,1\nDE,2026-01-01T00:20:00Z,1\n", "minutes 0, 20", 0),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_place(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, text: str, what: str, line: int
) -> None:
    error = refused(con, written(tmp_path, text))
    assert what in error.what
    assert error.where is not None
    assert error.where.line == line


def test_a_file_that_is_not_there_or_no_text_is_refused(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert "No such file" in refused(con, str(tmp_path / "absent.csv")).what
    con.execute("DROP TABLE series")
    path = tmp_path / "latin.csv"
    path.write_bytes(b"zone,\xff\n")
    assert "not a series" in refused(con, str(path)).what


def test_two_files_give_an_hour_only_once(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    row = OURS + "DE,2026-01-01T00:00:00Z,1\n"
    error = refused(con, written(tmp_path, row, "a.csv"), written(tmp_path, row, "b.csv"))
    assert error.what == "two intensities for DE at 2026-01-01 00:00:00+00:00"


def test_no_file_gives_an_empty_table(con: duckdb.DuckDBPyConnection) -> None:
    assert loaded(con) == []
