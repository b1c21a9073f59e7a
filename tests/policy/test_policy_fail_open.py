"""Nothing that is missing, blank, not a number, negative or mistyped ever passes: in no policy that is shipped or shown."""

# ruff: noqa: E501 -- a case stands in one line
from __future__ import annotations

import copy
import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from facts_for_tests import at, facts
from ruamel.yaml import YAML

from green.errors import UsageError
from green.policy.judge import judge, judge_by_reference
from green.policy.load import Loaded, PolicySet, load
from green.policy.metrics import CATALOGUE
from green.policy.model import AllowPolicy, BudgetPolicy, IntensityPolicy, LimitPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
END = at("2026-11-15T00:00:00Z")
PAGE = (REPOSITORY / "docs" / "policies.md").read_text(encoding="utf-8").split("```yaml\n")[1:3]
SHOWN = "".join(block.split("```")[0].removeprefix("policies:\n") for block in PAGE)


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown")
    (folder / "shown.yaml").write_text(SHOWN, encoding="utf-8")
    return folder


@pytest.fixture(scope="session", params=["policies", "policies/catalogue", "shown"])
def chosen(request: pytest.FixtureRequest, shown: Path) -> PolicySet:
    return load(shown if request.param == "shown" else REPOSITORY / request.param, shown=request.param)


def verdicts(policies: PolicySet, row: dict[str, Any], amount: Any) -> set[str]:
    """Return what both evaluators find for one run, its group or its policy."""
    units = [("run", "tokens", amount), ("run", "requests", amount)] if amount != () else []
    with facts(row, units=units) as con:
        found = judge(con, policies, as_of="2026-11-15T00:00:00Z")
        assert judge_by_reference(con, policies, as_of="2026-11-15T00:00:00Z") == found
    return {one.verdict for one in found.verdicts}


def bounded(loaded: Loaded) -> tuple[str, float, float] | None:
    """Return metric column, a value well inside the bounds, and one well outside of them."""
    if loaded.bounds is None:
        return None
    bounds = loaded.bounds
    scale = bounds.scale if isinstance(loaded.policy, IntensityPolicy) else (1.0, 1.0, 1.0, 1.0)
    back = scale[1] / scale[0] * scale[2] / scale[3]  # of an amount of one
    column = CATALOGUE[loaded.policy.metric].column  # type: ignore[union-attr]
    if bounds.max is not None:
        return column, float(bounds.max) * back / 4, float(bounds.max) * back * 4
    assert bounds.min is not None
    return column, (float(bounds.min) + 1) / 2, float(bounds.min) / 4


def good(loaded: Loaded) -> tuple[dict[str, Any], Any]:
    """Return a run that passes a policy, with everything that any policy needs, and its amounts."""
    row: dict[str, Any] = {
        "run_id": "run", "project": "p", "team": "t", "model": "m", "kind": "training", "status": "completed", "region": "FR",
        "site": "s", "parent": "q", "labels": {}, "started_at": END - 10**9, "ended_at": END - 1, "duration_s": 999.0,
        "method": "sampled", "quality_tier": "measured", "hardware": ["A100"], "coverage_ratio": 1.0,
    }  # fmt: skip
    row |= {name: values[0] for name, values in loaded.policy.select.fields().items()}
    if (found := bounded(loaded)) is not None:
        column, value, _ = found
        row |= {column: value, f"{column}_low": value * 0.99, f"{column}_high": value * 1.001}
    return row, 1.0


def needed(loaded: Loaded) -> set[str]:
    """Name the fields that decide a verdict, by the meaning of the policy and not by its compiler."""
    policy = loaded.policy
    names = set(policy.select.fields())
    if policy.select.not_ is not None:
        names |= set(policy.select.not_.fields())
    if isinstance(policy, AllowPolicy):
        return names | {policy.field}
    if isinstance(policy, LimitPolicy | BudgetPolicy | IntensityPolicy):
        metric = CATALOGUE[policy.metric]
        names.add(metric.column)
        if metric.has_interval and loaded.bounds is not None and loaded.bounds.max is not None:
            names.add(f"{metric.column}_high")
        names |= {"amount"} if isinstance(policy, IntensityPolicy) else set()
        return names | ({"ended_at"} if isinstance(policy, BudgetPolicy) else set())
    for check in policy.all:
        names |= set(check.present or ()) | ({CATALOGUE[check.metric].column} if check.metric else set())
    return names


