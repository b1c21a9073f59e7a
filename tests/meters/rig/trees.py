"""Trees of files as the kernel shows them: powercap, processors, control groups."""

from __future__ import annotations

from pathlib import Path

BOOT_ID = "8a1d6f2e-0000-4000-8000-000000000001"


def write(path: Path, text: object) -> Path:
    """Write a file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="ascii")
    return path


class Zone:
    """A zone of powercap, whose counter wraps as the kernel's does."""

    def __init__(self, root: Path, folder: str, name: str, *, range_uj: int | None = 262_143_328_850) -> None:
        self.path = root / "class" / "powercap" / folder
        self.range_uj = range_uj
        self.total_uj = 0
        write(self.path / "name", name)
        if range_uj is not None:
            write(self.path / "max_energy_range_uj", range_uj)
        self.add(0)

    def add(self, joules: float) -> None:
        """Let the zone use energy."""
        self.total_uj += round(joules * 1e6)
        shown = self.total_uj if self.range_uj is None else self.total_uj % self.range_uj
        write(self.path / "energy_uj", shown)


class Machine:
    """The folders /proc and /sys of a machine."""

    def __init__(self, root: Path, cpus: int = 8, model: str = "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz") -> None:
        self.proc, self.sys = root / "proc", root / "sys"
        self.cpus = cpus
        write(self.proc / "sys/kernel/random/boot_id", BOOT_ID)
        write(self.proc / "meminfo", "MemTotal:       65536000 kB\nMemFree:         1000000 kB")
        write(self.sys / "devices/system/cpu/online", f"0-{cpus - 1}")
        self.processors(model)
        self.busy()
        self.process(1)

    def processors(self, model: str, *, sockets: int = 1, cores: int | None = None, flags: str = "fpu") -> None:
        """Write /proc/cpuinfo."""
        each = self.cpus // sockets
        rows = [
            f"processor\t: {n}\nmodel name\t: {model}\nphysical id\t: {n // each}\nsiblings\t: {each}\n"
            f"cpu cores\t: {cores or each}\nflags\t\t: {flags}\n"
            for n in range(self.cpus)
        ]
        write(self.proc / "cpuinfo", "\n".join(rows))

    def busy(self, *seconds: float, idle_s: float = 1000.0) -> None:
        """Write /proc/stat, with the busy time of each processor."""
        each = [*seconds, *[0.0] * (self.cpus - len(seconds))]
        line = "{} {} 0 0 {} 0 0 0 0 0 0"
        rows = [line.format("cpu ", round(sum(each) * 100), round(idle_s * 100))]
        rows += [line.format(f"cpu{n}", round(one * 100), round(idle_s * 100)) for n, one in enumerate(each)]
        write(self.proc / "stat", "\n".join([*rows, "intr 0"]))

    def process(self, pid: int, *, groups: str = "0::/", allowed: str | None = None) -> None:
        """Write what /proc says of a process."""
        write(self.proc / str(pid) / "cgroup", groups)
        write(self.proc / str(pid) / "status", f"Name:\tx\nCpus_allowed_list:\t{allowed or f'0-{self.cpus - 1}'}")
        write(self.proc / str(pid) / "stat", f"{pid} (x) S 0 0 0")
