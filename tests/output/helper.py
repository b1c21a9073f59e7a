"""A judgement with names that would do harm, and what the forms of it need beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from green.compare import Base, Comparison, compare
from green.output.finding import Frame
from green.policy.judge import Judgement, judge
from green.policy.load import PolicySet, load

sys.path.append(str(Path(__file__).resolve().parent.parent / "policy"))
from facts_for_tests import facts, run

EVIL = (
    "a|b\n::error file=x::\x1b[31m<img src=x onerror=alert(1)>@team #1 `c` [l](http://e.org) www.e.org ##[error]"
    "\u202e*\"'; DROP TABLE run; -- {0} ]]> &amp; %0A::stop-commands::x\r\0\\"
)
LIMIT = "- {id: A, title: t, kind: limit, metric: energy.it, limit: {max: 50 kWh}, because: it costs, mend: stop it}\n"
ALLOW = "- {id: R, title: t, kind: allow, field: region, allow: [FR]}\n"
ADVICE = (
    "- {id: S, title: t, kind: allow, field: team, allow: [x], enforcement: advisory}\n"
    "- {id: T, title: t, kind: limit, metric: carbon.total, limit: {max: 1 kgCO2e}, on_unknown: warn}\n"
    "- {id: U, title: t, kind: limit, metric: cost.total, limit: {max: 1 USD}}\n"
)
IDLE = "- {id: Z, title: t, kind: limit, metric: energy.it, select: {team: none}, limit: {max: 50 kWh}}\n"
BUDGET = "- {id: B, title: t, kind: budget, metric: energy.it, window: {rolling: 90d}, limit: {max: 100 kWh}}\n"
HEAD = "apiVersion: green/v1\nbundle: {id: test, version: 1.0.0}\npolicies:\n"


def policies(folder: Path, text: str) -> PolicySet:
    """Load policies as a working directory shows them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "p.yaml").write_text(HEAD + text, encoding="utf-8")
    return load(folder, shown="policies")


def judged(own: PolicySet, *rows: dict[str, Any], **options: Any) -> Judgement:
    """Judge rows, which stand in files of their own."""
    placed = [{"where_file": f"r{number}/run.yaml", "where_line": 3, **row} for number, row in enumerate(rows)]
    return judge(facts(*placed), own, **options)


def base(own: PolicySet, *rows: dict[str, Any], name: str = "main", **options: Any) -> Base:
    """Judge rows as a base."""
    judgement = judged(own, *rows, **options)
    return Base(name, judgement.digest, tuple(verdict.record() for verdict in judgement.verdicts))


def frame(own: PolicySet) -> Frame:
    """Return the frame of a repository whose logs lie in `logs`, and whose work is done in `ml`."""
    return Frame(own, "ml/logs", "ml")


def evil(folder: Path) -> tuple[Judgement, Comparison, Frame]:
    """Return a judgement whose every name is hostile, beside a base with one finding less and one more."""
    own = policies(folder, LIMIT + ALLOW + ADVICE + IDLE)
    rows = [
        run(EVIL, energy_kwh=62.0, region=EVIL, team=EVIL, where_file=f"{EVIL}/run.yaml"),
        run("fine", energy_kwh=1.0, region="FR", team="x", emissions_kgco2e=0.5, cost_usd=0.1),
    ]
    judgement = judged(own, *rows)
    before = base(
        own, run(EVIL, energy_kwh=55.0, region=EVIL, team="x"), run(f"gone{EVIL}", energy_kwh=90.0), name=EVIL
    )
    return judgement, compare(judgement, before, [f"note {EVIL}"]), frame(own)


__all__ = ["EVIL", "base", "compare", "evil", "frame", "judged", "policies", "run"]
