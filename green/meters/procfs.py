"""What no sensor reads, modelled: processors by their load and rated power, memory by its size.

The load is that of /proc/stat, or of the run's control group where it has one. A processor whose model the tables know
draws a share of its rated power, between the published curves; of one that they don't know, or that a virtual machine
hides, each virtual processor draws what Cloud Carbon Footprint states, between the least and the most of all
generations. Low and high are counted beside the value, for they are other curves and no fixed part of it.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from green.meters import About, Blind, Sight
from green.meters.coefficients import Curve, Interval, model, processor
from green.meters.place import place
from green.meters.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from green.meters import Asked, Sensor
    from green.meters.coefficients import Model
    from green.meters.place import Place

GIB = 1 << 30
ENDS = ("low", "high")


class _Modelled:
    """A counter of modelled energy: watts at the load between two readings, times the time between them."""

    def __init__(self, about: About, usage: Usage, watts: Curve) -> None:
        self.about = about
        self._load = usage.load
        self._watts_at = watts.at
        self.low_j = self.value_j = self.high_j = 0.0

    def read(self) -> float | None:
        """Return joules since the first reading; None where the load can't be read."""
        found = self._load()
        if found is None:
            return None
        passed_s, load = found
        low_w, value_w, high_w = self._watts_at(load)
        self.low_j += low_w * passed_s
        self.high_j += high_w * passed_s
        self.value_j += value_w * passed_s
        return self.value_j


class _Low:
    """The low end of a modelled counter, as of the last reading of its value."""

    def __init__(self, about: About, of: _Modelled) -> None:
        self.about = about
        self._of = of

    def read(self) -> float | None:
        """Return joules since the first reading."""
        return self._of.low_j


class _High(_Low):
    """Its high end."""

    def read(self) -> float | None:
        """Return joules since the first reading."""
        return self._of.high_j


class Constant:
    """A power that the model doesn't let change."""

    def __init__(self, about: About, power_w: float) -> None:
        self.about = about
        self._power_w = power_w

    def read(self) -> float | None:
        """Return watts."""
        return self._power_w


class Procfs:
    """The family of modelled processors and memory; what an earlier family measures is left to it."""

    name = "procfs"

    def __init__(
        self, measured: Callable[[], frozenset[str]] = frozenset, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.kinds: frozenset[str] = frozenset()
        self._measured = measured
        self._clock = clock
        self._usage: Usage | None = None

    def look(self, asked: Asked) -> Sight:
        """Model what is not measured."""
        self.close()
        where, measured = place(asked), self._measured()
        blind: list[Blind] = []
        sensors: list[Sensor] = []
        if not where.is_first:
            mend = "nothing: ranks beside it are counted with it"
            blind.append(Blind("processors and memory", "the first rank on this machine models them", mend))
            return Sight((), blind, where.facts)
        if not measured & {"cpu", "host"}:
            sensors += self._processors(asked, where, blind)
        if not measured & {"dram", "host"} and where.memory_b is not None:
            sensors.append(_memory(where, model().memory_w_per_gb))
        self.kinds = frozenset(sensor.about.kind for sensor in sensors)
        return Sight(sensors, blind, where.facts)

    def close(self) -> None:
        """Close the files of the load."""
        if self._usage is not None:
            self._usage.close()

    def _processors(self, asked: Asked, where: Place, blind: list[Blind]) -> Sequence[Sensor]:
        self._usage = usage = Usage(asked, where, self._clock)
        if usage.run_s() is None:
            why = "neither /proc/stat nor the time of a control group can be read"
            blind.append(Blind("the load of the processors", why, "mount /proc", "UNMEASURED_CPU"))
            return ()
        curves = model()
        name, watts = _watts(asked, where, curves)
        if watts is None:
            what = f'the processor "{name}"' if name else "the processor, which has no name here"
            why = f"no table has its rated power: {where.cpus:g} virtual processors of an unknown model are taken"
            mend = "run on bare metal with RAPL, or declare cpu with its power below hardware: in run.yaml"
            blind.append(Blind(what, why, mend, "UNKNOWN_CPU"))
            each = Interval(where.cpus, where.cpus, where.cpus)
            watts = Curve(((0.0, curves.idle_w), (1.0, curves.full_w)), each)
        extra: dict[str, str | float] = {"low_is": "cpu_low", "high_is": "cpu_high", "cpus": where.cpus}
        value = _Modelled(About("cpu", "cpu", "energy_j", "modelled", name, extra=extra), usage, watts)
        low, high = (About(f"cpu_{end}", "cpu", "energy_j", "modelled", name, is_ours=False) for end in ENDS)
        return (value, _Low(low, value), _High(high, value))


def _memory(where: Place, w_per_gb: Interval) -> Sensor:
    """Model memory by its size: what the run may use of it."""
    size_gb = (where.memory_b or 0) / GIB
    extra: dict[str, str | float] = {
        "low_ratio": w_per_gb.low / w_per_gb.value,
        "high_ratio": w_per_gb.high / w_per_gb.value,
        "capacity_gb": size_gb,
    }
    return Constant(About("dram", "dram", "power_w", "modelled", "memory", extra=extra), size_gb * w_per_gb.value)


def _watts(asked: Asked, where: Place, curves: Model) -> tuple[str | None, Curve | None]:
    """Return the processor's name, and what the run's part of it draws at a load; None where it is unknown."""
    try:
        with open(f"{asked.proc}/cpuinfo", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 -- a file of the kernel
            text = stream.read()
    except OSError:
        return None, None
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    if found is None:
        return None, None
    name = found[1].strip()
    known = processor(name)
    if known is None:
        return name, None
    sockets = len(set(re.findall(r"^physical id\s*:\s*(\d+)", text, re.MULTILINE))) or 1
    part = where.cpus / where.online
    if not re.search(r"^flags\s*:.*\bhypervisor\b", text, re.MULTILINE):
        parts = Interval(part * sockets, part * sockets, part * sockets)
    elif known.cores is None:
        return name, None  # a virtual machine has some of its processors, and nobody knows of how many
    else:  # how its virtual processors lie on threads is hidden: two of a core, or one
        threads = [where.cpus / known.cores / each for each in (2, 1)]
        parts = Interval(threads[0], threads[0], threads[1])
    return name, Curve(curves.loads, known.rated_w.times(parts))
