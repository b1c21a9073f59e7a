"""Compute an assessment of the ledger again from the files that it was made of, and compare the digests.

The inputs are the recorded ones, held to their sha256 and to nothing that was added since; the store is the ledger as
it stood before that commit. Where the digests differ, the first thing that is not as it was is named.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import green
from green import factors, index, pipeline, stages
from green.audit import commit, migrate, store
from green.audit.record import series_digests
from green.errors import UsageError
from green.sql import code_digest

if TYPE_CHECKING:
    import duckdb

    from green.config import Config


@dataclass(frozen=True)
class Assessment:
    """What the ledger says about a commit of facts."""

    seq: int
    recorded_at: str
    first: int  # the first event of its commit
    said: dict[str, Any]


@dataclass
class Replay:
    """What was as it was, what was not, and the digest that came out; None where nothing could be computed."""

    seq: int
    recorded_at: str
    then: str
    now: str | None = None
    same: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)  # of the recorded files: gone or changed
    other: list[str] = field(default_factory=list)  # in the order of the pipeline
    run: str | None = None  # the first run whose facts differ, and in what

    def __bool__(self) -> bool:
        return self.now == self.then

    @property
    def first(self) -> str | None:
        """Name the first difference, None where the digests are the same."""
        if self:
            return None
        return next(iter([*self.inputs, *self.other, *([self.run] if self.run else [])]), "the facts differ")


def replay(published: Path, config: Config, assessment: str = "latest") -> Replay:
    """Compute an assessment again; `assessment` is the number of its event, or `latest`."""
    with store.reader(published) as con, tempfile.TemporaryDirectory(prefix="green-replay-") as folder:
        told = _assessment(con, assessment)
        found = Replay(told.seq, told.recorded_at, str(told.said["facts_sha256"]))
        logs = Path(folder) / Path(config.logs).name
        _inputs(con, told, Path(config.logs), logs, found)
        _conditions(con, told, config, found)
        if not found.inputs:
            base = Path(folder) / "green.duckdb"
            migrate.earlier(published, base, told.first)
            config = config.model_copy(update={"logs": str(logs), "allow_empty": True})
            found.now = _computed(config, logs, base, Path(folder) / "results")
            if not found:
                found.run = _differing(con, base, told)
    return found


def _assessment(con: duckdb.DuckDBPyConnection, name: str) -> Assessment:
    if name != "latest" and not name.isdigit():
        raise UsageError(f'"{name}" is no assessment', mend="the number of its event, or latest")
    which = "(SELECT max(seq) FROM assessment)" if name == "latest" else name
    row = con.execute(
        "SELECT l.seq, strftime(l.recorded_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ'), l.payload,"
        " (SELECT coalesce(max(b.seq), 0) + 1 FROM ledger AS b WHERE b.seq < l.seq AND b.recorded_at <> l.recorded_at)"
        f" FROM ledger AS l WHERE l.kind = 'assessment' AND l.seq = {which}"
    ).fetchone()
    if row is None:
        raise UsageError(f"event {name} is no assessment", mend='green query "SELECT seq, runs FROM assessment"')
    return Assessment(row[0], row[1], row[3], json.loads(row[2]))


def _inputs(con: duckdb.DuckDBPyConnection, told: Assessment, logs: Path, copy: Path, found: Replay) -> None:
    """Lay the recorded files into a folder of their own; name those that are gone or changed."""
    gone = con.execute(
        "SELECT count(*) FROM forgotten WHERE kind = 'run' AND seq <= $seq", {"seq": told.seq}
    ).fetchone()
    if gone and gone[0]:
        found.inputs.append(f"{gone[0]} runs were forgotten since: which files they were read from is not known")
    rows = con.execute(
        "WITH r AS (SELECT run_id, max(seq) AS seq FROM run WHERE seq <= $seq GROUP BY run_id),"
        " s AS (SELECT run_id, arg_max(state, seq) AS state FROM state WHERE seq <= $seq GROUP BY run_id)"
        " SELECT DISTINCT i.file, i.sha256 FROM r JOIN input_file AS i ON i.seq = r.seq"
        " LEFT JOIN s ON s.run_id = r.run_id WHERE coalesce(s.state, 'current') = 'current' ORDER BY i.file",
        {"seq": told.seq},
    ).fetchall()
    copy.mkdir()
    for file, sha256 in rows:
        path = logs / file
        if Path(file).is_absolute() or ".." in Path(file).parts:  # a store of others may name anything
            found.inputs.append(f"input {file} does not lie below logs")
            continue
        if not path.is_file():
            found.inputs.append(f"input {file} is gone")
            continue
        with path.open("rb") as stream:
            now = file_digest(stream, "sha256").hexdigest()
        if now != sha256:
            found.inputs.append(f"input {file} changed: its sha256 was {sha256}, it is {now}")
            continue
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        _lay(path.resolve(), copy / file)
    if not found.inputs:
        found.same.append(f"{len(rows)} input files")


def _lay(path: Path, target: Path) -> None:
    """Put a log into the folder of its own: a second name of the same bytes, for a link out of it is no log."""
    try:
        os.link(path, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, target)


def _conditions(con: duckdb.DuckDBPyConnection, told: Assessment, config: Config, found: Replay) -> None:
    """Compare what the assessment was computed with: factors, configuration, code, version, engine."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where data is moved

    with stages.connect() as own:
        now = factors.load(own, [Path(file) for file in config.factors])
        if now == told.said["factors_sha256"]:
            found.same.append("factors")
        else:
            found.other.append(_factor(con, own, told))
    said = (told.said, series_digests(config.emissions.series))
    series = [json.dumps(one.get("series_sha256", {}), sort_keys=True) for one in said]
    for name, then, is_now in (
        *([("hourly series", *series)] if series != ["{}", "{}"] else []),
        ("configuration", told.said["config_sha256"], pipeline.config_digest(config)),
        ("code", told.said["code_sha256"], code_digest()),
        ("green", told.said["green_version"], green.__version__),
        ("engine", f"DuckDB {told.said['duckdb_version']}", f"DuckDB {duckdb.__version__}"),
    ):
        if then == is_now:
            found.same.append(name)
        else:
            found.other.append(f"{name} is another: it was {then}, it is {is_now}")


