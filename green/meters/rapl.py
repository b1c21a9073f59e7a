"""Processors and memory, by RAPL: counters of energy that Intel and AMD processors keep, through Linux's powercap.

A package contains its cores and graphics, and the platform (psys) contains the packages: packages are read and, where
they have one, the memory beside them, never a part with its whole. A counter starts again at max_energy_range_uj.
Since Linux 5.10 only root may read them (CVE-2020-8694), for they can tell what a processor computes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from green.meters import About, Blind, Sight
from green.meters.micro import MOST_DIGITS, MicroFile
from green.meters.place import place
from green.meters.share import Share
from green.meters.usage import Usage

if TYPE_CHECKING:
    from green.meters import Asked, Sensor

_ZONE = re.compile(r"(intel-rapl(?:-\w+)?):(\d+)(?::(\d+))?", re.ASCII)
_PACKAGE = re.compile(r"package-\d+(?:-die-\d+)?", re.ASCII)
ONLY_ROOT = "its energy_uj may only be read by root"
MEND = (
    "until the next start: sudo chmod a+r /sys/class/powercap/*/{energy_uj,max_energy_range_uj}; "
    "for good: docs/meter_sensors.md"
)


@dataclass(frozen=True, slots=True)
class _Zone:
    """A zone of powercap."""

    name: str  # package-0 | core | uncore | dram | psys
    path: str
    interface: str  # intel-rapl | intel-rapl-mmio ...
    package: str = ""  # of a part: the name of its package

    @property
    def called(self) -> str:
        """What it is called among all zones of the machine."""
        return f"{self.package}/{self.name}" if self.package else self.name


class Rapl:
    """The family of RAPL's counters."""

    name = "rapl"

    def __init__(self) -> None:
        self.kinds: frozenset[str] = frozenset()
        self._files: list[int] = []
        self._usages: list[Usage] = []
        self._blind: list[Blind] = []

    def look(self, asked: Asked) -> Sight:
        """Find the packages and their memory, and what part of them is the run's."""
        self.close()
        self._blind, self.kinds = [], frozenset()
        root = f"{asked.sys}/class/powercap"
        zones = _zones(root)
        if not zones:
            return Sight(blind=[_nothing(root)])
        where = place(asked)
        sensors: list[Sensor] = []
        for zone in sorted(zones.values(), key=lambda zone: (zone.name == "dram", zone.called)):
            if zone.name in {"core", "uncore"}:
                continue  # in their package already
            sensor = self._counter(zone, asked, is_ours=where.is_whole and zone.name != "psys")
            if sensor is None:
                continue
            sensors.append(sensor)
            if zone.name != "psys" and not where.is_whole and where.is_first:
                usage = Usage(asked, where)
                self._usages.append(usage)
                sensors.append(_share(sensor, usage))
        if not where.is_whole and sensors:
            why = f"the run has {where.cpus:g} of {where.online} processors: a part by processor time is modelled"
            self._blind.append(
                Blind("the run's part of the packages", why, "give the run a whole node", "SHARED_DEVICE")
            )
        self.kinds = frozenset(sensor.about.kind for sensor in sensors if sensor.about.is_ours)
        return Sight(sensors, self._blind)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            os.close(file)
        for usage in self._usages:
            usage.close()
        self._files, self._usages = [], []

    def _counter(self, zone: _Zone, asked: Asked, *, is_ours: bool) -> MicroFile | None:
        """Open a counter; say why where it can't be read."""
        kind = {"dram": "dram", "psys": "host"}.get(zone.name, "cpu")
        code = {"dram": "UNMEASURED_MEMORY", "cpu": "UNMEASURED_CPU", "host": ""}[kind]
        try:
            file = os.open(f"{zone.path}/energy_uj", os.O_RDONLY | os.O_CLOEXEC)
            self._files.append(file)
            int(os.pread(file, MOST_DIGITS, 0))
        except PermissionError:
            self._blind.append(Blind(f"RAPL {zone.called}", ONLY_ROOT, MEND, code))
            return None
        except (OSError, ValueError) as error:
            self._blind.append(Blind(f"RAPL {zone.called}", f"its energy_uj can't be read: {error}", MEND, code))
            return None
        wraps_at_j = _joules(f"{zone.path}/max_energy_range_uj")
        if wraps_at_j is None:
            why = "its max_energy_range_uj can't be read: where it starts again, the interval is left out"
            self._blind.append(Blind(f"RAPL {zone.called}", why, MEND))
        number = "".join(filter(str.isdigit, zone.package or zone.name)) or "0"
        about = About(
            {"cpu": f"cpu{number}_j", "dram": f"dram{number}_j", "host": "psys_j"}[kind],
            kind,
            "energy_j",
            "counter",
            _model(asked.proc) if kind == "cpu" else zone.called,
            uuid_of(asked, zone.called),
            wraps_at_j,
            is_ours,
            {"zone": zone.called},
        )
        return MicroFile(about, file)


