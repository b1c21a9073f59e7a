"""Read AIPowerMeter's `power_metrics.json`: a JSON object a sampling, power of packages, memory and each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green.readers import Found
from green.readers.measure import json_object, part
from green.readers.parse import Clock, json_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log, Sink


def _powers(record: dict[str, Any]) -> Iterator[tuple[str, str, object]]:
    """Yield device, component and power; a negative one stands for a sensor that is not there."""
    cpu, gpu = part(record, "metrics", "cpu"), part(record, "metrics", "gpu")
    yield "cpu", "cpu", part(cpu, "intel_power")  # all packages
    yield "dram", "memory", part(cpu, "total_dram_power")
    each = part(gpu, "per_gpu_power_draw")
    if isinstance(each, dict) and each:
        for number, power in sorted(each.items()):
            yield f"gpu{number}"[:40], "gpu", power
    else:
        yield "gpu", "gpu", part(gpu, "nvidia_draw_absolute")


class AIPowerMeter:
    """The reader of AIPowerMeter's JSON lines."""

    name = "aipowermeter"
    title = "AIPowerMeter power_metrics.json"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the keys of the first line."""
        head = next((line for line in log.head_lines if line.strip()), "")
        return head.startswith('{"date"') and ('"intel_power"' in head or '"nvidia_draw_absolute"' in head)

    def read(self, log: Log, sink: Sink) -> None:
        """Read every line."""
        run = sink.run(Found(line=1, flags=["ASSUMED_UTC"] if log.zone_assumed else []))
        clock = Clock(log.timezone)
        series: dict[str, int] = {}
        for line, text in enumerate(log.lines(), 1):
            record = json_object(text)
            if record is None:
                if text.strip():
                    sink.reject(line, "BAD_LINE", text[:80], run=run)
                continue
            moment = record.get("date")
            t_us = clock.us(moment) if isinstance(moment, str) else None
            if t_us is None:
                sink.reject(line, "BAD_TIME", str(moment)[:80], run=run)
                continue
            for device, component, value in _powers(record):
                power_w = json_number(value)
                if value is None or (power_w is not None and power_w < 0):
                    continue
                if power_w is None:
                    sink.reject(line, "UNREADABLE_POWER", f"{device}: {str(value)[:40]}", run=run)
                if device not in series:
                    series[device] = sink.series(run, device, component)
                sink.sample(series[device], t_us, power_w, None, line)


READER = AIPowerMeter()
