"""Read JSON results that hold carbontracker's figures: energy of each device, total with its PUE."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from green.readers import Found
from green.readers.measure import json_document, kwh, part
from green.readers.parse import Clock, json_number

if TYPE_CHECKING:
    from green.readers import Log, Sink

ENERGY = "avg_energy_usages (J)"
TOTAL = "total_energy (kWh)"
PARTS = "avg_power_usages:"


def _joules(epochs: Any) -> Decimal | None:  # noqa: ANN401 -- whatever JSON may be
    """Add the energies of all epochs and devices; None where one is none, for the sum would be too low."""
    total = Decimal(0)
    for epoch in epochs if isinstance(epochs, list) else [None]:
        for value in epoch if isinstance(epoch, list) else [epoch]:
            number = json_number(value)
            if number is None or not 0 <= number < math.inf:
                return None
            total += Decimal(repr(number))
    return total or None  # 0 stands for what was not measured


class CarbontrackerJson:
    """The reader of such results."""

    name = "carbontracker_json"
    title = "JSON results with carbontracker's figures"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the names of carbontracker's own log parser."""
        head = log.head.lstrip("\ufeff \r\n\t")
        return head.startswith("{") and f'"{TOTAL}"' in head and f'"{ENERGY}"' in head

    def read(self, log: Log, sink: Sink) -> None:
        """Read the document: the parts count, for they hold no PUE."""
        found, clock = json_document(log), Clock(log.timezone)
        started, stopped, total = part(found, "start_emission"), part(found, "stop_emission"), part(found, TOTAL)
        grams = json_number(part(found, "total_co2eq (g)"))
        about = Found(
            line=1,
            started_at_us=clock.us(started) if isinstance(started, str) else None,
            ended_at_us=clock.us(stopped) if isinstance(stopped, str) else None,
            reported_kgco2e=grams / 1000 if grams is not None and 0 <= grams < math.inf else None,
            facts={"carbontracker_total_kwh": json_number(total)},
            flags=["ASSUMED_UTC"] if log.zone_assumed and isinstance(started, str) else [],
        )
        run = sink.run(about)
        parts = part(found, PARTS)
        for component, own in sorted(parts.items()) if isinstance(parts, dict) else ():
            names = part(own, "devices")
            listed = [str(name).strip() for name in names] if isinstance(names, list) else []
            joules = _joules(part(own, ENERGY))
            if component not in ("gpu", "cpu") or joules is None:
                sink.reject(1, "UNREADABLE_ENERGY", f"{component}: {ENERGY}"[:80], run=run)
                continue
            covers = ["cpu", "memory"] if any(name.startswith("dram") for name in listed) else [component]
            sink.statement(run, covers, kwh(joules), line=1)
            for number, name in enumerate(listed):
                if component == "gpu":
                    sink.device(run, f"gpu-{number}", "gpu", name=name or None, count=1.0, line=1)


READER = CarbontrackerJson()