def _zones(root: str) -> dict[str, _Zone]:
    """Return the zones by what they are called; of two interfaces to one zone the first that can be read."""
    found: dict[str, _Zone] = {}
    try:
        listed = sorted(os.listdir(root))  # noqa: PTH208 -- names, not paths
    except OSError:
        return found
    folders = [(name, match) for name in listed if (match := _ZONE.fullmatch(name))]
    folders.sort(key=lambda one: (one[1][1], one[0]))  # intel-rapl before intel-rapl-mmio
    packages = {name: text for name, match in folders if match[3] is None and (text := _word(f"{root}/{name}/name"))}
    for name, match in folders:
        called = _word(f"{root}/{name}/name")
        if called is None or not (_PACKAGE.fullmatch(called) or called in {"core", "uncore", "dram", "psys"}):
            continue
        package = packages.get(f"{match[1]}:{match[2]}", "") if match[3] is not None else ""
        zone = _Zone(called, f"{root}/{name}", match[1], package)
        other = found.get(zone.called)
        if other is None or (
            _joules(f"{other.path}/energy_uj") is None and _joules(f"{zone.path}/energy_uj") is not None
        ):
            found[zone.called] = zone
    return found


def _nothing(root: str) -> Blind:
    """Say why there is no zone at all."""
    if os.path.isdir(root):  # noqa: PTH112 -- a folder of the kernel
        why = "powercap has no zone of RAPL: a processor without it, a virtual machine, or a container that hides it"
    else:
        why = "this kernel has no powercap: a virtual machine, another processor, or a module that is not loaded"
    return Blind("CPU and memory counters (RAPL)", why, "on bare metal: sudo modprobe intel_rapl_msr")


def _share(whole: Sensor, usage: Usage) -> Sensor:
    """Model the run's part of a counter of the whole machine, by processor time."""
    about = whole.about
    extra: dict[str, str | float] = {"high_is": about.id, "low_ratio": 0.0}
    called = f"{about.id.removesuffix('_j')}_share"
    own = About(called, about.kind, "energy_j", "modelled", about.name, None, extra=extra)
    return Share(own, whole, usage.share)


def uuid_of(asked: Asked, called: str) -> str | None:
    """Name a part of this machine: the same for all ranks of a run on it, and no other machine's.

    The kernel's boot_id is one for all containers of a machine; it is hashed, and a restart makes another.
    """
    boot = _word(f"{asked.proc}/sys/kernel/random/boot_id")
    return None if boot is None else sha256(f"green {boot} {called}".encode()).hexdigest()[:32]


def _word(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as stream:  # noqa: PTH123 -- a file of the kernel
            return stream.read().strip() or None
    except OSError:
        return None


def _joules(path: str) -> float | None:
    """Return what a file of microjoules says; nothing, or none at all, is no joule."""
    text = _word(path)
    return int(text) / 1e6 if text is not None and text.isdigit() and int(text) > 0 else None


def _model(proc: str) -> str | None:
    """Return the processor's name."""
    text = _word(f"{proc}/cpuinfo") or ""
    found = re.search(r"^(?:model name|Hardware|cpu model)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else None
