"""RAPL's counters, over a tree of powercap."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from green.meters import Asked, Sensor, Sight
from green.meters import rapl as module
from green.meters.rapl import Rapl
from tests.meters.rig.trees import Machine, Zone, write


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def family() -> Iterator[Rapl]:
    found = Rapl()
    yield found
    found.close()


def look(family: Rapl, machine: Machine, **environ: str) -> tuple[Sight, dict[str, Sensor]]:
    sight = family.look(Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys), environ=environ))
    return sight, {sensor.about.id: sensor for sensor in sight.sensors}


def server(machine: Machine) -> dict[str, Zone]:
    """Two packages with cores and memory, the platform above them, and a second way to the first package."""
    names = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:1:0": "core",
        "intel-rapl:1:1": "dram",
        "intel-rapl:2": "psys",
        "intel-rapl-mmio:0": "package-0",
    }
    return {folder: Zone(machine.sys, folder, name) for folder, name in names.items()}


def test_packages_and_their_memory_are_read_and_no_part_with_its_whole(machine: Machine, family: Rapl) -> None:
    server(machine)
    sight, sensors = look(family, machine)
    ours = {name: (sensor.about.kind, sensor.about.method) for name, sensor in sensors.items() if sensor.about.is_ours}
    assert ours == {
        "cpu0_j": ("cpu", "counter"),
        "cpu1_j": ("cpu", "counter"),
        "dram0_j": ("dram", "counter"),
        "dram1_j": ("dram", "counter"),
    }
    assert [sensor.about.id for sensor in sight.sensors if not sensor.about.is_ours] == ["psys_j"]
    assert family.kinds == {"cpu", "dram"}
    assert list(sight.blind) == []


def test_counters_are_joules_and_know_where_they_start_again(machine: Machine, family: Rapl) -> None:
    zones = server(machine)
    _, sensors = look(family, machine)
    counter = sensors["cpu0_j"]
    assert counter.about.wraps_at_j == pytest.approx(262_143.32885)
    zones["intel-rapl:0"].add(100.0)
    assert counter.read() == pytest.approx(100.0)
    zones["intel-rapl:0"].add(262_143.32885)
    assert counter.read() == pytest.approx(100.0)  # round once: the reader of the log adds the range


def test_each_package_has_an_identity_that_two_ranks_share(machine: Machine, tmp_path: Path) -> None:
    server(machine)
    identities = []
    for _ in range(2):
        family = Rapl()
        _, sensors = look(family, machine)
        identities.append({name: sensor.about.uuid for name, sensor in sensors.items()})
        family.close()
    assert identities[0] == identities[1]
    assert len(set(identities[0].values())) == len(identities[0])
    other = Machine(tmp_path / "other")
    write(other.proc / "sys/kernel/random/boot_id", "8a1d6f2e-0000-4000-8000-000000000002")
    server(other)
    family = Rapl()
    _, sensors = look(family, other)
    family.close()
    assert sensors["cpu0_j"].about.uuid != identities[0]["cpu0_j"]


def refuse(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let files be unreadable, as they are to a user who is not root."""
    opened = os.open

    def guarded(path: str, *arguments: int) -> int:
        if any(str(path).endswith(name) for name in names):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *arguments)

    monkeypatch.setattr(module.os, "open", guarded)


def test_files_that_only_root_may_read_are_said_with_the_mend(
    machine: Machine, family: Rapl, monkeypatch: pytest.MonkeyPatch
) -> None:
    server(machine)
    refuse(monkeypatch, "energy_uj")
    sight, sensors = look(family, machine)
    assert sensors == {}
    assert {(blind.what, blind.code) for blind in sight.blind} == {
        ("RAPL package-0", "UNMEASURED_CPU"),
        ("RAPL package-1", "UNMEASURED_CPU"),
        ("RAPL package-0/dram", "UNMEASURED_MEMORY"),
        ("RAPL package-1/dram", "UNMEASURED_MEMORY"),
        ("RAPL psys", ""),
    }
    assert all("root" in blind.why and "chmod" in blind.mend for blind in sight.blind)
    assert family.kinds == frozenset()


