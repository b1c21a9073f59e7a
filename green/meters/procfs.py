"""What no sensor reads, modelled: processors by their load and rated power, memory by its size.

The load is that of /proc/stat, or of the run's control group where it has one. A processor whose model the tables know
draws a share of its rated power, between the published curves; of one that they don't know, or that a virtual machine
hides, each virtual processor draws what Cloud Carbon Footprint states, between the least and the most of all
generations. Low and high are counted beside the value, for they are other curves and no fixed part of it.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING

from green.meters import About, Blind, Sight
from green.meters.coefficients import Interval, curve, model, processor
from green.meters.place import place
from green.meters.usage import run_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from green.meters import Asked, Sensor
    from green.meters.coefficients import Curve, Model
    from green.meters.place import Place
    from green.meters.usage import GroupTime, MachineTime

    Time = GroupTime | MachineTime

GIB = 1 << 30
ENDS = ("low", "high")


class _Modelled:
    """A counter of modelled energy: watts at the load between two readings, times the time between them."""

    def __init__(self, about: About, busy: Time, cpus: float, watts: Curve, clock: Callable[[], float]) -> None:
        self.about = about
        self._busy_s, self._clock = busy.seconds, clock
        self._cpus, self._watts = cpus, watts
        self._last: tuple[float, float] | None = None
        self.low_j = self.value_j = self.high_j = 0.0

    def read(self) -> float | None:
        """Return joules since the first reading; None where the load can't be read."""
        busy_s, now_s = self._busy_s(), self._clock()
        if busy_s is None:
            return None
        last, self._last = self._last, (busy_s, now_s)
        if last is None or now_s <= last[1]:
            return self.value_j
        passed_s = now_s - last[1]
        load = (busy_s - last[0]) / (passed_s * self._cpus)
        load = 0.0 if load < 0.0 else 1.0 if load > 1.0 else load  # noqa: FURB136 -- a builtin is sought in three places
        for most, low_w, low_more_w, value_w, value_more_w, high_w, high_more_w in self._watts:  # noqa: B007 -- those of the part that is left at the end
            if load <= most:
                break
        self.low_j += (low_w + low_more_w * load) * passed_s
        self.high_j += (high_w + high_more_w * load) * passed_s
        self.value_j += (value_w + value_more_w * load) * passed_s
        return self.value_j


class _End:
    """The low or the high end of a modelled counter, as of the last reading of its value."""

    def __init__(self, about: About, of: _Modelled, end: str) -> None:
        self.about = about
        self.read: Callable[[], float | None] = partial(getattr, of, f"{end}_j")  # joules since the first reading


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
        self._busy: Time | None = None

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
        if self._busy is not None:
            self._busy.close()

    def _processors(self, asked: Asked, where: Place, blind: list[Blind]) -> Sequence[Sensor]:
        self._busy = busy = run_time(asked, where)
        if busy.seconds() is None:
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
            watts = curve(((0.0, curves.idle_w), (1.0, curves.full_w)), each)
        extra: dict[str, str | float] = {"low_is": "cpu_low", "high_is": "cpu_high", "cpus": where.cpus}
        about = About("cpu", "cpu", "energy_j", "modelled", name, extra=extra)
        value = _Modelled(about, busy, where.cpus, watts, self._clock)
        abouts = {end: About(f"cpu_{end}", "cpu", "energy_j", "modelled", name, is_ours=False) for end in ENDS}
        return (value, *(_End(about, value, end) for end, about in abouts.items()))


def _memory(where: Place, w_per_gb: Interval) -> Sensor:
    """Model memory by its size: what the run may use of it."""
    size_gb = (where.memory_b or 0) / GIB
    extra: dict[str, str | float] = {
        "low_ratio": w_per_gb.low / w_per_gb.value,
        "high_ratio": w_per_gb.high / w_per_gb.value,
        "capacity_gb": size_gb,
    }
    about = About("dram", "dram", "power_w", "modelled", "memory", extra=extra, is_constant=True)
    return Constant(about, size_gb * w_per_gb.value)


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
    return name, curve(curves.loads, known.rated_w.times(parts))
