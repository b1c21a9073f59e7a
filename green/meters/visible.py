"""Which GPUs of a machine a program may use, by the rules with which CUDA reads CUDA_VISIBLE_DEVICES.

The rules are those of NVIDIA's programming guide (CUDA environment variables): an empty value hides all, an
identifier that is none ends the list, the first letters of a UUID will do. What the guide leaves open is read as
PyTorch reads it: an identifier that stands twice hides all, and `1gpu` is 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)
_OLD_INSTANCE = re.compile(r"MIG-(GPU-[^/]+)/(\d+)/(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Instance:
    """A MIG instance of a GPU."""

    uuid: str
    gpu_instance: int
    compute_instance: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as its driver lists it."""

    uuid: str
    name: str
    bus_id: str
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What a program sees: places in the list of GPUs, and UUIDs of instances."""

    gpus: frozenset[int]
    instances: frozenset[str] = frozenset()
    doubt: str = ""  # why the choice may be another one


def visible(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> Choice:
    """Return what a program with this environment sees of the GPUs of its machine."""
    value = environ.get("CUDA_VISIBLE_DEVICES")
    order = sorted(range(len(gpus)), key=lambda number: gpus[number].bus_id.lower())
    if value is None:
        return _all(gpus, order)
    chosen: list[int | str] = []
    used_number = False
    for word in value.split(","):
        one = _identified(word.strip(), gpus, order)
        if one is None:
            break
        if one in chosen:
            return Choice(frozenset())
        chosen.append(one)
        used_number = used_number or _NUMBER.match(word.strip()) is not None
    doubt = ""
    if used_number and environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" and len({gpu.name for gpu in gpus}) > 1:
        doubt = "CUDA numbers the fastest GPU 0 unless told otherwise, and these GPUs are of several models"
    whole = frozenset(one for one in chosen if isinstance(one, int))
    return Choice(whole, frozenset(one for one in chosen if isinstance(one, str)), doubt)


def _all(gpus: Sequence[Gpu], order: Sequence[int]) -> Choice:
    """Without the variable: every whole GPU; of GPUs in instances one instance, for CUDA never uses more of them."""
    whole = frozenset(number for number in order if not gpus[number].instances)
    first = next((gpus[number].instances[0].uuid for number in order if gpus[number].instances), None)
    if whole or first is None:
        return Choice(whole)
    several = sum(len(gpu.instances) for gpu in gpus) > 1
    return Choice(whole, frozenset((first,)), "CUDA uses one instance, and nothing says which" if several else "")


def _identified(word: str, gpus: Sequence[Gpu], order: Sequence[int]) -> int | str | None:
    """Return the GPU or instance that a word names; None where it names none, or more than one."""
    if word.startswith("GPU-"):
        found = [number for number, gpu in enumerate(gpus) if gpu.uuid.startswith(word)]
        return _entered(found[0], gpus) if len(found) == 1 else None
    if word.startswith("MIG-"):
        old = _OLD_INSTANCE.fullmatch(word)
        named = [
            one.uuid
            for gpu in gpus
            for one in gpu.instances
            if one.uuid.startswith(word)
            or (old is not None and gpu.uuid == old[1] and (one.gpu_instance, one.compute_instance) == _ids(old))
        ]
        return named[0] if len(named) == 1 else None
    number = _NUMBER.match(word)
    index = -1 if number is None else int(number[0])
    return _entered(order[index], gpus) if 0 <= index < len(order) else None


def _ids(old: re.Match[str]) -> tuple[int, int]:
    return int(old[2]), int(old[3])


def _entered(number: int, gpus: Sequence[Gpu]) -> int | str:
    """Return a whole GPU, or the first instance of one that is in instances."""
    instances = gpus[number].instances
    return instances[0].uuid if instances else number
