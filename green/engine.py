"""DuckDB as Green loads it: the engine, without its relational API in Python, which nothing here calls.

Seven short processes do one changed log, and the whole package would cost each of them 60 ms more.
"""

from __future__ import annotations

try:
    import _duckdb as duckdb
except ImportError:  # a version that keeps the engine elsewhere
    import duckdb  # type: ignore[no-redef]

__all__ = ["duckdb"]
