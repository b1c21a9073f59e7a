"""What the policy benchmark judges, and by what: facts, a hundred policies, the compiled SQL, and a plain loop.

The loop is what somebody would write who needs no audit: objects and floats that are ready, the same meaning, and no
findings, reasons or words, only the verdict. It knows what the policies of this benchmark need, and nothing else.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING

from green.engine import duckdb
from green.errors import Where
from green.policy.bounds import bounds_of
from green.policy.compile import compile_policy
from green.policy.facts import FACT, create, prepare
from green.policy.finding import LEAST_AMOUNT, MOST_AMOUNT, Moment
from green.policy.load import Loaded
from green.policy.metrics import CATALOGUE, TIERS
from green.policy.model import KINDS, Bundle, Enforcement, OnUnknown, RequirePolicy
from green.tables import quote
from green.units import parse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AS_OF_US = 1_790_812_799_000_000  # the last second of a quarter
QUARTER_US = 1_782_864_000_000_000
YEARS_S = 2 * 365 * 86_400  # runs end at any time of two years
_KINDS = ("training", "tuning", "inference", "evaluation")
_CELLS = {  # `hash` is DuckDB's own and seeded by the run's number: the same facts on every machine
    "run_id": "format('team-{:02d}/run-{:07d}', i % 50, i)",
    "team": "format('team-{:02d}', i % 50)",
    "kind": f"({list(_KINDS)})[1 + i % 4]",
    "region": "(['DE', 'FR', 'SE', 'PL', NULL])[1 + i % 5]",
    "status": "'completed'",
    "ended_at": f"make_timestamptz({AS_OF_US} - (i * 7919 % {YEARS_S}) * 1000000)",
    "quality_tier": "(['measured', 'imported', 'modelled'])[1 + i % 3]",
    "hardware": "['NVIDIA A100-SXM4-80GB']",
    "unknown_reasons": "CASE WHEN i % 40 = 7 THEN ['NO_PUE'] ELSE []::VARCHAR[] END",
    "coverage_ratio": "0.8 + 0.2 * u",
    "is_current": "TRUE",
    "is_counted": "TRUE",
    "where_file": "'run.yaml'",
    "where_line": "1",
    **{
        f"{name}{end}": f"CASE WHEN i % 40 <> 7 THEN {share} * {most} * u END"
        for name, most in (
            ("energy_kwh", 60),
            ("facility_energy_kwh", 70),
            ("emissions_kgco2e", 30),
            ("operational_kgco2e", 25),
        )
        for end, share in (("", 1), ("_low", 0.95), ("_high", 1.08))
    },
}


def make(path: Path, runs: int) -> None:
    """Write facts and amounts into a database."""
    with duckdb.connect(str(path)) as con:
        create(con)
        cells = ", ".join(f"CAST({_CELLS.get(name, 'NULL')} AS {kind}) AS {name}" for name, kind in FACT.items())
        con.execute(
            f"INSERT INTO fact SELECT {cells}"
            f" FROM (SELECT i, (hash(i) >> 11) / pow(2, 53) AS u FROM range({runs}) AS r(i))"
        )
        con.execute("INSERT INTO unit SELECT run_id, 'tokens', 1e6 * (1 + rowid % 7) FROM fact")


def policies(count: int) -> list[Loaded]:
    """Make policies of the kinds that organisations have: most are limits, a tenth are budgets."""
    made = []
    for n in range(count):
        said: dict[str, object] = {"id": f"P{n:03d}", "title": "t"}
        match n % 10:
            case 0 | 1 | 2:
                said |= {
                    "kind": "limit",
                    "metric": "energy.facility",
                    "limit": {"max": f"{20 + n / 3} kWh", "warn_above": "80 %"},
                }
            case 3:
                said |= {
                    "kind": "limit",
                    "metric": "carbon.total",
                    "select": {"kind": ["training", "tuning"]},
                    "limit": {"max": f"{5 + n / 9} kgCO2e"},
                }
            case 4:
                said |= {
                    "kind": "limit",
                    "metric": "energy.it",
                    "select": {"team": f"team-{n % 50:02d}"},
                    "limit": {"max": f"{10 + n / 3} kWh"},
                }
            case 5:
                said |= {
                    "kind": "require",
                    "all": [
                        {"metric": "quality.tier", "at_least": "imported"},
                        {"present": ["region", "team", "hardware"]},
                    ],
                }
            case 6:
                said |= {"kind": "require", "all": [{"metric": "coverage.energy", "min": f"{80 + n / 9} %"}]}
            case 7:
                said |= {"kind": "allow", "field": "region", "allow": ["FR", "SE", "DE"][: 1 + n % 3]}
            case 8:
                said |= {
                    "kind": "intensity",
                    "metric": "carbon.operational",
                    "per": "tokens",
                    "limit": {"max": f"{1000 + 50 * n} gCO2e/Mtoken"},
                }
            case _:
                said |= {
                    "kind": "budget",
                    "metric": "carbon.total",
                    "group_by": ["team"],
                    "window": {"calendar": "quarter"},
                    "limit": {"max": f"{n} tCO2e"},
                }
        policy = KINDS[str(said["kind"])].model_validate(said)
        made.append(
            Loaded(
                policy,
                Bundle(id="b", version="1"),
                Where("p.yaml", 1),
                Enforcement.SOFT_MANDATORY,
                OnUnknown.FAIL,
                bounds_of(policy),
            )
        )
    return made


def by_sql(path: Path, count: int) -> dict[str, int]:
    """Count the verdicts of the compiled SQL, over tables in memory as a check has them; on one thread, as the loop."""
    found: Counter[str] = Counter()
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(f"ATTACH {quote(path)} AS made (READ_ONLY)")
        for table in ("fact", "unit"):
            con.execute(f"CREATE TEMP TABLE {table} AS FROM made.{table}")
        prepare(con)
        for loaded in policies(count):
            sql = compile_policy(loaded, Moment(AS_OF_US))
            found.update(dict(con.execute(f"SELECT verdict, count(*) FROM ({sql}) GROUP BY verdict").fetchall()))
    return dict(sorted(found.items()))


Triple = tuple[float | None, float | None, float | None]


@dataclass(slots=True)
class Run:
    """One run, ready to be judged."""

    run_id: str
    team: str | None
    kind: str | None
    region: str | None
    quality_tier: str | None
    hardware: list[str]
    coverage_ratio: float | None
    is_in_quarter: bool
    figures: dict[str, Triple]
    amounts: dict[str, float]


@dataclass(slots=True)
class Rule:
    """One policy, ready to judge: its bounds are floats."""

    kind: str
    metric: str
    per: str
    select: dict[str, tuple[str, ...]]
    most: float
    warn: float
    least: float
    allowed: tuple[str, ...]
    present: tuple[str, ...]
    scale: tuple[float, float, float, float]


def by_loop(path: Path, count: int) -> dict[str, int]:
    """Count the verdicts of the loop."""
    runs = _ready(path)
    found: Counter[str] = Counter()
    for rule in map(_rule, policies(count)):
        if rule.kind == "budget":
            found.update(_groups(rule, runs))
            continue
        for run in runs:
            verdict = _verdict(rule, run)
            if verdict is not None:
                found[verdict] += 1
    return dict(sorted(found.items()))


def _ready(path: Path) -> list[Run]:
    names = ("energy.it", "energy.facility", "carbon.total", "carbon.operational")
    columns = [f"({CATALOGUE[n].column}, {CATALOGUE[n].low}, {CATALOGUE[n].high})" for n in names]
    with duckdb.connect(str(path), read_only=True) as con:
        amounts = {run_id: {unit: amount} for run_id, unit, amount in con.execute("FROM unit").fetchall()}
        rows = con.execute(
            "SELECT run_id, team, kind, region, quality_tier, hardware, coverage_ratio,"
            f" ended_at >= make_timestamptz({QUARTER_US}), {', '.join(columns)} FROM fact"
        ).fetchall()
    figures = [dict(zip(names, row[8:], strict=True)) for row in rows]
    return list(starmap(Run, ((*row[:8], found, amounts[row[0]]) for row, found in zip(rows, figures, strict=True))))


def _rule(loaded: Loaded) -> Rule:
    policy, bounds = loaded.policy, loaded.bounds
    most, warn = (bounds.max, bounds.warn_above) if bounds is not None else (None, None)
    checks = policy.all if isinstance(policy, RequirePolicy) else ()
    least = next((float(parse(check.min, "1").value) for check in checks if check.min is not None), -1.0)
    return Rule(
        kind=policy.kind,
        metric=getattr(policy, "metric", ""),
        per=getattr(policy, "per", ""),
        select=policy.select.fields(),
        most=math.inf if most is None else float(most),
        warn=math.inf if warn is None else float(warn),
        least=least,
        allowed=getattr(policy, "allow", ()),
        present=next((check.present for check in checks if check.present is not None), ()),
        scale=(1.0, 1.0, 1.0, 1.0) if bounds is None else bounds.scale,
    )


def _verdict(rule: Rule, run: Run) -> str | None:
    """Judge one run by one policy; None where the policy is not about it."""
    for name, values in rule.select.items():
        value = getattr(run, name)
        if not value:
            return "unknown"
        if value not in values:
            return None
    if rule.kind == "allow":
        return "unknown" if not run.region else "pass" if run.region in rule.allowed else "fail"
    return _required(rule, run) if rule.kind == "require" else _bounded(rule, run)


def _required(rule: Rule, run: Run) -> str:
    if rule.least >= 0:
        ratio = run.coverage_ratio
        if ratio is None or not 0 <= ratio < math.inf:
            return "unknown"
        return "pass" if ratio >= rule.least else "fail"
    if not all(getattr(run, name) for name in rule.present) or not all(run.hardware):
        return "fail"
    if run.quality_tier not in TIERS:
        return "unknown"
    return "pass" if TIERS.index(run.quality_tier) >= TIERS.index("imported") else "fail"


def _bounded(rule: Rule, run: Run) -> str:
    value, low, high = run.figures[rule.metric]
    if _is_unknown(value, low, high):
        return "unknown"
    if rule.kind == "intensity":
        amount = run.amounts.get(rule.per)
        if amount is None or not math.isfinite(amount) or not LEAST_AMOUNT <= amount <= MOST_AMOUNT:
            return "unknown"
        value, low, high = (_ratio(rule, number, amount) for number in (value, low, high))
    if (value is not None and value > rule.most) or (low is not None and low > rule.most):
        return "fail"
    if (high is not None and high > rule.most) or (high is None and low is not None):
        return "at_risk"
    return "warn" if value is not None and value > rule.warn else "pass"


def _is_unknown(value: float | None, low: float | None, high: float | None) -> bool:
    """Tell whether a figure is missing, or any end of it not finite or negative; an end may be missing."""
    if value is None:
        return True
    return any(number is not None and (not math.isfinite(number) or number < 0) for number in (value, low, high))


def _ratio(rule: Rule, number: float | None, amount: float) -> float | None:
    up, down, per_up, per_down = rule.scale
    return None if number is None else (number * up / down) / (amount * per_up / per_down)


def _groups(rule: Rule, runs: Sequence[Run]) -> list[str]:
    """Judge a budget of each team: the sums as floats, which is less than the SQL does."""
    sums: dict[str, list[float]] = {}
    for run in runs:
        if run.is_in_quarter:
            total = sums.setdefault(run.team or "", [0.0, 0.0, 0.0, 0.0])
            value, low, high = run.figures[rule.metric]
            if value is None or _is_unknown(value, low, high):
                total[3] += 1
            else:
                total[0] += value
                total[1] += value if low is None else low
                total[2] += value if high is None else high
    return [
        "fail" if max(value, low) > rule.most else "unknown" if unknown else "at_risk" if high > rule.most else "pass"
        for value, low, high, unknown in sums.values()
    ]
