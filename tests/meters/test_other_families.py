"""Disks, hwmon, the board's controller, AMD's GPUs, and all families together."""

from __future__ import annotations

import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from green.meters import Asked, Blind, Sensor, Sight
from green.meters.amdsmi import AmdSmi, chosen
from green.meters.families import families
from green.meters.hwmon import Hwmon
from green.meters.ipmi import Ipmi, watts_of
from green.meters.storage import Storage
from green.meters.visible import Gpu
from tests.conftest import REPO
from tests.meters.rig.trees import Machine, write


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def asked(machine: Machine, **environ: str) -> Asked:
    return Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys), environ=environ)


def ids(sight: Sight) -> dict[str, Sensor]:
    return {sensor.about.id: sensor for sensor in sight.sensors}


# ---------------------------------------------------------------------------------------------------------- disks
def disk(machine: Machine, name: str, gigabytes: float, *, turns: bool) -> None:
    write(machine.sys / "block" / name / "size", int(gigabytes * 1e9 / 512))
    write(machine.sys / "block" / name / "queue/rotational", int(turns))


def test_disks_are_modelled_by_their_size_and_kind(machine: Machine) -> None:
    disk(machine, "nvme0n1", 2048, turns=False)
    disk(machine, "sda", 8192, turns=True)
    for name in ("loop0", "dm-0", "md127", "zram0", "sr0"):
        disk(machine, name, 1024, turns=False)
    (sensor,) = Storage().look(asked(machine)).sensors
    assert (sensor.about.kind, sensor.about.method, sensor.about.is_ours) == ("storage", "modelled", True)
    assert sensor.about.is_constant
    assert sensor.read() == pytest.approx(2048 * 0.0012 + 8192 * 0.00065)
    assert sensor.about.extra["devices"] == 2
    assert sensor.read() * sensor.about.extra["high_ratio"] == pytest.approx(10240 * 0.0012)
    assert sensor.read() * sensor.about.extra["low_ratio"] == pytest.approx(10240 * 0.00065)


def test_disks_of_a_shared_node_and_under_a_meter_of_the_whole_are_not_counted(machine: Machine) -> None:
    disk(machine, "sda", 1000, turns=True)
    assert list(Storage(lambda: frozenset({"host"})).look(asked(machine)).sensors) == []
    assert list(Storage().look(asked(machine, LOCAL_RANK="3")).sensors) == []
    machine.process(1, allowed="0-1")
    (sensor,) = Storage().look(asked(machine)).sensors
    assert not sensor.about.is_ours


def diskstats(machine: Machine, **sectors: tuple[int, int, int]) -> None:
    """Write /proc/diskstats: sectors read, sectors written and milliseconds busy of each disk."""
    line = "   8       0 {} 10 0 {} 5 20 0 {} 7 0 {} 12 0 0 0 0 0 0"
    write(machine.proc / "diskstats", "\n".join(line.format(name, *each) for name, each in sectors.items()))


def test_bytes_of_the_disks_are_noted_since_the_meter_looked(machine: Machine) -> None:
    disk(machine, "sda", 1000, turns=True)
    disk(machine, "nvme0n1", 1000, turns=False)
    disk(machine, "dm-0", 1000, turns=False)
    diskstats(machine, sda=(1000, 2000, 500), sda1=(1000, 2000, 500), nvme0n1=(0, 8, 0))
    (note,) = Storage().look(asked(machine)).notes
    diskstats(machine, sda=(1003, 2010, 1500), sda1=(1003, 2010, 1500), nvme0n1=(4, 8, 250), **{"dm-0": (9, 9, 9)})
    counted = {"note": "storage", "devices": 2, "read_b": 7 * 512, "written_b": 10 * 512, "busy_s": 1.25}
    assert note() == counted
    diskstats(machine, sda=(1003, 2010, 1500))  # a disk that was taken out read what it read
    assert note() == counted
    (machine.proc / "diskstats").unlink()
    assert note() is None


def test_a_machine_that_counts_no_bytes_has_nothing_to_note(machine: Machine) -> None:
    disk(machine, "sda", 1000, turns=True)
    assert list(Storage().look(asked(machine)).notes) == []


# ---------------------------------------------------------------------------------------------------------- hwmon
@pytest.fixture
def hwmon() -> Iterator[Hwmon]:
    found = Hwmon()
    yield found
    found.close()


