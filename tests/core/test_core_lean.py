"""What a job leaves out so that it starts lean: nothing that it leaves out may change a result."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from green import check, stages
from green.audit import store
from green.index import write_parts
from green.output import json as as_json
from green.policy import files as listing
from green.policy import load as policies
from green.sql import FORMULA, formulas_in, text_of
from tests.core.helper import Work
from tests.report_names import POLICIES, record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    made = Work(tmp_path_factory.mktemp("lean"))
    made.put("over/run.yaml", record(energy="100 kWh ± 10 %"))
    made.put("nopue/run.yaml", record(energy="20 kWh", pue=None, team="beta"))
    made.ledgered()
    (made.folder / "policies.yaml").write_text(POLICIES)
    return made


@pytest.mark.parametrize("name", sorted(stages.STAGES))
def test_a_stage_has_every_formula_that_it_calls(name: str) -> None:
    every = {one[1] for one in FORMULA.finditer(text_of("formulas"))}
    has = {one[1] for one in FORMULA.finditer(formulas_in(text_of(name)))}
    with stages.connect(calls=text_of(name)) as con:
        made = {
            row[0] for row in con.execute("SELECT function_name FROM duckdb_functions() WHERE NOT internal").fetchall()
        }
    assert has == made
    assert has < every
    texts = text_of(name) + formulas_in(text_of(name))
    assert {one for one in every if f"{one}(" in texts} <= has


def test_the_formulas_of_a_text_are_closed_and_in_their_order() -> None:
    found = formulas_in("SELECT per_unit(1, 2), no_such(3)")
    assert [one[1] for one in FORMULA.finditer(found)] == ["per_unit"]
    assert formulas_in("SELECT 1") == ""
    assert "CREATE OR REPLACE MACRO dies_per_wafer" in formulas_in("wafer_mm2(1, 2)")


def test_metrics_that_no_policy_names_change_no_verdict(work: Work) -> None:
    chosen = policies.load(work.folder / "policies.yaml", shown="policies.yaml")
    digests = []
    for given in (None, chosen):
        with store.reader(work.store) as con:
            check.facts(con, given)
            unnamed = con.execute("SELECT count(water_l) FROM fact").fetchone()
            digests.append(check.judge(con, chosen, as_of="latest").digest)
    assert unnamed == (0,)
    assert digests[0] == digests[1]


def test_parts_written_are_the_text(work: Work, tmp_path: Path) -> None:
    chosen = policies.load(work.folder / "policies.yaml", shown="policies.yaml")
    found = check.check(work.store, chosen, as_of="latest", commit=False).judgement
    out = tmp_path / "deep" / "verdicts.json"
    write_parts(out, as_json.parts(found))
    assert out.read_text(encoding="utf-8") == as_json.render(found)
    before = out.stat().st_ino
    write_parts(out, as_json.parts(found))
    assert out.stat().st_ino == before
    write_parts(out, ["other"])
    assert out.read_text(encoding="utf-8") == "other"
    assert [path.name for path in out.parent.iterdir()] == ["verdicts.json"]


def test_a_store_is_looked_into_again_as_soon_as_it_was_touched(work: Work, tmp_path: Path) -> None:
    copy = tmp_path / "audit" / "green.duckdb"
    copy.parent.mkdir()
    copy.write_bytes(work.store.read_bytes())
    receipt, note = tmp_path / "audit.json", tmp_path / "cache" / "identity.txt"
    with store.reader(copy) as con:
        head = con.execute("SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
    assert head is not None
    receipt.write_text(json.dumps({"head": head[0]}))
    first = store.identity(copy, [receipt], note)
    assert store.identity(copy, [receipt], note) == first == store.identity(copy, [receipt])
    note.write_text(note.read_text().partition(" ")[0] + " noted\n")
    assert store.identity(copy, [receipt], note) == "noted"  # so it is not opened
    copy.write_bytes(work.store.read_bytes())  # the same bytes, put there by somebody
    assert store.identity(copy, [receipt], note) == first
    receipt.write_text(json.dumps({"head": "0" * 64}))
    assert store.identity(copy, [receipt], note) not in {"noted", first}
    store.remember(copy, [receipt], note, "left by a job")
    assert store.identity(copy, [receipt], note) == "left by a job"
    copy.unlink()
    assert store.identity(copy, [receipt], note) != "left by a job"


def test_files_of_policies_are_listed_without_the_models() -> None:
    program = (
        "import sys; from pathlib import Path; from green.policy.files import files\n"
        "print(len(files(Path('policies')))); assert 'pydantic' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    from pathlib import Path  # noqa: PLC0415 -- beside its one use

    assert int(done.stdout) == len(policies.files(Path("policies"))) == len(listing.files(Path("policies")))


def test_a_report_needs_no_models(work: Work) -> None:
    program = "import sys, green.report, green.output.html; assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=work.folder)
