"""Fourteen ways to change history, each many times over: which are found without a checkpoint, and which with one."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from green.audit import checkpoint, ledger, verify
from green.audit.commit import project
from green.audit.schema import PROJECTIONS
from tests.reliability.stores import small
from tests.reliability.table import Outcome

Attack = Callable[[Any, random.Random, int], None]  # connection, chance, number of events


def _edit(con: Any, rng: random.Random, size: int) -> None:
    con.execute("UPDATE ledger SET payload = payload || ' ' WHERE seq = ?", [rng.randint(1, size)])


def _edit_with_hash(con: Any, rng: random.Random, size: int) -> None:
    seq = rng.randint(1, size)
    con.execute("UPDATE ledger SET payload = replace(payload, '1', '2') || ' ' WHERE seq = ?", [seq])
    con.execute("UPDATE ledger SET payload_sha256 = sha256(payload) WHERE seq = ?", [seq])
    _relink(con, seq, seq)


def _delete_middle(con: Any, rng: random.Random, size: int) -> None:
    seq = rng.randint(1, size - 1)
    con.execute("DELETE FROM ledger WHERE seq = ?", [seq])
    if rng.random() < 0.5:  # and close the gap
        con.execute("UPDATE ledger SET seq = seq - 1 WHERE seq > ?", [seq])


def _cut_tail(con: Any, rng: random.Random, size: int) -> None:
    con.execute("DELETE FROM ledger WHERE seq > ?", [rng.randint(1, size - 2)])
    _reproject(con)


def _swap(con: Any, rng: random.Random, size: int) -> None:
    one, other = rng.sample(range(1, size + 1), 2)
    con.execute(
        "UPDATE ledger SET seq = CASE seq WHEN ? THEN ? ELSE ? END WHERE seq IN (?, ?)", [one, other, one, one, other]
    )


def _projection(con: Any, rng: random.Random, size: int) -> None:
    del size
    figure = rng.choice(
        ["energy_kwh", "operational_kgco2e", "embodied_kgco2e", "emissions_kgco2e", "pue", "duration_s"]
    )
    con.execute(f"UPDATE run SET {figure} = {figure} * ? WHERE run_id = ?", [rng.uniform(0.1, 0.9), rng.choice("abc")])


def _factor(con: Any, rng: random.Random, size: int) -> None:
    del size
    rows = con.execute("SELECT factor_id FROM factor WHERE value <> 0 ORDER BY factor_id").fetchall()
    con.execute("UPDATE factor SET value = value * ? WHERE factor_id = ?", [rng.uniform(0.1, 0.9), *rng.choice(rows)])


def _rewrite(con: Any, rng: random.Random, size: int) -> None:
    """Write all from an event on anew: right payload digests, right chain, right projections."""
    while True:
        seq = rng.randint(1, size - 2)
        con.execute("BEGIN")
        con.execute("UPDATE ledger SET payload = replace(payload, '1', '2') WHERE seq = ?", [seq])
        con.execute("UPDATE ledger SET recorded_at = recorded_at + INTERVAL 1 SECOND WHERE seq = ?", [seq])
        con.execute("UPDATE ledger SET payload_sha256 = sha256(payload) WHERE seq = ?", [seq])
        _relink(con, seq, size)
        try:
            _reproject(con)
        except duckdb.ConversionException:  # no such day: who forges with care takes another event
            con.execute("ROLLBACK")
            continue
        con.execute("COMMIT")
        return


def _view(con: Any, rng: random.Random, size: int) -> None:
    del size
    name = rng.choice(["runs", "by_project", "scope2", "violations", "lineage"])
    (row,) = con.execute("SELECT sql FROM duckdb_views() WHERE view_name = ?", [name]).fetchall()
    con.execute(
        row[0].replace(f"CREATE VIEW {name} AS ", f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM (").rstrip(";\n")
        + ") LIMIT 1"
    )


def _macro(con: Any, rng: random.Random, size: int) -> None:
    del size
    name = rng.choice(["finite(x)", "as_double(x)", "exact(x)"])
    con.execute(f"CREATE OR REPLACE MACRO {name} AS CAST(x AS DOUBLE) * {rng.uniform(0.1, 0.9)}")


def _column(change: str) -> Attack:
    def attack(con: Any, rng: random.Random, size: int) -> None:
        con.execute(f"UPDATE ledger SET {change} WHERE seq = ?", [rng.randint(1, size)])

    return attack


def _relink(con: Any, first: int, last: int) -> None:
    """Give events the hashes that their content would have."""
    rows = con.execute(
        f"SELECT seq, {ledger.WHEN}, kind, subject, payload_sha256, actor, tool_version FROM ledger"
        " WHERE seq BETWEEN ? AND ? ORDER BY seq",
        [first, last],
    ).fetchall()
    row = con.execute("SELECT hash FROM ledger WHERE seq = ?", [first - 1]).fetchone()
    previous = ledger.GENESIS if row is None else row[0]
    for seq, when, kind, subject, payload_sha256, actor, version in rows:
        own = ledger.Header(seq, when, kind, subject, payload_sha256, actor, version).hash(previous)
        con.execute("UPDATE ledger SET prev_hash = ?, hash = ? WHERE seq = ?", [previous, own, seq])
        previous = own


def _reproject(con: Any) -> None:
    for table in PROJECTIONS:
        con.execute(f"DELETE FROM {table}")
    con.execute("CREATE OR REPLACE TEMP VIEW event AS FROM ledger")
    project(con)


CLASSES: dict[str, Attack] = {
    "a payload is edited": _edit,
    "a payload is edited, with its own hashes": _edit_with_hash,
    "an event in the middle is deleted": _delete_middle,
    "the newest events are cut off": _cut_tail,
    "two events are swapped": _swap,
    "a figure of a projection is edited": _projection,
    "a factor row is edited": _factor,
    "all from an event on is written anew": _rewrite,
    "a view is redefined": _view,
    "a formula is redefined": _macro,
    "a time is edited": _column("recorded_at = recorded_at - INTERVAL 1 DAY"),
    "an actor is edited": _column("actor = 'actor-000000000000'"),
    "a kind is edited": _column("kind = kind || 'x'"),
    "a subject is edited": _column("subject = subject || 'x'"),
}


def run(count: int) -> Outcome:
    """Attack copies of a store, `count` times a class."""
    outcome = Outcome(
        f"{len(CLASSES)} classes of tampering, {count} times each, on a store of all kinds of events",
        ("what is done to the store", "tried", "found without a checkpoint", "found with one"),
    )
    with tempfile.TemporaryDirectory() as folder:
        work = small(Path(folder))
        copy = Path(folder) / "copy" / "green.duckdb"
        copy.parent.mkdir()
        kept, key = work.store.with_name(checkpoint.FILE), Path(folder) / "key.pem"
        for number, (name, attack) in enumerate(CLASSES.items()):
            found = [0, 0]
            for trial in range(count):
                _attacked(work.store, copy, attack, random.Random(number * 1_000_003 + trial))  # noqa: S311 -- seeded
                proof = verify.verify(copy, witness=checkpoint.read(kept, own=key))
                found[0] += len(proof.wrong) > len(proof.by_checkpoint)
                found[1] += not proof
            outcome.rows.append((name, count, *found))
            outcome.kept &= found[1] == count
        outcome.kept &= bool(verify.verify(work.store, witness=checkpoint.read(kept, own=key)))
    caught = sum(int(str(row[3])) for row in outcome.rows)
    outcome.summary = (
        f"With a checkpoint {caught} of {count * len(CLASSES)} were found. Without one, a cut tail and a ledger that is"
        " written anew with right hashes are what cannot be found."
    )
    return outcome


def _attacked(source: Path, copy: Path, attack: Attack, rng: random.Random) -> None:
    shutil.copyfile(source, copy)
    with duckdb.connect(str(copy)) as con:
        con.execute("SET TimeZone = 'UTC'")
        row = con.execute("SELECT count(*) FROM ledger").fetchone()
        before = con.execute("SELECT md5(string_agg(l::VARCHAR, '' ORDER BY seq)) FROM ledger AS l").fetchone()
        attack(con, rng, int(row[0]) if row else 0)
        after = con.execute("SELECT md5(string_agg(l::VARCHAR, '' ORDER BY seq)) FROM ledger AS l").fetchone()
        is_aside = attack in {_projection, _factor, _view, _macro}
        assert is_aside or before != after, "an attack that changes nothing proves nothing"
