"""Give what the store knows in the forms that others ask for; what is unknown stays unknown in each of them.

A form is a function from facts to a text, with the same bytes for the same facts. What a form has no field for goes
into properties named `green:*`, so that nothing is lost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from green import __version__
from green.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

Row = dict[str, Any]

# What the forms about runs give: name, module, title. csv, json and parquet give a view as it is.
FORMS = {
    "cyclonedx": "CycloneDX 1.6, a machine-learning BOM with energy consumptions",
    "cyclonedx-1.7": "CycloneDX 1.7, likewise",
    "eu-ai-act": "EU AI Act, Annex XI section 1, point 2 (d) and (e), as Markdown",
    "huggingface": "Hugging Face model card metadata (co2_eq_emissions, in grams)",
    "scope2": "GHG Protocol Scope 2: two totals, and the instruments",
    "sci": "SCI, ISO/IEC 21031: its terms for each functional unit of each run",
    "esrs-e1": "ESRS E1-5 and E1-6: electricity by source, gross Scope 2, as datapoints",
    "boamps": "BoAmps report: one run, or a list of reports",
    "otlp": "OpenTelemetry metrics hw.energy and hw.host.energy, OTLP as JSON",
}
TABLES = {"csv": "a view as CSV", "json": "a view as JSON", "parquet": "a view as Parquet"}
_PICKED = ("run", "project", "team", "model")


@dataclass(frozen=True)
class Facts:
    """What forms are made of: runs as the view `runs` has them, and what belongs to them."""

    head: str
    events: int
    runs: list[Row]
    units: dict[str, list[Row]] = field(default_factory=dict)
    devices: dict[str, list[Row]] = field(default_factory=dict)
    scope2: list[Row] = field(default_factory=list)
    instruments: list[Row] = field(default_factory=list)
    covered: dict[str, list[Row]] = field(default_factory=dict)  # of each run: the instruments that cover some of it
    rates: dict[str, list[Row]] = field(default_factory=dict)  # of each run: the intensities that it was priced with
    parts: dict[str, list[Row]] = field(default_factory=dict)  # of each run: how each component's energy is known
    answers: dict[str, list[Row]] = field(default_factory=dict)  # of each run: the energies that count
    origin: dict[str, list[Row]] = field(default_factory=dict)  # of each run: when it was recorded, from which reader

    @property
    def tool(self) -> str:
        """Name the program that made the figures."""
        return f"green {__version__}"


@dataclass(frozen=True)
class Choice:
    """Which runs a form is about; nothing chosen is all counted runs."""

    run: Sequence[str] = ()
    project: str | None = None
    team: str | None = None
    model: str | None = None


def collect(con: duckdb.DuckDBPyConnection, choice: Choice) -> Facts:
    """Read the facts of the chosen runs; that there are none is an error, never an empty form."""
    con.execute("CREATE TEMP TABLE picked AS SELECT unnest($runs::VARCHAR[]) AS run_id", {"runs": list(choice.run)})
    runs = _rows(
        con,
        "SELECT r.*, c.facts, m.measured_share FROM runs AS r JOIN current_run AS c USING (run_id)"
        " LEFT JOIN measured_share AS m USING (run_id) WHERE r.is_counted AND r.status IS DISTINCT FROM 'planned'"
        " AND (len($runs) = 0 OR r.run_id IN (SELECT run_id FROM picked))"
        " AND ($project IS NULL OR r.project = $project) AND ($team IS NULL OR r.team = $team)"
        " AND ($model IS NULL OR r.model = $model) ORDER BY r.run_id",
        {"runs": list(choice.run), "project": choice.project, "team": choice.team, "model": choice.model},
    )
    absent = sorted(set(choice.run) - {row["run_id"] for row in runs})
    if absent:
        raise UsageError(f"no counted run {absent[0]}", mend="`green query top-emitters` lists runs")
    if not runs:
        raise InputError(
            "no counted run is chosen: there is nothing to export", mend="another --model, --project, --team"
        )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE picked AS SELECT unnest($runs::VARCHAR[]) AS run_id",
        {"runs": [r["run_id"] for r in runs]},
    )
    (state,) = _rows(con, "SELECT count(*) AS events, arg_max(hash, seq) AS head FROM ledger")
    return Facts(
        state["head"],
        state["events"],
        runs,
        _by_run(
            con, "SELECT run_id, unit, amount FROM run_units SEMI JOIN picked USING (run_id) ORDER BY run_id, unit"
        ),
        _by_run(
            con,
            "SELECT e.run_id, e.device_id, e.component, e.name, e.count, e.device_hours_h, e.lifetime_h, e.utilisation,"
            " e.share, e.embodied_total_kgco2e, as_double(e.embodied_kgco2e) AS embodied_kgco2e, e.reason"
            " FROM embodied AS e JOIN newest_run AS r ON e.seq = r.seq SEMI JOIN picked AS p ON e.run_id = p.run_id"
            " ORDER BY e.run_id, e.device_id",
        ),
        _rows(con, "FROM scope2"),
        _rows(con, "FROM instruments"),
        **{name: _by_run(con, sql) for name, sql in _BESIDE.items()},
    )


# What belongs to the newest facts of a run. An instrument is as it was configured last: a label that was added later
# changes no figure of the run, and so no fact of it.
_BESIDE = {
    "covered": "SELECT c.run_id, i.instrument_id, i.kind, i.energy_source, i.source, as_double(c.p.allocated_kwh)"
    " AS allocated_kwh FROM (SELECT run_id, unnest(json_transform(instruments,"
    ' \'[{"instrument_id":"VARCHAR","allocated_kwh":"DECIMAL(38,18)"}]\')) AS p FROM current_run'
    " SEMI JOIN picked USING (run_id)) AS c JOIN (FROM instrument QUALIFY row_number() OVER"
    " (PARTITION BY instrument_id ORDER BY seq DESC) = 1) AS i ON i.instrument_id = c.p.instrument_id"
    " ORDER BY c.run_id, i.instrument_id",
    "rates": "SELECT r.run_id, f.quantity, f.method, f.source, f.licence FROM (SELECT run_id, unnest(factor_ids)"
    " AS factor_id FROM newest_run SEMI JOIN picked USING (run_id)) AS r JOIN (FROM factor QUALIFY row_number() OVER"
    " (PARTITION BY factor_id ORDER BY seq DESC) = 1) AS f USING (factor_id)"
    " WHERE f.quantity IN ('grid_intensity', 'market_intensity') ORDER BY r.run_id, f.factor_id",
    "parts": "SELECT run_id, component, method FROM run_quality SEMI JOIN picked USING (run_id)"
    " ORDER BY run_id, component, method",
    "answers": "SELECT e.run_id, e.answer, e.method, e.covers, e.basis, e.from_at, e.to_at,"
    " as_double(e.energy_kwh) AS energy_kwh, as_double(e.energy_low_kwh) AS energy_low_kwh,"
    " as_double(e.energy_high_kwh) AS energy_high_kwh FROM energy AS e JOIN newest_run AS r ON e.seq = r.seq"
    " SEMI JOIN picked AS p ON e.run_id = p.run_id WHERE e.is_counted ORDER BY e.run_id, e.answer, e.from_at",
    "origin": "SELECT DISTINCT run_id, recorded_at, CASE WHEN i.has_readings THEN i.reader END AS reader"
    " FROM lineage AS l JOIN newest_run AS r USING (run_id, seq) LEFT JOIN input_file AS i ON i.seq = r.seq"
    " AND i.file = l.file SEMI JOIN picked AS p USING (run_id) ORDER BY run_id, reader",
}


def _rows(con: duckdb.DuckDBPyConnection, sql: str, values: Row | None = None) -> list[Row]:
    got = con.execute(sql, values or {})
    names = [column[0] for column in got.description or []]
    return [dict(zip(names, row, strict=True)) for row in got.fetchall()]


def _by_run(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in _rows(con, sql):
        found.setdefault(row["run_id"], []).append(row)
    return found


def render(form: str, facts: Facts) -> str:
    """Return the text of a form."""
    from green.export import (  # noqa: PLC0415 -- one of them is needed
        boamps,
        cyclonedx,
        esrs,
        euaiact,
        huggingface,
        otlp,
        sci,
        scope2,
    )

    forms = {
        "cyclonedx": lambda: cyclonedx.render(facts, "1.6"),
        "cyclonedx-1.7": lambda: cyclonedx.render(facts, "1.7"),
        "eu-ai-act": lambda: euaiact.render(facts),
        "huggingface": lambda: huggingface.render(facts),
        "scope2": lambda: scope2.render(facts),
        "sci": lambda: sci.render(facts),
        "esrs-e1": lambda: esrs.render(facts),
        "boamps": lambda: boamps.render(facts),
        "otlp": lambda: otlp.render(facts),
    }
    return forms[form]()


def left_out(form: str, facts: Facts) -> list[str]:
    """Say which runs a form has no place for, and why."""
    if form != "boamps":
        return []
    from green.export import boamps  # noqa: PLC0415 -- as above

    return [f"no report of {run['run_id']}: {why}" for run in facts.runs if (why := boamps.lacks(run, facts))]


def as_json(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    """Return JSON with the same bytes for the same value."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False, default=str) + "\n"


