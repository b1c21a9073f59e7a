"""AMD GPUs, by AMD's library: the energy counter where it has one, socket power beside it.

The Python package `amdsmi` comes with ROCm (or as `green-ledger[amd]`) and is no dependency. A counter is ticks times
their resolution in microjoules. Of an MI250 the first of two chiplets reads for both, the second reads nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING, Any

from green.meters import About, Blind, Sight
from green.meters.visible import Gpu, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from green.meters import Asked, Sensor

POWERS = ("average_socket_power", "current_socket_power", "socket_power")
VARIABLES = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")


class _Reading:
    """A sensor of one GPU, asked by a call of amdsmi."""

    def __init__(self, about: About, ask: Callable[[], float | None], error: type[Exception]) -> None:
        self.about = about
        self._ask = ask
        self._error = error

    def read(self) -> float | None:
        """Return watts or joules; None where the driver doesn't say."""
        try:
            return self._ask()
        except self._error:
            return None


class AmdSmi:
    """The family of AMD's GPUs."""

    name = "amdsmi"

    def __init__(self) -> None:
        self.kinds: frozenset[str] = frozenset()
        self._smi: Any = None

    def look(self, asked: Asked) -> Sight:
        """Find the GPUs, where their driver is loaded."""
        self.close()
        self.kinds = frozenset()
        if not os.path.isdir(f"{asked.sys}/module/amdgpu"):  # noqa: PTH112 -- a folder of the kernel
            return Sight()
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints where its library is missing
                import amdsmi  # noqa: PLC0415 -- an extra, and slow to load
        except (ImportError, OSError, KeyError) as error:  # KeyError: its own way to say that the library is missing
            why = f"the Python package amdsmi can't be loaded: {type(error).__name__} {error}"
            return Sight(blind=[Blind("AMD GPUs by amdsmi", why, "pip install 'green-ledger[amd]', beside ROCm")])
        try:
            amdsmi.amdsmi_init()
            self._smi = amdsmi
            handles = amdsmi.amdsmi_get_processor_handles()
        except amdsmi.AmdSmiException as error:
            return Sight(blind=[Blind("AMD GPUs", " ".join(str(error).split()), "run amd-smi, which says more")])
        gpus = [self._gpu(handle) for handle in handles]
        ours, doubt = chosen(gpus, asked)
        blind = []
        if doubt:
            blind.append(Blind("which GPUs the run uses", doubt, "choose them by number", "GPU_CHOICE_ASSUMED"))
        sensors: list[Sensor] = []
        for number, (handle, gpu) in enumerate(zip(handles, gpus, strict=True)):
            found = self._sensors(f"amd{number}", handle, gpu, is_ours=number in ours)
            sensors += found if number in ours else found[:1]
            if not found and "MI250" not in gpu.name:
                code = "UNMEASURED_GPU" if number in ours else ""
                blind.append(Blind(f"{gpu.name} {gpu.uuid}", "neither energy nor power", "update ROCm", code))
        if any(sensor.about.is_ours for sensor in sensors):
            self.kinds = frozenset(("gpu",))
        return Sight(sensors, blind)

    def close(self) -> None:
        """Give the library back."""
        if self._smi is not None:
            smi, self._smi = self._smi, None
            with contextlib.suppress(smi.AmdSmiException):  # nobody reads any more: what it says then helps nobody
                smi.amdsmi_shut_down()

    def _said(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 -- whatever amdsmi gives
        try:
            return ask()
        except self._smi.AmdSmiException:
            return None

    def _gpu(self, handle: Any) -> Gpu:  # noqa: ANN401 -- a handle of amdsmi
        smi = self._smi
        asic = self._said(lambda: smi.amdsmi_get_gpu_asic_info(handle)) or {}
        name = str(asic.get("market_name") or "AMD GPU")
        bus_id = str(self._said(lambda: smi.amdsmi_get_gpu_device_bdf(handle)) or "")
        return Gpu(str(self._said(lambda: smi.amdsmi_get_gpu_device_uuid(handle)) or bus_id), name, bus_id)

    def _sensors(self, sensor_id: str, handle: Any, gpu: Gpu, *, is_ours: bool) -> list[Sensor]:  # noqa: ANN401 -- as above
        smi, found = self._smi, []

        def counter() -> float | None:
            said = smi.amdsmi_get_energy_count(handle)
            ticks = said.get("energy_accumulator", said.get("power"))  # its older name
            resolution_uj = said["counter_resolution"]
            return ticks * resolution_uj / 1e6 if ticks and resolution_uj else None

        if self._said(counter):
            about = About(f"{sensor_id}_j", "gpu", "energy_j", "counter", gpu.name, gpu.uuid, None, is_ours)
            found.append(_Reading(about, counter, smi.AmdSmiException))
        said = self._said(lambda: smi.amdsmi_get_power_info(handle)) or {}
        key = next((one for one in POWERS if isinstance(said.get(one), int) and said[one] > 0), None)
        if key is not None:

            def power() -> float | None:
                power_w = smi.amdsmi_get_power_info(handle)[key]
                return float(power_w) if isinstance(power_w, int) else None

            extra: dict[str, str | float] = {"power_is": key}
            about = About(sensor_id, "gpu", "power_w", "sampled", gpu.name, gpu.uuid, None, is_ours, extra)
            found.append(_Reading(about, power, smi.AmdSmiException))
        return list(found)


def chosen(gpus: Sequence[Gpu], asked: Asked) -> tuple[frozenset[int], str]:
    """Return the GPUs that a program of ROCm sees, and a doubt; a later variable chooses from what an earlier left.

    They are chosen by number. AMD's two libraries write UUIDs in two forms, so that those can't be compared.
    """
    left = list(range(len(gpus)))
    hip = next((name for name in VARIABLES[1:] if name in asked.environ), None)
    for name in filter(None, (VARIABLES[0] if VARIABLES[0] in asked.environ else None, hip)):
        value = asked.environ[name]
        if "GPU-" in value:
            return frozenset(left), f"{name} chooses by UUID, which the library writes in another form: all are taken"
        choice = visible([gpus[number] for number in left], {"CUDA_VISIBLE_DEVICES": value})
        left = [number for place, number in enumerate(left) if place in choice.gpus]
    return frozenset(left), ""