def chip(machine: Machine, number: int, name: str, **files: object) -> Path:
    folder = machine.sys / f"class/hwmon/hwmon{number}"
    write(folder / "name", name)
    for file, text in files.items():
        write(folder / file, text)
    return folder


def test_an_acpi_meter_reads_the_whole_machine_in_watts(machine: Machine, hwmon: Hwmon) -> None:
    folder = chip(machine, 0, "power_meter", power1_average=412_000_000)
    chip(machine, 1, "coretemp", temp1_input=50_000)
    sensors = ids(hwmon.look(asked(machine)))
    assert {name: (sensor.about.kind, sensor.read()) for name, sensor in sensors.items()} == {
        "host_hwmon0": ("host", 412.0)
    }
    assert hwmon.kinds == {"host"}
    write(folder / "power1_average", "no number")
    assert sensors["host_hwmon0"].read() is None


def test_a_meter_of_a_part_of_the_board_is_recorded_and_not_counted(machine: Machine, hwmon: Hwmon) -> None:
    chip(machine, 0, "power_meter", power1_average=90_000_000, power1_oem_info="CPU Power Socket 0")
    (sensor,) = hwmon.look(asked(machine)).sensors
    assert not sensor.about.is_ours
    assert hwmon.kinds == frozenset()


def test_gpus_of_amd_and_intel_are_read_and_counters_are_joules(machine: Machine, hwmon: Hwmon) -> None:
    chip(machine, 0, "amdgpu", power1_average=35_000_000, power1_input=36_000_000)
    chip(machine, 1, "i915", energy1_input=5_000_000)
    sensors = ids(hwmon.look(asked(machine)))
    assert (sensors["gpu_hwmon0"].about.method, sensors["gpu_hwmon0"].read()) == ("sampled", 35.0)
    assert (sensors["gpu_hwmon1"].about.reads, sensors["gpu_hwmon1"].read()) == ("energy_j", 5.0)
    assert len({sensor.about.uuid for sensor in sensors.values()}) == 2


def test_of_an_amd_processor_sockets_count_and_cores_do_not(machine: Machine, hwmon: Hwmon) -> None:
    labels = {"energy1_label": "Ecore000", "energy2_label": "Esocket0", "energy3_label": "Esocket1"}
    chip(machine, 0, "amd_energy", energy1_input=1, energy2_input=2_000_000, energy3_input=3_000_000, **labels)
    assert sorted(sensor.read() for sensor in hwmon.look(asked(machine)).sensors) == [2.0, 3.0]


def test_what_an_earlier_family_reads_is_left_to_it(machine: Machine) -> None:
    chip(machine, 0, "amdgpu", power1_average=35_000_000)
    family = Hwmon(lambda: frozenset({"gpu"}))
    assert list(family.look(asked(machine)).sensors) == []


# ----------------------------------------------------------------------------------------------------- controller
ANSWER = """
    Instantaneous power reading:                   {} Watts
    Minimum during sampling period:                  8 Watts
    Maximum during sampling period:                396 Watts
    Power reading state is:                   {}
"""


class Clock:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def ipmitool(folder: Path, text: str, code: int = 0) -> str:
    """Write a tool that prints a text; return the PATH that finds it."""
    tool = folder / "bin" / "ipmitool"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\ntest \"$*\" = 'dcmi power reading' || exit 9\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    tool.chmod(0o755)
    return f"{tool.parent}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ANSWER.format(212, "activated"), 212.0),
        (ANSWER.format(212, "deactivated"), None),
        (ANSWER.format(0, "activated"), None),
        ("Invalid command", None),
    ],
)
def test_an_answer_of_the_controller_is_watts_or_nothing(answer: str, expected: float | None) -> None:
    assert watts_of(answer) == expected


def test_the_controller_is_asked_beside_the_meter_and_its_answer_holds(machine: Machine, tmp_path: Path) -> None:
    (machine.sys / "class/ipmi/ipmi0").mkdir(parents=True)
    clock = Clock()
    family = Ipmi(clock=clock)
    path = ipmitool(tmp_path, ANSWER.format(212, "activated"))
    (sensor,) = family.look(asked(machine, PATH=path)).sensors
    assert (sensor.about.kind, sensor.read(), family.kinds) == ("host", 212.0, {"host"})
    ipmitool(tmp_path, ANSWER.format(300, "activated"))
    clock.now_s = 11.0
    assert sensor.read() == 212.0  # asked now, and not waited for
    sensor._running.wait()  # noqa: SLF001 -- instead of a sleep
    assert sensor.read() == 300.0
    ipmitool(tmp_path, "", code=1)
    clock.now_s = 30.0
    sensor.read()
    sensor._running.wait()  # noqa: SLF001 -- as above
    clock.now_s = 100.0
    assert sensor.read() is None  # the answer is of a minute ago and more
    family.close()
    family.close()


