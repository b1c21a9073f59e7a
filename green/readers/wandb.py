"""Read what Weights & Biases exports: power of GPUs, CPU or host in its system events, as JSON lines or CSV."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

from green.layout import Layout
from green.readers import Found, Unreadable
from green.readers.measure import Stopwatch, json_document, json_object, part, uncut
from green.readers.parse import Clock, csv_rows, decimal, json_number, seconds_us, split_cells, unix_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log, Sink
    from green.readers.measure import Reading

HEAD_LINES = 20
CLOCKS = ("_timestamp", "_runtime", "Relative Time (Process)", "Relative Time (Wall)")  # the first that is there

# `gpu.process.0.powerWatts` is the same reading again, of the GPUs that the run itself uses; `/l:` names a node.
_POWER = re.compile(
    r"(?:system[./])?(?:gpu\.(?P<gpu>\d{1,4})\.powerWatts|(?P<cpu>cpu)\.powerWatts|(?P<ane>ane)\.power"
    r"|(?P<host>system)\.powerWatts|ipu\.(?P<ipu>\d{1,4})\.average board power \(W\))(?:/l:(?P<node>.{1,80}))?",
    re.ASCII,
)
_OWN = re.compile(r"_wandb|_step|_runtime|system[./].+|gpu\.\d+\..+")
_IN_UI = re.compile(r"(.+) - ([^ ].*)")  # "<run> - system/gpu.0.powerWatts"


def _device(key: str) -> tuple[str, str] | None:
    """Return device and component of a key; None where it is no power."""
    match = _POWER.fullmatch(key)
    if match is None:
        return None
    kind = "host" if match["host"] else "rest" if match["ane"] else "cpu" if match["cpu"] else "gpu"
    number = match["gpu"] or (f"-ipu{match['ipu']}" if match["ipu"] else "")
    return f"{kind}{number}" + (f"@{match['node']}" if match["node"] else ""), kind


def _columns(log: Log) -> list[str] | None:
    """Return the columns of a CSV export, without the run's name; None where it is none."""
    first = next((line for line in log.head_lines if line.strip()), "")
    names = [cell.strip('\ufeff "') for cell in split_cells(first)]
    bare = [match[2] if (match := _IN_UI.fullmatch(name)) is not None else name for name in names]
    has_clock = any(clock in bare for clock in (*CLOCKS, "Step", "_step"))
    return bare if has_clock and any(map(_device, bare)) else None


def _is_lines(log: Log) -> bool:
    """Tell whether a log is of JSON lines that W&B writes."""
    for text in log.head_lines[:HEAD_LINES]:
        found = json_object(text)
        if found is not None and ("_timestamp" in found or "_runtime" in found):
            return any(map(_OWN.fullmatch, found))
    return False


def _is_metadata(log: Log) -> bool:
    head = log.head.lstrip("\ufeff \r\n\t")
    return head.startswith("{") and all(f'"{key}"' in head for key in ("startedAt", "python", "host", "executable"))


class _Reading:
    """The state of reading one log."""

    def __init__(self, log: Log, sink: Sink) -> None:
        self.log = log
        self.sink = sink
        self.about = Found(line=1)  # completed when all is read
        self.run = sink.run(self.about)
        self.columns = _columns(log)
        self.series: dict[str, int] = {}

    def reject(self, line: int | None, reason: str, detail: str) -> None:
        self.sink.reject(line, reason, detail, run=self.run)

    def cut(self, line: int, detail: str) -> None:
        """Take the last line, where it is cut."""
        self.reject(line, "CUT", detail)

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield every line as key → value."""
        if self.columns is None:
            for line, text in enumerate(self.log.lines(), 1):
                found = json_object(text)
                if found is not None:
                    yield line, found
                elif text.strip():
                    self.reject(line, "BAD_LINE", text[:80])
            return
        for line, cells in csv_rows(uncut(self.log, self.cut)):
            if len(cells) != len(self.columns):
                self.reject(line, "CELL_COUNT", f"{len(cells)} cells under {len(self.columns)} columns")
            elif line > 1 and any(cells):
                yield line, {key: cell for key, cell in zip(self.columns, cells, strict=True) if cell.strip()}

    def readings(self, clock: str) -> Iterator[Reading]:
        """Yield device, time, power and line of every reading of a power."""
        for line, record in self.records():
            powers = {found: value for key, value in record.items() if (found := _device(key)) is not None}
            if not powers:
                continue
            t_us = self.time(record.get(clock))
            if t_us is None:
                self.reject(line, "BAD_TIME", f"{clock}: {str(record.get(clock))[:40]}")
                continue
            for (device, component), value in powers.items():
                power_w = self.number(value)
                if power_w is None:
                    self.reject(line, "UNREADABLE_POWER", f"{device}: {str(value)[:40]}")
                if device not in self.series:
                    self.series[device] = self.sink.series(self.run, device, component)
                yield device, t_us, power_w, line

    def number(self, value: object) -> float | None:
        """Return a number of JSON, or of a cell."""
        if isinstance(value, str) and self.columns is not None:
            exact = decimal(value)
            return None if exact is None else float(exact)
        return json_number(value)

    def time(self, value: object) -> int | None:
        """Return seconds in µs, from JSON or a cell."""
        return seconds_us(value) if isinstance(value, str) else unix_us(value)

    def clock(self) -> str:
        """Return the best clock of the log: the one that knows the date, where there is one."""
        if self.columns is not None:
            found = next((clock for clock in CLOCKS if clock in self.columns), None)
        else:
            keys = {key for text in self.log.head_lines[:HEAD_LINES] for key in json_object(text) or ()}
            found = next((clock for clock in CLOCKS if clock in keys), None)
        if found is None:
            raise Unreadable("only steps and no time: export with _timestamp")
        return found

    def read(self) -> None:
        """Read the whole log."""
        clock = self.clock()
        if self.columns is not None and len(self.columns) != len(set(self.columns)):
            raise Unreadable("power of several runs in one file: export each run")
        is_dated = clock == "_timestamp"
        self.about.is_undated = not is_dated
        stopwatch = Stopwatch()
        for device, t_us, power_w, line in self.readings(clock):
            at_us = t_us if is_dated else stopwatch.t_us(device, t_us)
            self.sink.sample(self.series[device], at_us, power_w, None, line)
        if not self.series:
            self.reject(None, "NO_POWER_COLUMN", "no power in it: the system events hold it, where the GPU tells it")


class Wandb:
    """The reader of W&B's exports."""

    name = "wandb"
    title = "Weights & Biases history and system events, JSONL or CSV"
    holds_many = False
    layout = Layout(r"(?:.*/)?wandb/(?:latest-run|(?:offline-)?run-[0-9]{8}_[0-9]{6}-[^/]+)")

    def recognises(self, log: Log) -> bool:
        """Tell by W&B's own keys."""
        return _is_metadata(log) or _is_lines(log) or _columns(log) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Read events or history; of a run's metadata file only the start."""
        if _is_metadata(log):
            started = part(json_document(log), "startedAt")
            sink.run(Found(line=1, started_at_us=Clock(UTC).us(started) if isinstance(started, str) else None))
        else:
            _Reading(log, sink).read()


READER = Wandb()
