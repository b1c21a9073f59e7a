"""Record the facts of one pipeline run in the store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import green
from green import factors, stages
from green.audit import commit, store
from green.tables import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb


def record(  # noqa: PLR0913 -- one argument an input of the rule
    published: Path,
    results: Path,
    shards: Sequence[str],
    *,
    present: Sequence[str],
    generation: str,
    config_sha256: str,
    factor_files: Sequence[str] = (),
    instruments: Sequence[dict[str, Any]] = (),
    actor: str | None = None,
) -> commit.Receipt:
    """Commit what the shards and emissions say to the store; what it knows already adds nothing."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where data is moved

    with tempfile.TemporaryDirectory(prefix=".audit-", dir=results) as folder:
        used = Path(folder) / "factor.parquet"
        with stages.connect() as con:
            factors_sha256 = factors.load(con, [Path(file) for file in factor_files], cache=results / stages.FACTORS)
            con.execute(
                f"COPY (SELECT *, to_json({commit.factor_payload()})::VARCHAR AS payload FROM factor)"
                f" TO {quote(used)} (FORMAT parquet)"
            )
        assessment: dict[str, Any] = {
            "code_sha256": stages.code_digest(),
            "config_sha256": config_sha256,
            "duckdb_version": duckdb.__version__,
            "factors_sha256": factors_sha256,
            "green_version": green.__version__,
        }

        def fill(con: duckdb.DuckDBPyConnection) -> None:
            con.execute(
                "CREATE TEMP VIEW factor_payload AS"
                f" SELECT factor_id, quantity, payload FROM read_parquet({quote(used)})"
            )
            commit.facts(
                con,
                results,
                shards,
                present=present,
                generation=generation,
                assessment=assessment,
                instruments=instruments,
            )

        receipt = commit.commit(store.Paths(published), fill, actor=actor)
        _rejects(results, shards, Path(folder))
    return receipt


def _rejects(results: Path, shards: Sequence[str], temp: Path) -> None:
    """Write all that was not read to one table."""
    part = temp / "rejects.parquet"
    with stages.connect() as con:
        stages.bind(con, "rejects", stages.files_of("rejects", results, shards))
        con.execute(
            "COPY (SELECT file, line, lines, reason, detail, run_id, source FROM rejects ORDER BY file, line, reason)"
            f" TO {quote(part)} (FORMAT parquet, COMPRESSION zstd)"
        )
    part.replace(results / "rejects.parquet")
