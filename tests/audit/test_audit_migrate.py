"""Stores of every schema that was released: they open, verify, are upgraded by the next commit, and verify again."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

import duckdb
import pytest

from green.audit import commit, definitions, migrate, schema, store, verify
from green.errors import StoreError
from tests.core.test_core_ledger import fill

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("schema-*.xz"))


@pytest.fixture(params=FIXTURES, ids=lambda path: path.name)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "audit" / "green.duckdb"
    path.parent.mkdir()
    path.write_bytes(lzma.decompress(request.param.read_bytes()))
    return path


def ledger_of(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute("SELECT seq, payload, hash FROM ledger ORDER BY seq").fetchall()


def attack(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as con:
        for sql in statements:
            con.execute(sql)


def test_every_released_schema_has_a_fixture_and_a_number_of_its_own() -> None:
    numbers = [one.version for one in migrate.RELEASED]
    assert numbers == sorted(set(numbers))
    assert {int(path.name.split("-")[1]) for path in FIXTURES} == set(numbers)
    assert max(numbers) <= schema.SCHEMA_VERSION


def test_fixture_is_of_the_schema_that_is_pinned(old: Path) -> None:
    with duckdb.connect(str(old), read_only=True) as con:
        found = migrate.version_of(con)
    assert found in {(one.version, one.checksum) for one in migrate.RELEASED}


def test_old_store_verifies_and_says_what_it_could_not_compare(old: Path) -> None:
    proof = verify.verify(old)
    assert proof.wrong == []
    assert "every projection is what the ledger says" in proof.established
    assert any("views and formulas are those of schema 1" in line for line in proof.open)


def test_old_store_is_read_with_the_views_of_now_and_not_touched(old: Path) -> None:
    before = old.read_bytes()
    with store.reader(old) as con:
        assert con.execute("SELECT list(run_id ORDER BY run_id) FROM runs").fetchone() == (["a", "b", "c"],)
        (history,) = con.execute("SELECT superseded_because FROM run_history WHERE superseded_by > 0").fetchall()
        assert history == (["inputs"],)
    assert old.read_bytes() == before


def test_next_commit_upgrades_an_old_store_keeps_its_history_and_says_so(old: Path) -> None:
    before = ledger_of(old)
    receipt = commit.commit(store.Paths(old), fill("new"))
    assert receipt.notes == ["the store was brought from schema 1 to schema 2"]
    after = ledger_of(old)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 2
    proof = verify.verify(old)
    assert proof.wrong == []
    assert "views and formulas are those of this version" in proof.established
    assert commit.commit(store.Paths(old), fill("new")).notes == [], "once"


def test_old_store_whose_history_was_changed_is_not_upgraded(old: Path) -> None:
    attack(old, "UPDATE ledger SET actor = 'actor-x' WHERE seq = 7")
    before = ledger_of(old)
    with pytest.raises(StoreError, match="event 7"):
        commit.commit(store.Paths(old), fill("new"))
    assert ledger_of(old) == before


def test_edited_projection_of_an_old_store_is_found(old: Path) -> None:
    attack(old, "UPDATE run SET energy_kwh = 0")
    assert any(line.startswith("projection run: ") for line in verify.verify(old).wrong)


def test_newer_store_is_refused_with_exit_5(old: Path) -> None:
    attack(old, f"UPDATE store SET schema_version = {schema.SCHEMA_VERSION + 1}")
    for use in (store.reader, verify.verify, lambda path: commit.commit(store.Paths(path), fill("new"))):
        with pytest.raises(StoreError, match="newer green") as caught:
            use(old)
        assert (caught.value.exit_code, caught.value.mend) == (5, "upgrade green-ledger")


def test_store_that_claims_an_older_schema_than_its_ledger_says_is_found(old: Path) -> None:
    commit.commit(store.Paths(old), fill("new"))
    released = migrate.RELEASED[0]
    attack(
        old,
        f"UPDATE store SET schema_version = {released.version}, checksum = '{released.checksum}'",
        "CREATE OR REPLACE VIEW runs AS SELECT 1 AS x",
    )
    shutil.copyfile(old, store.Paths(old).work)
    assert "the store says that it has schema 1, its ledger says schema 2" in verify.verify(old).wrong


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
