"""No bytes that a log may hold stop a reader, and no log is claimed by two."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC
from itertools import pairwise
from pathlib import Path

import pytest
from fake import FakeSink, write_log
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green.readers import Log, Unreadable, is_general, readers, recognise
from green.readers.codecarbon import READER as CODECARBON
from green.readers.native import READER as NATIVE
from green.readers.nvidia_smi import READER as NVIDIA_SMI
from green.reasons import sections

READERS = tuple(readers())
SAMPLES = sorted(
    path
    for name in (reader.name for reader in READERS)
    for path in (Path(__file__).parent / name).rglob("*")
    if path.is_file() and path.name != "expected.yaml"
)
SMI_LOG = (
    "timestamp, uuid, power.draw [W]\n2026/01/01 00:00:00.000, GPU-1, 46.19 W\n"
    "2026/01/01 00:00:01.000, GPU-1, 46.20 W\n"
)
CODECARBON_LOG = (
    "timestamp,run_id,duration,emissions,energy_consumed,gpu_model,pue\n"
    '2026-01-01T00:00:00,a,1,2,3,"2 x A, B",1.0\n2026-01-01T00:00:00,b,1,2,3,1 x A,1.2\n'
)
NATIVE_LOG = (
    '{"format": "green/1", "sensors": [{"id": "a", "kind": "gpu", "reads": "power_w", "wraps_at_j": 1}]}\n'
    '{"t": 1767225600.5, "a": 3}\n{"t": 1, "event": "count", "tokens": 3}\n{"ended_at": 1767225601}\n'
)
WHOLE = (SMI_LOG, CODECARBON_LOG, NATIVE_LOG)
ODD = [
    "",
    ",",
    '"',
    "\n",
    "\0",
    "nan",
    "1e999",
    "-",
    "9" * 400,
    "{",
    "}",
    "[N/A]",
    "\ufeff",
    "²",
    "null",
    "true",
]

any_text = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_all(folder: Path, text: str, shown: str = "a.log") -> int:
    """Return how many readers take a log; reading may end in Unreadable and nothing else."""
    log = replace(write_log(folder, text), shown=shown)
    takers = [reader for reader in READERS if reader.recognises(log)]
    takers = [reader for reader in takers if not is_general(reader)] or takers
    for reader in takers:
        try:
            reader.read(log, FakeSink())
        except Unreadable as reason:
            assert str(reason)  # noqa: PT017 -- the reason is what rejects will show
    return len(takers)


@any_text
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_or_left(tmp_path: Path, text: str) -> None:
    assert read_all(tmp_path, text) <= 1


@any_text
@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 20), st.sampled_from(ODD)), min_size=1, max_size=4),
)
def test_damaged_log_is_read_or_left(tmp_path: Path, text: str, damage: list[tuple[int, int, str]]) -> None:
    for start, length, odd in damage:
        text = text[:start] + odd + text[start + length :]
    assert read_all(tmp_path, text) <= 1


@any_text
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 20), st.sampled_from(ODD)), min_size=1, max_size=4),
)
def test_damaged_sample_is_read_or_left(tmp_path: Path, sample: Path, damage: list[tuple[int, int, str]]) -> None:
    text = sample.read_text(encoding="utf-8")
    for start, length, odd in damage:
        text = text[:start] + odd + text[start + length :]
    assert read_all(tmp_path, text, str(sample.relative_to(Path(__file__).parent))) <= 1


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.relative_to(Path(__file__).parent)))
def test_each_sample_has_the_reader_of_its_folder_alone(sample: Path) -> None:
    shown = str(sample.relative_to(Path(__file__).parent))
    log = Log(str(sample), shown, sample.read_text(encoding="utf-8"), "utf-8", UTC, zone_assumed=True)
    takers = [reader for reader in READERS if reader.recognises(log)]
    own = [reader.name for reader in takers if not is_general(reader)] or [reader.name for reader in takers]
    assert own in ([shown.partition("/")[0]], [])
    assert recognise(log, READERS) is (takers[0] if takers else None)


def test_cut_at_any_place_never_gives_more_than_the_whole(tmp_path: Path) -> None:
    whole = WHOLE[0]
    first_row = whole.index("46.19")
    counts = []
    for end in range(first_row, len(whole) + 1):
        sink = FakeSink()
        NVIDIA_SMI.read(write_log(tmp_path, whole[:end]), sink)
        counts.append(sum(power_w in (46.19, 46.20) for power_w in sink.powers()))
    assert counts[-1] == 2
    assert all(before <= after for before, after in pairwise(counts))


def test_each_whole_log_has_its_reader(tmp_path: Path) -> None:
    for text, expected in zip(WHOLE, (NVIDIA_SMI, CODECARBON, NATIVE), strict=True):
        log = write_log(tmp_path, text)
        assert [reader for reader in READERS if reader.recognises(log)] == [expected]


def test_every_reason_and_flag_is_in_the_documentation() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "readers.md").read_text(encoding="utf-8")
    code = [path.read_text(encoding="utf-8") for path in sorted((root / "green" / "readers").glob("*.py"))]
    names = {name for text in code for name in re.findall(r'"([A-Z]{2,}(?:_[A-Z]+)*)"', text)}
    codes = {name for name in names if any(name in section for section in sections().values())}
    assert {"CUT", "NEGATIVE", "SHIFTED_ROW", "NO_POWER_COLUMN", "NO_FOOTER"} <= codes
    assert [name for name in sorted(codes) if f"`{name}`" not in page] == []