def test_a_controller_that_does_not_answer_is_said(machine: Machine, tmp_path: Path) -> None:
    assert list(Ipmi().look(asked(machine)).blind) == []  # no controller
    (machine.sys / "class/ipmi").mkdir(parents=True)
    sight = Ipmi().look(asked(machine, PATH=str(tmp_path)))
    assert [blind.why for blind in sight.blind] == ["ipmitool is not installed"]
    path = ipmitool(tmp_path, "Could not open device", code=1)
    sight = Ipmi().look(asked(machine, PATH=path))
    assert [blind.why for blind in sight.blind] == ["Could not open device"]


# ------------------------------------------------------------------------------------------------------ AMD's GPUs
class AmdSmiError(Exception):
    """What the library raises."""


def library(gpus: list[dict[str, Any]], calls: dict[str, int]) -> types.ModuleType:
    """Make a stand-in for amdsmi, with the calls and keys of its version 7."""
    made = types.ModuleType("amdsmi")

    def energy(number: int) -> dict[str, float]:
        calls["energy"] = calls.get("energy", 0) + 1
        if gpus[number].get("lost"):
            raise AmdSmiError("lost")
        return {"energy_accumulator": gpus[number]["ticks"], "counter_resolution": 15.3, "timestamp": 1}

    for name, value in {
        "AmdSmiException": AmdSmiError,
        "amdsmi_init": lambda: None,
        "amdsmi_shut_down": lambda: None,
        "amdsmi_get_processor_handles": lambda: list(range(len(gpus))),
        "amdsmi_get_gpu_asic_info": lambda number: {"market_name": gpus[number].get("name", "AMD Instinct MI300X")},
        "amdsmi_get_gpu_device_bdf": lambda number: f"0000:{number:02x}:00.0",
        "amdsmi_get_gpu_device_uuid": lambda number: f"19ff74b5-0000-1000-80ac-{number:012x}",
        "amdsmi_get_energy_count": energy,
        "amdsmi_get_power_info": lambda number: {
            "average_socket_power": "N/A",
            "current_socket_power": gpus[number].get("power", 250),
        },
    }.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def amd(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    (machine.sys / "module/amdgpu").mkdir(parents=True)
    gpus: list[dict[str, Any]] = [{"ticks": 1_000_000}, {"ticks": 2_000_000}]
    monkeypatch.setitem(sys.modules, "amdsmi", library(gpus, {}))
    return gpus


def test_amd_counters_are_ticks_times_their_resolution(machine: Machine, amd: list[dict[str, Any]]) -> None:
    family = AmdSmi()
    sensors = ids(family.look(asked(machine)))
    assert set(sensors) == {"amd0_j", "amd0", "amd1_j", "amd1"}
    before = sensors["amd0_j"].read()
    amd[0]["ticks"] += 1_000_000
    assert sensors["amd0_j"].read() - before == pytest.approx(15.3)
    assert sensors["amd1"].read() == 250.0
    assert sensors["amd0"].about.uuid == sensors["amd0_j"].about.uuid
    assert family.kinds == {"gpu"}
    amd[0]["lost"] = True
    assert sensors["amd0_j"].read() is None
    family.close()


def test_the_second_chiplet_of_an_mi250_reads_nothing_and_is_no_trouble(
    machine: Machine, amd: list[dict[str, Any]]
) -> None:
    amd[0]["name"] = amd[1]["name"] = "AMD Instinct MI250X"
    amd[1].update(ticks=0, power="N/A")
    sight = AmdSmi().look(asked(machine))
    assert set(ids(sight)) == {"amd0_j", "amd0"}
    assert list(sight.blind) == []


def test_a_machine_with_amd_gpus_and_without_the_library_says_so(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    assert list(AmdSmi().look(asked(machine)).blind) == []
    (machine.sys / "module/amdgpu").mkdir(parents=True)
    (blind,) = AmdSmi().look(asked(machine)).blind
    assert "green-ledger[amd]" in blind.mend


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {0, 1, 2, 3}),
        ({"ROCR_VISIBLE_DEVICES": "1,3"}, {1, 3}),
        ({"ROCR_VISIBLE_DEVICES": "1,3", "HIP_VISIBLE_DEVICES": "1"}, {3}),
        ({"HIP_VISIBLE_DEVICES": "0", "CUDA_VISIBLE_DEVICES": "2"}, {0}),
        ({"CUDA_VISIBLE_DEVICES": "2"}, {2}),
        ({"ROCR_VISIBLE_DEVICES": ""}, set()),
    ],
)
def test_rocm_chooses_from_what_the_lower_layer_left(environ: dict[str, str], expected: set[int]) -> None:
    gpus = [Gpu(f"{number}", "AMD Instinct MI300X", f"0000:0{number}:00.0") for number in range(4)]
    assert chosen(gpus, Asked(environ=environ)) == (expected, "")
    assert chosen(gpus, Asked(environ={"ROCR_VISIBLE_DEVICES": "GPU-12"}))[1]


