"""The report: what the page shows, gathered from the store and from what the pipeline left."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO, Protocol

from green import units
from green.audit import store as audit
from green.errors import InputError, Where
from green.index import write_text
from green.output.page import Budget, Figure, Group, Page, Row, Run
from green.policy.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import duckdb


_SORT = re.compile(rb'"verdict":("[a-z_]+")')  # in JSON, a string that looks like this has its marks escaped
_PASS = b'"pass"'
_PASSES = b'"verdict":' + _PASS
_REASONS = {metric.column: metric.reasons for metric in METRICS.values()}
# Every sum and list of the page is over the newest assessments: found once, and asked a dozen times.
_HELD = """
CREATE TEMP TABLE page_run AS SELECT
    run_id, project, team, region, status, started_at, ended_at, energy_kwh, energy_kwh_low, energy_kwh_high,
    facility_energy_kwh, facility_energy_kwh_low, facility_energy_kwh_high, operational_kgco2e,
    operational_kgco2e_low, operational_kgco2e_high, embodied_kgco2e, embodied_kgco2e_low, embodied_kgco2e_high,
    emissions_kgco2e, emissions_kgco2e_low, emissions_kgco2e_high, coverage_ratio, method, scope, factor_ids,
    unknown_reasons, all_flags AS flags, any_error AS error, is_counted
FROM current_run
"""
_SHOWN = ("energy_kwh", "facility_energy_kwh", "operational_kgco2e", "embodied_kgco2e", "emissions_kgco2e")
_RUNS = f"""
SELECT run_id, project, team, region, status, strftime(coalesce(ended_at, started_at), '%Y-%m-%d') AS day,
    {", ".join(f"as_double({name}{end}) AS {name}{end}" for name in _SHOWN for end in ("", "_low", "_high"))},
    coverage_ratio, method, is_counted, error, unknown_reasons, flags
FROM page_run ORDER BY emissions_kgco2e DESC NULLS LAST, energy_kwh DESC NULLS LAST, run_id LIMIT $most
"""
_TOTALS = """
    count(*) AS runs,
    count(*) FILTER (WHERE emissions_kgco2e IS NULL) AS runs_unknown,
    as_double(sum(energy_kwh)) AS known_energy_kwh,
    as_double(sum(operational_kgco2e)) AS known_operational_kgco2e,
    as_double(sum(embodied_kgco2e)) AS known_embodied_kgco2e,
    as_double(known_sum(emissions_kgco2e)) AS emissions_kgco2e,
    as_double(known_sum(emissions_kgco2e_low)) AS emissions_kgco2e_low,
    as_double(known_sum(emissions_kgco2e_high)) AS emissions_kgco2e_high
