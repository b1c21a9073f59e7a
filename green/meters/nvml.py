"""NVIDIA GPUs, by the driver's library NVML: the energy counter first, averaged power beside it.

The counter holds millijoules since the driver was loaded, in steps of about 0.1 s, from Volta on. Power is the mean of
the last second on Ampere and later, but for the A100's chip and older ones, where it is that of a moment; the driver
names both fields, and the mean is taken where there is one (NVML API reference: nvmlDeviceGetTotalEnergyConsumption,
nvmlDeviceGetPowerUsage, NVML_FI_DEV_POWER_AVERAGE). It is accurate to 5 %.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from green.meters import About, Blind, Sight
from green.meters.share import Share
from green.meters.tree import is_below
from green.meters.visible import Gpu, Instance, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from green.meters import Asked, Sensor

AVERAGED = "averaged power"
MILLI = 3  # places of what the driver counts in: milliwatts and millijoules
NEWER_DRIVER = "install a driver of the branch 535 or later"
NO_DRIVER = {
    "NVMLError_LibraryNotFound": ("its driver is not installed here", "install the NVIDIA driver where there is a GPU"),
    "NVMLError_DriverNotLoaded": ("its driver is not loaded", "load it: sudo modprobe nvidia"),
    "NVMLError_LibRmVersionMismatch": ("library and kernel module are of two versions", "restart the machine"),
    "NVMLError_NoPermission": ("this user may not ask the driver", "let the user read and write /dev/nvidia*"),
}


class _Reading:
    """A sensor of one GPU, asked by a call of pynvml; a GPU that is lost is never asked again."""

    def __init__(self, about: About, ask: Callable[[], float], errors: Any) -> None:  # noqa: ANN401 -- pynvml has no types
        self.about = about
        self._ask: Callable[[], float] | None = ask
        self._error = errors.NVMLError
        self._lost = (errors.NVML_ERROR_GPU_IS_LOST, errors.NVML_ERROR_UNINITIALIZED, errors.NVML_ERROR_GPU_NOT_FOUND)

    def read(self) -> float | None:
        """Return watts or joules; None where the driver doesn't say."""
        if self._ask is None:
            return None
        try:
            return self._ask() / 1000
        except self._error as error:
            if error.value in self._lost:
                self._ask = None
            return None