def _factor(con: duckdb.DuckDBPyConnection, own: duckdb.DuckDBPyConnection, told: Assessment) -> str:
    """Name the first factor row that was used and is not what it was."""
    now = dict(own.execute(f"SELECT factor_id, to_json({commit.factor_payload()})::VARCHAR FROM factor").fetchall())
    then = con.execute(
        "SELECT subject, arg_max(payload, seq) FROM ledger WHERE kind = 'factor' AND seq <= $seq"
        " GROUP BY subject ORDER BY subject",
        {"seq": told.seq},
    ).fetchall()
    for factor_id, payload in then:
        if factor_id not in now:
            return f"factor {factor_id} is gone"
        if (before := json.loads(payload)) != (after := json.loads(now[factor_id])):
            return f"factor {factor_id} changed: {_difference(before, after)}"
    return "the factor tables are others, but no row that was used changed"


def _computed(config: Config, logs: Path, base: Path, results: Path) -> str:
    """Run the stages over the recorded inputs, commit them to the earlier store, and return the digest of the facts."""
    scanned = index.scan(logs, fingerprint="content", work=results)
    pipeline.compute(config, scanned, results, cache=results / "cache", by="replay")
    pipeline.commit(config, scanned, results, base, by="replay")
    with store.reader(base) as con:
        row = con.execute("SELECT arg_max(facts_sha256, seq) FROM assessment").fetchone()
    return str(row[0]) if row else ""


def _differing(con: duckdb.DuckDBPyConnection, base: Path, told: Assessment) -> str | None:
    """Name the first run, state or factor whose facts came out otherwise, and the first thing in it that differs."""
    newest = (
        "SELECT kind, subject, arg_max(payload, seq) FROM ledger WHERE kind IN ('run', 'state', 'factor')"
        " AND ($seq IS NULL OR seq <= $seq) GROUP BY kind, subject"
    )
    then = {(kind, name): text for kind, name, text in con.execute(newest, {"seq": told.seq}).fetchall()}
    with store.reader(base) as own:
        now = {(kind, name): text for kind, name, text in own.execute(newest, {"seq": None}).fetchall()}
    for key in sorted(then.keys() | now.keys(), key=lambda key: (key[0] != "run", key)):
        if then.get(key) != now.get(key):
            kind, name = key
            if key not in now or key not in then:
                return f"{kind} {name} is {'not there now' if key in then else 'new'}"
            return f"{kind} {name}: {_difference(json.loads(then[key]), json.loads(now[key]))}"
    return None


def _difference(then: Any, now: Any, at: str = "") -> str:  # noqa: ANN401 -- any JSON value
    """Say where two JSON values differ first."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                return _difference(then.get(key), now.get(key), f"{at}.{key}" if at else key)
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (one, other) in enumerate(zip(then, now, strict=True)):
            if one != other:
                return _difference(one, other, f"{at}[{number}]")
    return f"{at} was {json.dumps(then)[:200]}, it is {json.dumps(now)[:200]}"