# ------------------------------------------------------------------------------------------------------------ all
def test_families_stand_in_one_order_and_what_one_measures_a_later_one_leaves(machine: Machine) -> None:
    found = families()
    assert [family.name for family in found][:7] == ["nvml", "amdsmi", "rapl", "hwmon", "ipmi", "storage", "procfs"]
    chip(machine, 0, "power_meter", power1_average=412_000_000)
    disk(machine, "sda", 1000, turns=True)
    seen = {family.name: family.look(asked(machine)) for family in found}
    for family in found:
        family.close()
    assert [name for name, sight in seen.items() if list(sight.sensors)] == ["hwmon"]


def test_a_machine_without_any_sensor_is_modelled_and_everything_missing_is_said(machine: Machine) -> None:
    found = families()
    sights = [family.look(asked(machine)) for family in found]
    blind: list[Blind] = [one for sight in sights for one in sight.blind]
    for family in found:
        family.close()
    assert {sensor.about.kind for sight in sights for sensor in sight.sensors} == {"cpu", "dram"}
    assert all(one.what and one.why and one.mend for one in blind)
    assert any("powercap" in one.why for one in blind)


def test_a_family_of_a_third_party_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "wattmeter.py", "class Plug:\n    name = 'plug'")
    write(tmp_path / "wattmeter-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: wattmeter\nVersion: 1")
    write(tmp_path / "wattmeter-1.dist-info/entry_points.txt", "[green.meters]\nplug = wattmeter:Plug")
    monkeypatch.syspath_prepend(tmp_path)
    assert [family.name for family in families()][-2:] == ["procfs", "plug"]


def test_sensor_ids_are_unique_and_never_a_reserved_key(machine: Machine) -> None:
    disk(machine, "sda", 1000, turns=True)
    found = families()
    names = [sensor.about.id for family in found for sensor in family.look(asked(machine)).sensors]
    for family in found:
        family.close()
    assert len(names) == len(set(names))
    assert not set(names) & {"t", "event", "format", "ended_at", "status", "exit_code"}


LOOK = """
import sys, time
start = time.process_time()
from green.meters import Asked
from green.meters.families import families
sensors = [s for f in families() for s in f.look(Asked(environ={})).sensors]
[s.read() for s in sensors]
took = time.process_time() - start
heavy = sorted(set(sys.modules) & {"duckdb", "pydantic", "typer", "rich", "ruamel.yaml", "numpy"})
print(took, len(sensors), heavy)
"""


def test_looking_is_quick_and_loads_none_of_the_ledgers_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, cwd=REPO)
    took, sensors, *heavy = done.stdout.split(maxsplit=2)
    assert heavy == ["[]\n"]
    assert int(sensors) >= 2
    assert float(took) < 0.5  # 0.08 s here; a machine that is busy takes longer


def test_a_reading_costs_microseconds(machine: Machine) -> None:
    found = families()
    sensors = [sensor for family in found for sensor in family.look(asked(machine)).sensors]
    rounds = 200
    start = time.process_time()
    for _ in range(rounds):
        for sensor in sensors:
            sensor.read()
    cost_s = (time.process_time() - start) / rounds
    for family in found:
        family.close()
    assert cost_s < 0.002  # 60 us here for all of a machine, /proc/stat included
