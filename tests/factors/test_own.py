"""A table of an organisation's own replaces and adds rows, and a wrong one is refused at its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from green.errors import UsageError
from green.factors import device_key, load

DOCS = Path(__file__).parents[2] / "docs" / "factors.md"


def one(connection: duckdb.DuckDBPyConnection, sql: str, *values: object) -> Any:
    row = connection.execute(sql, list(values)).fetchone()
    return row[0] if row else None


HEADER = "factor_id,quantity,subject,value,low,high,unit,valid_from,valid_to,method,source,url,licence,note"


def own(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "own.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_an_organisation_s_row_wins_over_ours_and_moves_the_digest(tmp_path: Path) -> None:
    path = own(
        tmp_path,
        "grid/DE/2023/owid,grid_intensity,DE,400,380,420,gCO2e/kWh,2023-01-01,2023-12-31,lifecycle,us,,own,",
        'own/toaster,rated_power,"Toaster, big",900,,,W,,,maker,us,,own,',
    )
    with duckdb.connect() as connection:
        plain = load(connection)
        assert load(connection) == plain
        assert load(connection, [path]) != plain
        assert one(connection, "select value from factor where factor_id = 'grid/DE/2023/owid'") == 400
        assert one(connection, "select value from factor where subject_key = $1", device_key("big toaster")) is None
        assert one(connection, "select value from factor where subject_key = $1", device_key("Toaster BIG")) == 900


def test_of_two_own_files_the_later_wins(tmp_path: Path) -> None:
    paths = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(own(folder, f"a,pue,site,1.{number},,,1,,,annual mean,us,,own,"))
    with duckdb.connect() as connection:
        load(connection, paths)
        assert one(connection, "select value from factor where factor_id = 'a'") == 1.2
        load(connection, paths[::-1])
        assert one(connection, "select value from factor where factor_id = 'a'") == 1.1


PLACES = "select factor_id from factor where quantity = $1 and subject = $2 and method = $3 order by factor_id"


def test_a_row_of_a_place_hides_ours_of_its_period_and_no_other(tmp_path: Path) -> None:
    path = own(
        tmp_path,
        "own/de,grid_intensity,DE,400,,,gCO2e/kWh,2024-01-01,2024-12-31,lifecycle,us,,own,",
        "own/aws,pue,aws,1.5,,,1,,,our meter,us,,own,",
        "own/gcp,pue,gcp,1.2,,,1,2024-07-01,,our meter,us,,own,",
    )
    with duckdb.connect() as connection:
        load(connection)
        ours = connection.execute(PLACES, ["grid_intensity", "DE", "lifecycle"]).fetchall()
        direct = connection.execute(PLACES, ["grid_intensity", "DE", "direct"]).fetchall()
        load(connection, [path])
        assert connection.execute(PLACES, ["grid_intensity", "DE", "lifecycle"]).fetchall() == sorted(
            {*ours, ("own/de",)} - {("grid/DE/2024/owid",)}
        )
        assert connection.execute(PLACES, ["grid_intensity", "DE", "direct"]).fetchall() == direct  # another method
        pue = "select factor_id from factor where quantity = 'pue' and subject = $1 order by factor_id"
        assert connection.execute(pue, ["aws"]).fetchall() == [("own/aws",)]  # without a period it holds for all time
        assert connection.execute(pue, ["gcp"]).fetchall() == [
            ("own/gcp",),
            ("pue/gcp/2008",),
            ("pue/gcp/2021",),
            ("pue/gcp/2023",),
            ("pue/gcp/ccf",),  # without a period: for the years that no other covers
        ]
        assert one(connection, "select count(*) from factor where quantity = 'pue' and subject = 'azure'") > 0


def test_a_device_of_an_organisation_s_own_stands_beside_ours(tmp_path: Path) -> None:
    # each source of an embodied footprint widens the interval: none hides another
    path = own(tmp_path, "own/h100,embodied,NVIDIA H100 SXM5 80GB,200,,,kgCO2e,,,maker,us,,own,")
    with duckdb.connect() as connection:
        load(connection)
        sql = "select count(*) from factor where quantity = 'embodied' and subject = 'NVIDIA H100 SXM5 80GB'"
        before = one(connection, sql)
        load(connection, [path])
        assert one(connection, sql) == before + one(
            connection, "select count(*) from factor where factor_id = 'own/h100'"
        )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("a,nonsense,DE,1,,,1,,,m,us,,own,", "unknown quantity `nonsense`"),
        ("a,pue,DE,1.1,,,W,,,m,us,,own,", "`W` is no unit of pue"),
        ("a,pue,DE,much,,,1,,,m,us,,own,", "numbers from 0 up"),
        ("a,pue,DE,nan,,,1,,,m,us,,own,", "numbers from 0 up"),
        ("a,pue,DE,-1,,,1,,,m,us,,own,", "numbers from 0 up"),
        ("a,pue,DE,1.5,1.6,,1,,,m,us,,own,", "not in order"),
        ("a,pue,DE,0.9,,,1,,,m,us,,own,", "no pue: it lies from 1 to inf"),
        ("a,cfe,gcp:x,95,,,1,,,m,us,,own,", "no cfe: it lies from 0 to 1"),
        ("a,market_intensity,DE,0,,,gCO2e/kWh,,,guess,us,,own,", "no method of market_intensity"),
        ("a,tariff,DE,0.3,,,EUR/kWh,,,m,us,,own,", "`EUR/kWh` is no unit of tariff"),
        ("a,pue,DE,1.5,,,1,2024-02-30,,m,us,,own,", "no period"),
        ("a,pue,DE,1.5,,,1,2024-12-31,2024-01-01,m,us,,own,", "no period"),
        ("a,pue,DE,1.5,,,1,,,m,,,own,", "`source` is empty"),
        ("a,grid_intensity,DE,1,,,gCO2e/kWh,,,guess,us,,own,", "`guess` is no method of grid_intensity"),
        ("a,pue,DE,1.5", "4 cells instead of 14"),
        ("ok,pue,DE,1.5,,,1,,,m,us,,own,", "stands in line 2, too"),
    ],
)
def test_a_wrong_row_is_refused_at_its_line(tmp_path: Path, line: str, what: str) -> None:
    path = own(tmp_path, "ok,pue,DE,1.5,,,1,,,m,us,,own,", line)
    with duckdb.connect() as connection, pytest.raises(UsageError) as caught:
        load(connection, [path])
    assert what in caught.value.what
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == (str(path), 3)
    assert caught.value.mend


def test_a_table_with_another_header_or_none_is_refused(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        with pytest.raises(UsageError, match="wrong header"):
            load(connection, [own(tmp_path, header="id,value")])
        with pytest.raises(UsageError, match="cannot read factors"):
            load(connection, [tmp_path / "absent.csv"])


def test_the_example_of_the_documentation_is_a_table_that_we_read(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    path = tmp_path / "own.csv"
    path.write_text(text.split("```csv\n")[1].split("```")[0], encoding="utf-8")
    with duckdb.connect() as connection:
        load(connection, [path])
        assert one(connection, "select value from factor where subject_key = 'lab card 1'") == 165
        assert one(connection, "select value from factor where subject_key = 'island-1'") == 210
