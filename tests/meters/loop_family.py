"""A small family of sensors for the tests of the loop: what it reads stands in files, so that a test can change it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from green.meters import About, Asked, Blind, Sight

A100 = About("gpu0", "gpu", "power_w", "sampled", name="NVIDIA A100-SXM4-80GB", uuid="GPU-1")
OTHER = About("gpu1", "gpu", "power_w", "sampled", name="NVIDIA A100-SXM4-80GB", uuid="GPU-2", is_ours=False)


@dataclass
class FileSensor:
    """Reads a number from a file; None where it is gone or says nothing."""

    about: About
    path: Path

    def read(self) -> float | None:
        try:
            return float(self.path.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None


@dataclass
class SteadyCounter:
    """A counter that grows by `power_w` from the machine's start."""

    about: About
    power_w: float

    def read(self) -> float | None:
        return time.monotonic() * self.power_w


class Files:
    """A GPU whose power stands in the file `gpu0` of the folder RIG, one that is not ours, and a CPU of 40 W."""

    name = "files"

    def look(self, asked: Asked) -> Sight:
        del asked
        folder = Path(os.environ["RIG"])
        return Sight(
            sensors=[
                FileSensor(A100, folder / "gpu0"),
                FileSensor(OTHER, folder / "gpu0"),
                SteadyCounter(About("cpu0_j", "cpu", "energy_j", "counter", wraps_at_j=1e12), 40.0),
            ],
            blind=[Blind("DRAM 0", "there is no such file", "use a machine with RAPL", "NO_DRAM_HERE")],
            facts={"container": "rig", "slurm_job_id": None},
        )

    def close(self) -> None:
        """Hold nothing."""


class Rude:
    """A sensor of somebody else that breaks the Protocol."""

    name = "rude"

    def look(self, asked: Asked) -> Sight:
        del asked
        return Sight([RudeSensor()])

    def close(self) -> None:
        """Hold nothing."""


class RudeSensor:
    about = About("rude", "gpu", "power_w", "sampled")

    def read(self) -> float | None:
        raise RuntimeError("no manners")


FAMILY, RUDE = Files(), Rude()
