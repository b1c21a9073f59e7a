"""The house keeps its order: one name per stage everywhere, head-notes that are true, committed files up to date."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from green import config, pipeline, stages
from green.ingest import ORDER
from green.tables import INGEST
from tests.conftest import REPO

SQL = REPO / "green" / "sql"
PIPELINE = ("ingest", "energy", "embodied", "emissions", "audit", "check", "report")
HEAD = re.compile(r"^-- (reads|gives|setting)\s+(.*)$|^--\s{9,}(\S.*)$")


def head(name: str) -> dict[str, str]:
    """Return the notes at the head of a SQL file, continued lines joined."""
    notes: dict[str, str] = {}
    key = ""
    for line in (SQL / f"{name}.sql").read_text().splitlines():
        if not line.startswith("--"):
            break
        match = HEAD.match(line)
        if match is None:
            key = ""
        elif match[1]:
            key = match[1]
            notes[key] = f"{notes.get(key, '')} {match[2]}"
        elif key:
            notes[key] += f" {match[3]}"
    return notes


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_has_one_name_everywhere(stage: str) -> None:
    rule = REPO / "rules" / f"{stage}.smk"
    assert re.search(rf"^rule {stage}:$", rule.read_text(), re.MULTILINE), f"{rule.name} has no rule {stage}"
    assert f"green stage {stage}" in rule.read_text()
    assert f'include: "rules/{stage}.smk"' in (REPO / "Snakefile").read_text()
    assert stage in config.Config.model_fields, f"config.yaml has no key {stage}:"
    assert re.search(rf"^#? ?{stage}:", (REPO / "config.yaml").read_text(), re.MULTILINE), f"{stage}: is not explained"


@pytest.mark.parametrize("name", sorted(stages.STAGES))
def test_a_sql_stage_has_its_file_table_results_tests_and_settings(name: str) -> None:
    stage = stages.STAGES[name]
    assert (SQL / f"{name}.sql").exists()
    assert list((REPO / "tests" / "sql" / name).glob("*.yaml"))
    assert set(pipeline.settings(config.Config())) >= {name}
    notes = head(name)
    assert re.search(rf"\b{name}\(", notes["gives"])
    assert set(re.findall(r"(\w+)\(", notes["reads"])) == set(stage.reads)
    assert set(re.findall(r"(\w+):", notes.get("setting", ""))) == set(stage.settings)


@pytest.mark.parametrize("name", sorted(stages.STAGES))
def test_head_note_names_columns_that_exist(name: str) -> None:
    notes = head(name)
    for table, columns in re.findall(r"(\w+)\(([^)]*)\)", f"{notes['reads']} {notes['gives']}"):
        named = {column.strip() for column in columns.split(",")} - {"...", ""}
        assert named <= set(stages.COLUMNS[table]), f"{name}.sql: {table}"


def test_rules_hold_no_python_and_only_green_commands() -> None:
    for rule in sorted((REPO / "rules").glob("*.smk")):
        text = rule.read_text()
        assert not re.search(r"^\s+(run|script):", text, re.MULTILINE), rule.name
        for command in re.findall(r"shell:\s*\n\s+\"([^\"]*)", text):
            assert command.startswith("green "), f"{rule.name}: {command}"
        for imported in re.findall(r"^from (\S+)", text, re.MULTILINE):
            assert imported == "green.pipeline", rule.name


def test_committed_schema_of_the_configuration_is_current() -> None:
    kept = json.loads((REPO / "green" / "config.schema.json").read_text())
    mend = 'python -c "import json; from green import config; print(json.dumps(config.schema(), indent=2))"'
    assert kept == json.loads(json.dumps(config.schema())), f"write it anew: {mend} > green/config.schema.json"


def test_every_ingest_table_has_an_order_and_every_column_a_unit_or_none() -> None:
    assert set(ORDER) == set(INGEST)
    numbers = {
        name
        for columns in stages.COLUMNS.values()
        for name, kind in columns.items()
        if kind == "DOUBLE" or kind.startswith("DECIMAL")
    }
    unitless = re.compile(r"^(pue|load|share|utilisation)(_low|_high)?$|^(count|value|low|high|amount|\w+_ratio)$")
    unit = re.compile(r"_(w|j|s|h|us|gb|flop|kwh|kgco2e|l|usd|gco2e_per_kwh|l_per_kwh|usd_per_kwh)(_low|_high)?$")
    bare = {name for name in numbers if not unit.search(name) and not unitless.search(name)}
    assert bare == set(), "a number's name ends in its unit"


def test_no_path_of_a_machine_and_no_registry_in_the_tree() -> None:
    found = []
    pattern = re.compile(r"(?<![\w.])/(home|root|Users)/\w|" + "py" + r"pi\.org|pythonhos" + r"ted\.org")
    for path in REPO.rglob("*"):
        parts = path.relative_to(REPO).parts
        if path.is_file() and parts[0] not in {".git", ".venv", "results", "audit"} and not parts[0].startswith("."):
            text = path.read_bytes().decode("utf-8", "replace")
            found += [f"{path.relative_to(REPO)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_modules_stay_small() -> None:
    long = {p.relative_to(REPO): n for p in REPO.glob("green/**/*.py") if (n := len(p.read_text().splitlines())) > 330}
    assert long == {}, "near 250 lines is the house's measure"
    assert Path(REPO / "Snakefile").read_text().count("\n") < 60