def broken(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give the ways in which a field may be wrong."""
    yield "deleted", None
    if isinstance(value, list):
        yield from (("blank", []), ("blank item", [*value, ""]), ("space", [" "]), ("deleted item", [None]))
    elif name in {"started_at", "ended_at"}:
        return
    elif isinstance(value, str):
        yield from (("blank", ""), ("spaces", "   "))
        if name in {"kind", "status", "quality_tier"}:
            yield from (("mistyped", f"{value}x"), ("not a number", "NaN"), ("negative", f"-{value}"))
    else:
        yield from (
            ("not a number", math.nan),
            ("negative", -value or -1.0),
            ("infinite", math.inf),
            ("below", -math.inf),
        )


def test_a_run_with_a_needed_field_missing_blank_or_wrong_never_passes(chosen: PolicySet) -> None:
    tried = 0
    for loaded in chosen.policies:
        only = chosen.only(loaded.policy.id)
        row, amount = good(loaded)
        assert verdicts(only, row, amount) == {"pass"}, loaded.policy.id
        for name in sorted(needed(loaded)):
            for how, wrong in broken(name, amount if name == "amount" else row[name]):
                changed = row if name == "amount" else {**row, name: wrong}
                if name == "ended_at":
                    changed = {**changed, "started_at": None}  # its start and duration would stand in for it
                found = verdicts(only, changed, (() if wrong is None else wrong) if name == "amount" else amount)
                assert not found & {"pass", "warn", "waived"}, (loaded.policy.id, name, how)
                tried += 1
    assert tried > 20


NOT_NEEDED = {
    "because",
    "mend",
    "enforcement",
    "on_unknown",
    "must_match",
    "warn_above",
    "count",
    "group_by",
    "title",
    "id",
}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Give every key of a policy that decides, and every item of its lists."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in NOT_NEEDED or path:
                yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, number))


def mutated(policy: dict[str, Any], path: tuple[Any, ...], value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a policy with one key wrong in each of the ways in which a hand can slip."""
    wrong = [("blank", ""), ("not a number", math.nan), ("null", None), ("list", []), ("mapping", {})]
    if isinstance(value, str):
        wrong += [
            ("negative", f"-{value}"),
            ("mistyped", f"{value}x"),
            ("spaces", "  "),
            ("no unit", value.split(" ", maxsplit=1)[0]),
        ]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        wrong += [("negative", -value), ("text", str(value) + "x"), ("infinite", math.inf)]
    for how, new in wrong:
        if new == value:
            continue
        changed = copy.deepcopy(policy)
        _set(changed, path, new)
        yield how, changed
    changed = copy.deepcopy(policy)
    _delete(changed, path)
    yield "deleted", changed
    if isinstance(path[-1], str):
        changed = copy.deepcopy(policy)
        parent = changed
        for part in path[:-1]:
            parent = parent[part]
        parent[f"{path[-1]}s"] = parent.pop(path[-1])
        yield "key mistyped", changed


def _set(policy: Any, path: tuple[Any, ...], new: Any) -> None:
    for part in path[:-1]:
        policy = policy[part]
    policy[path[-1]] = new


def _delete(policy: Any, path: tuple[Any, ...]) -> None:
    for part in path[:-1]:
        policy = policy[part]
    del policy[path[-1]]


def bad(loaded: Loaded) -> list[tuple[dict[str, Any], Any]]:
    """Return runs that break a policy, each in one way."""
    row, amount = good(loaded)
    if (found := bounded(loaded)) is not None:
        column, _, value = found
        return [({**row, column: value, f"{column}_low": value, f"{column}_high": value}, amount)]
    if isinstance(loaded.policy, AllowPolicy):
        value = ["K80"] if loaded.policy.field == "hardware" else "XX"
        return [({**row, loaded.policy.field: value}, amount)]
    nothing = {"run_id": "run", "kind": "training"}
    return [({**nothing, **{name: v[0] for name, v in loaded.policy.select.fields().items()}}, amount)]


def test_a_policy_with_a_needed_key_missing_blank_or_wrong_lets_nothing_pass(chosen: PolicySet, tmp_path: Path) -> None:
    yaml = YAML(typ="safe", pure=True)
    refused = tried = judged = 0
    for loaded in chosen.policies:
        text = _text(loaded)
        policy = yaml.load(text)[0]
        for path, value in leaves(policy):
            for how, changed in mutated(policy, path, value):
                if loaded.policy.kind == "require" and path[0] == "all" and len(path) > 1 and how == "deleted":
                    continue  # a requirement that is taken away is a decision, not a slip
                file = tmp_path / "p.yaml"
                with file.open("w", encoding="utf-8") as stream:
                    YAML(typ="safe", pure=True).dump(
                        {"apiVersion": "green/v1", "bundle": {"id": "b", "version": "1"}, "policies": [changed]}, stream
                    )
                try:
                    found = load(file)
                except UsageError as error:
                    refused += bool(error.where is not None and error.where.line and error.where.column)
                    tried += 1
                    continue
                for row, amount in bad(loaded):
                    assert "pass" not in verdicts(found, row, amount), (loaded.policy.id, path, how, changed)
                judged += 1
    assert refused == tried > 100, "a mistake was refused without its place"
    assert judged > 5


def _text(loaded: Loaded) -> str:
    """Return a policy as it is written."""
    whole = (
        SHOWN if loaded.where.file.startswith("shown") else (REPOSITORY / loaded.where.file).read_text(encoding="utf-8")
    )
    lines = whole.splitlines()[loaded.where.line - 1 :]
    end = next((n for n, line in enumerate(lines) if n and line.startswith("- id:")), len(lines))
    return "\n".join(lines[:end]) + "\n"


def test_a_bound_is_exact_to_one_unit_in_the_last_place(chosen: PolicySet) -> None:
    tried = 0
    for loaded in chosen.policies:
        if loaded.bounds is None:
            continue
        only = chosen.only(loaded.policy.id)
        row, amount = good(loaded)
        column = CATALOGUE[loaded.policy.metric].column  # type: ignore[union-attr]
        for bound, beyond in ((loaded.bounds.max, math.inf), (loaded.bounds.min, -math.inf)):
            if bound is None:
                continue
            edge = float(bound)
            if isinstance(loaded.policy, IntensityPolicy):
                edge, amount = _edge(loaded, edge)
            for value, allowed in ((edge, {"pass", "warn"}), (math.nextafter(edge, beyond), {"fail"})):
                point = {**row, column: value, f"{column}_low": None, f"{column}_high": None}
                assert verdicts(only, point, amount) <= allowed, (loaded.policy.id, value)
            tried += 1
    assert tried


def _edge(loaded: Loaded, limit: float) -> tuple[float, float]:
    """Return a figure and an amount whose ratio is the limit itself, and more for the next larger figure."""
    assert loaded.bounds is not None
    up, down, per_up, per_down = loaded.bounds.scale
    amount = 2.0**40 * per_down / per_up
    figure = limit * down / up * (amount * per_up / per_down)
    while loaded.bounds.ratio(figure, amount) > limit:
        figure = math.nextafter(figure, 0)
    while loaded.bounds.ratio(math.nextafter(figure, math.inf), amount) <= limit:
        figure = math.nextafter(figure, math.inf)
    return figure, amount


def test_a_budget_is_exact_to_the_last_place_of_its_decimals(chosen: PolicySet) -> None:
    for loaded in chosen.policies:
        if not isinstance(loaded.policy, BudgetPolicy) or loaded.bounds is None or loaded.bounds.max is None:
            continue
        only = chosen.only(loaded.policy.id)
        row, _ = good(loaded)
        column = CATALOGUE[loaded.policy.metric].column
        third = float(loaded.bounds.max / 4)
        assert Decimal(repr(third)) * 4 == loaded.bounds.max
        ends = {f"{column}_low": None, f"{column}_high": None}
        parts = [{**row, "run_id": f"r{n}", column: third, **ends} for n in range(4)]
        for more, allowed in ((0.0, {"pass", "warn"}), (1e-18, {"fail"})):
            with facts(*parts, {**row, "run_id": "more", column: more, **ends}) as con:
                found = judge(con, only, as_of="2026-11-15T00:00:00Z")
                assert judge_by_reference(con, only, as_of="2026-11-15T00:00:00Z") == found
            assert {one.verdict for one in found.verdicts} <= allowed, (loaded.policy.id, more)
