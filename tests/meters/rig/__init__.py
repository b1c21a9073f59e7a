"""The truth rig: a stand-in for NVML that the real pynvml loads, and trees of powercap, hwmon, proc and cgroup files.

Every device draws a square wave whose energy at any time is known in closed form, so that a meter is measured against
the truth and not against another meter. The clock is virtual: a test moves it, and nothing waits.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import shutil
import subprocess
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

SOURCE = Path(__file__).parent / "nvml.c"
NAME = "libnvidia-ml.so.1"
VARIABLE = "GREEN_RIG"
NO_GCC = "the truth rig needs gcc, which is not installed"
NEVER = -1.0
NOT_SUPPORTED, NO_PERMISSION, GPU_IS_LOST = 3, 4, 15  # NVML's codes


class Process(ctypes.Structure):
    """A process on a device, as the driver lists it."""

    _fields_ = [("pid", ctypes.c_uint), ("sm_percent", ctypes.c_uint), ("memory_b", ctypes.c_ulonglong)]


class Instance(ctypes.Structure):
    """A MIG instance of a device."""

    _fields_ = [
        ("uuid", ctypes.c_char * 80),
        *((name, ctypes.c_uint) for name in ("slices", "gpu_instance", "compute_instance", "memory_mb")),
    ]


_WAVE = (
    "low_w",
    "high_w",
    "period_s",
    "high_s",
    "phase_s",
    "step_s",
    "average_s",
    "reset_at_s",
    "lost_at_s",
    "limit_w",
)
_ERRORS = ("counter_error", "usage_error", "average_error", "instant_error", "process_error")


class Device(ctypes.Structure):
    """One device; the layout is that of nvml.c."""

    _fields_ = [
        ("name", ctypes.c_char * 96),
        ("uuid", ctypes.c_char * 80),
        ("bus_id", ctypes.c_char * 32),
        *((name, ctypes.c_double) for name in _WAVE),
        ("memory_b", ctypes.c_ulonglong),
        *((name, ctypes.c_int) for name in (*_ERRORS, "usage_is_average", "mig_mode", "instances", "processes")),
        ("instance", Instance * 8),
        ("process", Process * 8),
    ]

    def joules(self, from_s: float, to_s: float) -> float:
        """Return the true energy between two times."""
        return self._joules(to_s) - self._joules(from_s)

    def _joules(self, t_s: float) -> float:
        whole, rest = divmod(t_s + self.phase_s, self.period_s)
        high_s: float = whole * self.high_s + min(rest, self.high_s)
        return float(self.low_w * t_s + (self.high_w - self.low_w) * high_s)

    def partition(self, *instances: tuple[str, int, int]) -> None:
        """Switch MIG on with instances of (uuid, compute slices, memory in MB)."""
        self.mig_mode, self.instances = 1, len(instances)
        for number, (uuid, slices, memory_mb) in enumerate(instances):
            self.instance[number] = Instance(uuid.encode(), slices, number + 1, 0, memory_mb)

    def occupy(self, *processes: tuple[int, int, int]) -> None:
        """Put processes of (pid, percent of the multiprocessors, bytes) onto the device."""
        self.processes = len(processes)
        for number, process in enumerate(processes):
            self.process[number] = Process(*process)


class Control(ctypes.Structure):
    """The file that the stand-in maps."""

    _fields_ = [
        ("now_s", ctypes.c_double),
        ("start_s", ctypes.c_double),
        ("init_error", ctypes.c_int),
        ("devices", ctypes.c_int),
        ("calls", ctypes.c_ulonglong),
        ("device", Device * 16),
    ]


def has_gcc() -> bool:
    """Tell whether the stand-in can be built."""
    return shutil.which("gcc") is not None


def build(folder: Path) -> Path:
    """Compile the stand-in into a folder; return the folder, for LD_LIBRARY_PATH."""
    library = folder / NAME
    command = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1"]
    command += [f"-Wl,-soname,{NAME}", "-o", str(library), str(SOURCE), "-lm"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


@cache
def load() -> None:
    """Load the stand-in into this process: the linker then takes it for every later libnvidia-ml.so.1."""
    with tempfile.TemporaryDirectory(prefix="green-rig-") as folder:
        ctypes.CDLL(str(build(Path(folder)) / NAME), mode=ctypes.RTLD_GLOBAL)


class Rig:
    """Devices with known power, over a file that the stand-in maps, in this process or another."""

    def __init__(self, file: Path, devices: int = 1) -> None:
        self.file = file
        file.write_bytes(bytes(ctypes.sizeof(Control)))
        with file.open("r+b") as stream:
            self._map = mmap.mmap(stream.fileno(), 0)
        self.control = Control.from_buffer(self._map)
        self.control.devices = devices
        for number in range(devices):
            self.control.device[number] = hopper(number)
        self._before: str | None = None

    def __enter__(self) -> Self:
        """Point the stand-in of this process at these devices."""
        self._before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(self.file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.environ.pop(VARIABLE, None)
        if self._before is not None:
            os.environ[VARIABLE] = self._before

    def __getitem__(self, number: int) -> Device:
        device: Device = self.control.device[number]
        return device

    def __iter__(self) -> Iterator[Device]:
        return (self[number] for number in range(self.control.devices))

    @property
    def now_s(self) -> float:
        """The virtual time."""
        return float(self.control.now_s)

    @now_s.setter
    def now_s(self, seconds: float) -> None:
        self.control.now_s = seconds

    def run_by_the_clock(self, start_s: float) -> None:
        """Let time pass by itself, as Unix seconds since a start."""
        self.control.start_s, self.control.now_s = start_s, -1.0


def hopper(number: int, **changes: object) -> Device:
    """Return a device as an H100 tells of itself: counter in steps of 0.1 s, power averaged over the last second."""
    device = Device(
        name=b"NVIDIA H100 80GB HBM3",
        uuid=f"GPU-{number:08x}-1111-2222-3333-444444444444".encode(),
        bus_id=f"00000000:{0x10 + number:02X}:00.0".encode(),
        low_w=100.0,
        high_w=400.0,
        period_s=3.7 + 0.1 * number,
        high_s=0.9,
        step_s=0.1,
        average_s=1.0,
        reset_at_s=NEVER,
        lost_at_s=NEVER,
        limit_w=700.0,
        memory_b=80 << 30,
        usage_is_average=1,
        mig_mode=0,
    )
    for name, value in changes.items():
        setattr(device, name, value)
    return device


def strata(rig: Rig, until_s: float, instants: Sequence[float]) -> Iterator[float]:
    """Move the clock to each instant before the end, and to the end, as a meter at 1 Hz does."""
    for at_s in (*(one for one in instants if one < until_s), until_s):
        rig.now_s = at_s
        yield at_s


def integral(times: Sequence[float], powers: Sequence[float | None]) -> float:
    """Return the energy of a power series by the trapezoid rule."""
    pairs = [(t, p) for t, p in zip(times, powers, strict=True) if p is not None]
    return math.fsum((t1 - t0) * (p0 + p1) / 2 for (t0, p0), (t1, p1) in pairwise(pairs))
