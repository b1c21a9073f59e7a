"""Compile a policy to SQL over `fact` and `unit`: what this SQL says is the verdict, and is kept.

SQL's three-valued logic is the language's own: a selector over a missing field is NULL, neither TRUE
nor FALSE, and gives the verdict `unknown`. Each CASE asks for what is wrong before it can pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from green.policy import budget_sql
from green.policy.bounds import read
from green.policy.finding import LEAST_AMOUNT, MOST_AMOUNT
from green.policy.metrics import CATALOGUE, TIER, TIERS
from green.policy.model import AllowPolicy, BudgetPolicy, Check, IntensityPolicy, Limit, LimitPolicy
from green.policy.sql import (
    NO_NUMBER,
    broken,
    double,
    doubtful,
    is_missing,
    listed,
    missing,
    point,
    problem,
    quoted,
    scaled,
    selected,
    unbounded,
)

if TYPE_CHECKING:
    from green.policy.finding import Moment
    from green.policy.load import Loaded
    from green.policy.metrics import Metric
    from green.policy.model import RequirePolicy


def compile_policy(loaded: Loaded, moment: Moment) -> str:
    """Return the SQL that judges a policy: one row a subject, columns as the fields of finding.Finding."""
    policy = loaded.policy
    head = f"-- {policy.id}: {policy.title}\n"
    if isinstance(policy, BudgetPolicy):
        return head + budget_sql.budget(policy, loaded, moment)
    if isinstance(policy, LimitPolicy | IntensityPolicy):
        return head + _bounded(policy, loaded)
    if isinstance(policy, AllowPolicy):
        return head + _allow(policy)
    return head + _require(policy)


def _run(policy: LimitPolicy | IntensityPolicy | AllowPolicy | RequirePolicy, columns: list[str]) -> str:
    """Select the runs of the current logs with what the policy needs of them."""
    return f"""WITH run AS NOT MATERIALIZED (
  SELECT
    run_id, where_file, where_line, error,
    {selected(policy.select)} AS is_selected,
    {missing(policy.select)} AS missing,
    {("," + chr(10) + "    ").join(columns)}
  FROM fact
  WHERE is_current AND (is_counted OR error IS NOT NULL) AND status IS DISTINCT FROM 'planned'
)"""


def _rows(source: str, verdict: str, reason: str, named: str, numbers: str) -> str:
    """Select one row a run; a run that is an error is told once, however often its run_id stands there.

    The window that keeps one of them sees faulty runs only: over all runs it would cost more than the judging.
    """
    return f""",
judged AS NOT MATERIALIZED (
  SELECT *,
    CASE
      WHEN is_selected IS NULL THEN 'unknown'
      {verdict}
    END AS verdict
  FROM {source} ANTI JOIN (SELECT run_id FROM faulty WHERE among = 'current') USING (run_id)
  WHERE is_selected IS DISTINCT FROM FALSE
)
SELECT
  run_id AS subject,
  verdict,
  CASE
    WHEN is_selected IS NULL THEN 'MISSING_FIELD'
    {reason}
  END AS reason,
  {numbers},
  1 AS runs,
  CAST(verdict = 'unknown' AS INTEGER) AS unknown_runs,
  CASE WHEN is_selected IS NULL THEN missing ELSE {named} END AS named,
  where_file,
  where_line
