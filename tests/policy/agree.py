"""Hold the two evaluators to each other on random facts and policies: `python -m tests.policy.agree [CASES] [SEED]`.

A case is one policy judged over one set of facts, waivers included. Facts hold what breaks evaluators: NULL, NaN,
infinities, negative and huge figures, runs without a time, plans, copies of one run_id; bounds lie on the edges of the
figures. Two thirds of the sets are sound but for a few fields, so that every verdict comes often.
"""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any

import duckdb
from pydantic import ValidationError

from green.errors import UsageError, Where
from green.policy.bounds import BadBound, bounds_of, check_bounds
from green.policy.facts import create, insert
from green.policy.judge import judge, judge_by_reference
from green.policy.load import Loaded, PolicySet
from green.policy.metrics import CATALOGUE, SELECTABLE, TIER, TIERS
from green.policy.model import KINDS, Bundle, Enforcement, OnUnknown
from green.policy.waivers import POLICY as WAIVERS
from green.policy.waivers import Granted, Waiver, granted
from green.policy.window import read_as_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.policy.judge import Judgement

POLICIES = 40  # judged over one set of facts
NASTY = [None, float("nan"), float("inf"), float("-inf"), -1.0, -0.0, 5e-324, 1e300, 1e12, 1.0000000000000002e12]
EDGES = [
    0.0,
    0.1,
    1.0,
    25.0,
    40.0,
    49.99999999999999,
    50.0,
    50.00000000000001,
    50.15,
    33.43333333333333,
    60.0,
    100.3,
    12345.67,
]
SHARES = [0.0, 0.1, 0.5, 0.949999, 0.95, 1.0, 1.2]
T0_US = read_as_of("2026-09-30T00:00:00Z")
DAY_US = 86_400_000_000
TIMES = [None, *(T0_US + step * DAY_US + shift for step in (-200, -91, -2, -1, 0, 1, 2) for shift in (-1, 0, 1))]
NAMES: dict[str, list[Any]] = {
    "run_id": ["a", "b", "c", "d/e", "é", "=x", *(f"r{number}" for number in range(14))],
    "project": [None, "p", "q,r"],
    "team": [None, "nlp", "a,b", "", "cv", " ", "x\\y"],
    "model": [None, "m"],
    "kind": [None, "training", "inference", "trainingx"],
    "parent": [None, "sweep"],
    "status": [None, "completed", "failed", "killed", "planned"],
    "region": [None, "DE", "FR", "NO"],
    "site": [None, "s"],
}
UNITS = {
    "kWh": 1.0,
    "MJ": 3.6,
    "kgCO2e": 1.0,
    "gCO2e": 1000.0,
    "L": 1.0,
    "mL": 1000.0,
    "USD": 1.0,
    "s": 1.0,
    "min": 1 / 60,
}
OF = {
    "kWh": ["kWh", "MJ"],
    "kgCO2e": ["kgCO2e", "gCO2e"],
    "L": ["L", "mL"],
    "USD": ["USD"],
    "s": ["s", "min"],
    "1": ["1"],
}


def fact(noise: random.Random, *, is_sound: bool) -> dict[str, Any]:
    """Return a random run."""
    row = wild(noise)
    if is_sound:
        for name, values in NAMES.items():
            if noise.random() < 0.95:
                row[name] = noise.choice([word for word in values if word and word.strip() and word != "trainingx"])
        row |= {
            "is_current": noise.random() < 0.95,
            "is_counted": True,
            "error": None,
            "duration_s": noise.choice(EDGES),
        }
        row |= {
            "ended_at": noise.choice(TIMES[1:]),
            "quality_tier": noise.choice(TIERS),
            "pue": noise.choice([1.0, 1.5]),
        }
        row |= {"coverage_ratio": noise.choice(SHARES), "idle_ratio": noise.choice(SHARES), "hardware": ["A100"]}
        for metric in CATALOGUE.values():
            if metric.has_interval:
                value = noise.choice(SHARES if metric.unit == "1" else EDGES)
                ends = noise.choice([(None, None), (value * 0.9, value * 1.1), (value, value), (value * 0.9, None)])
                row |= {metric.column: value, f"{metric.column}_low": ends[0], f"{metric.column}_high": ends[1]}
    return row