class Nvml:
    """The family of NVIDIA's GPUs."""

    name = "nvml"

    def __init__(self) -> None:
        self.kinds: frozenset[str] = frozenset()
        self._nvml: Any = None
        self._blind: list[Blind] = []
        self._instance_of: dict[str, Any] = {}  # uuid → handle

    def look(self, asked: Asked) -> Sight:
        """Find the GPUs, which of them are the run's, and what can be read of each."""
        self.close()
        import pynvml  # noqa: PLC0415 -- 20 ms, where a meter runs

        self._blind, self.kinds = [], frozenset()
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            why, mend = NO_DRIVER.get(type(error).__name__, (str(error), "run nvidia-smi, which says more"))
            return Sight(blind=[Blind("NVIDIA GPUs", why, mend)])
        self._nvml = pynvml
        handles: list[Any] = []
        gpus: list[Gpu] = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                gpus.append(self._gpu(handle))
                handles.append(handle)
            except pynvml.NVMLError as error:
                self._blind.append(
                    Blind(f"GPU {index}", f"the driver says: {error}", "run nvidia-smi, which says more")
                )
        choice = visible(gpus, asked.environ)
        if choice.doubt:
            mend = "export CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs and instances by their UUID"
            self._blind.append(Blind("which GPUs the run uses", choice.doubt, mend, "GPU_CHOICE_ASSUMED"))
        sensors: list[Sensor] = []
        for number, (handle, gpu) in enumerate(zip(handles, gpus, strict=True)):
            is_ours = number in choice.gpus
            used = [one for one in gpu.instances if one.uuid in choice.instances]
            busy = self._others(handle, asked) if is_ours else None
            own = self._whole(f"gpu{number}", handle, gpu, is_ours=is_ours and not busy)
            sensors += own if is_ours or used else own[:1]
            sensors += [self._instance(one, handle, own[0]) for one in used if own]
            if busy and own:
                sensors.append(self._shared(own[0], handle, asked, busy))
        if any(sensor.about.is_ours for sensor in sensors):
            self.kinds = frozenset(("gpu",))
        return Sight(sensors, self._blind, self._facts(gpus, choice.gpus))

    def close(self) -> None:
        """Give the driver back."""
        if self._nvml is not None:
            nvml, self._nvml = self._nvml, None
            try:
                nvml.nvmlShutdown()
            except nvml.NVMLError_Uninitialized:
                return  # somebody else of this process did

    def _gpu(self, handle: Any) -> Gpu:  # noqa: ANN401 -- a handle of pynvml
        nvml = self._nvml
        instances = tuple(self._instances(handle))
        bus_id = nvml.nvmlDeviceGetPciInfo(handle).busId
        return Gpu(nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle), bus_id, instances)

    def _instances(self, handle: Any) -> list[Instance]:  # noqa: ANN401 -- as above
        """Return the MIG instances of a GPU, and keep their handles."""
        nvml = self._nvml
        try:
            if nvml.nvmlDeviceGetMigMode(handle)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
                return []
            most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
        except nvml.NVMLError:  # a GPU, or a driver, without MIG
            return []
        found = []
        for index in range(most):
            try:
                one = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
                ids = nvml.nvmlDeviceGetGpuInstanceId(one), nvml.nvmlDeviceGetComputeInstanceId(one)
                found.append(Instance(nvml.nvmlDeviceGetUUID(one), *ids))
            except nvml.NVMLError:  # an index without an instance
                continue
            self._instance_of[found[-1].uuid] = one
        return found

    def _whole(self, sensor_id: str, handle: Any, gpu: Gpu, *, is_ours: bool) -> list[Sensor]:  # noqa: ANN401 -- as above
        """Return the counter of a GPU and its power, as far as the driver has them."""
        nvml = self._nvml
        found: list[Sensor] = []
        limit = self._asked(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        extra: dict[str, str | float] = {} if limit is None else {"power_limit_w": limit / 1000}
        refusals = []

        def counter() -> float:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))

        refusal = self._refusal(counter)
        if refusal is None:
            about = About(
                f"{sensor_id}_j", "gpu", "energy_j", "counter", gpu.name, gpu.uuid, None, is_ours, extra, MILLI
            )
            found.append(_Reading(about, counter, nvml))
        else:
            refusals.append(f"energy counter: {refusal}")
        for how, power in self._powers(handle):
            refusal = self._refusal(power)
            if refusal is None:
                said = {**extra, "power_is": how}
                if how == AVERAGED:
                    said["averages_s"] = 1.0  # read once a second it misses nothing, at even instants best
                about = About(sensor_id, "gpu", "power_w", "sampled", gpu.name, gpu.uuid, None, is_ours, said, MILLI)
                found.append(_Reading(about, power, nvml))
                break
            refusals.append(f"{how}: {refusal}")
        if not found:
            why = "; ".join(dict.fromkeys(refusals))
            self._blind.append(Blind(f"{gpu.name} {gpu.uuid}", why, NEWER_DRIVER, "UNMEASURED_GPU" if is_ours else ""))
        elif refusals:
            self._blind.append(Blind(f"{gpu.name} {gpu.uuid}", refusals[0], "nothing: its power is read instead"))
        return found

    def _powers(self, handle: Any) -> list[tuple[str, Callable[[], float]]]:  # noqa: ANN401 -- as above
        """Return the ways to ask for power, the best first."""
        nvml = self._nvml

        def of_field(field: int) -> Callable[[], float]:
            fields = [field]

            def ask() -> float:
                value = nvml.nvmlDeviceGetFieldValues(handle, fields)[0]
                if value.nvmlReturn != nvml.NVML_SUCCESS:
                    raise nvml.NVMLError(value.nvmlReturn)
                return float(value.value.uiVal)

            return ask

        return [
            (AVERAGED, of_field(nvml.NVML_FI_DEV_POWER_AVERAGE)),
            ("power", lambda: float(nvml.nvmlDeviceGetPowerUsage(handle))),
            ("power of a moment", of_field(nvml.NVML_FI_DEV_POWER_INSTANT)),
        ]

    def _refusal(self, ask: Callable[[], float]) -> str | None:
        """Return why the driver doesn't answer, None where it does."""
        nvml = self._nvml
        try:
            ask()
        except nvml.NVMLError as error:
            return {
                nvml.NVML_ERROR_NOT_SUPPORTED: "this GPU has none",
                nvml.NVML_ERROR_NO_PERMISSION: "only root may read it",
                nvml.NVML_ERROR_FUNCTION_NOT_FOUND: "this driver is too old to have it",
                nvml.NVML_ERROR_GPU_IS_LOST: "the GPU has fallen off the bus",
            }.get(error.value, str(error))
        return None

    def _asked(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 -- whatever pynvml gives
        """Return what the driver says, None where it doesn't."""
        try:
            return ask()
        except self._nvml.NVMLError:
            return None

    def _instance(self, one: Instance, parent: Any, whole: Sensor) -> Sensor:  # noqa: ANN401 -- a handle of pynvml
        """Model the power of a MIG instance, which has no sensor: its parent's, by compute slices."""
        nvml, about, handle = self._nvml, whole.about, self._instance_of[one.uuid]
        slices = self._asked(lambda: nvml.nvmlDeviceGetAttributes(handle).computeInstanceSliceCount)
        most = self._asked(lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(parent))
        ratio = slices / most if slices and most else None
        extra: dict[str, str | float] = {"high_is": about.id, "low_ratio": 0.0}
        if ratio is not None:
            extra["share"] = ratio
        name = about.id.removesuffix("_j")
        why = "an instance has no sensor: its GPU's energy is shared out by slices, from nothing to all of it"
        if ratio is None:
            why = "an instance has no sensor, and its driver doesn't say how many slices it has"
        self._blind.append(Blind(f"MIG instance {one.uuid}", why, "give the run a whole GPU", "SHARED_DEVICE"))
        called = f"{name}_mig{one.gpu_instance}_{one.compute_instance}"
        shown = self._asked(lambda: nvml.nvmlDeviceGetName(handle)) or about.name
        return Share(About(called, "gpu", about.reads, "modelled", shown, one.uuid, extra=extra), whole, lambda: ratio)

    def _others(self, handle: Any, asked: Asked) -> list[int]:  # noqa: ANN401 -- a handle of pynvml
        """Return the processes on a GPU that are not the run's, as far as the driver tells them and we can."""
        pid = asked.pid
        if pid is None:
            return []
        found = self._asked(lambda: self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)) or []
        return sorted(one.pid for one in found if is_below(one.pid, pid, asked.proc) is False)

    def _shared(self, whole: Sensor, handle: Any, asked: Asked, others: list[int]) -> Sensor:  # noqa: ANN401 -- as above
        """Model the run's part of a GPU that others use, by what its processes do there."""
        about = whole.about
        part = Part(self._nvml, handle, asked)
        extra: dict[str, str | float] = {"high_is": about.id, "low_ratio": 0.0}
        called = f"{about.id.removesuffix('_j')}_share"
        why = f"process {', '.join(map(str, others))} uses it, too: a part is modelled, from nothing to all of it"
        self._blind.append(Blind(f"{about.name} {about.uuid}", why, "give the run a GPU of its own", "SHARED_DEVICE"))
        # no uuid: two runs, or two ranks, on one GPU have each a part of it
        return Share(About(called, "gpu", about.reads, "modelled", about.name, None, extra=extra), whole, part.ratio)

    @staticmethod
    def _facts(gpus: list[Gpu], ours: frozenset[int]) -> Mapping[str, str | float | None]:
        others = [gpu.uuid for number, gpu in enumerate(gpus) if number not in ours]
        facts: dict[str, str | float | None] = {"gpus": len(gpus)} if gpus else {}
        return {**facts, "gpus_not_ours": ",".join(others)} if others else facts