FROM judged
UNION ALL
SELECT run_id, 'error', coalesce(error, 'DUPLICATE_RUN_ID'), NULL, NULL, NULL, 0, 1, 0, '', where_file, where_line
FROM run SEMI JOIN (SELECT run_id FROM faulty WHERE among = 'current') USING (run_id)
WHERE is_selected IS DISTINCT FROM FALSE
QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY where_file NULLS LAST, where_line NULLS LAST, error) = 1
"""


def _bounded(policy: LimitPolicy | IntensityPolicy, loaded: Loaded) -> str:
    bounds = loaded.bounds
    assert bounds is not None  # noqa: S101 -- both kinds have bounds; this tells the type checker
    metric = CATALOGUE[policy.metric]
    if isinstance(policy, LimitPolicy):
        run = _run(policy, [*_numbers(metric), f"{problem(metric)} AS problem"])
    else:
        run = _intensity(policy, loaded)
    limit = double
    cases = [
        "WHEN problem IS NOT NULL THEN 'unknown'",
        f"WHEN {broken(bounds, limit)} THEN 'fail'",
        f"WHEN {doubtful(bounds, limit)} THEN 'at_risk'",
    ]
    if bounds.warn_above is not None:
        cases.append(f"WHEN value > {limit(bounds.warn_above)} THEN 'warn'")
    known = "CASE WHEN verdict <> 'unknown' THEN {0} END AS {0}"
    numbers = ", ".join(known.format(name) for name in ("value", "low", "high"))
    is_point = point() if metric.has_interval else "FALSE"
    points = f"CAST(verdict <> 'unknown' AND {is_point} AS INTEGER) AS points"
    source = "run" if isinstance(policy, LimitPolicy) else "ratio"
    reason = f"WHEN problem IS NOT NULL THEN problem WHEN verdict = 'at_risk' THEN {unbounded(bounds)}"
    return run + _rows(source, "\n      ".join([*cases, "ELSE 'pass'"]), reason, "''", f"{numbers}, {points}")


def _numbers(metric: Metric) -> list[str]:
    return [
        f"{metric.column} AS value",
        f"{metric.low or NO_NUMBER} AS low",
        f"{metric.high or NO_NUMBER} AS high",
    ]


def _intensity(policy: IntensityPolicy, loaded: Loaded) -> str:
    """Divide each end of the interval by the amount; no amount, or none above 0, is unknown."""
    metric = CATALOGUE[policy.metric]
    assert loaded.bounds is not None  # noqa: S101 -- an intensity has bounds; this tells the type checker
    up, down, per_up, per_down = loaded.bounds.scale
    run = _run(policy, [*_numbers(metric), f"{problem(metric, has_most=True)} AS problem"])
    parts = ",\n    ".join(
        f"CASE WHEN problem IS NULL AND amount >= {LEAST_AMOUNT!r} THEN "
        f"{scaled(name, up, down)} / {scaled('amount', per_up, per_down)} END AS {name}"
        for name in ("value", "low", "high")
    )
    return f"""{run},
