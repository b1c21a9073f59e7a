"""What findings were told before: the mends of a run are not priced again while nothing that they depend on changed.

They depend on what the finding says, on the facts of the run (in a budget: of all runs), and on factors, series,
settings and the SQL. The pipeline keeps them below results/cache; a check beside it reads them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import green
from green import kept, series
from green.engine import duckdb as engine
from green.factors import cached
from green.index import write_text
from green.policy.finding import Mend
from green.policy.model import BudgetPolicy
from green.policy.written import recorded, signed
from green.sql import code_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

    from green.policy.judge import Verdict
    from green.policy.load import Loaded
    from green.whatif import Rates

Told = dict[str, tuple[Mend, ...]]  # by the key of a finding

_FACTS = """
SELECT subject, arg_max(payload_sha256, seq) FROM ledger
WHERE kind = 'run' AND subject IN (SELECT unnest($runs)) GROUP BY subject
"""
_HEAD = "SELECT arg_max(hash, seq) FROM ledger WHERE kind IN ('run', 'state')"


def keys(
    con: duckdb.DuckDBPyConnection, findings: Mapping[Verdict, tuple[Loaded, Sequence[str]]], rates: Rates
) -> dict[Verdict, str]:
    """Return the key of each finding, given with its policy and the runs that are changed."""
    runs = sorted({run_id for _, of_one in findings.values() for run_id in of_one})
    facts = dict(con.execute(_FACTS, {"runs": runs}).fetchall())
    head = con.execute(_HEAD).fetchall()[0][0]
    common = kept.digest(
        green.__version__,
        engine.__version__,
        code_digest(),
        cached.fingerprint([Path(file) for file in rates.factors]),
        series.digest(rates.series),
        rates.settings,
    )
    return {
        one: kept.digest(
            common,
            signed(recorded(one)),
            loaded.canonical(),
            head if isinstance(loaded.policy, BudgetPolicy) else "",
            [[run_id, facts.get(run_id)] for run_id in of_one],
        )
        for one, (loaded, of_one) in findings.items()
    }


def read(memory: Path | None) -> Told:
    """Return what was kept; what is lost, cut off, or of another version is nothing."""
    if memory is None:
        return {}
    try:
        found = json.loads(memory.read_text(encoding="utf-8"))
        return {key: tuple(Mend(**one) for one in listed) for key, listed in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # as green.kept: all is made anew
        return {}


def keep(memory: Path, told: Told, wanted: Iterable[str]) -> None:
    """Keep what findings of now were told, also that nothing would mend them."""
    body = {key: [one._asdict() for one in told[key]] for key in sorted(wanted)}
    memory.parent.mkdir(parents=True, exist_ok=True)
    write_text(memory, json.dumps(body, sort_keys=True) + "\n")
