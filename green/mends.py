"""What would make a finding pass: fewer hours, another region, another device, each judged before it is told.

A run that is over a limit, or a plan in a budget that is over, is made again from the facts of the store (again.sql).
Copies of it with one thing changed go through the stages, all copies of all runs in one pass, and the SQL of the policy
judges them. Nothing is told of a run whose own figures do not come out again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from green import told as told_before
from green import whatif
from green.factors.names import device_key
from green.policy import budget_sql
from green.policy.compile import compile_policy
from green.policy.facts import prepare, select
from green.policy.finding import Finding, Mend
from green.policy.judge import moment_of
from green.policy.metrics import CATALOGUE
from green.policy.model import BudgetPolicy, IntensityPolicy, LimitPolicy
from green.policy.sentence import in_unit
from green.sql import text_of
from green.tables import quote
from green.whatif import BASE, Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb

    from green.policy.finding import Moment
    from green.policy.judge import Judgement, Verdict
    from green.policy.load import Loaded, PolicySet
    from green.whatif import Rates

FAILING = ("fail", "at_risk")
GOOD = ("pass", "warn")
MOST_RUNS = 50  # runs that are made again; those furthest over their limit come first
MOST_BUDGETS = 10
MOST_PLANS = 3  # of a budget, the largest
MOST_TOLD = 3  # regions, and devices, of a finding
SAME = 1e-9  # how near a run that was made again is to its own figures


class Case(NamedTuple):
    """A finding about a run, and what of its hours can stay: an estimate, for what is told is judged."""

    verdict: Verdict
    loaded: Loaded
    run_id: str
    left_ratio: float


def mends(
    con: duckdb.DuckDBPyConnection, policies: PolicySet, judgement: Judgement, rates: Rates
) -> dict[Verdict, tuple[Mend, ...]]:
    """Return what would make findings pass; `con` is the store with the relations that were judged."""
    moment = moment_of(con, judgement.as_of or "latest", no_history=judgement.no_history)
    cases = cases_of(con, judgement.verdicts, policies, moment)
    if not cases:
        return {}
    if rates.memory is None:
        return {one: told for one, told in _made(con, cases, rates, moment).items() if told}
    of_findings = {
        case.verdict: (case.loaded, [one.run_id for one in cases if one.verdict is case.verdict]) for case in cases
    }
    keys, before = told_before.keys(con, of_findings, rates), told_before.read(rates.memory)
    new = [case for case in cases if keys[case.verdict] not in before]
    found = before | {keys[one]: told for one, told in _made(con, new, rates, moment).items()}
    if rates.keeps:
        told_before.keep(rates.memory, found, set(keys.values()))
    return {one: found[key] for one, key in keys.items() if found[key]}


def cases_of(
    con: duckdb.DuckDBPyConnection, verdicts: Iterable[Verdict], policies: PolicySet, moment: Moment
) -> list[Case]:
    """Return the findings that a change to a run could mend, of as many runs as are made again."""
    failing = [one for one in verdicts if one.verdict in FAILING]
    known = {loaded.policy.id: loaded for loaded in policies.policies}
    cases = [*_of_runs(failing, known), *_of_budgets(con, failing, known, moment)]
    furthest = dict.fromkeys(case.run_id for case in sorted(cases, key=_order))
    kept = set(list(furthest)[:MOST_RUNS])
    return [case for case in cases if case.run_id in kept]


def _made(
    con: duckdb.DuckDBPyConnection, cases: Sequence[Case], rates: Rates, moment: Moment
) -> dict[Verdict, tuple[Mend, ...]]:
    """Make the runs again from the store, and return what each finding is told."""
    if not cases:
        return {}
    with TemporaryDirectory(prefix="green-mends-") as temp, whatif.connect(rates) as own:
        _again(con, own, sorted({case.run_id for case in cases}), Path(temp))
        return of_cases(con, own, cases, rates, moment)


def of_cases(
    con: duckdb.DuckDBPyConnection,
    own: duckdb.DuckDBPyConnection,
    cases: Sequence[Case],
    rates: Rates,
    moment: Moment,
) -> dict[Verdict, tuple[Mend, ...]]:
    """Price and judge the copies of all runs in one pass; return what each finding is told, be it nothing.

    `own` holds the base tables of the runs, `con` the facts that were judged.
    """
    found: dict[Verdict, tuple[Mend, ...]] = {case.verdict: () for case in cases}
    copies = dict(_copies(own, cases))
    whatif.price(own, [change for change, _ in copies.values()], rates)
    _judged(own)
    same = _same(con, own, cases)
    limits = _limits(own, cases, moment)
    for case in cases:
        if (case.run_id, case.loaded.policy.id) in same:
            own_copies = {copy: what for copy, (one, what) in copies.items() if what and one.run_id == case.run_id}
            said = limits.get(case.loaded.policy.id)
            if said is None:
                said = _budget(con, own, case, own_copies, moment)
            found[case.verdict] += tuple(_told(case, own_copies, said))
    return found


def _order(case: Case) -> tuple[bool, float, str, str]:
    return case.verdict.verdict != "fail", case.left_ratio, case.run_id, case.verdict.policy


def _is_over(verdict: Verdict, loaded: Loaded) -> bool:
    """Tell whether a finding is about a maximum of a figure that can be priced."""
    bounds = loaded.bounds
    if bounds is None or not bounds.max or verdict.value is None or verdict.limit is None:
        return False
    if CATALOGUE[str(verdict.metric)].dimension not in {"energy", "carbon", "water", "money", "time"}:
        return False
    return verdict.value > verdict.limit or (verdict.high is not None and verdict.high > verdict.limit)


def _of_runs(failing: Sequence[Verdict], known: dict[str, Loaded]) -> Iterator[Case]:
    """Give the findings of limits; of an intensity no hours can be told, for the run would produce less."""
    for one in failing:
        loaded = known.get(one.policy)
        if loaded is None or not isinstance(loaded.policy, LimitPolicy | IntensityPolicy) or not _is_over(one, loaded):
            continue
        most = max(one.value or 0.0, one.high or 0.0)
        ratio = (one.limit or 0.0) / most if isinstance(loaded.policy, LimitPolicy) else 0.0
        yield Case(one, loaded, one.subject, ratio)


def _of_budgets(
    con: duckdb.DuckDBPyConnection, failing: Sequence[Verdict], known: dict[str, Loaded], moment: Moment
) -> Iterator[Case]:
    """Give the plans in budgets that are over: what has run cannot be changed any more."""
    number = 0
    for one in failing:
        loaded = known.get(one.policy)
        if loaded is None or not isinstance(loaded.policy, BudgetPolicy) or not _is_over(one, loaded):
            continue
        number += 1
        if number > MOST_BUDGETS:
            return
        rows = con.execute(budget_sql.plans(compile_policy(loaded, moment))).fetchall()
        plans = [row[1:] for row in rows if row[0] == one.subject]
        for run_id, value, high in plans[:MOST_PLANS]:
            own = in_unit(value if high is None else high, loaded.bounds)
            over = max(one.value or 0.0, one.high or 0.0) - (one.limit or 0.0)
            yield Case(one, loaded, run_id, max(1 - over / own, 0.0) if own else 0.0)


def _again(con: duckdb.DuckDBPyConnection, own: duckdb.DuckDBPyConnection, run_ids: Sequence[str], temp: Path) -> None:
    """Make the rows of ingest of some runs of the store, as the base tables of `own`."""
    con.execute("CREATE OR REPLACE TEMP TABLE sought AS SELECT unnest($runs) AS run_id", {"runs": list(run_ids)})
    con.execute(text_of("again"))
    for name, columns in BASE.items():
        file = temp / f"{name}.parquet"
        con.execute(f"COPY again_{name} TO {quote(file)} (FORMAT parquet)")
        typed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        own.execute(f"CREATE TEMP TABLE base_{name} ({typed})")
        own.execute(f"INSERT INTO base_{name} BY NAME SELECT * FROM read_parquet({quote(file)})")
    own.execute("UPDATE base_device SET device_key = NULL")
    names = own.execute("SELECT DISTINCT name FROM base_device WHERE component = 'gpu' AND name IS NOT NULL").fetchall()
    for (name,) in names:  # of the others the footprint is known, and no table is asked
        own.execute(
            "UPDATE base_device SET device_key = $key WHERE component = 'gpu' AND name = $name",
            {"key": device_key(name), "name": name},
        )


def _copies(
    own: duckdb.DuckDBPyConnection, cases: Sequence[Case]
) -> Iterator[tuple[str, tuple[Change, tuple[str, str | float, str | None] | None]]]:
    """Give (copy_id, (change, what it is)) of every copy; the run itself, unchanged, is one."""
    from green import alternatives  # noqa: PLC0415 -- the models of records, which a check that was made before need not load

    others = alternatives.of_runs(own)
    hours = defaultdict[str, set[tuple[float, float, str]]](set)
    for case in cases:
        duration_s = others[case.run_id].duration_s
        if duration_s and not isinstance(case.loaded.policy, IntensityPolicy):
            hours[case.run_id] |= set(alternatives.shorter(duration_s, case.left_ratio))
    number = 0
    for run_id in sorted({case.run_id for case in cases}):
        yield run_id, (Change(run_id, run_id), None)
        base = Change("", run_id)
        wanted: list[tuple[Change, tuple[str, str | float, str | None]]] = [
            *((base._replace(duration_s=s), ("hours", value, unit)) for s, value, unit in sorted(hours[run_id])),
            *((base._replace(region=name), ("region", name, None)) for name in others[run_id].regions),
            *((base._replace(device=name), ("device", name, None)) for name in others[run_id].devices),
        ]
        for change, what in wanted:
            number += 1
            yield f"{number}\n", (change._replace(copy_id=f"{number}\n"), what)


def _judged(own: duckdb.DuckDBPyConnection) -> None:
    """Make the relations that policies judge of the copies; a plan is judged as if it had been completed."""
    own.execute(f"CREATE OR REPLACE TEMP VIEW priced AS {whatif.priced()}")
    columns = {name for name, *_ in own.execute("DESCRIBE priced").fetchall()}
    ended = "SELECT * REPLACE (CASE WHEN status = 'planned' THEN 'completed' ELSE status END AS status) FROM priced"
    own.execute(f"CREATE OR REPLACE TEMP TABLE fact AS SELECT {select(columns)} FROM ({ended})")
    own.execute("CREATE OR REPLACE TEMP TABLE unit AS SELECT run_id, unit, amount FROM units")
    prepare(own)


def _same(
    con: duckdb.DuckDBPyConnection, own: duckdb.DuckDBPyConnection, cases: Iterable[Case]
) -> set[tuple[str, str]]:
    """Return the (run_id, policy) whose figure came out as the store has it, interval included."""
    found = set()
    for case in cases:
        metric = CATALOGUE[str(case.verdict.metric)]
        columns = ", ".join(name for name in (metric.column, metric.low, metric.high) if name)
        query = f"SELECT {columns} FROM fact WHERE run_id = $run"
        pair = [one.execute(query, {"run": case.run_id}).fetchall() for one in (con, own)]
        if len(pair[0]) == len(pair[1]) == 1 and all(map(_is_near, pair[0][0], pair[1][0])):
            found.add((case.run_id, case.loaded.policy.id))
    return found


def _is_near(one: float | None, other: float | None) -> bool:
    return one is other is None or (one is not None and other is not None and isclose(one, other, rel_tol=SAME))


def _limits(own: duckdb.DuckDBPyConnection, cases: Iterable[Case], moment: Moment) -> dict[str, dict[str, Finding]]:
    """Judge the copies by each limit: its findings by copy."""
    policies = {case.loaded.policy.id: case.loaded for case in cases}
    return {
        name: {(one := Finding(*row)).subject: one for row in own.execute(_of_any_run(loaded, moment)).fetchall()}
        for name, loaded in policies.items()
        if not isinstance(loaded.policy, BudgetPolicy)
    }


def _of_any_run(loaded: Loaded, moment: Moment) -> str:
    """Return the SQL of a limit whose selector does not ask for a run_id: that of a copy is its own."""
    select = loaded.policy.select.model_copy(update={"run_id": None})
    return compile_policy(replace(loaded, policy=loaded.policy.model_copy(update={"select": select})), moment)


def _budget(
    con: duckdb.DuckDBPyConnection,
    own: duckdb.DuckDBPyConnection,
    case: Case,
    copies: Iterable[str],
    moment: Moment,
) -> dict[str, Finding]:
    """Judge a budget with each copy in the place of its plan; the relation of facts is left as it was."""
    sql, found, run = compile_policy(case.loaded, moment), {}, {"run": case.run_id}
    con.execute("CREATE OR REPLACE TEMP TABLE kept AS FROM fact WHERE run_id = $run", run)
    with TemporaryDirectory(prefix="green-mends-") as temp:
        file = Path(temp) / "copy.parquet"
        own.execute(f"COPY fact TO {quote(file)} (FORMAT parquet)")
        for copy in copies:
            con.execute("DELETE FROM fact WHERE run_id = $run", run)
            con.execute(
                "INSERT INTO fact BY NAME SELECT * REPLACE ($run AS run_id, 'planned' AS status) FROM"
                f" read_parquet({quote(file)}) WHERE run_id = $copy",
                {**run, "copy": copy},
            )
            rows = [Finding(*row) for row in con.execute(sql).fetchall()]
            found[copy] = next(one for one in rows if one.subject == case.verdict.subject and one.where_file is None)
    con.execute("DELETE FROM fact WHERE run_id = $run", run)
    con.execute("INSERT INTO fact FROM kept")
    return found


def _told(
    case: Case, copies: dict[str, tuple[str, str | float, str | None]], said: dict[str, Finding]
) -> Iterator[Mend]:
    """Give the most hours, and the regions and devices from the best on, under which a finding would pass."""
    good: dict[str, list[Mend]] = {"hours": [], "region": [], "device": []}
    bounds = case.loaded.bounds
    for copy, (change, value, unit) in copies.items():
        one = said.get(copy)
        if one is None or one.verdict not in GOOD or one.value is None:
            continue
        result, high = in_unit(one.value, bounds), in_unit(one.high, bounds)
        if result is not None:
            good[change].append(Mend(change, value, unit, case.run_id, one.verdict, result, high))
    hours = sorted(good["hours"], key=lambda one: -Decimal(str(one.value)) * (3600 if one.unit == "h" else 1))
    yield from hours[:1]
    for change in ("region", "device"):
        yield from sorted(good[change], key=lambda one: (one.result, str(one.value)))[:MOST_TOLD]
