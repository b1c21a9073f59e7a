"""What policies would say of plans, if they had run: limits as of a run that ended, budgets beside what is used.

The store gives the history. It is read, never written: the plans stand beside its runs in a temporary relation, in the
place of a run of the same run_id.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from green.audit import store as audit
from green.check import facts
from green.errors import StoreError, Where
from green.explain.policy import explain_policy
from green.mends import cases_of, of_cases
from green.policy.facts import create, select
from green.policy.judge import Judgement, Verdict, exit_code, judge, moment_of
from green.policy.metrics import CATALOGUE
from green.policy.model import BudgetPolicy, RequirePolicy
from green.tables import quote
from green.units import convert

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from green.policy.load import Loaded, PolicySet
    from green.whatif import Change, Rates

Row = dict[str, Any]
MEASURED = ("coverage.energy", "quality.tier")  # what only a run that was metered can have
_OF_TEAM = "SELECT * FROM calibration WHERE team IN (SELECT unnest($teams)) AND runs > 0 ORDER BY team"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What policies would say, how much of each budget is left, and what plans were worth until now."""

    as_of: str | None
    digest: str
    exit_code: int
    verdicts: tuple[Verdict, ...]
    budgets: list[Row]
    not_judged: tuple[str, ...]
    calibration: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def foresee(
    con: duckdb.DuckDBPyConnection,
    plans: Sequence[Change],
    policies: PolicySet,
    rates: Rates,
    *,
    as_of: str,
    store: Path | None,
) -> Foreseen:
    """Judge the plans that `priced` holds; `store` is None where no history is wanted."""
    ids = sorted(one.copy_id for one in plans)
    of_runs, budgets, apart = _parted(policies)
    no_history = store is None or not store.exists()
    notes = _missing(store) if no_history else []
    alone = _alone(con, ids)
    with TemporaryDirectory(prefix="green-plan-") as temp, _history(None if no_history else store) as history:
        _add(con, history, ids, Path(temp))
        notes += _replaced(history)
        held = judge(history, budgets, as_of=as_of, no_history=no_history)
        resolved = held.as_of or "latest"
        summed = _summed(history, budgets, ids, resolved)
        judged = judge(alone, of_runs, as_of=resolved, no_history=True)
        verdicts = [one for one in judged.verdicts if one.subject in ids and one.policy in _ids(of_runs)]
        groups = {(policy, subject) for policy, subject in summed}
        told = [
            one
            for one in held.verdicts
            if one.policy in _ids(budgets) and ((one.policy, one.subject) in groups or one.subject in ids or no_history)
        ]
        moment = moment_of(history, resolved, no_history=no_history)
        cases = cases_of(history, [*verdicts, *told], policies, moment)
        mends = of_cases(history, con, cases, rates, moment) if cases else {}
        history.execute("DELETE FROM fact WHERE run_id IN (SELECT unnest($ids))", {"ids": ids})
        without = judge(history, budgets, as_of=resolved, no_history=no_history)
        calibration = [] if no_history else _calibration(history, con)
    every = [one._replace(would_pass=mends.get(one, ())) for one in (*verdicts, *told)]
    every.sort(key=lambda one: (one.policy, one.subject))
    return Foreseen(
        held.as_of,
        held.digest,
        exit_code(replace(judged, verdicts=tuple(every))),
        tuple(every),
        [_left(one, without, summed, budgets[one.policy]) for one in told],
        apart,
        calibration,
        notes,
    )


def _missing(store: Path | None) -> list[str]:
    where = "" if store is None else f"no store at {store.name}: "
    return [f"{where}budgets are unknown without the history of earlier runs"]


def _ids(policies: PolicySet) -> set[str]:
    return {one.policy.id for one in policies.policies}


def _parted(policies: PolicySet) -> tuple[PolicySet, PolicySet, tuple[str, ...]]:
    """Part policies into those of runs, budgets, and the ids of those that ask for a measurement."""
    apart = [one for one in policies.policies if _asks_for_measurement(one)]
    of_runs = [one for one in policies.policies if not isinstance(one.policy, BudgetPolicy) and one not in apart]
    budgets = [one for one in policies.policies if isinstance(one.policy, BudgetPolicy)]
    names = tuple(one.policy.id for one in apart)
    return replace(policies, policies=tuple(of_runs)), replace(policies, policies=tuple(budgets)), names


def _asks_for_measurement(loaded: Loaded) -> bool:
    policy = loaded.policy
    if isinstance(policy, RequirePolicy):
        return any(check.metric in MEASURED or check.at_least is not None for check in policy.all)
    field_name = getattr(policy, "field", None)
    return getattr(policy, "metric", None) in MEASURED or field_name in {"method", "quality_tier"}


def _history(store: Path | None) -> duckdb.DuckDBPyConnection:
    """Open the store with its facts, or an empty history."""
    if store is not None:
        con = audit.reader(store)
        facts(con)
        return con
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where nothing else opened it

    con = duckdb.connect(config={"threads": 1})
    create(con)
    return con


def _facts_of(con: duckdb.DuckDBPyConnection, *, status: str | None = None) -> str:
    """Return SQL of the copies as policies judge them."""
    columns = {name for name, *_ in con.execute("DESCRIBE priced").fetchall()}
    given = "priced" if status is None else f"(SELECT * REPLACE ({quote(status)} AS status) FROM priced)"
    return f"SELECT {select(columns)} FROM {given}"