amount AS (  -- an amount that is stated twice is no amount
  SELECT run_id, amount
  FROM unit ANTI JOIN (SELECT run_id FROM faulty WHERE among = {quoted("unit " + policy.per)}) USING (run_id)
  WHERE unit = {quoted(policy.per)}
),
ratio AS (
  SELECT run.run_id, where_file, where_line, is_selected, missing,
    {parts},
    CASE
      WHEN problem IS NOT NULL THEN problem
      WHEN amount IS NULL THEN 'MISSING_FIELD'
      WHEN NOT isfinite(amount) THEN 'NON_FINITE'
      WHEN amount = 0 THEN 'ZERO_DENOMINATOR'
      WHEN amount < 0 THEN 'NEGATIVE'
      WHEN amount < {LEAST_AMOUNT!r} OR amount > {MOST_AMOUNT!r} THEN 'OUT_OF_RANGE'
    END AS problem
  FROM run LEFT JOIN amount ON run.run_id = amount.run_id
)"""


_NONE = ", ".join(f"{NO_NUMBER} AS {name}" for name in ("value", "low", "high")) + ", 0 AS points"


def _allow(policy: AllowPolicy) -> str:
    field, names = policy.field, listed(policy.allow)
    if field == "hardware":
        found = f"list_filter(hardware, lambda item: item <> '' AND item NOT IN {names})"
        refused = f"NULLIF(array_to_string(list_sort(list_distinct({found})), ', '), '')"
    else:
        refused = f"CASE WHEN {field} <> '' AND {field} NOT IN {names} THEN {field} END"
    columns = [f"{refused} AS refused", f"{is_missing(field)} AS is_missing"]
    verdict = "WHEN refused IS NOT NULL THEN 'fail' WHEN is_missing THEN 'unknown' ELSE 'pass'"
    named = f"CASE verdict WHEN 'fail' THEN refused WHEN 'unknown' THEN {quoted(field)} ELSE '' END"
    return _run(policy, columns) + _rows("run", verdict, "WHEN verdict = 'unknown' THEN 'MISSING_FIELD'", named, _NONE)


class _State(NamedTuple):
    """One requirement: its name, SQL of its state and reason, and the states that it can have beside pass."""

    label: str
    state: str
    reason: str
    can: tuple[str, ...]


def _require(policy: RequirePolicy) -> str:
    checks = [part for check in policy.all for part in _check(check)]
    columns = [
        column
        for index, check in enumerate(checks)
        for column in (f"{check.state} AS state_{index}", f"{check.reason} AS reason_{index}")
    ]
    cases = []
    for word in ("fail", "unknown", "at_risk"):
        states = [f"state_{index} = '{word}'" for index, check in enumerate(checks) if word in check.can]
        if states:
            cases.append(f"WHEN {' OR '.join(states)} THEN '{word}'")
    reason = ", ".join(f"CASE WHEN state_{index} = verdict THEN reason_{index} END" for index in range(len(checks)))
    named = ", ".join(
        f"CASE WHEN state_{index} = verdict THEN {quoted(check.label)} END" for index, check in enumerate(checks)
    )
    return _run(policy, columns) + _rows(
        "run",
        f"{' '.join(cases)} ELSE 'pass'",
        f"WHEN verdict <> 'pass' THEN coalesce({reason}, NULL)",
        f"CASE WHEN verdict = 'pass' THEN '' ELSE concat_ws(', ', {named}) END",
        _NONE,
    )


def _check(check: Check) -> list[_State]:
    """Return the requirements of a check: one a field, or one on a metric."""
    if check.present is not None:
        return [
            _State(name, f"CASE WHEN {is_missing(name)} THEN 'fail' ELSE 'pass' END", "'MISSING_FIELD'", ("fail",))
            for name in check.present
        ]
    metric = CATALOGUE[check.metric or TIER]
    label = check_label(check)
    if check.at_least is not None:
        good, known = listed(TIERS[TIERS.index(check.at_least) :]), f"quality_tier IN {listed(TIERS)}"
        state = f"CASE WHEN quality_tier IN {good} THEN 'pass' WHEN {known} THEN 'fail' ELSE 'unknown' END"
        reason = f"CASE WHEN NOT coalesce({known}, FALSE) THEN {problem(metric, is_rank=True)} END"
        return [_State(label, state, reason, ("fail", "unknown"))]
    bounds = read(Limit(max=check.max, min=check.min), metric.unit, metric.unit, ())
    names = (metric.column, metric.low or NO_NUMBER, metric.high or NO_NUMBER)
    state = (
        f"CASE WHEN {problem(metric)} IS NOT NULL THEN 'unknown'"
        f" WHEN {broken(bounds, double, names)} THEN 'fail'"
        f" WHEN {doubtful(bounds, double, names)} THEN 'at_risk' ELSE 'pass' END"
    )
    return [_State(label, state, problem(metric), ("fail", "unknown", "at_risk"))]


def check_label(check: Check) -> str:
    """Name a requirement on a metric, as its sentence does."""
    if check.at_least is not None:
        return f"{check.metric} at least {check.at_least}"
    bounds = [("at least", check.min), ("at most", check.max)]
    return f"{check.metric} " + " and ".join(f"{word} {raw}" for word, raw in bounds if raw is not None)
