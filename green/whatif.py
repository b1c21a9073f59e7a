"""Price runs, and copies of them with one thing changed, by the SQL that prices every run.

An estimate is a run that has not happened yet: a copy in another region, on another device, for other hours or at
another time goes through the same stages as the run itself, in memory, all copies in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from green import series, stages
from green.factors import cached
from green.factors.names import device_key
from green.sql import text_of
from green.tables import DEVICE, EMISSIONS, EXACT, RUN, STATEMENT, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from green.config import Config

MEMORY = Path("cache", "mends.json")  # below results
BASE = {"run": RUN, "device": DEVICE, "statement": STATEMENT, "units": UNITS}
_CHANGE = (
    "copy_id VARCHAR, run_id VARCHAR, region VARCHAR, device VARCHAR, device_key VARCHAR, duration_s DOUBLE,"
    " started_at TIMESTAMPTZ"
)


@dataclass(frozen=True)
class Rates:
    """What prices depend on beside the runs: factor tables, hourly series, settings of the stages.

    `cache` is where read tables lie, `memory` where the mends of findings do; only the pipeline writes that (`keeps`).
    """

    settings: dict[str, dict[str, Any]]
    factors: Sequence[str] = ()
    series: Sequence[str] = ()
    cache: Path | None = field(default=None, compare=False)
    memory: Path | None = field(default=None, compare=False)
    keeps: bool = False


class Change(NamedTuple):
    """A copy of a run; what is None stays as it is. A region is in the form of the factor tables."""

    copy_id: str
    run_id: str
    region: str | None = None
    device: str | None = None
    duration_s: float | None = None
    started_us: int | None = None


def rates_of(config: Config, results: Path | None = None) -> Rates:
    """Return what the configuration says of prices; what a pipeline left in `results` is made use of."""
    cache = None if results is None else results / stages.FACTORS
    memory = None if results is None else results / MEMORY
    is_there = cache is not None and cache.is_dir()
    return Rates(
        stages.settings_of(config), config.factors, config.emissions.series, cache if is_there else None, memory
    )


def connect(rates: Rates) -> duckdb.DuckDBPyConnection:
    """Open a database in memory with the factors and series."""
    con = stages.connect()
    cached.load(con, [Path(file) for file in rates.factors], rates.cache)
    series.load(con, rates.series)
    return con


def price(con: duckdb.DuckDBPyConnection, changes: Iterable[Change], rates: Rates) -> None:
    """Make `run`, `device`, `statement`, `units`, `energy`, `embodied` and `emissions` of the copies.

    The connection holds the tables of BASE as `base_<name>`. Instruments are spread over runs that happened: none here.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE change ({_CHANGE})")
    rows = [
        [one.copy_id, one.run_id, one.region, one.device, one.device and device_key(one.device), *one[4:]]
        for one in changes
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(7)]
    con.execute(
        "INSERT INTO change SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[]), unnest($3::VARCHAR[]),"
        " unnest($4::VARCHAR[]), unnest($5::VARCHAR[]), unnest($6::DOUBLE[]), make_timestamptz(unnest($7::BIGINT[]))",
        columns,
    )
    con.execute(text_of("whatif"))
    stages.bind(con, "samples", [])
    con.execute("DROP TABLE IF EXISTS instrument")
    stages.bind_instruments(con, ())
    for name, stage in stages.STAGES.items():
        typed = ", ".join(f'CAST("{column}" AS {kind}) AS "{column}"' for column, kind in stage.gives.items())
        given = {key: rates.settings[name][key] for key in stage.settings}
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {typed} FROM ({text_of(name)})", given)


def priced() -> str:
    """Return SQL of the copies as the view `runs` of the store has runs: DOUBLE, cast last."""
    cells = (f"as_double({name}) AS {name}" if kind == EXACT else name for name, kind in EMISSIONS.items())
    return (
        f"SELECT {', '.join(cells)}, CAST(json_extract(facts, '$.labels') AS MAP (VARCHAR, VARCHAR)) AS labels,"
        " TRUE AS is_current, TRUE AS is_counted FROM emissions"
    )
