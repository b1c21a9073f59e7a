"""Read MLflow's file store (`mlruns`): a file a metric; the power of each GPU is a system metric."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from green.layout import Layout
from green.readers import Found
from green.readers.parse import decimal

if TYPE_CHECKING:
    from green.readers import Log, Sink

STATUSES = {"3": "completed", "4": "failed", "5": "killed"}  # RunStatus of MLflow's service.proto
HEAD_LINES = 5

_METRIC = re.compile(r"(\d{13}) (\S{1,64}) (-?\d{1,18})(?: .*)?", re.ASCII)  # ms, value, step, run and data set
_BELOW = re.compile(r"(?:.*/)?[0-9a-f]{32}/(metrics|params|tags)/(.+)", re.ASCII | re.DOTALL)
_POWER = re.compile(r"(?:.*/)?system/(?:(.+)/)?gpu_(\d{1,4})_power_usage_watts", re.ASCII | re.DOTALL)
_FIELD = re.compile(r"(run_id|start_time|end_time|status|experiment_id|lifecycle_stage): *'?([^'\n]*)'?", re.ASCII)


def _fields(log: Log) -> dict[str, str]:
    """Return the fields of a run's meta.yaml, which MLflow writes one a line."""
    lines = [_FIELD.fullmatch(line.strip()) for line in log.head_lines]
    return {match[1]: match[2].strip() for match in lines if match is not None}


class Mlflow:
    """The reader of MLflow's file store."""

    name = "mlflow"
    title = "MLflow mlruns folder with system metrics"
    holds_many = False
    layout = Layout(r"(?:.*/)?mlruns/[^/]+/[0-9a-f]{32}", values="mlruns")  # equal files: two GPUs

    def recognises(self, log: Log) -> bool:
        """Tell a metric by its lines and place, a meta.yaml by its fields; parameters and tags by their place."""
        below = _BELOW.fullmatch(log.shown)
        if below is not None and below[1] == "metrics":
            lines = [line for line in log.head_lines[:HEAD_LINES] if line.strip()]
            return bool(lines) and any(map(_METRIC.fullmatch, lines))
        if below is not None:
            return True
        return log.shown.endswith("meta.yaml") and {"experiment_id", "lifecycle_stage"} <= _fields(log).keys()

    def read(self, log: Log, sink: Sink) -> None:
        """Read one file of the store; only power and the run's times are ours."""
        below, fields = _BELOW.fullmatch(log.shown), _fields(log)
        if below is None and "run_id" in fields:
            times = [decimal(fields.get(key, "")) for key in ("start_time", "end_time")]
            started_us, ended_us = (int(ms * 1000) if ms is not None and 0 < ms < 10**14 else None for ms in times)
            status = STATUSES.get(fields.get("status", ""))
            sink.run(Found(line=1, started_at_us=started_us, ended_at_us=ended_us, status=status))
        power = _POWER.fullmatch(below[2]) if below is not None and below[1] == "metrics" else None
        if power is not None:
            _powers(log, sink, f"gpu{power[2]}" + (f"@{power[1]}" if power[1] else ""))


def _powers(log: Log, sink: Sink, device: str) -> None:
    """Read the powers of one GPU."""
    run = sink.run(Found(line=1))
    series = sink.series(run, device, "gpu")
    for number, text in enumerate(log.lines(), 1):
        match = _METRIC.fullmatch(text)
        if match is None:
            if text.strip():
                sink.reject(number, "BAD_LINE", text[:80], run=run)
            continue
        power_w = decimal(match[2])
        if power_w is None:
            sink.reject(number, "UNREADABLE_POWER", match[2][:40], run=run)
        sink.sample(series, int(match[1]) * 1000, None if power_w is None else float(power_w), None, number)


READER = Mlflow()
