"""Judge the store by the policies, and commit what was found: one event a check, one a changed verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from green.audit import commit as audit
from green.audit import ledger, store
from green.place import placed
from green.policy.compile import compile_policy
from green.policy.facts import select
from green.policy.judge import Judgement, judge, moment_of
from green.policy.recall import judge_again
from green.policy.written import recorded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import duckdb

    from green.policy.judge import Verdict
    from green.policy.load import Loaded, PolicySet
    from green.whatif import Rates

SILENT = ("pass", "not_applicable")


@dataclass(frozen=True)
class Checked:
    """A judgement, and the head of the ledger that holds it (None where nothing was committed)."""

    judgement: Judgement
    head: str | None


def facts(con: duckdb.DuckDBPyConnection, policies: PolicySet | None = None) -> None:
    """Make the relations that policies judge from the views of the store, once, in memory.

    Metrics that none of the `policies` names are left NULL: to make numbers of all costs as much as to judge.
    """
    columns = {name for name, *_ in con.execute("DESCRIBE runs").fetchall()}
    said = None if policies is None else json.dumps([one.canonical() for one in policies.policies])
    con.execute(f"CREATE TEMP TABLE fact AS SELECT {select(columns, said)} FROM runs")
    con.execute("CREATE TEMP TABLE unit AS SELECT run_id, unit, amount FROM run_units")


def check(  # noqa: PLR0913 -- what a check depends on, each by name
    published: Path,
    policies: PolicySet,
    *,
    as_of: str,
    no_history: bool = False,
    commit: bool = True,
    actor: str | None = None,
    memory: Path | None = None,
    rates: Rates | None = None,
) -> Checked:
    """Judge the runs of a store; with `commit`, record the check in its ledger.

    With a file as `memory`, lines of passes are taken from the last check (green.policy.recall). With `rates`, findings
    say what would make them pass.
    """
    if not commit:
        with store.reader(published) as con:
            facts(con)
            judgement = judge(con, policies, as_of=as_of, no_history=no_history)
            return Checked(advised(con, policies, located(con, policies, judgement), rates), None)
    if not published.exists():
        store.reader(published)  # says so: nothing was measured here
    found: list[Judgement] = []

    def fill(con: duckdb.DuckDBPyConnection) -> None:
        store.check_version(con, published)
        facts(con, policies)
        before = _before(con)
        if memory is None:
            judgement = judge(con, policies, as_of=as_of, no_history=no_history)
        else:
            judgement = judge_again(con, policies, as_of=as_of, memory=memory, apart=before)
        found.append(advised(con, policies, located(con, policies, judgement), rates))
        audit.propose(con, _events(con, policies, found[0], before, no_history=no_history))

    receipt = audit.commit(store.Paths(published), fill, actor=actor)
    return Checked(found[0], receipt.head)


def located(con: duckdb.DuckDBPyConnection, policies: PolicySet, judgement: Judgement) -> Judgement:
    """Let each finding about a run point at the line that holds its number; no digest depends on a place."""
    return _with(judgement, placed(con, policies, judgement.verdicts))


def advised(
    con: duckdb.DuckDBPyConnection, policies: PolicySet, judgement: Judgement, rates: Rates | None
) -> Judgement:
    """Let each finding say what would make it pass; where nothing fails, nothing is loaded or computed."""
    if rates is None or not (judgement.summary["fail"] or judgement.summary["at_risk"]):
        return judgement
    from green.mends import mends  # noqa: PLC0415 -- most checks need none

    told = mends(con, policies, judgement, rates)
    return _with(judgement, {one: one._replace(would_pass=found) for one, found in told.items()})


def _with(judgement: Judgement, moved: Mapping[Verdict, Verdict]) -> Judgement:
    """Put some verdicts in the place of others, their lines likewise."""
    if not moved:
        return judgement
    lines = {recorded(old): recorded(new) for old, new in moved.items()}
    return replace(
        judgement,
        verdicts=tuple(moved.get(one, one) for one in judgement.verdicts),
        lines=tuple(lines.get(line, line) for line in judgement.lines),
    )


def _before(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Return the (policy, subject) whose newest verdict in the store is no pass."""
    query = "SELECT policy_id, subject FROM newest_verdict WHERE verdict NOT IN (SELECT unnest($silent))"
    return set(con.execute(query, {"silent": list(SILENT)}).fetchall())


