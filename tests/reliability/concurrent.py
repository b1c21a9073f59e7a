"""Many processes commit at once: every commit is in, whole and once; the same facts again add nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from green.audit import verify
from tests.reliability.stores import commit_batch, partial, subjects
from tests.reliability.table import Outcome

CHILD = (
    "import sys; from pathlib import Path; from tests.reliability.stores import commit_batch;"
    "commit_batch(Path(sys.argv[1]), sys.argv[2])"
)


def run(count: int) -> Outcome:
    """Let 8 and `count` processes commit five events each at the same time."""
    outcome = Outcome(
        "Commits of many processes at once, five events each",
        (
            "processes",
            "ended well",
            "commits in the ledger",
            "in part or twice",
            "added by the same facts again",
            "verifies",
        ),
    )
    for processes in sorted({8, count}):
        with tempfile.TemporaryDirectory() as folder:
            published = Path(folder) / "audit" / "green.duckdb"
            names = [f"c{number}" for number in range(processes)]
            jobs = [subprocess.Popen([sys.executable, "-c", CHILD, str(published), name]) for name in names]
            ended = sum(job.wait(600) == 0 for job in jobs)
            found = subjects(published)
            there = {subject.rpartition("-")[0] for subject in found}
            odd = partial(found)
            again = sum(commit_batch(published, name).events for name in names)
            proof = verify.verify(published)
        outcome.rows.append((processes, ended, len(there), len(odd), again, "yes" if proof else proof.wrong[0]))
        outcome.kept &= (ended, len(there), len(odd), again, bool(proof)) == (processes, processes, 0, 0, True)
    return outcome
