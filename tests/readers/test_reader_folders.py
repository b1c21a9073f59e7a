"""Each reader reads the logs of its folder here as its expect.csv says, and no damaged copy of them stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from green.readers import readers
from green.testing import EXPECTED, conformance

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent.name for path in HERE.glob(f"*/{EXPECTED}"))
READERS = {reader.name: reader for reader in readers()}


@pytest.mark.parametrize("name", FOLDERS)
def test_logs_are_read_as_expected_and_damaged_ones_are_diagnosed(name: str) -> None:
    assert conformance(READERS[name], HERE / name) == []