def _events(
    con: duckdb.DuckDBPyConnection,
    policies: PolicySet,
    judgement: Judgement,
    before: set[tuple[str, str]],
    *,
    no_history: bool,
) -> list[audit.Event]:
    """Return the events of a check: policies, verdicts that changed or were resolved, and the check itself.

    The judgement holds every verdict that is no pass, and those of `before`.
    """
    moment = moment_of(con, judgement.as_of or "latest", no_history=no_history)
    events = [
        ("policy", loaded.policy.id, _policy(loaded, compile_policy(loaded, moment))) for loaded in policies.policies
    ]
    now = {(one.policy, one.subject): one for one in judgement.verdicts}
    budgets = {loaded.policy.id for loaded in policies.policies if loaded.policy.kind == "budget"}
    events += _waivers(con, policies)
    for key, verdict in now.items():
        # a budget's state is recorded while it holds, too: `budget_status` tells how much is left
        if key[0] in budgets or verdict.verdict not in SILENT or key in before:
            events.append(("verdict", f"{key[0]} {key[1]}", _verdict(verdict.record())))
    for policy, subject in sorted(before - now.keys()):
        gone = {"policy": policy, "subject": subject, "verdict": "not_applicable"}
        events.append(("verdict", f"{policy} {subject}", ledger.canonical(gone)))
    body = {
        "as_of": judgement.as_of,
        "digest": judgement.digest,
        "policies_sha256": judgement.policy_digest,
        "summary": ledger.canonical(judgement.summary),
    }
    return [*events, ("check", "policies", ledger.canonical(body))]


def _waivers(con: duckdb.DuckDBPyConnection, policies: PolicySet) -> list[audit.Event]:
    """Return an event a waiver; one that stands in no file any more is withdrawn: it has an id and no policy."""
    events = []
    for one in policies.waivers:
        waiver = one.waiver
        body = {
            "approved_by": waiver.approved_by,
            "definition": ledger.canonical(one.canonical()),
            "expires": waiver.expires,
            "id": waiver.id,
            "issued": waiver.issued,
            "owner": waiver.owner,
            "policy": waiver.policy,
        }
        events.append(("waiver", waiver.id, ledger.canonical(body)))
    query = "SELECT waiver_id FROM waivers_active WHERE policy_id IS NOT NULL"
    known = {waiver_id for (waiver_id,) in con.execute(query).fetchall()}
    withdrawn = sorted(known - {one.waiver.id for one in policies.waivers})
    return events + [("waiver", name, ledger.canonical({"id": name})) for name in withdrawn]


def _verdict(record: dict[str, Any]) -> str:
    """Return a verdict as an event's payload: numbers as decimal strings, no digest of the check.

    That would make every verdict new at each check; it stands in the event of the check.
    """
    known = {key: value for key, value in record.items() if key != "would_pass"}
    body = {key: repr(value) if isinstance(value, float) else value for key, value in known.items()}
    where = record["where"]
    return ledger.canonical({**body, "where": {"file": where["file"], "line": where["line"]}})


def _policy(loaded: Loaded, sql: str) -> str:
    body = {
        "definition": json.dumps(loaded.canonical(), sort_keys=True, ensure_ascii=False),
        "enforcement": loaded.enforcement.value,
        "id": loaded.policy.id,
        "kind": str(loaded.policy.kind),
        "sql": sql,
        "title": loaded.policy.title,
    }
    return ledger.canonical(body)
