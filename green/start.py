"""The greenest hour to begin: of all starts whose hours a series covers, the one with the lowest mean intensity.

A plan draws the same power all the time, so that the mean over its hours puts its starts in order; what a start
emits is then priced as every run is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from green.errors import UsageError
from green.tables import EXACT

if TYPE_CHECKING:
    import duckdb

HOUR_S = 3600
LONGEST_S = 3e8  # ten years: no series is longer
NO_SERIES = "name a file of hourly intensity in config.yaml, as in emissions: {series: [intensity.csv]}"

# Sums of DECIMAL, so that the order of rows cannot decide between two starts; of equal ones the first.
_BEST = """
WITH hour AS (
    SELECT hour_at, CAST(intensity_gco2e_per_kwh AS {exact}) AS i FROM series
    WHERE zone = $zone AND intensity_gco2e_per_kwh IS NOT NULL
),
begin_at AS (
    SELECT h.hour_at, {whole} AS whole, {count} AS n, l.i AS last
    FROM hour AS h LEFT JOIN hour AS l ON l.hour_at = h.hour_at + to_hours($hours)
)
SELECT epoch_us(hour_at) FROM begin_at
WHERE n = $hours AND ($rest = 0 OR last IS NOT NULL)
    AND epoch_us(hour_at) BETWEEN $first AND $last
ORDER BY whole * {second} + CASE WHEN $rest = 0 THEN 0 ELSE last * $rest END, hour_at
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Window:
    """The starts to choose from, in µs since 1970; None: as far as the series goes."""

    first_us: int | None = None
    last_us: int | None = None


def read_start(text: str) -> int | Window:
    """Read `--start`: a time, `A..B`, or `best`."""
    if text.strip() == "best":
        return Window()
    first, dots, last = text.partition("..")
    if not dots:
        return _moment_us(first)
    found = Window(_moment_us(first), _moment_us(last))
    if (found.first_us or 0) > (found.last_us or 0):
        raise UsageError(f"--start {text}: it ends before it begins", mend="write the earlier time first")
    return found


def _moment_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        mend = "write a time (2026-10-01T08:00Z), two with .. between them, or best"
        raise UsageError(f"--start {text!r} is no time", mend=mend) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000


def best_start(con: duckdb.DuckDBPyConnection, run: dict[str, Any], window: Window) -> tuple[int, int]:
    """Return the start that the plan has (else the first possible one) and the greenest, in µs."""
    run_id, duration_s = run["run_id"], run["duration_s"]
    if not duration_s or duration_s > LONGEST_S:
        raise UsageError(
            f"{run_id!r} states no duration to find hours for", mend="say how long it takes, as in --hours 72"
        )
    if run["intensity_gco2e_per_kwh"] is not None:
        mend = "leave `intensity` out of its site, so that the series answers"
        raise UsageError(f"{run_id!r} declares its own intensity, the same at every hour", mend=mend)
    zone = _zone(con, run)
    best = _first(con, zone, duration_s, window, ranked=True)
    stated = None if run["started_at"] is None else round(run["started_at"].timestamp()) * 1_000_000
    base = stated if stated is not None else window.first_us
    base = base if base is not None else _first(con, zone, duration_s, window, ranked=False)
    if best is None or base is None:
        where = "" if window.first_us is None else " that begins in this window"
        mend = "widen the window, shorten the run, or add a series that covers it"
        raise UsageError(f"the series of {zone} has no {duration_s / HOUR_S:g} h in a row{where}", mend=mend)
    return base, best


def _zone(con: duckdb.DuckDBPyConnection, run: dict[str, Any]) -> str:
    """Return the zone of the series that answers for a region: its own, else its country's, as emissions.sql has it."""
    zones = [zone for (zone,) in con.execute("SELECT DISTINCT zone FROM series ORDER BY zone").fetchall()]
    if not zones:
        raise UsageError("no hourly series is configured: no start is greener than another", mend=NO_SERIES)
    country = con.execute(
        "SELECT min(note) FROM factor WHERE quantity = 'region_zone' AND subject = $region", {"region": run["region"]}
    ).fetchone()
    found = next((zone for zone in (run["region"], country and country[0]) if zone in zones), None)
    if found is None:
        have = ", ".join(zones[:8])
        raise UsageError(
            f"no series for {run['region'] or 'no known region'!s}: there is one for {have}", mend=NO_SERIES
        )
    return str(found)


def _first(con: duckdb.DuckDBPyConnection, zone: str, duration_s: float, window: Window, *, ranked: bool) -> int | None:
    """Return the greenest start whose hours are all covered; unranked the first of them."""
    hours, rest = int(duration_s // HOUR_S), duration_s % HOUR_S
    frame = f"OVER (ORDER BY h.hour_at RANGE BETWEEN CURRENT ROW AND INTERVAL {hours - 1} HOUR FOLLOWING)"
    query = _BEST.format(
        exact=EXACT,
        whole=f"sum(h.i) {frame}" if hours else "0",
        count=f"count(*) {frame}" if hours else "0",
        second=HOUR_S if ranked else 0,
    )
    if not ranked:
        query = query.replace("last * $rest", "0")
    row = con.execute(
        query,
        {
            "zone": zone,
            "hours": hours,
            "rest": rest,
            "first": window.first_us if window.first_us is not None else -(2**62),
            "last": window.last_us if window.last_us is not None else 2**62,
        },
    ).fetchone()
    return None if row is None else int(row[0])
