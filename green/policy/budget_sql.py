"""Compile a budget: exact sums over the runs of a window, and a row for each run that has no group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.policy.finding import LONGEST_S, NAMED_RUNS, UNATTRIBUTED
from green.policy.metrics import CATALOGUE
from green.policy.sql import broken, decimal, doubtful, missing, point, problem, selected, unbounded
from green.policy.window import first_us, iso

if TYPE_CHECKING:
    from green.policy.finding import Moment
    from green.policy.load import Loaded
    from green.policy.model import BudgetPolicy

# Microseconds, for arithmetic on TIMESTAMPTZ would ask the session's time zone.
END_US = f"""CASE
      WHEN isfinite(ended_at) THEN epoch_us(ended_at)
      WHEN isfinite(started_at) AND duration_s BETWEEN 0 AND {LONGEST_S!r}
        THEN epoch_us(started_at) + CAST(round(duration_s * 1000000) AS BIGINT)
    END"""
_EXACT = "CAST(CAST({} AS VARCHAR) AS DECIMAL(38,18))"  # through the shortest text: 333.3 is exactly 333.3

_ESCAPED = r"replace(replace(NULLIF({}, ''), '\', '\\'), ',', '\,')"
_NO_SUM = "CAST(NULL AS DECIMAL(38,18))"


def budget(policy: BudgetPolicy, loaded: Loaded, moment: Moment) -> str:
    """Return the SQL of a budget: a row a group, and a row a run that cannot be placed."""
    return f"{_counted(policy, moment)}{_grouped(policy)}{_answer(loaded, moment)}"


def plans(sql: str) -> str:
    """Return the SQL of the plans that a budget sums, by the first half of the SQL that judges it."""
    head, _, _ = sql.partition(",\ngrouped AS (")
    return (
        f"{head} SELECT subject, run_id, value_exact AS value, high_exact AS high FROM placed"
        " WHERE is_planned AND problem IS NULL ORDER BY subject, value_exact DESC, run_id"
    )


def _subject(policy: BudgetPolicy) -> str:
    parts = [f"'{name}=' || coalesce({_ESCAPED.format(name)}, '{UNATTRIBUTED}')" for name in policy.group_by]
    return " || ',' || ".join(parts) if parts else "'*'"


def _inside(policy: BudgetPolicy, moment: Moment) -> str:
    """Write which runs count: a run without a time counts in every window, as unknown."""
    parts = ["NOT is_over", "is_selected IS DISTINCT FROM FALSE"]
    if not policy.count.planned:
        parts.append("NOT is_planned")
    if not policy.count.failed:
        parts.append("coalesce(status NOT IN ('failed', 'killed'), TRUE)")
    if moment.as_of_us is not None:
        first = first_us(policy.window, moment.as_of_us)
        parts.append(f"coalesce(at_us BETWEEN {first} AND {moment.as_of_us}, TRUE)")
    return "\n    AND ".join(parts)


def _counted(policy: BudgetPolicy, moment: Moment) -> str:
    metric = CATALOGUE[policy.metric]
    as_of = "NULL" if moment.as_of_us is None else str(moment.as_of_us)
    shown = "no fact has a time" if moment.as_of_us is None else iso(moment.as_of_us)
    low = f"{metric.low} AS low" if metric.low else "CAST(NULL AS DOUBLE) AS low"
    high = f"{metric.high} AS high" if metric.high else "CAST(NULL AS DOUBLE) AS high"
    return f"""-- as of {shown}
WITH run AS NOT MATERIALIZED (
  SELECT
    run_id, where_file, where_line, error, status,
    coalesce(status = 'planned', FALSE) AS is_planned,
    {END_US} AS end_us,
    {selected(policy.select)} AS is_selected,
    {missing(policy.select)} AS missing,
    {_subject(policy)} AS subject,
    {metric.column} AS value, {low}, {high},
    {problem(metric, has_most=True)} AS problem
  FROM fact
  WHERE is_counted OR (is_current AND error IS NOT NULL)
),
over AS (  -- a plan ends at as-of, until a run of its run_id has ended; few runs are plans, so they are looked up
  SELECT DISTINCT run_id
  FROM run SEMI JOIN (SELECT run_id FROM run WHERE is_planned) USING (run_id)
  WHERE NOT is_planned AND end_us <= {as_of}
),
dated AS NOT MATERIALIZED (
  SELECT *,
    CASE WHEN is_planned THEN {as_of} ELSE end_us END AS at_us,
    CASE WHEN (run_id, is_planned) IN (
      SELECT (run_id, among = 'planned') FROM faulty WHERE among IN ('counted', 'planned')
    ) THEN coalesce(error, 'DUPLICATE_RUN_ID') END AS fault,
    is_planned AND run_id IN (SELECT run_id FROM over) AS is_over
  FROM run
),
counted AS NOT MATERIALIZED (
  SELECT * EXCLUDE (problem),
    CASE WHEN at_us IS NULL THEN 'MISSING_FIELD' ELSE problem END AS problem
  FROM dated
  WHERE {_inside(policy, moment)}
)"""


def _grouped(policy: BudgetPolicy) -> str:
    low = _EXACT.format("coalesce(low, value)")
    high = _EXACT.format("coalesce(high, CASE WHEN low IS NULL THEN value END)")
    is_point, low_sum, high_sum = "FALSE", _NO_SUM, _NO_SUM
    if CATALOGUE[policy.metric].has_interval:
        is_point, low_sum = point(), "coalesce(sum(low_exact), 0)"
        high_sum = "CASE WHEN count(high_exact) = count(value_exact) THEN coalesce(sum(high_exact), 0) END"
    return f""",
