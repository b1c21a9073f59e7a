"""Every family of sensors, in the order in which they are asked: what one measures, a later one doesn't model.

Third parties add a family as an entry point of the group `green.meters` that names a class, or a function, which
gives one; theirs come last.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.meters import Family

GROUP = "green.meters"


def families() -> list[Family]:
    """Return the families; none looks at the machine before it is asked to."""
    nvml, amdsmi, rapl = _load("nvml", "Nvml"), _load("amdsmi", "AmdSmi"), _load("rapl", "Rapl")
    hwmon = _load("hwmon", "Hwmon", _kinds_of(amdsmi, rapl))
    ipmi = _load("ipmi", "Ipmi", _kinds_of(hwmon))
    measuring = (nvml, amdsmi, rapl, hwmon, ipmi)
    measured = _kinds_of(*measuring)
    found = [*measuring, _load("storage", "Storage", measured), _load("procfs", "Procfs", measured)]
    return found + _others()


def _others() -> list[Family]:
    """Return the families of third parties; importlib.metadata costs 25 ms, so that it is loaded for somebody only."""
    listed = (file for folder in sys.path for file in Path(folder or ".").glob("*.dist-info/entry_points.txt"))
    if not any(f"[{GROUP}]".encode() in file.read_bytes() for file in listed):
        return []
    from importlib.metadata import entry_points  # noqa: PLC0415 -- as said

    return [point.load()() for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]


def _kinds_of(*families: Any) -> Callable[[], frozenset[str]]:  # noqa: ANN401 -- families with what their files add
    """Return a function that says which kinds families measure, once they have looked."""
    return lambda: frozenset().union(*(family.kinds for family in families))


def _load(module: str, name: str, *arguments: object) -> Any:  # noqa: ANN401 -- a family with what its file adds
    """Make a family of ours; its module is imported here and not before."""
    return getattr(import_module(f"green.meters.{module}"), name)(*arguments)
