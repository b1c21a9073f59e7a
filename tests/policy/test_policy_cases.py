"""Cases hold the shipped policies to their meaning, and the committed texts to the policies."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from facts_for_tests import policies

from docs import catalogue
from green import yaml
from green.errors import UsageError
from green.policy.cases import run_cases
from green.policy.load import load, policy_files
from green.policy.schema import metric_table, policy_table, schema_text

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "policies"
CATALOGUE = SHIPPED / "catalogue"
LIMIT = "- {id: A, title: t, kind: limit, metric: energy.it, limit: {max: 5 kWh}}\n"


def cases(folder: Path, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "A.yaml").write_text(text, encoding="utf-8")
    return str(run_cases(folder, policies(folder.parent / "set", LIMIT + LIMIT.replace("id: A", "id: B"))))


@pytest.mark.parametrize("folder", [SHIPPED, CATALOGUE], ids=["shipped", "catalogue"])
def test_every_shipped_policy_has_cases_that_pass(folder: Path) -> None:
    report = run_cases(folder, load(folder))
    assert report.is_passed, str(report)
    assert report.untested == ()
    assert str(report).endswith(f"0 of {len(load(folder).policies)} policies untested")


@pytest.mark.parametrize("folder", [SHIPPED, CATALOGUE], ids=["shipped", "catalogue"])
def test_every_shipped_policy_says_why_and_how_to_mend(folder: Path) -> None:
    for loaded in load(folder).policies:
        assert loaded.policy.because, loaded.policy.id
        assert loaded.policy.mend, loaded.policy.id


def test_the_catalogue_applies_only_where_it_is_named() -> None:
    shipped, catalogue = load(SHIPPED), load(CATALOGUE)
    assert len(shipped.policies) == 6
    assert not {one.policy.id for one in shipped.policies} & {one.policy.id for one in catalogue.policies}


def test_the_shipped_policies_cover_what_an_organisation_starts_with() -> None:
    every = [*load(SHIPPED).policies, *load(CATALOGUE).policies]
    kinds = {(one.policy.kind, getattr(one.policy, "metric", getattr(one.policy, "field", ""))) for one in every}
    assert kinds >= {
        ("limit", "energy.facility"),
        ("limit", "carbon.total"),
        ("budget", "energy.facility"),
        ("budget", "carbon.total"),
        ("intensity", "carbon.operational"),
        ("limit", "site.pue"),
        ("allow", "region"),
        ("require", ""),
        ("limit", "share.embodied"),
        ("limit", "share.idle"),
    }


@pytest.mark.parametrize(
    ("of", "file"),
    [
        ("policies", "schema.json"),
        ("waivers", "waivers.schema.json"),
        ("scope", "scope.schema.json"),
    ],
)
def test_the_committed_schema_is_the_one_of_the_models(of: str, file: str) -> None:
    mend = f"write it anew: green policy schema {of} > policies/{file}"
    assert (SHIPPED / file).read_text(encoding="utf-8") == schema_text(of), mend


def test_the_schema_takes_the_shipped_policies_and_refuses_a_mistake() -> None:
    schema = json.loads(schema_text())
    for file in [*policy_files(SHIPPED), *policy_files(CATALOGUE)]:
        value = yaml.load(file).value
        jsonschema.validate(value, schema)
        value["policies"][0]["metric"] = "energy.total"
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, schema)


def test_the_tables_of_the_documents_are_made_from_the_code() -> None:
    mend = "copy the text that policy_table and metric_table of green.policy.schema return"
    assert policy_table(load(SHIPPED)) in (SHIPPED / "README.md").read_text(encoding="utf-8"), mend
    assert metric_table() in (REPOSITORY / "docs" / "policies.md").read_text(encoding="utf-8"), mend


def test_the_policies_of_the_documentation_load(tmp_path: Path) -> None:
    blocks = (REPOSITORY / "docs" / "policies.md").read_text(encoding="utf-8").split("```yaml\n")[1:3]
    first, second = (block.split("```")[0] for block in blocks)
    (tmp_path / "p.yaml").write_text(first + second.removeprefix("policies:\n"), encoding="utf-8")
    assert [one.policy.kind for one in load(tmp_path).policies] == [
        "budget",
        "limit",
        "intensity",
        "require",
        "allow",
    ]


def test_a_case_fails_on_another_verdict_and_on_one_that_nobody_expected(tmp_path: Path) -> None:
    text = """policy: A
cases:
- name: wrong
  given:
  - {run_id: a, metrics: {energy.it: 6 kWh}}
  - {run_id: b, metrics: {energy.it: 6 kWh}}
  - {run_id: c, metrics: {energy.it: 1 kWh}}
  expect:
  - {subject: a, verdict: pass}
  - {subject: z, verdict: pass}
"""
    shown = cases(tmp_path / "cases", text)
    assert "cases/A.yaml:3:3: A, wrong: expected pass for a, found fail" in shown
    assert "expected pass for z, found no verdict" in shown
    assert "did not expect fail for b" in shown
    assert "for c" not in shown
    assert shown.endswith("1 cases, 1 failed\n1 of 2 policies untested: B")


def test_a_case_checks_the_reason_and_reads_functional_units(tmp_path: Path) -> None:
    given = "policy: A\ncases:\n- name: n\n  given: [{run_id: a, units: {tokens: 3 Gtoken}}]\n  expect:\n"
    right = cases(tmp_path / "cases", given + "  - {subject: a, verdict: unknown, reason: MISSING_METRIC}\n")
    wrong = cases(tmp_path / "cases", given + "  - {subject: a, verdict: unknown, reason: NO_PUE}\n")
    assert "1 cases, 0 failed" in right
    assert "expected reason NO_PUE for a, found MISSING_METRIC" in wrong


@pytest.mark.parametrize(
    ("part", "what"),
    [
        ("metrics: {energy.it: 6 kwh}", "kwh"),
        ("metrics: {energy.ti: 6 kWh}", "energy.ti"),
        ("colour: red", "unknown key"),
    ],
)
def test_a_mistake_in_a_case_is_refused_with_its_place(tmp_path: Path, part: str, what: str) -> None:
    text = (
        f"policy: A\ncases:\n- name: n\n  given: [{{run_id: a, {part}}}]\n  expect: [{{subject: a, verdict: pass}}]\n"
    )
    with pytest.raises(UsageError, match=what) as caught:
        cases(tmp_path / "cases", text)
    assert caught.value.where is not None
    assert caught.value.where.line in {3, 4}
    with pytest.raises(UsageError, match='no policy "C"'):
        cases(tmp_path / "cases", text.replace("policy: A", "policy: C").replace(part, "team: x"))


def test_the_page_of_shipped_policies_is_made_from_them() -> None:
    assert catalogue.PAGE.read_text(encoding="utf-8") == catalogue.page(), f"run `{catalogue.COMMAND}`"
    heads = {line[3:] for line in catalogue.page().splitlines() if line.startswith("## ")}
    assert heads == {one.policy.id for folder in (SHIPPED, CATALOGUE) for one in load(folder).policies}
