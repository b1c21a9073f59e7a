"""Hourly carbon intensity: files of `emissions.series`, as known providers export them, become the table `series`.

The yearly factors are lifecycle, and so is a series: a file that gives direct (combustion only) or marginal
intensity is refused with its reason, for beside lifecycle figures it would look like a cleaner grid. Parts of
an hour are averaged where the hour has all of them; an hour that lacks one, or whose cell is blank, has no
intensity.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from green import kept
from green.errors import InputError, Where
from green.factors.names import zone_of
from green.tables import EXACT, SERIES, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

OURS = "a CSV or Parquet file with the columns zone, hour_at, intensity_gco2e_per_kwh"
HOUR_US = 3_600_000_000
VERSION = "1"  # bump when the same files would give another table


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of a provider's export we read; names are compared without case, spaces and index digits."""

    provider: str
    zone: str
    at: str
    intensity: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An export that is no lifecycle average: known by a column of it, refused with what it is."""

    provider: str
    column: str
    what: str
    mend: str


LAYOUTS = (
    Layout("Green", "zone", "hour_at", "intensity_gco2e_per_kwh"),
    # two ages of the same export; both have a direct column beside it
    Layout("Electricity Maps", "zone id", "datetime (utc)", "carbon intensity gco2eq/kwh (life cycle)"),
    Layout("Electricity Maps", "zone id", "datetime (utc)", "carbon intensity gco2eq/kwh (lca)"),
)
_LIFECYCLE = f"take a lifecycle series (Electricity Maps has both columns), or write your own: {OURS}"
REFUSALS = (
    Refusal("Electricity Maps", "carbon intensity gco2eq/kwh (direct)", "direct emissions only", _LIFECYCLE),
    Refusal("NESO Carbon Intensity API", "actual carbon intensity (gco2/kwh)", "direct emissions only", _LIFECYCLE),
    Refusal("NESO historic generation mix", "carbon_intensity", "direct emissions only", _LIFECYCLE),
    Refusal("RTE éCO2mix", "taux de co2 (g/kwh)", "direct emissions only", _LIFECYCLE),
    Refusal("RTE éCO2mix", "taux_co2", "direct emissions only", _LIFECYCLE),
    Refusal("WattTime", "moer", "marginal intensity, not the average of the grid", _LIFECYCLE),
    Refusal("WattTime", "point_time", "marginal intensity, not the average of the grid", _LIFECYCLE),
)


def digest(files: Iterable[str]) -> str:
    """Return the digest of all that the table `series` depends on: bytes, and how a name says that they are read."""
    paths = [Path(file) for file in files]
    return kept.digest(VERSION, [path.suffixes for path in paths], kept.digest_of(paths))


def load(con: duckdb.DuckDBPyConnection, files: Iterable[str]) -> None:
    """Create the table `series` of all files; two intensities of a zone and hour are an error."""
    con.execute(f"CREATE TEMP TABLE series ({', '.join(f'{name} {kind}' for name, kind in SERIES.items())})")
    for file in files:
        _read(con, Path(file))
        _refuse_faults(con, file)
        con.execute(
            "INSERT INTO series WITH part AS ("
            " SELECT zone, count(DISTINCT offset_us) AS parts FROM reading GROUP BY ALL"
            ") SELECT zone, hour_at,"
            # DECIMAL: the sum of DOUBLE would depend on the order of rows
            f" CASE WHEN parts = 1 THEN min(value) ELSE cast(sum(cast(value AS {EXACT})) AS DOUBLE) / parts END"
            " FROM reading INNER JOIN part USING (zone) GROUP BY zone, hour_at, parts HAVING count(value) = parts",
        )
        con.execute("DROP TABLE reading")
    doubled = con.execute("SELECT zone, hour_at FROM series GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL").fetchone()
    if doubled is not None:
        raise InputError(f"two intensities for {doubled[0]} at {doubled[1]}", mend="keep one row an hour and zone")


def _read(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the table `reading` of one file: its rows as they stand, NULL where a cell is blank."""
    from green.engine import duckdb  # noqa: PLC0415 -- 20 ms, only where series are read

    try:
        columns, scan = _parquet(con, path) if path.suffix == ".parquet" else _csv(path)
        layout, names = _layout(columns, path)
        zone, moment, number = (f"nullif(trim(cast(\"{name}\" AS VARCHAR)), '')" for name in names)
        con.execute(
            "CREATE TEMP TABLE reading AS SELECT *, try_cast(moment AS TIMESTAMPTZ) AS read_at,"
            " date_trunc('hour', read_at) AS hour_at, epoch_us(read_at) - epoch_us(hour_at) AS offset_us,"
            " try_cast(number AS DOUBLE) AS value FROM (SELECT row_number() OVER () + 1 AS line,"
            f" {zone} AS zone, {moment} AS moment, {number} AS number FROM {scan})"
        )
    except (duckdb.IOException, duckdb.InvalidInputException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"not a series of intensity: {str(error).splitlines()[0][:160]}", where=Where(path.name), mend=OURS
        ) from error
    bad = con.execute(
        "SELECT line, coalesce(moment, 'no time'), coalesce(number, 'no value') FROM reading"
        " WHERE zone IS NULL OR read_at IS NULL OR (number IS NOT NULL AND"
        " (value IS NULL OR value < 0 OR NOT isfinite(value))) ORDER BY line LIMIT 1"
    ).fetchone()
    if bad is not None:
        raise InputError(
            f"no reading of {layout.provider}: {bad[1]}, {bad[2]}",
            where=Where(path.name, 0 if path.suffix == ".parquet" else bad[0]),
            mend="a zone, a time and a number from 0 up; a blank number where the intensity is unknown",
        )
    zones = [str(row[0]) for row in con.execute("SELECT DISTINCT zone FROM reading ORDER BY zone").fetchall()]
    for written in zones:
        if (known := zone_of(written)) is not None and known != written:
            con.execute("UPDATE reading SET zone = $known WHERE zone = $written", {"known": known, "written": written})