FROM page_run WHERE is_counted AND status IS DISTINCT FROM 'planned'
"""
_MONTH = "strftime(date_trunc('month', coalesce(ended_at, started_at)), '%Y-%m') AS month"
_MONTHS = f"SELECT project, {_MONTH}, {_TOTALS} GROUP BY ALL ORDER BY ALL"
_PROJECTS = f"SELECT project, {_TOTALS} GROUP BY ALL ORDER BY ALL"  # as the view by_project
_TEAMS = f"SELECT team, {_MONTH}, {_TOTALS} GROUP BY ALL ORDER BY ALL"  # as the view by_team_month
_COVERAGE = """
SELECT count(coverage_ratio) AS known, count(*) AS runs, min(coverage_ratio) AS least, median(coverage_ratio) AS middle
FROM page_run WHERE is_counted
"""
_FACTORS = """
SELECT factor_id, quantity, subject, value, low, high, unit, valid_from, valid_to, method, source, url, licence
FROM (SELECT * FROM factor QUALIFY row_number() OVER (PARTITION BY factor_id ORDER BY seq DESC) = 1)
WHERE factor_id IN (SELECT unnest(factor_ids) FROM (SELECT DISTINCT factor_ids FROM page_run WHERE is_counted))
ORDER BY quantity, subject, factor_id LIMIT $most
"""
_HEAD = """
SELECT l.seq AS events, l.hash AS head, a.green_version, a.duckdb_version, a.code_sha256, a.factors_sha256
FROM ledger AS l LEFT JOIN (SELECT * FROM assessment WHERE seq = (SELECT max(seq) FROM assessment)) AS a ON true
WHERE l.seq = (SELECT max(seq) FROM ledger)
"""


class Look(Protocol):
    """How the page looks; `report:` of the configuration, or what a job was left of it."""

    @property
    def title(self) -> str:
        """The heading of the page."""

    @property
    def most_runs(self) -> int:
        """How many runs, verdicts of a sort, and factors are listed at most."""


def write(store: Path, results: Path, out: Path, settings: Look) -> None:
    """Write the page atomically; the same store and verdicts give the same bytes."""
    from green.output import html  # noqa: PLC0415 -- what only asks for rejects draws nothing

    write_text(out, html.render(page(store, results, settings)))


def page(store: Path, results: Path, settings: Look) -> Page:
    """Gather the page: sums are taken by the store, and no more rows leave it than are shown."""
    most = settings.most_runs
    with audit.reader(store) as con:
        con.execute("SET threads = 1")  # ten thousand runs are little; a thread costs more than it saves
        con.execute(_HELD)
        policies = _rows(con, "SELECT policy_id, definition FROM policy WHERE kind = 'budget' ORDER BY seq")
        record = _record(results / "verdicts.json", most, {row["policy_id"] for row in policies})
        return Page(
            title=settings.title,
            record=record,
            most_rows=most,
            budgets=list(_budgets(record, policies)),
            total=_groups(con, f"SELECT {_TOTALS}")[0],
            stored=_rows(con, "SELECT count(*) AS runs FROM page_run")[0]["runs"],
            runs=[_run(row) for row in _rows(con, _RUNS, most=most)],
            projects=_groups(con, _PROJECTS, "project"),
            project_months=_groups(con, _MONTHS, "project", "month"),
            team_months=_groups(con, _TEAMS, "team", "month"),
            quality={name: _counted(con, name) for name in ("method", "scope", "unknown_reasons", "flags")},
            coverage=_rows(con, _COVERAGE)[0],
            plans=_plans(con, most),
            rejects=rejected(results, con),
            factors=_rows(con, _FACTORS, most=most),
            ledger=_rows(con, _HEAD)[0],
        )


def _plans(con: duckdb.DuckDBPyConnection, most: int) -> tuple[list[Row], list[Row]]:
    """Return plan against actual by team, and the runs from the one that was furthest off."""
    if not _rows(con, "SELECT 1 FROM run WHERE status = 'planned' LIMIT 1"):
        return [], []  # most stores hold no plan
    if not _rows(con, "SELECT 1 FROM duckdb_views() WHERE view_name = 'calibration'"):
        return [], []  # a store of before this view
    furthest = "SELECT * FROM plan_actual ORDER BY abs(ln(energy_ratio)) DESC NULLS LAST, run_id LIMIT $most"
    return _rows(con, "SELECT * FROM calibration"), _rows(con, furthest, most=most)


def rejected(results: Path, con: duckdb.DuckDBPyConnection | None = None) -> list[Row]:
    """Return what was not read: file, line, lines, reason, detail, run_id; a file as a whole has no line."""
    file = results / "rejects.parquet"
    if not file.exists():
        return []
    if con is None:
        from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where the file is opened

        with duckdb.connect() as own:
            return rejected(results, own)
    query = (
        "SELECT file, line, lines, reason, detail, run_id FROM read_parquet([$file])"
        " ORDER BY file, line NULLS FIRST, reason, detail"
    )
    return _rows(con, query, file=str(file))


def _record(file: Path, most: int, budgets: Iterable[str]) -> Row:
    """Read the verdicts that the page shows: the first of each sort, and all of every budget."""
    if not file.exists():
        raise InputError("no verdicts here", where=Where(str(file)), mend="run `snakemake` first")
    try:
        with file.open("rb") as stream:
            part = _part(stream, most, budgets)
        record: Row = json.loads(part or file.read_bytes())
    except ValueError as error:
        raise InputError(
            f"not a record of verdicts: {error}", where=Where(str(file)), mend="remove it, and run `snakemake`"
        ) from error
    return record


def _part(stream: BinaryIO, most: int, budgets: Iterable[str]) -> bytes:
    """Leave verdicts out that the page only counts; nothing is returned where they do not stand a line each."""
    wanted = tuple(f'{{"policy":{json.dumps(name)},'.encode() for name in budgets)
    kept, seen = [], Counter[bytes]()
    head, line = stream.readline(), b""
    if not head.endswith(b'"verdicts":[\n'):
        return b""
    for line in stream:  # no string of JSON breaks a line
        if seen[_PASS] >= most and _PASSES in line and not line.startswith(wanted):
            continue  # most lines are of this sort
        sort = _SORT.search(line)
        if sort is None:
            break
        seen[sort[1]] += 1
        if seen[sort[1]] <= most or line.startswith(wanted):
            kept.append(line.rstrip(b",\n"))
    is_end = line == b"]}\n" and not stream.read(1)
    return b"%s%s]}" % (head, b",".join(kept)) if is_end else b""


def _rows(con: duckdb.DuckDBPyConnection, query: str, **values: object) -> list[Row]:
    result = con.execute(query, values)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _figure(row: Row, name: str, unit: str) -> Figure:
    value = row[name]
    if value is None:
        concerned = (code for code in _REASONS[name] if code in row["unknown_reasons"])
        return Figure(None, None, None, unit, row["error"] or next(concerned, "MISSING_METRIC"))
    return Figure(value, row[f"{name}_low"], row[f"{name}_high"], unit)


def _run(row: Row) -> Run:
    energy, facility, operational, embodied, emissions = (
        _figure(row, name, "kWh" if name.endswith("kwh") else "kgCO2e") for name in _SHOWN
    )
    return Run(row["run_id"], energy, facility, operational, embodied, emissions, row)


def _groups(con: duckdb.DuckDBPyConnection, query: str, *names: str) -> list[Group]:
    return [_group(row, names) for row in _rows(con, query)]


def _group(row: Row, names: tuple[str, ...]) -> Group:
    def known(name: str, unit: str) -> Figure:
        return Figure(row[name], row[name], row[name], unit)

    low, high = row.get("emissions_kgco2e_low"), row.get("emissions_kgco2e_high")
    runs, unknown, total = row["runs"], row["runs_unknown"], row["emissions_kgco2e"]
    return Group(
        tuple(row[name] for name in names),
        runs,
        unknown,
        known("known_energy_kwh", "kWh"),
        known("known_operational_kgco2e", "kgCO2e"),
        known("known_embodied_kgco2e", "kgCO2e"),
        Figure(total, low, high, "kgCO2e", f"{unknown} of {runs} runs"),
    )


def _counted(con: duckdb.DuckDBPyConnection, column: str) -> list[tuple[str | None, int]]:
    """Count the runs of each method or scope, or those that carry a code."""
    one = f"unnest({column})" if column in ("unknown_reasons", "flags") else column
    names = f"SELECT {one} AS name FROM page_run WHERE is_counted"
    query = f"SELECT name, count(*) AS runs FROM ({names}) GROUP BY name ORDER BY runs DESC, name"
    return [(row["name"], row["runs"]) for row in _rows(con, query)]


def _budgets(record: Row, policies: list[Row]) -> Iterator[Budget]:
    """Give the verdicts of budgets in percent of their limit, the fullest first."""
    limits = {row["policy_id"]: json.loads(row["definition"])["limit"] for row in policies}
    found = [one for one in record["verdicts"] if one["policy"] in limits]

    def percent(number: float | None, limit: float | None) -> float | None:
        return None if number is None or not limit else 100 * number / limit

    for one in sorted(
        found, key=lambda one: (-(percent(one["value"], one["limit"]) or 0), one["policy"], one["subject"])
    ):
        limit, unit = one["limit"], one["unit"]
        yield Budget(
            policy=one["policy"],
            title=one["title"],
            subject=one["subject"],
            verdict=one["verdict"],
            used=percent(one["value"], limit),
            low=percent(one["low"], limit),
            high=percent(one["high"], limit),
            warn=_warning(limits[one["policy"]].get("warn_above"), limit, unit),
            limit=limit,
            unit=unit,
            message=one["message"],
        )


def _warning(raw: object, limit: float | None, unit: str | None) -> float | None:
    """Return where a budget warns, in percent of its limit: it may be written as a share or as a quantity."""
    if raw is None or not limit or unit is None:
        return None
    if units.unit_of(raw) == "%":
        return float(units.parse(raw, "%").value)
    return 100 * float(units.parse(raw, unit).value) / limit
