"""From sensors to the figures of a run: what is measured keeps its accuracy, what is modelled says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from green.meters import Asked
from green.meters.nvml import Nvml
from green.meters.procfs import Procfs
from green.meters.rapl import Rapl
from tests.core.helper import Work
from tests.meters import rig as truth
from tests.meters.rig.log import log_of
from tests.meters.rig.trees import Machine, Zone

KWH_J = 3.6e6


class Clock:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def run_of(tmp_path: Path, log: str) -> dict[str, Any]:
    """Take a log through the stages and return its run."""
    work = Work(tmp_path / "work")
    work.put("metered/0.green.jsonl", log)
    work.compute()
    assert work.rejected() == set()
    (found,) = work.runs().values()
    return found


def joules(run: dict[str, Any], end: str = "") -> float:
    return float(run[f"energy_kwh{end}"]) * KWH_J


def test_a_machine_without_a_sensor_gives_modelled_energy_with_a_wide_interval(tmp_path: Path) -> None:
    machine, clock = Machine(tmp_path, model="Intel(R) Xeon(R) Processor"), Clock()
    sight = Procfs(clock=clock).look(Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys)))

    def at(t_s: float) -> None:
        clock.now_s = t_s
        machine.busy(*[t_s / 2] * 8)  # each processor is busy half of the time

    run = run_of(tmp_path, log_of([sight], range(61), at))
    assert {"UNKNOWN_CPU", "MODELLED_SENSOR"} <= set(run["flags"])
    assert "NO_UPPER_BOUND" not in run["flags"]
    assert (run["method"], run["quality_tier"], run["coverage_ratio"]) == ("modelled", "modelled", 1.0)
    memory_w = 62.5 * 0.3725
    assert joules(run) == pytest.approx(60 * (8 * (0.743333 + 3.84) / 2 + memory_w), rel=1e-6)
    assert joules(run, "_low") == pytest.approx(60 * (8 * 1.07 + 62.5 * 0.284), rel=1e-6)
    assert joules(run, "_high") == pytest.approx(60 * (8 * 5.81 + 62.5 * 0.392), rel=1e-6)


def test_a_model_that_gives_one_power_for_an_hour_is_no_sensor_that_stands_still(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    sight = Procfs(lambda: frozenset({"cpu"})).look(Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys)))
    run = run_of(tmp_path, log_of([sight], range(0, 3601, 10), lambda _: None))
    assert run["scope"] == "memory"
    assert "FROZEN_SENSOR" not in run["flags"]


def test_packages_are_measured_and_what_has_no_counter_is_modelled_beside_them(tmp_path: Path) -> None:
    machine, clock = Machine(tmp_path), Clock()
    zone = Zone(machine.sys, "intel-rapl:0", "package-0", range_uj=1_000_000_000)
    asked = Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys))
    rapl = Rapl()
    sights = [rapl.look(asked), Procfs(lambda: rapl.kinds, clock).look(asked)]

    def at(t_s: float) -> None:
        if t_s:
            zone.add(300.0)  # 30 W over 10 s; the counter goes round at 1 kJ

    run = run_of(tmp_path, log_of(sights, range(0, 101, 10), at))
    rapl.close()
    assert joules(run) == pytest.approx(3000 + 100 * 62.5 * 0.3725, rel=1e-3)
    assert run["scope"] == "cpu+memory"
    assert run["method"] == "modelled"  # the worst part decides


@pytest.mark.skipif(not truth.has_gcc(), reason=truth.NO_GCC)
def test_eight_gpus_are_right_to_a_thousandth_each_counted_once(tmp_path: Path) -> None:
    truth.load()
    family = Nvml()
    with truth.Rig(tmp_path / "rig", devices=8) as rig:
        sight = family.look(Asked(environ={}))
        run = run_of(tmp_path, log_of([sight], range(601), lambda t_s: setattr(rig, "now_s", float(t_s))))
        family.close()
        true_j = sum(device.joules(0, 600) for device in rig)
    assert joules(run) == pytest.approx(true_j, rel=1e-3)
    assert (run["method"], run["quality_tier"], run["flags"]) == ("counter", "measured", [])
    assert joules(run, "_low") == pytest.approx(0.95 * joules(run))


@pytest.mark.skipif(not truth.has_gcc(), reason=truth.NO_GCC)
def test_an_instance_reaches_from_nothing_to_its_whole_gpu(tmp_path: Path) -> None:
    truth.load()
    family = Nvml()
    with truth.Rig(tmp_path / "rig") as rig:
        rig[0].partition(("MIG-aaaa", 3, 40 << 10), ("MIG-bbbb", 4, 40 << 10))
        sight = family.look(Asked(environ={"CUDA_VISIBLE_DEVICES": "MIG-aaaa"}))
        run = run_of(tmp_path, log_of([sight], range(601), lambda t_s: setattr(rig, "now_s", float(t_s))))
        family.close()
        true_j = rig[0].joules(0, 600)
    assert joules(run) == pytest.approx(true_j * 3 / 7, rel=1e-3)
    assert joules(run, "_low") == 0.0
    assert joules(run, "_high") == pytest.approx(true_j, rel=1e-3)
    assert {"SHARED_DEVICE", "MODELLED_SENSOR"} <= set(run["flags"])


def test_a_job_that_did_nothing_on_a_shared_node_may_still_have_caused_all_of_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.process(1, allowed="0-1")
    zone = Zone(machine.sys, "intel-rapl:0", "package-0")
    family = Rapl()
    sight = family.look(Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys)))

    def at(t_s: float) -> None:
        machine.busy(0.0, 0.0, t_s, t_s)  # on processors that are not the job's
        zone.add(100.0 if t_s else 0.0)

    run = run_of(tmp_path, log_of([sight], range(0, 101, 10), at))
    family.close()
    assert joules(run) == pytest.approx(0.0, abs=0.01)
    assert joules(run, "_low") == 0.0
    assert joules(run, "_high") == pytest.approx(1000.0, rel=1e-3)


@pytest.mark.skipif(not truth.has_gcc(), reason=truth.NO_GCC)
def test_a_reset_and_a_lost_gpu_are_uncovered_time_and_never_energy(tmp_path: Path) -> None:
    truth.load()
    family = Nvml()
    with truth.Rig(tmp_path / "rig", devices=2) as rig:
        rig[0].reset_at_s, rig[0].average_error = 300.25, truth.NOT_SUPPORTED
        rig[0].usage_error = rig[0].instant_error = truth.NOT_SUPPORTED  # its counter alone
        rig[1].lost_at_s = 400.5
        sight = family.look(Asked(environ={}))
        run = run_of(tmp_path, log_of([sight], range(601), lambda t_s: setattr(rig, "now_s", float(t_s))))
        family.close()
        true_j = rig[0].joules(0, 300) + rig[0].joules(301, 600) + rig[1].joules(0, 400)
    assert joules(run) == pytest.approx(true_j, rel=2e-3)
    assert "COUNTER_RESET" in run["flags"]
    assert run["coverage_ratio"] == pytest.approx((599 + 400) / 1200)
