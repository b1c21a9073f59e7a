"""What no sensor reads is modelled, labelled, and between the published models."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from green.meters import Asked, Sensor, Sight
from green.meters.coefficients import Curve, Interval, curve, model, processor
from green.meters.procfs import Procfs
from tests.meters.rig.trees import Machine, write

XEON = "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz"
UNKNOWN = "Intel(R) Xeon(R) Processor"


class Clock:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def look(
    machine: Machine, clock: Clock, measured: frozenset[str] = frozenset(), **environ: str
) -> tuple[Sight, dict[str, Sensor]]:
    asked = Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys), environ=environ)
    sight = Procfs(lambda: measured, clock).look(asked)
    return sight, {sensor.about.id: sensor for sensor in sight.sensors}


def after(machine: Machine, clock: Clock, sensors: dict[str, Sensor], busy_s: float, passed_s: float) -> Interval:
    """Return the modelled energy of a time in which one processor after the other was busy."""
    machine.busy(0.0)
    assert sensors["cpu"].read() == 0.0
    machine.busy(busy_s)
    clock.now_s += passed_s
    value, low, high = (sensors[name].read() for name in ("cpu", "cpu_low", "cpu_high"))
    return Interval(low, value, high)


def test_a_known_processor_draws_its_rated_power_by_its_load(machine: Machine, clock: Clock) -> None:
    known = processor(XEON)
    assert known is not None
    assert known.rated_w.value == 150
    sight, sensors = look(machine, clock)
    assert list(sight.blind) == []
    energy = after(machine, clock, sensors, busy_s=40.0, passed_s=10.0)  # 4 of 8 processors: half the load
    assert energy == pytest.approx((150 * 0.2125 * 10, 150 * 0.5 * 10, 150 * 0.75 * 10))


def test_an_idle_processor_is_not_free_but_for_the_lowest_model(machine: Machine, clock: Clock) -> None:
    _, sensors = look(machine, clock)
    assert after(machine, clock, sensors, busy_s=0.0, passed_s=10.0) == pytest.approx((0, 150, 180))


def test_two_sockets_have_twice_the_rated_power(machine: Machine, clock: Clock) -> None:
    machine.processors(XEON, sockets=2)
    _, sensors = look(machine, clock)
    assert after(machine, clock, sensors, busy_s=80.0, passed_s=10.0).value == pytest.approx(2 * 150 * 10)


def test_an_unknown_processor_is_flagged_and_taken_by_virtual_processor(machine: Machine, clock: Clock) -> None:
    machine.processors(UNKNOWN)
    sight, sensors = look(machine, clock)
    assert [blind.code for blind in sight.blind] == ["UNKNOWN_CPU"]
    assert UNKNOWN in sight.blind[0].what
    energy = after(machine, clock, sensors, busy_s=40.0, passed_s=10.0)
    assert energy == pytest.approx((8 * 1.07 * 10, 8 * (0.743333 + 3.84) / 2 * 10, 8 * 5.81 * 10))
    assert energy.low < energy.value / 2 < energy.value * 2 < energy.high


def test_a_known_processor_behind_a_hypervisor_is_a_part_of_unknown_threads(machine: Machine, clock: Clock) -> None:
    machine.processors(XEON, flags="fpu hypervisor")
    _, sensors = look(machine, clock)
    energy = after(machine, clock, sensors, busy_s=80.0, passed_s=10.0)
    assert energy.value == pytest.approx(150 * 8 / 40 * 10)  # 20 cores of two threads each
    assert energy.high == pytest.approx(150 * 1.02 * 8 / 20 * 10)


@pytest.mark.parametrize(
    ("busy_s", "shares"), [(800.0, (1.0, 1.0, 1.02)), (-1.0, (0.0, 0.1, 0.12)), (40.0, (0.2125, 0.5, 0.75))]
)
def test_a_load_is_from_nothing_to_all_whatever_a_group_counts(
    machine: Machine, clock: Clock, busy_s: float, shares: tuple[float, float, float]
) -> None:
    """A group that another took the place of counts from nothing; of two clocks one may be a tick ahead."""
    machine.process(1, groups="0::/docker/0123456789ab")
    write(machine.sys / "fs/cgroup/cpu.stat", "usage_usec 5000000")
    _, sensors = look(machine, clock)
    assert sensors["cpu"].read() == 0.0
    write(machine.sys / "fs/cgroup/cpu.stat", f"usage_usec {5_000_000 + busy_s * 1e6:.0f}")
    clock.now_s = 10.0
    value_j, low_j, high_j = (sensors[name].read() for name in ("cpu", "cpu_low", "cpu_high"))
    assert (low_j, value_j, high_j) == pytest.approx([150 * share * 10 for share in shares])


def test_a_container_has_the_load_and_the_processors_of_its_group(machine: Machine, clock: Clock) -> None:
    machine.process(1, groups="0::/docker/0123456789ab")
    write(machine.sys / "fs/cgroup/cpu.max", "200000 100000")
    write(machine.sys / "fs/cgroup/memory.max", 4 << 30)
    write(machine.sys / "fs/cgroup/cpu.stat", "usage_usec 5000000")
    sight, sensors = look(machine, clock)
    assert sensors["cpu"].read() == 0.0
    write(machine.sys / "fs/cgroup/cpu.stat", "usage_usec 15000000")  # 10 s of two processors in 10 s
    machine.busy(80.0)  # others keep the machine busy
    clock.now_s = 10.0
    assert sensors["cpu"].read() == pytest.approx(150 * 2 / 8 * 0.5 * 10)
    assert sensors["dram"].read() == pytest.approx(4 * 0.3725)
    assert sight.facts == {"container": "docker", "cpus": 2.0, "cpu_share": 0.25}


def test_memory_has_the_interval_of_its_models(machine: Machine, clock: Clock) -> None:
    _, sensors = look(machine, clock)
    about = sensors["dram"].about
    assert (about.kind, about.reads, about.method) == ("dram", "power_w", "modelled")
    assert sensors["dram"].read() == pytest.approx(62.5 * 0.3725)
    assert about.extra["low_ratio"] == pytest.approx(0.284 / 0.3725)
    assert about.extra["high_ratio"] == pytest.approx(0.392 / 0.3725)


def test_all_is_labelled_as_modelled_and_the_ends_are_no_devices(machine: Machine, clock: Clock) -> None:
    _, sensors = look(machine, clock)
    assert {sensor.about.method for sensor in sensors.values()} == {"modelled"}
    assert {name for name, sensor in sensors.items() if sensor.about.is_ours} == {"cpu", "dram"}
    assert sensors["cpu"].about.extra["low_is"] == "cpu_low"
    assert sensors["cpu"].about.extra["high_is"] == "cpu_high"


@pytest.mark.parametrize(
    ("measured", "expected"),
    [({"cpu"}, {"dram"}), ({"dram"}, {"cpu"}), ({"cpu", "dram"}, set()), ({"host"}, set()), ({"gpu"}, {"cpu", "dram"})],
)
def test_what_is_measured_is_not_modelled(
    machine: Machine, clock: Clock, measured: set[str], expected: set[str]
) -> None:
    machine.processors(UNKNOWN)
    sight, sensors = look(machine, clock, frozenset(measured))
    assert {name for name, sensor in sensors.items() if sensor.about.is_ours} == expected
    assert bool(sight.blind) == ("cpu" in expected)  # an unknown processor that is measured is no trouble


def test_the_ranks_of_a_machine_model_it_once(machine: Machine, clock: Clock) -> None:
    _, first = look(machine, clock, LOCAL_RANK="0")
    _, second = look(machine, clock, LOCAL_RANK="1")
    assert (set(first), set(second)) == ({"cpu", "cpu_low", "cpu_high", "dram"}, set())


def test_a_machine_without_proc_says_what_it_lacks(tmp_path: Path, clock: Clock) -> None:
    sight = Procfs(clock=clock).look(Asked(proc=str(tmp_path / "no"), sys=str(tmp_path / "no")))
    assert list(sight.sensors) == []
    assert [blind.code for blind in sight.blind] == ["UNMEASURED_CPU"]


def test_the_curve_lies_between_its_models_and_grows_with_the_load() -> None:
    parts = curve(model().loads, Interval(1.0, 1.0, 1.0))
    shares = [at(parts, percent / 100) for percent in range(101)]
    assert all(low <= value <= high for low, value, high in shares)
    assert all(before[1] < after[1] for before, after in pairwise(shares))
    assert shares[0] == pytest.approx((0.0, 0.1, 0.12), abs=1e-15)
    assert shares[100] == pytest.approx((1.0, 1.0, 1.02))
    for (load, known), share in zip(model().loads, (at(parts, load) for load, _ in model().loads), strict=True):
        assert share == pytest.approx(tuple(known), abs=1e-15), load


def at(parts: Curve, load: float) -> tuple[float, float, float]:
    """Evaluate the line between the points by the first part that reaches the load."""
    _, *ends = next(part for part in parts if load <= part[0])
    low, value, high = (ends[n] + ends[n + 1] * load for n in (0, 2, 4))
    return low, value, high


@pytest.mark.parametrize("name", [UNKNOWN, "", "AMD EPYC Processor", "QEMU Virtual CPU version 2.5+"])
def test_a_name_that_could_be_any_processor_is_none(name: str) -> None:
    assert processor(name) is None


def test_processors_meet_the_tables_as_the_pipeline_meets_them() -> None:
    assert processor("AMD EPYC 7763 64-Core Processor").rated_w.value == 280
    assert processor("Intel(R) Xeon(R) Platinum 8480+").cores == 56
