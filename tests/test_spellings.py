"""What papers and model cards write is read as the quantity that it is, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from green import record

READ = [
    ("parameters", "340 M", 340e6),
    ("parameters", 340_000_000, 340e6),
    ("parameters", "1.5e9", 1.5e9),
    ("dataset_size", "1.4 T", 1.4e12),
    ("iterations", "143 k", 143_000),
    ("flops", "3.14e23", 3.14e23),
    ("flops", "314 ZFLOP", 3.14e23),
    ("flops", "3640 PF-days", 3.144960e23),
    ("flops", "0 FLOPs", 0),
    ("device_hours", "1082990 GPU-hours", 1_082_990),
    ("device_hours", "1.46M GPU hours", 1_460_000),
    ("device_hours", "370 k TPU-h", 370_000),
    ("device_hours", "7e6 chip-hours", 7e6),
    ("device_hours", "120 h", 120),
    ("cost", {"device_hour": "2 USD/h"}, 2),
    ("cost", {"device_hour": "1.35 USD / h"}, 1.35),
    ("cost", {"device_hour": "1.35 USD"}, 1.35),
]
REFUSED = [
    ("parameters", "7 B", "a billion is G"),
    ("parameters", "7B", "a billion is G"),
    ("parameters", "340 m", "unknown unit"),
    ("parameters", "50 %", "no count"),
    ("parameters", "7 G ± 1 G", "no count"),
    ("parameters", True, ""),
    ("parameters", [1], "not a number"),
    ("parameters", float("nan"), "number"),
    ("iterations", -5, "below zero"),
    ("flops", "3 YFLOP", "unknown unit"),
    ("flops", "10 TFLOP/s", ""),
    ("flops", "1e20 T", "out of range"),
    ("device_hours", "100 node-hours", "unknown unit"),
    ("device_hours", "1,082,990 GPU-hours", "plain number"),
    ("device_hours", "7e6M GPU-hours", "unknown unit"),
    ("device_hours", "100 GPU-hoursx", "unknown unit"),
    ("device_hours", "100 GPU", "unknown unit"),
    ("device_hours", 100, "no unit"),
    ("cost", {"device_hour": "2 USD/kWh"}, "money per energy"),
    ("cost", {"device_hour": "2 USD/hour"}, "money per hour"),
]


def read(folder: Path, key: str, raw: object) -> record.ReadRecord:
    file = folder / "run.yaml"
    file.write_text(f"model: m\n{key}: {str(raw).lower() if isinstance(raw, bool | float) else _yaml(raw)}\n")
    return record.read(str(file), "run.yaml")


def _yaml(raw: object) -> str:
    if isinstance(raw, dict):
        return "{" + ", ".join(f"{key}: {_yaml(value)}" for key, value in raw.items()) + "}"
    return f'"{raw}"' if isinstance(raw, str) else str(raw)


@pytest.mark.parametrize(("key", "raw", "expected"), READ)
def test_the_spelling_of_a_paper_is_its_quantity(tmp_path: Path, key: str, raw: object, expected: float) -> None:
    found = read(tmp_path, key, raw)
    assert found.mistakes == []
    value = getattr(found.record, key)
    if key == "cost":
        value = value.device_hour
    assert float(getattr(value, "value", value)) == expected


@pytest.mark.parametrize(("key", "raw", "why"), REFUSED)
def test_what_may_mean_something_else_is_refused_and_the_rest_counts(
    tmp_path: Path, key: str, raw: object, why: str
) -> None:
    found = read(tmp_path, key, raw)
    assert [(mistake.line, mistake.reason) for mistake in found.mistakes] == [(2, "BAD_UNIT")]
    assert why in found.mistakes[0].detail
    assert found.record.model == "m"


def test_an_interval_of_device_hours_keeps_its_ends(tmp_path: Path) -> None:
    hours = read(tmp_path, "device_hours", "1.46M GPU-hours ± 5 %").record.device_hours
    assert hours is not None
    assert (hours.value, hours.low, hours.high) == (1_460_000, 1_387_000, 1_533_000)
