"""Record the facts of one pipeline run in the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import green
from green import kept, stages
from green.audit import commit, schema, store
from green.factors import cached
from green.sql import code_digest
from green.tables import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

PAYLOADS = "payloads"  # below what is kept: a file for a set of factors
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
        "code_sha256": code_digest(),
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
    known = cached.known(results / stages.FACTORS, extra)
    used = None if known is None else kept.sealed(folder / PAYLOADS, _head(known))
    if known is not None and used is not None and kept.give(folder, "rejects", out, key, inputs):
        return known, used
    with stages.connect(calls="") as con:
        known = cached.load(con, extra, results / stages.FACTORS)
        used = kept.sealed(folder / PAYLOADS, _head(known)) or _write_payloads(con, folder / PAYLOADS, _head(known))
        _write_rejects(con, stages.files_of("rejects", results, shards), out)
    kept.keep(folder, "rejects", out, key, inputs)
    return known, used


def _head(factors_sha256: str) -> str:
    """Return what the payloads of a set of factors depend on."""
    return kept.digest(factors_sha256, schema.checksum(), commit.factor_payload())


def _write_payloads(con: duckdb.DuckDBPyConnection, folder: Path, head: str) -> Path:
    """Write every row of the table `factor` as the payload of an event, once for a set of factors."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{head}.part"
    con.execute(
        f"COPY (SELECT *, to_json({commit.factor_payload()})::VARCHAR AS payload FROM factor)"
        f" TO {quote(part)} (FORMAT parquet)"
    )
    return kept.seal(part, folder, head)


def _write_rejects(con: duckdb.DuckDBPyConnection, files: Sequence[Path], out: Path) -> None:
    part = out.with_name(f".{out.name}.part")
    stages.bind(con, "rejects", files)
    con.execute(
        "COPY (SELECT file, line, lines, reason, detail, run_id, source FROM rejects ORDER BY file, line, reason)"
        f" TO {quote(part)} (FORMAT parquet, COMPRESSION zstd)"
    )
    part.replace(out)


def _state(results: Path, shards: Sequence[str]) -> kept.State:
    """Return what the facts of every shard are made of."""
    folder = results / stages.KEPT
    keys = [kept.key_of(folder, name, results / f"{name}.parquet") for name in ("embodied", "emissions")]
    tables = ("run", "device", "energy", "units", "metrics", "inputs", "run_inputs")
    inputs = {
        shard: kept.digest_of([file for table in tables for file in stages.files_of(table, results, [shard])])
        for shard in shards
    }
    return kept.State(kept.digest(keys, schema.checksum()), inputs, "")


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
