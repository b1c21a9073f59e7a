"""Power meters that Linux shows below /sys/class/hwmon: of a whole machine, of AMD's and Intel's GPUs and processors.

Files are microwatts (power*) and microjoules (energy*), by the kernel's hwmon interface. What an earlier family reads
of the same devices is left to it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from green.meters import About, Blind, Sight
from green.meters.micro import MicroFile
from green.meters.place import place
from green.meters.rapl import uuid_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from green.meters import Asked, Sensor

_PART = re.compile(r"socket|module|cpu|gpu|sysio", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Driver:
    """What a driver of hwmon shows: its files, the best first, and which of them count by their label."""

    kind: str
    what: str
    files: tuple[str, ...]
    label: re.Pattern[str] | None = None


DRIVERS = {
    "power_meter": _Driver("host", "ACPI power meter", ("power1_average", "power1_input")),
    "amdgpu": _Driver("gpu", "AMD GPU", ("power1_average", "power1_input")),
    "i915": _Driver("gpu", "Intel GPU", ("energy1_input",)),
    "xe": _Driver("gpu", "Intel GPU", ("energy1_input", "energy2_input")),
    "amd_energy": _Driver("cpu", "AMD processor", (), re.compile(r"Esocket\d+", re.ASCII)),
}


class Hwmon:
    """The family of hwmon's meters."""

    name = "hwmon"

    def __init__(self, measured: Callable[[], frozenset[str]] = frozenset) -> None:
        self.kinds: frozenset[str] = frozenset()
        self._measured = measured
        self._files: list[int] = []

    def look(self, asked: Asked) -> Sight:
        """Find the meters that read what no earlier family reads."""
        self.close()
        root, measured, where = f"{asked.sys}/class/hwmon", self._measured(), place(asked)
        sensors: list[Sensor] = []
        blind: list[Blind] = []
        for folder in _listed(root):
            name = _word(f"{root}/{folder}/name") or ""
            driver = DRIVERS.get(name)
            if driver is None or driver.kind in measured:
                continue
            is_ours = where.is_whole or driver.kind == "gpu"
            if driver.kind == "host" and _PART.search(_word(f"{root}/{folder}/power1_oem_info") or ""):
                is_ours = False  # of a part of the board, such as a socket of Grace
            for number, file in enumerate(_files(f"{root}/{folder}", driver)):
                called = f"{driver.kind}_{folder}" + (f"_{number}" if number else "")
                reads = "energy_j" if file.startswith("energy") else "power_w"
                method = "counter" if reads == "energy_j" else "sampled"
                uuid = uuid_of(asked, f"{folder}/{name}/{file}")
                about = About(called, driver.kind, reads, method, driver.what, uuid, None, is_ours, {"driver": name})
                sensor = self._open(about, f"{root}/{folder}/{file}", blind)
                if sensor is not None:
                    sensors.append(sensor)
        self.kinds = frozenset(sensor.about.kind for sensor in sensors if sensor.about.is_ours)
        return Sight(sensors, blind)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            os.close(file)
        self._files = []

    def _open(self, about: About, path: str, blind: list[Blind]) -> MicroFile | None:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            why = f"{os.path.basename(path)} can't be read: {error.strerror}"  # noqa: PTH119 -- a name
            blind.append(Blind(f"{about.name} ({about.extra['driver']})", why, f"sudo chmod a+r {path}"))
            return None
        self._files.append(file)
        return MicroFile(about, file)


def _listed(folder: str) -> Sequence[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 -- names, not paths
    except OSError:
        return ()


def _files(folder: str, driver: _Driver) -> list[str]:
    """Return the files to read: the best of the driver's own, or each one whose label counts."""
    there = _listed(folder)
    if driver.label is None:
        return [name for name in driver.files if name in there][:1]
    labels = {name: _word(f"{folder}/{name}") or "" for name in there if re.fullmatch(r"energy\d+_label", name)}
    return [name.replace("_label", "_input") for name, text in labels.items() if driver.label.fullmatch(text)]


def _word(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as stream:  # noqa: PTH123 -- a file of the kernel
            return stream.read().strip() or None
    except OSError:
        return None