placed AS NOT MATERIALIZED (
  SELECT run_id, subject, problem, is_planned,
    CASE WHEN problem IS NULL THEN {_EXACT.format("value")} END AS value_exact,
    CASE WHEN problem IS NULL THEN {low} END AS low_exact,
    CASE WHEN problem IS NULL THEN {high} END AS high_exact,
    problem IS NULL AND {is_point} AS is_point
  FROM counted
  WHERE fault IS NULL AND is_selected
),
grouped AS (  -- SUM of a DECIMAL is exact, whatever the order and the number of threads
  SELECT
    subject,
    coalesce(sum(value_exact), 0) AS value,
    {low_sum} AS low,
    {high_sum} AS high,
    coalesce(sum(value_exact) FILTER (WHERE is_planned), 0) AS planned,
    count(*) FILTER (WHERE is_point) AS points,
    count(*) AS runs,
    count(problem) AS unknown_runs,
    (list(problem ORDER BY run_id, problem) FILTER (WHERE problem IS NOT NULL))[1] AS problem,
    coalesce(array_to_string(
      (list(run_id ORDER BY run_id) FILTER (WHERE problem IS NOT NULL))[1:{NAMED_RUNS}], ', '
    ), '') AS named
  FROM placed
  GROUP BY subject
)"""


def _answer(loaded: Loaded, moment: Moment) -> str:
    bounds = loaded.bounds
    assert bounds is not None  # noqa: S101 -- a budget has bounds; this tells the type checker
    cases = [f"WHEN {broken(bounds, decimal)} THEN 'fail'"]
    reasons = []
    if moment.no_history:
        cases.append("WHEN TRUE THEN 'unknown'")
        reasons.append("WHEN verdict = 'unknown' THEN 'NO_HISTORY'")
    cases += ["WHEN unknown_runs > 0 THEN 'unknown'", f"WHEN {doubtful(bounds, decimal)} THEN 'at_risk'"]
    if bounds.warn_above is not None:
        cases.append(f"WHEN value > {decimal(bounds.warn_above)} THEN 'warn'")
    reasons += [
        "WHEN verdict = 'unknown' THEN problem",
        f"WHEN verdict = 'at_risk' THEN {unbounded(bounds)}",
    ]
    newline = "\n      "
    return f""",
judged AS (
  SELECT *,
    CASE
      {newline.join(cases)}
      ELSE 'pass'
    END AS verdict
  FROM grouped
),
apart AS (  -- a run that is an error, or that nobody can tell whether it belongs, leaves the groups alone
  SELECT
    run_id AS subject,
    CASE WHEN fault IS NOT NULL THEN 'error' ELSE 'unknown' END AS verdict,
    coalesce(fault, 'MISSING_FIELD') AS reason,
    {_NO_SUM} AS nothing,
    CASE WHEN fault IS NOT NULL THEN '' ELSE missing END AS named,
    where_file, where_line
  FROM counted
  WHERE fault IS NOT NULL OR is_selected IS NULL
  QUALIFY row_number() OVER (
    PARTITION BY run_id ORDER BY fault IS NULL, where_file NULLS LAST, where_line NULLS LAST, fault, missing
  ) = 1
)
SELECT
  subject, verdict,
  CASE {newline.join(reasons)} END AS reason,
  value, low, high, points, runs, unknown_runs, named,
  CAST(NULL AS VARCHAR) AS where_file, CAST(NULL AS INTEGER) AS where_line, planned
FROM judged
UNION ALL
SELECT
  subject, verdict, reason, nothing, nothing, nothing, 0, 1, CAST(verdict = 'unknown' AS INTEGER), named,
  where_file, where_line, NULL
FROM apart
ORDER BY subject, verdict
"""
