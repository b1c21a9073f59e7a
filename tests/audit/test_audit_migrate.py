"""Stores of every schema that was released: they open, verify, are upgraded by the next commit, and verify again."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

import duckdb
import pytest

from green.audit import commit, definitions, migrate, schema, store, verify
from green.errors import StoreError
from tests.audit.fixture import FIXTURES as FOLDER
from tests.audit.fixture import columns
from tests.core.test_core_ledger import fill

FIXTURES = sorted(FOLDER.glob("schema-*.xz"))
NEWEST = [path for path in FIXTURES if path.name.startswith(f"schema-{schema.SCHEMA_VERSION}-")]


def unpacked(packed: Path, folder: Path) -> Path:
    path = folder / "audit" / "green.duckdb"
    path.parent.mkdir()
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path


@pytest.fixture(params=FIXTURES, ids=lambda path: path.name)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpacked(request.param, tmp_path)


@pytest.fixture(params=[path for path in FIXTURES if path not in NEWEST], ids=lambda path: path.name)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a store of a schema with a lower number than ours."""
    return unpacked(request.param, tmp_path)


def ledger_of(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute("SELECT seq, payload, hash FROM ledger ORDER BY seq").fetchall()


def attack(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as con:
        for sql in statements:
            con.execute(sql)


def schema_of(path: Path) -> tuple[int, str]:
    with duckdb.connect(str(path), read_only=True) as con:
        return migrate.version_of(con)


def test_every_schema_has_a_fixture_and_a_number_of_its_own() -> None:
    numbers = [one.version for one in migrate.RELEASED]
    assert numbers == list(range(1, schema.SCHEMA_VERSION + 1)), (
        "a schema without its fixture: run `python -m tests.audit.fixture`, and write the line that it prints into"
        " migrate.RELEASED"
    )
    assert {int(path.name.split("-")[1]) for path in FIXTURES} == set(numbers)


@pytest.mark.parametrize("packed", NEWEST, ids=lambda path: path.name)
def test_tables_do_not_change_without_a_new_number(packed: Path, tmp_path: Path) -> None:
    with duckdb.connect() as con, duckdb.connect(str(unpacked(packed, tmp_path)), read_only=True) as old:
        schema.create(con)
        now, then = columns(con), columns(old)
    number = schema.SCHEMA_VERSION
    assert now == then, (
        f"the tables of the store are not those of schema {number}: {sorted(set(now) ^ set(then))[:3]}."
        f" Where schema {number} was released, raise schema.SCHEMA_VERSION to {number + 1}. Then run"
        " `python -m tests.audit.fixture` with DuckDB 1.5 and 2.0, and write the line that it prints into"
        " migrate.RELEASED, in the place of one of that number"
    )


def test_fixture_is_of_the_schema_that_is_pinned(old: Path) -> None:
    found = schema_of(old)
    assert found in {(one.version, one.checksum) for one in migrate.RELEASED}


def is_of_now(path: Path) -> bool:
    return schema_of(path) == (schema.SCHEMA_VERSION, schema.checksum())


def test_old_store_verifies_and_says_what_it_could_not_compare(old: Path) -> None:
    proof = verify.verify(old)
    assert proof.wrong == []
    assert "every projection is what the ledger says" in proof.established
    words = f"views and formulas are those of schema {schema_of(old)[0]}"
    assert any(words in line for line in proof.open) is not is_of_now(old)


def test_old_store_is_read_with_the_views_of_now_and_not_touched(old: Path) -> None:
    before = old.read_bytes()
    with store.reader(old) as con:
        assert con.execute("SELECT list(run_id ORDER BY run_id) FROM runs").fetchone() == (["a", "b", "c"],)
        history = con.execute("SELECT superseded_because FROM run_history WHERE superseded_by > 0").fetchall()
        assert [because for (because,) in history if "inputs" in because], history
    assert old.read_bytes() == before


def test_next_commit_upgrades_an_old_store_keeps_its_history_and_says_so(old: Path) -> None:
    before = ledger_of(old)
    number, is_current = schema_of(old)[0], is_of_now(old)
    said = f"the store was brought from schema {number} to schema {schema.SCHEMA_VERSION}"
    if number == schema.SCHEMA_VERSION:
        said = f"the store of schema {number} has the views and formulas of this version now"
    receipt = commit.commit(store.Paths(old), fill("new"))
    assert receipt.notes == ([] if is_current else [said])
    after = ledger_of(old)
    assert after[: len(before)] == before
    assert len(after) == len(before) + (1 if is_current else 2)
    proof = verify.verify(old)
    assert proof.wrong == []
    assert "views and formulas are those of this version" in proof.established
    assert commit.commit(store.Paths(old), fill("new")).notes == [], "once"


def test_old_store_whose_history_was_changed_is_not_upgraded(older: Path) -> None:
    attack(older, "UPDATE ledger SET actor = 'actor-x' WHERE seq = 7")
    before = ledger_of(older)
    with pytest.raises(StoreError, match="event 7"):
        commit.commit(store.Paths(older), fill("new"))
    assert ledger_of(older) == before


def test_edited_projection_of_an_old_store_is_found(old: Path) -> None:
    attack(old, "UPDATE run SET energy_kwh = 0")
    assert any(line.startswith("projection run: ") for line in verify.verify(old).wrong)


def test_newer_store_is_refused_with_exit_5(old: Path) -> None:
    attack(old, f"UPDATE store SET schema_version = {schema.SCHEMA_VERSION + 1}")
    for use in (store.reader, verify.verify, lambda path: commit.commit(store.Paths(path), fill("new"))):
        with pytest.raises(StoreError, match="newer green") as caught:
            use(old)
        assert (caught.value.exit_code, caught.value.mend) == (5, "upgrade green-ledger")


def test_store_that_claims_an_older_schema_than_its_ledger_says_is_found(older: Path) -> None:
    commit.commit(store.Paths(older), fill("new"))
    released = migrate.RELEASED[0]
    attack(
        older,
        f"UPDATE store SET schema_version = {released.version}, checksum = '{released.checksum}'",
        "CREATE OR REPLACE VIEW runs AS SELECT 1 AS x",
    )
    shutil.copyfile(older, store.Paths(older).work)
    assert "the store says that it has schema 1, its ledger says schema 2" in verify.verify(older).wrong


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("coalesce(s.is_counted, CAST('t' AS BOOLEAN))", "coalesce(s.is_counted, true)"),
        ("main.list_value(main.struct_pack(a := 1))", "list_value(struct_pack(a := 1))"),
        ('energy_kwh * CAST(3600000.0 AS "DOUBLE")', "energy_kwh * 3600000.0"),
    ],
)
def test_two_spellings_of_one_meaning_are_one_definition(one: str, other: str) -> None:
    assert definitions.meant(one) == definitions.meant(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CAST('t' AS BOOLEAN)", "false"),
        ("main.finite(x)", "finite(x)"),
        ("CAST(3600000.0 AS FLOAT)", "3600000.0"),
        ("CAST(3600000.0 AS DOUBLE)", "360000.0"),
    ],
)
def test_two_meanings_are_two_definitions(one: str, other: str) -> None:
    assert definitions.meant(one) != definitions.meant(other)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("COMMENT ON COLUMN run.energy_kwh IS 'energy, MWh'", "unit run.energy_kwh was changed"),
        ("CREATE TYPE mine AS VARCHAR", "type mine is not ours"),
        ("CREATE INDEX i ON run(run_id)", "index i is not ours"),
        ("CREATE SEQUENCE s", "sequence s is not ours"),
    ],
)
def test_changed_unit_and_things_that_are_not_ours_are_found(tmp_path: Path, statement: str, words: str) -> None:
    path = tmp_path / "green.duckdb"
    commit.commit(store.Paths(path), fill("one"))
    store.Paths(path).work.unlink()
    attack(path, statement)
    assert words in verify.verify(path).wrong