def test_an_unreadable_maximum_is_said_and_never_taken_as_a_number(machine: Machine, family: Rapl) -> None:
    Zone(machine.sys, "intel-rapl:0", "package-0", range_uj=None)
    sight, sensors = look(family, machine)
    assert sensors["cpu0_j"].about.wraps_at_j is None
    assert "max_energy_range_uj" in sight.blind[0].why


@pytest.mark.parametrize("text", ["", "0", "unknown"])
def test_a_maximum_that_is_no_number_is_unknown(machine: Machine, family: Rapl, text: str) -> None:
    zone = Zone(machine.sys, "intel-rapl:0", "package-0")
    write(zone.path / "max_energy_range_uj", text)
    _, sensors = look(family, machine)
    assert sensors["cpu0_j"].about.wraps_at_j is None


def test_a_second_interface_counts_only_where_the_first_has_no_such_zone(machine: Machine, family: Rapl) -> None:
    Zone(machine.sys, "intel-rapl:0", "package-0")
    Zone(machine.sys, "intel-rapl-mmio:0", "package-0")
    Zone(machine.sys, "intel-rapl-mmio:1", "package-1")
    _, sensors = look(family, machine)
    assert set(sensors) == {"cpu0_j", "cpu1_j"}


def test_an_amd_processor_has_packages_and_no_memory(machine: Machine, family: Rapl) -> None:
    Zone(machine.sys, "intel-rapl:0", "package-0")
    Zone(machine.sys, "intel-rapl:0:0", "core")
    _, sensors = look(family, machine)
    assert set(sensors) == {"cpu0_j"}
    assert family.kinds == {"cpu"}


def test_a_counter_that_vanishes_gives_nothing_and_raises_nothing(machine: Machine, family: Rapl) -> None:
    zone = Zone(machine.sys, "intel-rapl:0", "package-0")
    _, sensors = look(family, machine)
    (zone.path / "energy_uj").write_text("", encoding="ascii")
    assert sensors["cpu0_j"].read() is None
    zone.add(5)
    assert sensors["cpu0_j"].read() == 5.0
    family.close()
    assert sensors["cpu0_j"].read() is None


def test_a_machine_without_powercap_says_so(machine: Machine, family: Rapl) -> None:
    sight, sensors = look(family, machine)
    assert sensors == {}
    assert "no powercap" in sight.blind[0].why
    (machine.sys / "class/powercap").mkdir(parents=True)
    sight, _ = look(family, machine)
    assert "no zone" in sight.blind[0].why


def test_a_job_with_a_part_of_the_node_has_a_part_by_processor_time(machine: Machine, family: Rapl) -> None:
    group = machine.sys / "fs/cgroup/system.slice/slurmstepd.scope/job_4711"
    write(group / "cpu.stat", "usage_usec 0\nuser_usec 0")
    machine.process(1, groups="0::/system.slice/slurmstepd.scope/job_4711", allowed="0-1")
    machine.busy(0.0)
    zone = Zone(machine.sys, "intel-rapl:0", "package-0")
    sight, sensors = look(family, machine, SLURM_CPUS_ON_NODE="2")
    assert not sensors["cpu0_j"].about.is_ours
    part = sensors["cpu0_share"]
    assert (part.about.method, part.about.extra["high_is"], part.about.uuid) == ("modelled", "cpu0_j", None)
    assert [blind.code for blind in sight.blind] == ["SHARED_DEVICE"]
    assert part.read() == 0.0
    zone.add(100.0)  # the job was busy for 2 s of the machine's 8
    write(group / "cpu.stat", "usage_usec 2000000")
    machine.busy(2.0, 6.0)
    assert part.read() == pytest.approx(25.0)
    zone.add(100.0)  # nobody was: the job has 2 of 8 processors
    assert part.read() == pytest.approx(50.0)
    write(group / "cpu.stat", "nothing that is known")
    assert part.read() is None


def test_a_share_follows_a_counter_round_its_end(machine: Machine, family: Rapl) -> None:
    machine.process(1, allowed="0-3")
    zone = Zone(machine.sys, "intel-rapl:0", "package-0", range_uj=100_000_000)
    _, sensors = look(family, machine)
    part = sensors["cpu0_share"]
    assert part.read() == 0.0
    zone.add(90.0)
    part.read()
    zone.add(30.0)
    assert part.read() == pytest.approx(60.0)  # half of 120 J, over the end at 100 J