def wild(noise: random.Random) -> dict[str, Any]:
    """Return a run of which nothing can be taken for granted."""
    row: dict[str, Any] = {name: noise.choice(values) for name, values in NAMES.items()}
    row |= {
        "labels": noise.choice([None, {}, {"purpose": "benchmark"}, {"purpose": None}, {"other": "x"}]),
        "started_at": noise.choice([*TIMES, *[None] * 6]),
        "ended_at": noise.choice([*TIMES, *[None] * 12]),
        "duration_s": noise.choice([*NASTY, *[None] * 8, *EDGES, 3600.0, 0.0000005, 0.0000025, 86400.0, 1e10]),
        "coverage_ratio": noise.choice([*NASTY, *SHARES]),
        "pue": noise.choice([None, 1.0, 1.2, 1.5, float("nan")]),
        "idle_ratio": noise.choice([None, *SHARES]),
        "method": noise.choice([None, "sampled"]),
        "quality_tier": noise.choice([None, *TIERS, "guessed", ""]),
        "unknown_reasons": noise.choice([None, [], ["NO_PUE"], ["OTHER", "NO_FACTOR", "NO_SAMPLES"]]),
        "hardware": noise.choice(
            [None, [], ["A100"], ["A100", None], ["B", "C", "B"], ["H100", "A100"], ["A100", " "], [""]]
        ),
        "is_current": noise.random() < 0.8,
        "is_counted": noise.random() < 0.85,
        "error": noise.choice([None] * 9 + ["DUPLICATE_RUN_ID"]),
        "where_file": noise.choice([None, "x", "y"]),
        "where_line": noise.choice([None, 1, 2]),
    }
    for metric in CATALOGUE.values():
        if metric.has_interval:
            row[metric.column], row[f"{metric.column}_low"], row[f"{metric.column}_high"] = interval(noise)
    return row


def interval(noise: random.Random) -> tuple[Any, Any, Any]:
    """Return value, low and high: mostly sound, and sometimes anything."""
    value = noise.choice([*EDGES, noise.uniform(0, 150)]) if noise.random() < 0.8 else noise.choice(NASTY)
    form = noise.choice(["none", "same", "near", "open above", "open below", "any"])
    if form == "any":
        return value, noise.choice([*NASTY, *EDGES]), noise.choice([*NASTY, *EDGES])
    if form == "none" or value is None:
        return value, None, None
    if form == "near" and 0 <= value < 1e9:
        return value, value * noise.uniform(0.5, 1), value * noise.uniform(1, 1.5)
    return value, None if form == "open below" else value, None if form == "open above" else value


def matcher(noise: random.Random, most: int) -> dict[str, Any]:
    """Return a random matcher."""
    found: dict[str, Any] = {}
    for name in noise.sample(SELECTABLE, noise.randint(0, most)):
        known = [word for word in NAMES[name] if word and word.strip() and word != "trainingx"]
        found[name] = noise.sample(known, noise.randint(1, len(known)))
    if noise.random() < 0.2:
        found["labels"] = {"purpose": noise.choice(["benchmark", ["benchmark", "x"]])}
    return found


def limit(noise: random.Random, unit: str, scale: float = 1.0) -> dict[str, str]:
    """Return random bounds in a random spelling of a unit."""
    written = noise.choice(OF[unit])
    numbers = sorted(noise.choice(SHARES[:-1] if unit == "1" else EDGES) for _ in range(3))
    size = UNITS.get(written, 1.0) * scale
    shown = [f"{number * size!r}" + ("" if written == "1" else f" {written}") for number in numbers]
    found = {key: text for key, text in zip(("min", "warn_above", "max"), shown, strict=True) if noise.random() < 0.6}
    if "max" in found and noise.random() < 0.3:
        found["warn_above"] = "80 %" if unit != "1" else found.get("warn_above", found["max"])
    return found or {"max": shown[2]}


