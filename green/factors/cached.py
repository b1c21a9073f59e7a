"""The table `factor` as it was read before: four jobs of a pipeline need it, and to read all tables costs 100 ms."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from green import factors, kept
from green.tables import FACTOR, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection


def fingerprint(extra: Sequence[Path] = ()) -> str:
    """Return the digest of all that the table is made of, which needs no table to be read."""
    from green.engine import duckdb  # noqa: PLC0415 -- only where data is moved

    return kept.digest(kept.digest_of(factors.shipped()), kept.digest_of(extra), FACTOR, duckdb.__version__)


def known(cache: Path, extra: Sequence[Path] = ()) -> str | None:
    """Return the digest of the rows where `load` has read these files before; None where it has not."""
    file = kept.sealed(cache, fingerprint(extra))
    return None if file is None else _rows_of(file)


def load(connection: DuckDBPyConnection, extra: Sequence[Path], cache: Path | None) -> str:
    """Create the table `factor` as `green.factors.load` does, from a folder of tables that were read before."""
    if cache is None:
        return factors.load(connection, extra)
    made_of = fingerprint(extra)
    file = kept.sealed(cache, made_of)
    if file is not None:
        connection.execute(f"create or replace temp table factor as from read_parquet({quote(file)})")
        return _rows_of(file)
    digest = factors.load(connection, extra)
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f".{made_of}.{os.getpid()}"
    connection.execute(f"copy factor to {quote(part)} (format parquet)")
    kept.seal(part, cache, f"{made_of}-{digest}")
    return digest


def _rows_of(file: Path) -> str:
    """Return the digest of the rows of a table that was kept, which stands in its name."""
    return file.stem.split("-")[1]
