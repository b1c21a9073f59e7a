"""A check that remembers its passes gives the same lines, digest and events as one that does not."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from facts_for_tests import facts, policies, run

from green.output import json as as_json
from green.policy.judge import Judgement, judge
from green.policy.recall import judge_again
from green.policy.written import recorded

if TYPE_CHECKING:
    from pathlib import Path

    from green.policy.load import PolicySet

POLICIES = """
- {id: T-1, title: t, kind: limit, metric: energy.it, limit: {max: 10 kWh, warn_above: 80 %}, mend: less}
- {id: T-2, title: t, kind: intensity, metric: energy.it, per: tokens, limit: {max: 3 kWh/tokens}}
- {id: T-3, title: t, kind: allow, field: region, allow: [FR, SE]}
- {id: T-4, title: t, kind: require, all: [{present: [team]}]}
- {id: T-5, title: t, kind: budget, metric: energy.it, window: {rolling: 90d}, limit: {max: 40 kWh}, group_by: [team]}
- {id: T-6, title: t, kind: limit, metric: energy.it, limit: {max: 1 kWh}, select: {team: nobody}}
"""


@pytest.fixture(name="known_policies")
def _known_policies(tmp_path: Path) -> PolicySet:
    return policies(tmp_path / "policies", POLICIES)


def rows(seed: int) -> list[dict[str, Any]]:
    noise = random.Random(seed)  # noqa: S311 -- cases, not secrets
    return [
        run(
            f"run-{number:02d}",
            team=noise.choice(["a", "a", "a", "b", None]),
            region=noise.choice(["FR", "FR", "FR", "SE", "DE", None]),
            energy_kwh=noise.choice([1.5, 1.5, 1.5, 2.25, 11.0, None]),
            where_file=f"{noise.choice('ab')}/run.yaml",
            where_line=1,
        )
        for number in range(noise.randrange(30))
    ]


def both(judged_by: PolicySet, memory: Path, seed: int, known: set[tuple[str, str]]) -> tuple[Judgement, Judgement]:
    found = []
    for again in (False, True):
        made = rows(seed)
        with facts(*made, units=[(row["run_id"], "tokens", 2.0) for row in made[::2]]) as con:
            found.append(
                judge_again(con, judged_by, as_of="latest", memory=memory, apart=known)
                if again
                else judge(con, judged_by, as_of="latest")
            )
    return found[0], found[1]


def test_every_line_and_the_digest_are_those_of_a_check_without_memory(
    known_policies: PolicySet, tmp_path: Path
) -> None:
    recalled = 0
    memory = tmp_path / "cache" / "verdicts.parquet"
    for seed in [1, 1, 2, 1, 3, 3, *range(4, 30)]:
        plain, again = both(known_policies, memory, seed, set())
        assert again.lines == plain.lines
        assert (again.digest, again.summary) == (plain.digest, plain.summary)
        assert as_json.render(again) == as_json.render(plain)
        assert set(again.verdicts) <= set(plain.verdicts)
        assert [one for one in plain.verdicts if one.verdict != "pass"] == [
            one for one in again.verdicts if one.verdict != "pass"
        ]
        assert again.idle == plain.idle
        recalled += len(plain.verdicts) - len(again.verdicts)
    assert recalled > 100, "nothing was taken from memory: the test compares nothing"


def test_a_pass_that_is_wanted_is_given(known_policies: PolicySet, tmp_path: Path) -> None:
    memory = tmp_path / "verdicts.parquet"
    plain, _ = both(known_policies, memory, 1, set())
    passes = {(one.policy, one.subject) for one in plain.verdicts if one.verdict == "pass"}
    _, again = both(known_policies, memory, 1, passes)
    assert again.verdicts == plain.verdicts
    assert again.lines == tuple(map(recorded, plain.verdicts))


def test_other_policies_forget(known_policies: PolicySet, tmp_path: Path) -> None:
    memory = tmp_path / "verdicts.parquet"
    both(known_policies, memory, 1, set())
    others = policies(tmp_path / "policies", POLICIES.replace("mend: less", "mend: much less"))
    plain, again = both(others, memory, 1, set())
    assert again.lines == plain.lines
    assert any("much less" in line for line in again.lines)
