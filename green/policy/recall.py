"""Judge again, and put only what is new into words: of the passes of the last check, the lines are kept.

Ten thousand runs by six policies are sixty thousand verdicts, nearly all of them the same as at the check
before. The SQL judges all of them every time; a line is taken from memory only where every column of the
finding is the one that it was written for, under the same policies.
"""

from __future__ import annotations

from functools import partial
from itertools import starmap
from typing import TYPE_CHECKING

import green
from green.policy.compile import compile_policy
from green.policy.facts import prepare
from green.policy.finding import Finding
from green.policy.judge import Judgement, moment_of, sum_up, worded
from green.policy.load import PolicySet, digest_of
from green.policy.model import BudgetPolicy
from green.policy.waive import cover_by_sql
from green.policy.written import recorded
from green.tables import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from green.policy.judge import Verdict

_COLUMNS = {  # of finding.Finding, for policies whose subjects are runs
    "subject": "VARCHAR",
    "verdict": "VARCHAR",
    "reason": "VARCHAR",
    "value": "DOUBLE",
    "low": "DOUBLE",
    "high": "DOUBLE",
    "points": "INTEGER",
    "runs": "INTEGER",
    "unknown_runs": "INTEGER",
    "named": "VARCHAR",
    "where_file": "VARCHAR",
    "where_line": "INTEGER",
}
_SAME = " AND ".join(f"f.{name} IS NOT DISTINCT FROM m.{name}" for name in ("policy", *_COLUMNS))
_WORDS = {"line": "VARCHAR", "place": "BIGINT"}  # the line itself is read once, when its place is known
_MOST_NEW = 0.05  # share of new lines above which the memory is written anew


def judge_again(
    con: DuckDBPyConnection, policies: PolicySet, *, as_of: str, memory: Path, apart: Collection[tuple[str, str]] = ()
) -> Judgement:
    """Judge as `judge.judge` does, to the same digest and lines, with passes of before left out of `verdicts`.

    `memory` is a file of ours; `apart` are the (policy, subject) whose verdict is wanted though it passes.
    """
    moment = moment_of(con, as_of, no_history=False)
    prepare(con)
    is_known = _remember(con, memory, _key(policies))
    typed = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    con.execute(f"CREATE TEMP TABLE finding (policy VARCHAR, {typed})")
    for loaded in policies.policies:
        if not isinstance(loaded.policy, BudgetPolicy):
            sql = compile_policy(loaded, moment)
            con.execute(f"INSERT INTO finding SELECT {quote(loaded.policy.id)}, * FROM ({sql})")
    con.execute(
        "CREATE TEMP TABLE apart AS SELECT unnest($policy) AS policy, unnest($subject) AS subject",
        {"policy": [policy for policy, _ in apart], "subject": [subject for _, subject in apart]},
    )
    con.execute(
        f"CREATE TEMP TABLE known AS SELECT f.policy, f.subject, m.place FROM finding AS f JOIN memory AS m ON {_SAME}"
        " ANTI JOIN apart AS a ON f.policy = a.policy AND f.subject = a.subject WHERE f.verdict = 'pass'"
    )
    counted = dict(con.execute("SELECT policy, count(*) FROM known GROUP BY policy").fetchall())
    passes = sum(counted.values())
    new = _new(con)
    verdicts: list[Verdict] = []
    cover = cover_by_sql(con)
    for loaded in policies.policies:
        name = loaded.policy.id
        if isinstance(loaded.policy, BudgetPolicy):
            rows = con.execute(compile_policy(loaded, moment)).fetchall()
            verdicts += worded(policies, loaded, list(starmap(Finding, rows)), moment, cover)
        else:
            verdicts += worded(policies, loaded, new.get(name, []), moment, cover, is_all=name not in counted)
    fresh = {(one.policy, one.subject): recorded(one) for one in verdicts if one.verdict == "pass"}
    judgement = sum_up(policies, moment, verdicts, passes, partial(_among, con) if passes else None)
    if not is_known or len(fresh) > _MOST_NEW * passes:
        _keep(con, fresh, memory, _key(policies))  # after its lines were read: their places are others then
    return judgement


def _key(policies: PolicySet) -> str:
    """Return what the words of a verdict depend on beside its finding."""
    places = [[one.where.file, one.where.line] for one in policies.policies]
    return digest_of([green.__version__, policies.digest, places])


def _remember(con: DuckDBPyConnection, memory: Path, key: str) -> bool:
    """Make the relation `memory`; it is empty where the file was written under other policies, or is not there."""
    if memory.exists():
        query = f"SELECT decode(value) FROM parquet_kv_metadata({quote(memory)}) WHERE key = 'green'"
        if con.execute(query).fetchone() == (key,):
            con.execute(
                "CREATE TEMP VIEW memory AS SELECT *, file_row_number AS place"
                f" FROM read_parquet({quote(memory)}, file_row_number = true)"
            )
            return True
    typed = ", ".join(f"{name} {kind}" for name, kind in {"policy": "VARCHAR", **_COLUMNS, **_WORDS}.items())
    con.execute(f"CREATE TEMP TABLE memory ({typed})")
    return False


def _new(con: DuckDBPyConnection) -> dict[str, list[Finding]]:
    """Return the findings of each policy that must be put into words."""
    rows = con.execute(
        f"SELECT policy, {', '.join(_COLUMNS)} FROM finding AS f ANTI JOIN known AS k ON f.policy = k.policy"
        " AND f.subject = k.subject ORDER BY policy, subject"
    ).fetchall()
    new: dict[str, list[Finding]] = {}
    for policy, *row in rows:
        new.setdefault(policy, []).append(Finding(*row))
    return new


def _among(con: DuckDBPyConnection, own: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Return the lines that are known and these (policy, subject, verdict, line), in the order of all verdicts."""
    columns = ("policy", "subject", "verdict", "line")
    con.execute(
        f"CREATE TEMP TABLE said AS SELECT {', '.join(f'unnest(${name}::VARCHAR[]) AS {name}' for name in columns)}",
        {name: [row[place] for row in own] for place, name in enumerate(columns)},
    )
    rows = con.execute(
        "SELECT line FROM (SELECT k.policy, k.subject, 'pass' AS verdict, m.line FROM memory AS m JOIN known AS k"
        " USING (place) UNION ALL FROM said)"
        " ORDER BY policy, subject, verdict"
    ).fetchall()
    return [line for (line,) in rows]


def _keep(con: DuckDBPyConnection, fresh: Mapping[tuple[str, str], str], memory: Path, key: str) -> None:
    """Write all passes with their lines, those of before and the new ones."""
    con.execute(
        "CREATE TEMP TABLE fresh AS SELECT unnest($policy) AS policy, unnest($subject) AS subject,"
        " unnest($line) AS line UNION ALL SELECT k.policy, k.subject, m.line FROM memory AS m JOIN known AS k"
        " USING (place)",
        {
            "policy": [policy for policy, _ in fresh],
            "subject": [subject for _, subject in fresh],
            "line": list(fresh.values()),
        },
    )
    memory.parent.mkdir(parents=True, exist_ok=True)
    part = memory.with_name(f".{memory.name}.part")
    con.execute(
        f"COPY (SELECT f.*, n.line FROM finding AS f JOIN fresh AS n USING (policy, subject) WHERE f.verdict = 'pass')"
        f" TO {quote(part)} (FORMAT parquet, KV_METADATA {{green: {quote(key)}}})"
    )
    part.replace(memory)