class Part:
    """What part of a GPU's work is the run's: by time on its multiprocessors, else by memory held."""

    def __init__(self, nvml: Any, handle: Any, asked: Asked) -> None:  # noqa: ANN401 -- pynvml has no types
        self._nvml, self._handle, self._asked = nvml, handle, asked
        self._since_us = int(time.time() * 1e6)

    def ratio(self) -> float | None:
        """Return the part since the last call; None where no process is told."""
        ours, all_of_them = self._busy()
        if not all_of_them:
            ours, all_of_them = self._held()
        return ours / all_of_them if all_of_them else None

    def _busy(self) -> tuple[int, int]:
        nvml = self._nvml
        try:
            samples = nvml.nvmlDeviceGetProcessUtilization(self._handle, self._since_us)
        except nvml.NVMLError:  # nobody was busy, or the driver doesn't tell
            return 0, 0
        self._since_us = max((one.timeStamp for one in samples), default=self._since_us)
        return self._sum([(one.pid, one.smUtil) for one in samples])

    def _held(self) -> tuple[int, int]:
        nvml = self._nvml
        try:
            found = nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        except nvml.NVMLError:
            return 0, 0
        if any(one.usedGpuMemory is None for one in found):  # the driver hides it, as below a container: nobody knows
            return 0, 0
        return self._sum([(one.pid, one.usedGpuMemory) for one in found])

    def _sum(self, amounts: list[tuple[int, int]]) -> tuple[int, int]:
        pid = self._asked.pid
        ours = sum(n for one, n in amounts if pid is not None and is_below(one, pid, self._asked.proc))
        return ours, sum(n for _, n in amounts)
