"""Record the facts of one pipeline run in the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import green
from green import factors, kept, stages
from green.audit import commit, schema, store
from green.tables import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

REJECTS = "1"  # bump when the same rejects would give another table


def record(  # noqa: PLR0913 -- one argument an input of the rule
    published: Path,
    results: Path,
    shards: Sequence[str],
    *,
    present: Sequence[str],
    generation: str,
    config_sha256: str,
    factor_files: Sequence[str] = (),
    series_files: Sequence[str] = (),
    instruments: Sequence[dict[str, Any]] = (),
    actor: str | None = None,
) -> commit.Receipt:
    """Commit what the shards and emissions say to the store; what it knows already adds nothing."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where data is moved

    factors_sha256, used = _prepared(results, shards, [Path(file) for file in factor_files])
    assessment: dict[str, Any] = {
        "code_sha256": stages.code_digest(),
        "config_sha256": config_sha256,
        "duckdb_version": duckdb.__version__,
        "factors_sha256": factors_sha256,
        "green_version": green.__version__,
        **series_digests(series_files),
    }
    folder_kept = results / stages.KEPT
    state = None if instruments else _state(results, shards)

    def fill(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(
            f"CREATE TEMP VIEW factor_payload AS SELECT factor_id, quantity, payload FROM read_parquet({quote(used)})"
        )
        commit.facts(
            con,
            results,
            shards,
            present=present,
            generation=generation,
            assessment=assessment,
            instruments=instruments,
            recent=None if state is None else _recent(con, folder_kept, state),
        )

    receipt = commit.commit(store.Paths(published), fill, actor=actor)
    if state is not None:
        kept.note(folder_kept, "audit", kept.State(state.key, state.shards, receipt.head))
    return receipt


def series_digests(files: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the sha256 of each hourly series by its name, as an assessment records it; nothing where there is none."""
    found = {os.path.basename(file): store.digest(Path(file)) for file in files}  # noqa: PTH119 -- a text
    return {"series_sha256": found} if found else {}


def _prepared(results: Path, shards: Sequence[str], extra: Sequence[Path]) -> tuple[str, Path]:
    """Write all that was not read to one table; return the digest of the factors, and the file of their payloads.

    Where each is what it was, no engine is started.
    """
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where data is moved

    out, folder = results / "rejects.parquet", results / stages.KEPT
    inputs = {shard: kept.digest_of(stages.files_of("rejects", results, [shard])) for shard in shards}
    key = kept.digest(REJECTS, duckdb.__version__)
    known = factors.known(results / stages.FACTORS, extra)
    if known is not None and _payloads(folder, known).exists() and kept.give(folder, "rejects", out, key, inputs):
        return known, _payloads(folder, known)
    with stages.connect(calls="") as con:
        known = factors.load(con, extra, cache=results / stages.FACTORS)
        _write_payloads(con, _payloads(folder, known))
        _write_rejects(con, stages.files_of("rejects", results, shards), out)
    kept.keep(folder, "rejects", out, key, inputs)
    return known, _payloads(folder, known)


def _payloads(folder: Path, factors_sha256: str) -> Path:
    """Return the place of the file that has every factor of a set as the payload of an event."""
    return folder / "payloads" / f"{kept.digest(factors_sha256, schema.checksum(), commit.factor_payload())}.parquet"


def _write_payloads(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Write the payloads of the table `factor`, once for a set of factors."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    con.execute(
        f"COPY (SELECT *, to_json({commit.factor_payload()})::VARCHAR AS payload FROM factor)"
        f" TO {quote(part)} (FORMAT parquet)"
    )
    part.replace(file)
    for stale in set(file.parent.glob("*.parquet")) - {file}:
        stale.unlink(missing_ok=True)


def _write_rejects(con: duckdb.DuckDBPyConnection, files: Sequence[Path], out: Path) -> None:
    part = out.with_name(f".{out.name}.part")
    stages.bind(con, "rejects", files)
    con.execute(
        "COPY (SELECT file, line, lines, reason, detail, run_id, source FROM rejects ORDER BY file, line, reason)"
        f" TO {quote(part)} (FORMAT parquet, COMPRESSION zstd)"
    )
    part.replace(out)


def _state(results: Path, shards: Sequence[str]) -> kept.State | None:
    """Return what the facts of every shard are made of; None where that is not known."""
    before = kept.read(results / stages.KEPT, "emissions")
    if before is None:
        return None
    tables = ("run", "energy", "units", "metrics", "inputs", "run_inputs")
    inputs = {
        shard: kept.digest_of([file for table in tables for file in stages.files_of(table, results, [shard])])
        for shard in shards
    }
    return kept.State(kept.digest(before.key, schema.checksum()), inputs, "")


def _recent(con: duckdb.DuckDBPyConnection, folder: Path, state: kept.State) -> list[str]:
    """Return the shards whose facts the store may not have: all, where somebody else wrote since."""
    before = kept.noted(folder, "audit")
    same = kept.same(before, state.key, state.shards)
    if before is None or not same:
        return list(state.shards)
    row = con.execute(
        "SELECT count(*) FILTER (WHERE hash = $head), count(*) FILTER (WHERE kind = 'run' AND seq >"
        " (SELECT max(seq) FROM ledger WHERE hash = $head)) FROM ledger",
        {"head": before.result},
    ).fetchone()
    return [shard for shard in state.shards if row != (1, 0) or shard not in same]
