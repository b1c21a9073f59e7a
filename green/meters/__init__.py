"""Meters ask the sensors of this machine what a run draws: one file a family of sensors, behind one Protocol.

A family looks once what it can read here and says in words what it can't, with the mend. Each
sensor it found is then asked again and again by the sampling loop. Nothing here imports DuckDB or
pydantic, so that a meter starts in a moment and is not felt by the run beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS = ("gpu", "cpu", "dram", "storage", "host")


@dataclass(frozen=True, slots=True)
class About:
    """What the header of a log says of one sensor."""

    id: str  # the key of its readings, such as "gpu0" or "cpu0_j"; never a reserved key of the log
    kind: str  # one of KINDS
    reads: str  # power_w | energy_j, the latter a counter that only grows but for resets and wraps
    method: str  # counter | sampled | modelled
    name: str | None = None  # of the device, as its driver or the machine says it
    uuid: str | None = None  # of the device; a power sensor and a counter of one device have the same
    wraps_at_j: float | None = None  # where a counter starts again
    is_ours: bool = True  # False: recorded beside the run, never counted for it
    extra: Mapping[str, str | float] = field(default_factory=dict)  # further keys of the header, such as low_w
    places: int = 6  # digits of a reading after its point: the pipeline keeps millionths, a driver may count coarser
    is_constant: bool = False  # a model's reading that never changes: it is asked for once


class Sensor(Protocol):
    """One thing that can be read."""

    about: About

    def read(self) -> float | None:
        """Return watts or joules now; None where it can't be read at this moment. Never raises."""


@dataclass(frozen=True, slots=True)
class Blind:
    """Something of this machine that can't be read, why, and what would mend it."""

    what: str  # "CPU package 0"
    why: str  # "energy_uj may only be read by root"
    mend: str  # "sudo chmod a+r …"
    code: str = ""  # a flag for the header where numbers suffer from it, such as UNKNOWN_CPU


class Note(Protocol):
    """What is counted beside the sensors and is no energy."""

    def __call__(self) -> Mapping[str, object] | None:
        """Return it, `note` naming what it is about; None where it can't be told now. Never raises."""


@dataclass(slots=True)
class Sight:
    """What a family sees here."""

    sensors: Sequence[Sensor] = ()
    blind: Sequence[Blind] = ()
    facts: Mapping[str, str | float | None] = field(default_factory=dict)  # for the header: container, slurm_job_id
    notes: Sequence[Note] = ()  # for the log, with each of its syncs and at its end


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose energy is wanted, and where to look; the folders are arguments so that tests can give trees of theirs."""

    pid: int | None = None  # the run's first process; None: the whole machine
    proc: str = "/proc"
    sys: str = "/sys"
    environ: Mapping[str, str] = field(default_factory=dict)


class Family(Protocol):
    """A family of sensors, one file of this folder."""

    name: str  # nvml | amdsmi | rapl | hwmon | ipmi | storage | procfs

    def look(self, asked: Asked) -> Sight:
        """Find what can be read on this machine; a driver that is absent is said, never raised."""

    def close(self) -> None:
        """Give the driver back; harmless when called again."""