def text_of(value: Any) -> str:  # noqa: ANN401 -- any value of DuckDB
    """Return a value as the text of a property: times ISO 8601 UTC, lists and objects JSON, numbers in full."""
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).replace("+00:00", "Z")
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return repr(value) if isinstance(value, float) else str(value)


def properties(row: Row, *, but: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return all that is known of a row as properties `green:*`, and the names of what is not."""
    known = [
        {"name": f"green:{key}", "value": text_of(value)}
        for key, value in row.items()
        if value is not None and key not in but
    ]
    unknown = [key for key, value in row.items() if value is None and key not in but]
    return [*known, {"name": "green:unknown", "value": " ".join(unknown)}] if unknown else known


def total(rows: Sequence[Row], name: str) -> float | None:
    """Return the exact sum of a figure, None where one is unknown."""
    from fractions import Fraction  # noqa: PLC0415 -- beside its one use

    values = [row[name] for row in rows]
    return None if any(value is None for value in values) else float(sum(map(Fraction, values)))


def because(rows: Sequence[Row], name: str) -> str:
    """Say why a total is unknown: how many runs lack the figure, and their reason codes."""
    lacking = [row for row in rows if row[name] is None]
    codes = sorted({code for row in lacking for code in row["unknown_reasons"] or []})
    return f"{len(lacking)} of {len(rows)} runs: {', '.join(codes) or 'no reason is recorded'}"