def _add(con: duckdb.DuckDBPyConnection, history: duckdb.DuckDBPyConnection, ids: list[str], temp: Path) -> None:
    """Put the plans beside the runs of the history; what it has of their run_ids is set aside."""
    file = temp / "fact.parquet"
    listed = ", ".join(map(quote, ids))
    con.execute(f"COPY (SELECT * FROM ({_facts_of(con)}) WHERE run_id IN ({listed})) TO {quote(file)} (FORMAT parquet)")
    history.execute("CREATE TEMP TABLE aside AS FROM fact WHERE run_id IN (SELECT unnest($ids))", {"ids": ids})
    history.execute("DELETE FROM fact WHERE run_id IN (SELECT unnest($ids))", {"ids": ids})
    history.execute(f"INSERT INTO fact BY NAME SELECT * FROM read_parquet({quote(file)})")


def _replaced(history: duckdb.DuckDBPyConnection) -> list[str]:
    """Say which plans have run already: their budgets show the plan in the place of the run."""
    found = history.execute(
        "SELECT run_id FROM aside WHERE status IS DISTINCT FROM 'planned' ORDER BY run_id"
    ).fetchall()
    return [f"{run_id} has run already: here its plan stands in the place of the run" for (run_id,) in found]


def _summed(
    history: duckdb.DuckDBPyConnection, budgets: PolicySet, ids: list[str], as_of: str
) -> dict[tuple[str, str], Decimal | None]:
    """Return what the plans add to each (policy, group) of a budget that holds one; None is unknown."""
    found: dict[tuple[str, str], Decimal | None] = {}
    for loaded in budgets.policies:
        for row in explain_policy(history, budgets, loaded.policy.id, as_of=as_of)["runs"]:
            if row["run_id"] in ids:
                key, value = (loaded.policy.id, row["subject"]), row["value"]
                before = found.get(key, Decimal(0))
                found[key] = None if value is None or before is None else before + Decimal(repr(value))
    return found


def _left(verdict: Verdict, without: Judgement, summed: dict[tuple[str, str], Decimal | None], loaded: Loaded) -> Row:
    """Return a budget as a plan leaves it: limit, used until now, the plans, left; None is unknown."""
    key = (verdict.policy, verdict.subject)
    before = next((one for one in without.verdicts if (one.policy, one.subject) == key), None)
    added = summed.get(key)
    unit = verdict.unit or "1"
    metric = CATALOGUE[str(verdict.metric)]
    is_known = verdict.verdict != "unknown" and verdict.value is not None
    used = None if before is not None and before.verdict == "unknown" else 0.0 if before is None else before.value
    is_unknown = verdict.reason == "NO_HISTORY"
    left = None
    if is_known and verdict.limit is not None and loaded.bounds is not None:
        left = float(Decimal(repr(verdict.limit)) - Decimal(repr(verdict.value)))
    return {
        "policy": verdict.policy,
        "title": verdict.title,
        "subject": verdict.subject,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "limit": verdict.limit,
        "used": None if is_unknown else used,
        "plans": None if added is None else float(convert(added, metric.unit, unit)),
        "left": left,
        "unit": verdict.unit,
        "message": verdict.message,
    }


def _alone(con: duckdb.DuckDBPyConnection, ids: list[str]) -> duckdb.DuckDBPyConnection:
    """Make the relations that policies judge of the plans alone, as if they had been completed."""
    listed = ", ".join(map(quote, ids))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE fact AS SELECT * FROM ({_facts_of(con, status='completed')})"
        f" WHERE run_id IN ({listed})"
    )
    con.execute("CREATE OR REPLACE TEMP TABLE unit AS SELECT run_id, unit, amount FROM units")
    return con


def _calibration(history: duckdb.DuckDBPyConnection, con: duckdb.DuckDBPyConnection) -> list[Row]:
    """Return what plans of the same teams were worth; a store of before this view has none."""
    teams = [team for (team,) in con.execute("SELECT DISTINCT team FROM base_run WHERE team IS NOT NULL").fetchall()]
    if not teams or not _has_calibration(history):
        return []
    result = history.execute(_OF_TEAM, {"teams": teams})
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _has_calibration(con: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a store has the views of plan against actual: one of before them has not."""
    return bool(con.execute("SELECT 1 FROM duckdb_views() WHERE view_name = 'calibration'").fetchall())


def calibrated(store: Path, team: str | None) -> Row:
    """Return plan against actual of a store: teams, and runs from the one that was furthest off."""
    with audit.reader(store) as con:
        if not _has_calibration(con):
            mend = "let `snakemake` make a new one: views are written when a store is made"
            raise StoreError("the store is older than plan against actual", where=Where(store.name), mend=mend)
        found: Row = {}
        for name, order in (("calibration", "team"), ("plan_actual", "abs(ln(energy_ratio)) DESC NULLS LAST, run_id")):
            only = "" if team is None else "WHERE team = $team"
            values = {} if team is None else {"team": team}
            result = con.execute(f"SELECT * FROM {name} {only} ORDER BY {order}", values)
            columns = [column[0] for column in result.description or []]
            found[name] = [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    return {"teams": found["calibration"], "runs": found["plan_actual"]}
