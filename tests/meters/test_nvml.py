"""The meter of NVIDIA's GPUs against devices whose energy is known."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from green.meters import Asked, Sensor, Sight, nvml
from green.meters.nvml import Nvml
from green.meters.readings import Readings
from tests.meters import rig as truth

pytestmark = pytest.mark.skipif(not truth.has_gcc(), reason=truth.NO_GCC)

MINUTES_S = 600.0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[truth.Rig]:
    truth.load()
    with truth.Rig(tmp_path / "rig", devices=8) as found:
        yield found


@pytest.fixture
def family() -> Iterator[Nvml]:
    found = Nvml()
    yield found
    found.close()


def seen(family: Nvml, devices: str | None = None, **asked: object) -> Sight:
    environ = {} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}
    return family.look(Asked(environ=environ, **asked))


def by_id(sight: Sight) -> dict[str, Sensor]:
    return {sensor.about.id: sensor for sensor in sight.sensors}


def strata(until_s: float, seed: int = 1) -> list[float]:
    """Return an instant of each second, drawn at random: what the loop does against aliasing."""
    draw = random.Random(seed)  # noqa: S311 -- instants of samples, no secret
    return [0.0, *(second + draw.random() for second in range(int(until_s)))]


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_a_counter_is_right_to_a_thousandth(rig: truth.Rig, family: Nvml, devices: int) -> None:
    rig.control.devices = devices
    sensors = by_id(seen(family))
    counters = [sensors[f"gpu{number}_j"] for number in range(devices)]
    first = [counter.read() for counter in counters]
    rig.now_s = MINUTES_S
    measured = sum(counter.read() - start for counter, start in zip(counters, first, strict=True))
    assert measured == pytest.approx(sum(device.joules(0, MINUTES_S) for device in rig), rel=1e-3)


def test_a_line_has_all_that_the_driver_says_and_nothing_more(rig: truth.Rig, family: Nvml) -> None:
    """Milliwatts and millijoules: a thousandth more would be lost with fewer places, and is never there."""
    rig.now_s = 12.345
    sensors = seen(family).sensors
    line = Readings(sensors, lambda _: pytest.fail("nothing is lost")).line(0.0)
    assert json.loads(line) == {"t": 0.0, **{sensor.about.id: sensor.read() for sensor in sensors}}
    assert {len(places) for places in re.findall(rb"\.(\d+)", line)[1:]} == {3}


def test_averaged_power_at_one_hertz_is_right_to_a_hundredth(rig: truth.Rig, family: Nvml) -> None:
    power = by_id(seen(family))["gpu0"]
    assert power.about.extra["power_is"] == "averaged power"
    times, powers = [], []
    for at_s in truth.strata(rig, MINUTES_S, strata(MINUTES_S)):
        times.append(at_s)
        powers.append(power.read())
    assert truth.integral(times, powers) == pytest.approx(rig[0].joules(0, MINUTES_S), rel=1e-2)


def test_power_of_a_moment_at_random_instants_has_no_bias_even_on_the_period(rig: truth.Rig, family: Nvml) -> None:
    hour_s = 3600.0
    rig[0].period_s, rig[0].high_s = 1.0, 0.5  # a clock of 1 Hz would see one half only: 60 % too high or too low
    rig[0].average_error = truth.NOT_SUPPORTED
    rig[0].usage_is_average, rig[0].step_s = 0, 0.0
    power = by_id(seen(family))["gpu0"]
    assert power.about.extra["power_is"] == "power"
    readings = [(at_s, power.read()) for at_s in truth.strata(rig, hour_s, strata(hour_s))]
    assert truth.integral(*zip(*readings, strict=True)) == pytest.approx(rig[0].joules(0, hour_s), rel=2e-2)


def test_power_and_counter_of_a_gpu_share_its_uuid(rig: truth.Rig, family: Nvml) -> None:
    sensors = by_id(seen(family))
    about = sensors["gpu3_j"].about
    assert (about.kind, about.reads, about.method) == ("gpu", "energy_j", "counter")
    assert about.uuid == sensors["gpu3"].about.uuid == rig[3].uuid.decode()
    assert about.name == "NVIDIA H100 80GB HBM3"
    assert sensors["gpu3"].about.method == "sampled"
    assert family.kinds == {"gpu"}


def test_other_gpus_are_recorded_as_not_ours_by_one_sensor_each(rig: truth.Rig, family: Nvml) -> None:
    sight = seen(family, "GPU-00000002,5")
    ours = {sensor.about.id for sensor in sight.sensors if sensor.about.is_ours}
    assert ours == {"gpu2", "gpu2_j", "gpu5", "gpu5_j"}
    others = [sensor.about.id for sensor in sight.sensors if not sensor.about.is_ours]
    assert others == ["gpu0_j", "gpu1_j", "gpu3_j", "gpu4_j", "gpu6_j", "gpu7_j"]
    assert str(sight.facts["gpus_not_ours"]).count("GPU-") == 6
    assert rig[5].uuid.decode() not in str(sight.facts["gpus_not_ours"])


def test_a_run_that_hides_all_gpus_has_none(rig: truth.Rig, family: Nvml) -> None:
    assert rig.control.devices == 8
    sight = seen(family, "")
    assert [sensor for sensor in sight.sensors if sensor.about.is_ours] == []
    assert family.kinds == frozenset()


@pytest.mark.parametrize(
    ("code", "why"), [(truth.NOT_SUPPORTED, "this GPU has none"), (truth.NO_PERMISSION, "only root may read it")]
)
def test_a_missing_counter_and_a_forbidden_one_are_told_apart(
    rig: truth.Rig, family: Nvml, code: int, why: str
) -> None:
    rig[0].counter_error = code
    rig.control.devices = 1
    sight = seen(family)
    assert [sensor.about.id for sensor in sight.sensors] == ["gpu0"]
    assert [blind.why for blind in sight.blind] == [f"energy counter: {why}"]
    assert sight.blind[0].code == ""  # its power is measured


def test_a_gpu_without_counter_and_power_is_said_to_be_unmeasured(rig: truth.Rig, family: Nvml) -> None:
    rig.control.devices = 1
    for name in ("counter_error", "usage_error", "average_error", "instant_error"):
        setattr(rig[0], name, truth.NOT_SUPPORTED)
    sight = seen(family)
    assert list(sight.sensors) == []
    assert [blind.code for blind in sight.blind] == ["UNMEASURED_GPU"]


def test_a_lost_gpu_gives_nothing_from_then_on_and_the_others_go_on(rig: truth.Rig, family: Nvml) -> None:
    sensors = by_id(seen(family))
    rig[1].lost_at_s = 10.0
    rig.now_s = 9.0
    assert sensors["gpu1_j"].read() is not None
    rig.now_s = 11.0
    assert sensors["gpu1_j"].read() is None
    assert sensors["gpu0_j"].read() is not None
    rig[1].lost_at_s = truth.NEVER
    calls = rig.control.calls
    assert sensors["gpu1_j"].read() is None
    assert rig.control.calls == calls  # it is not asked again


def test_an_error_that_passes_costs_its_reading_only(rig: truth.Rig, family: Nvml) -> None:
    counter = by_id(seen(family))["gpu0_j"]
    rig[0].counter_error = 999
    assert counter.read() is None
    rig[0].counter_error = 0
    assert counter.read() is not None


def test_a_gpu_that_is_lost_at_the_start_is_said_and_the_others_are_found(rig: truth.Rig, family: Nvml) -> None:
    rig[0].lost_at_s = 0.0
    rig.control.devices = 2
    sight = seen(family)
    assert {sensor.about.uuid for sensor in sight.sensors} == {rig[1].uuid.decode()}
    assert [blind.what for blind in sight.blind] == ["GPU 0"]


@pytest.mark.parametrize(("code", "words"), [(9, "not loaded"), (12, "not installed"), (18, "two versions")])
def test_a_driver_that_is_absent_is_said(rig: truth.Rig, family: Nvml, code: int, words: str) -> None:
    rig.control.init_error = code
    sight = seen(family)
    assert list(sight.sensors) == []
    assert words in sight.blind[0].why
    assert sight.blind[0].code == ""  # a machine without a GPU misses nothing


def test_an_instance_has_the_share_of_its_slices_and_its_gpu_stands_beside(rig: truth.Rig, family: Nvml) -> None:
    rig.control.devices = 1
    rig[0].partition(("MIG-aaaa", 3, 40 << 10), ("MIG-bbbb", 4, 40 << 10))
    sight = seen(family, "MIG-bbbb")
    sensors = by_id(sight)
    assert [name for name, sensor in sensors.items() if sensor.about.is_ours] == ["gpu0_mig2_0"]
    about = sensors["gpu0_mig2_0"].about
    assert (about.uuid, about.method, about.reads) == ("MIG-bbbb", "modelled", "energy_j")
    assert (about.extra["high_is"], about.extra["low_ratio"]) == ("gpu0_j", 0.0)
    whole, part = sensors["gpu0_j"], sensors["gpu0_mig2_0"]
    start = whole.read(), part.read()
    rig.now_s = 100.0
    assert part.read() - start[1] == pytest.approx((whole.read() - start[0]) * 4 / 7)
    assert [blind.code for blind in sight.blind] == ["SHARED_DEVICE"]


def test_a_reset_of_a_gpu_in_instances_is_a_reset_of_the_share(rig: truth.Rig, family: Nvml) -> None:
    rig.control.devices = 1
    rig[0].partition(("MIG-aaaa", 7, 80 << 10))
    part = by_id(seen(family, "MIG-aaaa"))["gpu0_mig1_0"]
    part.read()
    rig.now_s = 50.0
    assert part.read() == pytest.approx(rig[0].joules(0, 50), rel=1e-3)
    rig[0].reset_at_s = 55.0
    rig.now_s = 60.0
    assert part.read() == 0.0


def process(proc: Path, pid: int, parent: int) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a name) with) brackets) S {parent} 0 0\n")


def test_a_gpu_that_others_use_is_shared_by_time_on_its_multiprocessors(
    rig: truth.Rig, family: Nvml, tmp_path: Path
) -> None:
    rig.control.devices = 1
    for pid, parent in ((1, 0), (100, 1), (101, 100), (200, 1)):
        process(tmp_path / "proc", pid, parent)
    rig[0].occupy((101, 30, 4 << 30), (200, 10, 12 << 30))
    rig.now_s = 4e9  # as a time of Unix: samples are newer than the look
    sight = seen(family, pid=100, proc=str(tmp_path / "proc"))
    sensors = by_id(sight)
    assert [name for name, sensor in sensors.items() if sensor.about.is_ours] == ["gpu0_share"]
    assert sensors["gpu0_share"].about.uuid is None  # another run has a share of its own
    assert [blind.code for blind in sight.blind] == ["SHARED_DEVICE"]
    whole, part = sensors["gpu0_j"], sensors["gpu0_share"]
    start = whole.read(), part.read()
    rig.now_s += 100
    assert part.read() - start[1] == pytest.approx((whole.read() - start[0]) * 0.75)
    rig[0].occupy((101, 0, 4 << 30), (200, 0, 12 << 30))  # nobody computes: who holds memory keeps it awake
    before = whole.read(), part.read()
    rig.now_s += 100
    assert part.read() - before[1] == pytest.approx((whole.read() - before[0]) * 0.25)


def test_a_gpu_of_our_own_processes_is_not_shared(rig: truth.Rig, family: Nvml, tmp_path: Path) -> None:
    rig.control.devices = 1
    process(tmp_path / "proc", 100, 1)
    rig[0].occupy((100, 30, 4 << 30), (4_000_000, 10, 12 << 30))  # the other is of another namespace: who knows
    sight = seen(family, pid=100, proc=str(tmp_path / "proc"))
    assert all(sensor.about.is_ours for sensor in sight.sensors)
    assert [sensor.about.method for sensor in sight.sensors] == ["counter", "sampled"]


def test_closing_twice_is_harmless(rig: truth.Rig) -> None:
    assert rig.control.devices == 8
    family = Nvml()
    family.close()
    seen(family)
    family.close()
    family.close()


class Hiding:
    """A driver that names the processes of a GPU and hides what they hold, as it does below some containers."""

    NVMLError = RuntimeError

    def __init__(self, *held_b: int | None) -> None:
        self.held_b = held_b

    def nvmlDeviceGetProcessUtilization(self, *_: object) -> list[SimpleNamespace]:  # noqa: N802 -- NVML's name
        raise self.NVMLError

    def nvmlDeviceGetComputeRunningProcesses(self, _: object) -> list[SimpleNamespace]:  # noqa: N802 -- likewise
        return [SimpleNamespace(pid=os.getpid() + n, usedGpuMemory=one) for n, one in enumerate(self.held_b)]


def test_part_of_a_gpu_is_unknown_where_the_driver_hides_what_a_process_holds() -> None:
    asked = Asked(pid=os.getpid())
    assert nvml.Part(Hiding(30, 10), None, asked).ratio() == 0.75
    assert nvml.Part(Hiding(None, 10), None, asked).ratio() is None
    assert nvml.Part(Hiding(), None, asked).ratio() is None