def policy(noise: random.Random, number: int) -> dict[str, Any]:
    """Return a random policy of a random kind; not all of them are sound."""
    kind = noise.choice(list(KINDS))
    said: dict[str, Any] = {"id": f"P{number}", "title": "t", "kind": kind, "select": matcher(noise, 2)}
    if noise.random() < 0.25:
        said["select"]["not"] = matcher(noise, 2)
    if noise.random() < 0.1:
        said["must_match"] = True
    if kind == "allow":
        field = noise.choice(["region", "team", "hardware", "method", "quality_tier", "kind"])
        return {
            **said,
            "field": field,
            "allow": noise.sample(["DE", "FR", "nlp", "a,b", "A100", "B", "sampled", "imported", "training"], 4),
        }
    if kind == "require":
        return {**said, "all": [requirement(noise) for _ in range(noise.randint(1, 3))]}
    metric = noise.choice([one for one in CATALOGUE.values() if one.name != TIER])
    said |= {"metric": metric.name, "limit": limit(noise, metric.unit)}
    if kind == "budget":
        window = noise.choice(
            [{"rolling": "2 d"}, {"rolling": "90 d"}, *({"calendar": c} for c in ("month", "quarter", "year"))]
        )
        count = {"planned": noise.random() < 0.7, "failed": noise.random() < 0.7}
        said |= {
            "window": window,
            "count": count,
            "group_by": noise.sample(["team", "region", "project"], noise.randint(0, 2)),
        }
    if kind == "intensity":
        said |= {"per": "tokens"}
        unit = noise.choice(OF[metric.unit])
        said["limit"] = {"max": f"{noise.choice(EDGES[1:])} {unit}/{noise.choice(['token', 'ktoken', 'Mtoken'])}"}
    return said


def requirement(noise: random.Random) -> dict[str, Any]:
    """Return a random requirement."""
    form = noise.choice(["tier", "metric", "present"])
    if form == "tier":
        return {"metric": TIER, "at_least": noise.choice(TIERS)}
    if form == "present":
        return {
            "present": noise.sample(["region", "team", "hardware", "started_at", "ended_at", "duration_s", "method"], 3)
        }
    metric = noise.choice([one for one in CATALOGUE.values() if one.name != TIER])
    bounds = limit(noise, metric.unit)
    bounds.pop("warn_above", None)
    return {"metric": metric.name, **(bounds or {"min": limit(noise, metric.unit).popitem()[1]})}


def loaded(said: dict[str, Any]) -> Loaded | None:
    """Return a policy, or None where the language refuses it."""
    try:
        found = KINDS[said["kind"]].model_validate(said)
        check_bounds(found)
        bounds = bounds_of(found)
    except (ValidationError, BadBound):
        return None
    return Loaded(
        found, Bundle(id="b", version="1"), Where("p.yaml", 1), Enforcement.SOFT_MANDATORY, OnUnknown.FAIL, bounds
    )


def waiver(noise: random.Random, one: Loaded, number: int) -> Granted | None:
    """Return a random waiver of a policy, or None where it cannot be waived like this."""
    select = matcher(noise, 2)
    group_by = getattr(one.policy, "group_by", None)
    if group_by is not None:
        select = {name: values for name, values in select.items() if name in group_by} or {
            "subject": ["*", "team=nlp", "team=a\\,b"]
        }
    elif not select or noise.random() < 0.6:
        select = {"subject": NAMES["run_id"]} | noise.choice([{}, {}, matcher(noise, 1)])
    said: dict[str, Any] = {
        "id": f"W{number}",
        "policy": one.policy.id,
        "select": select,
        "owner": "a",
        "approved_by": "b",
        "reason": "r",
    }
    said |= noise.choice(
        [
            {"issued": "2026-09-01", "expires": "2026-10-31"},
            {"issued": "2026-09-01", "expires": "2026-12-31"},
            {"issued": "2026-09-01", "expires": "2027-02-27"},
            {"issued": "2026-09-30", "expires": "2026-09-30"},
            {"issued": "2026-05-01", "expires": "2026-06-30"},
            {"issued": "2026-11-01", "expires": "2026-11-30"},
        ]
    )
    if one.bounds is None:
        said["accept"] = noise.sample(["DE", "PL", "NO", "cv", "C", "H100", "declared", "inference"], 3)
    else:
        key = "max" if one.bounds.max is not None and noise.random() < 0.8 else "min"
        own = getattr(one.bounds, key)
        factor = noise.choice([1.01, 1.5, 3.0]) if key == "max" else noise.choice([0.99, 0.5, 0.1])
        said[key] = f"{float(own or 1) * factor!r}" + ("" if one.bounds.stored == "1" else f" {one.bounds.stored}")
    try:
        return granted(Waiver.model_validate(said), one, (one.policy.id,), lambda *_: Where("w.yaml", 1))
    except (ValidationError, UsageError):
        return None


