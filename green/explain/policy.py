"""Explain a policy: what it says in words, the SQL that judges it, and what it finds run by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green.errors import UsageError
from green.explain.facts import rows
from green.policy.compile import check_label, compile_policy
from green.policy.judge import judge, moment_of
from green.policy.metrics import CATALOGUE, nearest
from green.policy.model import AllowPolicy, BudgetPolicy, IntensityPolicy, RequirePolicy
from green.policy.sql import selected
from green.policy.waivers import POLICY as WAIVERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from green.explain.facts import Row
    from green.policy.finding import Moment
    from green.policy.judge import Verdict
    from green.policy.load import Loaded, PolicySet
    from green.policy.model import Limit, Matcher
    from green.policy.waivers import Granted

_SUMMED = ",\ngrouped AS ("  # what stands before it in a budget's SQL is the runs that it sums


def explain_policy(con: duckdb.DuckDBPyConnection, policies: PolicySet, policy_id: str, *, as_of: str) -> Row:
    """Return a policy in words, its SQL, and its verdicts on the relations `fact` and `unit`, with margins."""
    known = tuple(one.policy.id for one in policies.policies)
    if policy_id not in known:
        raise UsageError(f"no policy {policy_id!r}", mend=nearest(policy_id, known))
    loaded = policies[policy_id]
    judgement = judge(con, policies.only(policy_id), as_of=as_of)
    moment = moment_of(con, as_of, no_history=False)
    sql = compile_policy(loaded, moment)
    own = [one for one in judgement.verdicts if one.policy == policy_id]
    return {
        "policy": policy_id,
        "words": [*words(loaded), _bundle(policies, loaded)],
        "sql": sql,
        "as_of": judgement.as_of,
        "considered": _considered(con, loaded),
        "subjects": [_subject(verdict, loaded) for verdict in own],
        "runs": _summed(con, loaded, sql),
        "waivers": [_waiver(one, judgement.verdicts, moment) for one in policies.waivers_of(policy_id)],
    }


def _considered(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> Row:
    """Count the runs that the policy could be about, those that it selects, and those that may be meant."""
    own = "is_current AND status IS DISTINCT FROM 'planned'"
    among = "is_counted" if isinstance(loaded.policy, BudgetPolicy) else f"is_counted AND {own}"
    return rows(
        con,
        "SELECT count(*) AS runs, count(*) FILTER (WHERE is_selected) AS selected,"
        " count(*) FILTER (WHERE is_selected IS NULL) AS unknown"
        f" FROM (SELECT {selected(loaded.policy.select)} AS is_selected FROM fact WHERE {among})",
    )[0]


def _waiver(one: Granted, verdicts: Sequence[Verdict], moment: Moment) -> dict[str, Any]:
    """Return a waiver, whether it holds, and what it does now."""
    said = next(v for v in verdicts if v.policy == WAIVERS and v.subject == one.waiver.id)
    return {
        **one.canonical(),
        "state": one.state(moment.as_of_us),
        "verdict": said.verdict,
        "message": said.message,
        "waives": [v.subject for v in verdicts if v.waiver == one.waiver.id and v.verdict == "waived"],
        "where": str(one.where),
    }


def _bundle(policies: PolicySet, loaded: Loaded) -> str:
    """Name the bundle by the digest of what it says: a version is a promise, a digest is a fact."""
    bundle = loaded.bundle
    digest = policies.bundle_digest(bundle.id)[:16]
    return f"Written in {loaded.where} (bundle {bundle.id} {bundle.version}, digest {digest})"


def _subject(verdict: Verdict, loaded: Loaded) -> dict[str, Any]:
    """Return one verdict, and how much room its figure leaves: negative where it is over."""
    keys = "subject verdict value low high limit unit reason message mend".split()  # noqa: SIM905 -- a list of columns
    record = {key: verdict.record()[key] for key in keys}
    bounds, margin = loaded.bounds, None
    known = verdict.verdict not in {"unknown", "error"}  # the known part of a budget leaves room that is not there
    if known and bounds is not None and verdict.value is not None and verdict.limit is not None:
        is_max = bounds.max is not None or bounds.min is None
        margin = verdict.limit - verdict.value if is_max else verdict.value - verdict.limit
    return record | {"margin": margin}


def _summed(con: duckdb.DuckDBPyConnection, loaded: Loaded, sql: str) -> list[Row]:
    """Return the runs that a budget sums, by the first half of the SQL that judges it; none for other kinds."""
    if not isinstance(loaded.policy, BudgetPolicy):
        return []
    head, _, _ = sql.partition(_SUMMED)
    found = rows(
        con,
        f"{head} SELECT run_id, subject, value_exact AS value, low_exact AS low, high_exact AS high, problem AS unknown"
        f" FROM placed ORDER BY value DESC NULLS FIRST, run_id, subject",
    )
    unit = CATALOGUE[loaded.policy.metric].unit
    return [{**row, "unit": unit} for row in found]


def words(loaded: Loaded) -> Iterator[str]:
    """Say what a policy means, in sentences that need no knowledge of the language."""
    policy = loaded.policy
    yield f"{policy.id}: {policy.title}"
    yield f"It judges {_what(loaded)}."
    chosen = _chosen(policy.select)
    yield f"It is about {'every run' if not chosen else f'runs with {chosen}'}{_left_out(loaded)}."
    if isinstance(policy, BudgetPolicy):
        kinds = [
            name for name, counts in (("planned", policy.count.planned), ("failed", policy.count.failed)) if not counts
        ]
        yield f"Not counted: {' and '.join(kinds)} runs." if kinds else "Failed and planned runs count, too."
    worse = {"fail": "breaks it", "warn": "is doubtful: it breaks it only with --strict"}[loaded.on_unknown.value]
    yield f"Enforcement is {loaded.enforcement.value}; an unknown figure {worse}, and never passes."
    if policy.must_match:
        yield "It must select a run: that it selects none is an error."
    if policy.because:
        yield f"Because: {policy.because}"
    if policy.mend:
        yield f"Mend: {policy.mend}"


def _what(loaded: Loaded) -> str:
    policy = loaded.policy
    if isinstance(policy, AllowPolicy):
        return f"each run: its {policy.field} has to be one of {', '.join(policy.allow)}"
    if isinstance(policy, RequirePolicy):
        parts = [f"{', '.join(one.present)} present" if one.present else check_label(one) for one in policy.all]
        return f"each run: it needs {'; '.join(parts)}"
    metric = CATALOGUE[policy.metric]
    name = f"{metric.name} ({metric.description})"
    if isinstance(policy, BudgetPolicy):
        of = f" of each {' and '.join(policy.group_by)}" if policy.group_by else " of all runs together"
        window = policy.window
        time = f"the last {window.rolling}" if window.rolling else f"the calendar {window.calendar} so far"
        return f"{name}{of}, summed over {time}: {_limit(policy.limit)}"
    per = f" per {policy.per}" if isinstance(policy, IntensityPolicy) else ""
    return f"{name}{per} of each run: {_limit(policy.limit)}"


def _limit(limit: Limit) -> str:
    parts = (("at most", limit.max), ("at least", limit.min), ("a warning above", limit.warn_above))
    return ", ".join(f"{word} {raw}" for word, raw in parts if raw is not None)


def _chosen(matcher: Matcher) -> str:
    fields = [f"{name} {' or '.join(values)}" for name, values in matcher.fields().items()]
    labels = [f"label {name} {' or '.join(values)}" for name, values in matcher.labels.items()]
    return ", ".join([*fields, *labels])


def _left_out(loaded: Loaded) -> str:
    other = loaded.policy.select.not_
    return "" if other is None else f", but not those with {_chosen(other)}"
