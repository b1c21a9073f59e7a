"""A sink that keeps what a reader tells it, and logs written for one test."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from green.readers import HEAD_BYTES, Found, Log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BOMS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


@dataclass
class FakeSink:
    """Every call, in order."""

    runs: list[Found] = field(default_factory=list)
    all_series: list[dict[str, Any]] = field(default_factory=list)
    samples: list[tuple[int, int, float | None, float | None, int]] = field(default_factory=list)
    devices: list[tuple[int, str, str, str | None, float]] = field(default_factory=list)
    statements: list[tuple[int, tuple[str, ...], float | str, str]] = field(default_factory=list)
    rejects: list[tuple[int | None, str]] = field(default_factory=list)
    details: list[tuple[str, int | None]] = field(default_factory=list)
    all_bounds: dict[int, tuple[float, float]] = field(default_factory=dict)

    def run(self, found: Found) -> int:
        self.runs.append(found)
        return len(self.runs) - 1

    def series(self, run: int, device: str, component: str, **more: Any) -> int:
        self.all_series.append({"run": run, "device": device, "component": component, **more})
        return len(self.all_series) - 1

    def bounds(self, series: int, low_ratio: float, high_ratio: float) -> None:
        self.all_bounds[series] = (low_ratio, high_ratio)

    def sample(self, series: int, t_us: int, power_w: float | None, energy_j: float | None, line: int) -> None:
        self.samples.append((series, t_us, power_w, energy_j, line))

    def device(self, run: int, device: str, component: str, *, name: str | None, count: float, line: int) -> None:
        del line
        self.devices.append((run, device, component, name, count))

    def statement(
        self,
        run: int,
        covers: Sequence[str],
        energy_kwh: float | str,
        *,
        basis: str = "device",
        method: str = "imported",
        line: int,
    ) -> None:
        assert method in {"imported", "modelled", "declared"}
        assert line > 0
        self.statements.append((run, tuple(covers), energy_kwh, basis))

    def reject(self, line: int | None, reason: str, detail: str = "", *, run: int | None = None) -> None:
        self.rejects.append((line, reason))
        self.details.append((detail, run))

    def powers(self, series: int = 0) -> list[float | None]:
        """Return the powers of one series."""
        return [power_w for number, _, power_w, _, _ in self.samples if number == series]


def write_log(
    folder: Path,
    text: str,
    *,
    encoding: str = "utf-8",
    timezone: tzinfo = UTC,
    zone_assumed: bool = False,
    name: str = "a.log",
) -> Log:
    """Write a log and open it as the pipeline does."""
    path = folder / name
    path.write_bytes(BOMS.get(encoding, b"") + text.encode(encoding))
    head = path.read_bytes()[:HEAD_BYTES].decode(encoding, "replace")
    return Log(str(path), name, head, encoding, timezone, zone_assumed)