def draw(seed: int, con: duckdb.DuckDBPyConnection) -> tuple[PolicySet, str, bool]:
    """Fill `fact` and `unit`, and return policies, as-of and whether there is no history."""
    noise = random.Random(seed)  # noqa: S311 -- cases, not secrets
    create(con)
    amounts = [
        (noise.choice(NAMES["run_id"]), "tokens", noise.choice([*NASTY, 1.0, 1e6, 125_000.0, 3e11, 1e-12]))
        for _ in range(noise.randint(0, 20))
    ]
    is_sound = noise.random() < 0.67
    insert(con, [fact(noise, is_sound=is_sound) for _ in range(noise.randint(0, 9))], units=amounts)
    chosen: list[Loaded] = []
    while len(chosen) < POLICIES:
        one = loaded(policy(noise, len(chosen)))
        if one is not None:
            chosen.append(one)
    drawn = (waiver(noise, noise.choice(chosen), number) for number in range(POLICIES * 2))
    waivers = tuple(one for one in drawn if one is not None)
    ordered = tuple(sorted(chosen, key=lambda one: one.policy.id))
    as_of = noise.choice(["latest", "2026-10-01T00:00:00Z", "2026-09-30T23:59:59.999999Z", "2026-12-31"])
    return PolicySet(ordered, f"seed {seed}", waivers), as_of, noise.random() < 0.2


def disagreements(judged_by: PolicySet, one: Judgement, other: Judgement) -> Iterator[str]:
    """Name the verdicts that differ."""
    for ours, theirs in zip(one.verdicts, other.verdicts, strict=False):
        if ours != theirs:
            policy = "" if ours.policy == WAIVERS else judged_by[ours.policy].policy
            yield f"{judged_by.digest}: {policy}\n  {ours}\n  {theirs}"
    if len(one.verdicts) != len(other.verdicts):
        yield f"{judged_by.digest}: {len(one.verdicts)} verdicts by SQL, {len(other.verdicts)} by the reference"


def run(cases: int, seed: int = 1) -> dict[str, int]:
    """Judge so many cases by both evaluators; return how often each verdict came, or stop at the first difference."""
    seen: dict[str, int] = {}
    done = 0
    with duckdb.connect(config={"threads": 1}) as con:
        while done < cases:
            chosen, as_of, no_history = draw(seed, con)
            by_sql = judge(con, chosen, as_of=as_of, no_history=no_history)
            by_rows = judge_by_reference(con, chosen, as_of=as_of, no_history=no_history)
            found = list(disagreements(chosen, by_sql, by_rows))
            if found or by_sql != by_rows:
                raise AssertionError("\n".join(found) or f"{chosen.digest}: the judgements differ")
            for name, number in by_sql.summary.items():
                seen[name] = seen.get(name, 0) + number
            seen["waivers"] = seen.get("waivers", 0) + sum(one.policy == WAIVERS for one in by_sql.verdicts)
            done += len(chosen.policies)
            seed += 1
            if done % 10_000 < POLICIES and done < cases:
                sys.stderr.write(f"{done} cases agree\n")
    return {"cases": done, **seen}


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    sys.stdout.write(f"both evaluators agree: {run(*(numbers or [100_000]))}\n")