def _refuse_faults(con: duckdb.DuckDBPyConnection, file: str) -> None:
    """Refuse times that two readings share, and times that are no even parts of an hour."""
    where = Where(Path(file).name)
    doubled = con.execute(
        "SELECT zone, read_at FROM reading GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchone()
    if doubled is not None:
        raise InputError(f"two intensities for {doubled[0]} at {doubled[1]}", where=where, mend="keep one of them")
    uneven = con.execute(
        "SELECT zone, list_sort(list(DISTINCT offset_us)) AS offsets FROM reading GROUP BY ALL"
        f" HAVING list_any_value(list_filter(offsets, LAMBDA us, i: us <> (i - 1) * {HOUR_US} // len(offsets)))"
        " IS NOT NULL ORDER BY ALL LIMIT 1"
    ).fetchone()
    if uneven is not None:
        minutes = ", ".join(f"{us / 60e6:g}" for us in uneven[1][:6])
        raise InputError(
            f"times of {uneven[0]} are no even parts of an hour: minutes {minutes}",
            where=where,
            mend="hours, half-hours or quarters that begin with the hour; one resolution a zone and file",
        )


def _layout(columns: Sequence[str], path: Path) -> tuple[Layout, tuple[str, str, str]]:
    """Return the layout of a file with its three column names; refuse what is none, or no lifecycle average."""
    known = {_folded(name): name for name in columns}
    for layout in LAYOUTS:
        wanted = (layout.zone, layout.at, layout.intensity)
        if all(name in known for name in wanted):
            zone, at, intensity = (known[name] for name in wanted)
            return layout, (zone, at, intensity)
    for refusal in REFUSALS:
        if refusal.column in known:
            what = f"{refusal.provider} gives {refusal.what}: never mixed with lifecycle factors"
            raise InputError(what, where=Where(path.name, 1), mend=refusal.mend)
    shown = ",".join(columns)[:160]
    raise InputError("not a series of intensity", where=Where(path.name, 1, text=shown), mend=OURS)


def _folded(name: str) -> str:
    return " ".join(name.casefold().replace("₂", "2").split())


def _parquet(con: duckdb.DuckDBPyConnection, path: Path) -> tuple[list[str], str]:
    scan = f"read_parquet({quote(path)})"
    return [str(row[0]) for row in con.execute(f"DESCRIBE FROM {scan}").fetchall()], scan


def _csv(path: Path) -> tuple[list[str], str]:
    """Return the columns of a CSV file and the SQL that reads every cell as text, so that nothing is sniffed."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
        line = stream.readline()
    separator = max(",;\t", key=line.count)
    columns = next(csv.reader([line], delimiter=separator), [])
    if not columns or len(set(columns)) < len(columns) or any('"' in name for name in columns):
        raise InputError("no header, or one with a name twice", where=Where(path.name, 1), mend=OURS)
    typed = ", ".join(f"{quote(name)}: 'VARCHAR'" for name in columns)
    return columns, (
        f"read_csv({quote(path)}, columns = {{{typed}}}, header = true, auto_detect = false,"
        f" delim = {quote(separator)}, quote = '\"', escape = '\"')"
    )
