"""Where a run sits, and what it may use there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from green.meters import Asked
from green.meters.held import Held
from green.meters.place import Place, place
from green.meters.usage import busy_s, run_time
from tests.meters.rig.trees import Machine, write


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def find(machine: Machine, **environ: str) -> Place:
    return place(Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys), environ=environ))


def test_a_run_without_limits_has_the_whole_machine(machine: Machine) -> None:
    where = find(machine)
    assert (where.online, where.cpus, where.is_whole) == (8, 8.0, True)
    assert (where.container, where.slurm_job_id, where.usage_file) == (None, None, None)
    assert where.memory_b == where.machine_memory_b == 65_536_000 * 1024
    assert where.facts == {"cpus": 8.0, "cpu_share": 1.0}


def test_a_quota_of_version_2_holds_from_any_group_above(machine: Machine) -> None:
    machine.process(1, groups="0::/a/b")
    write(machine.sys / "fs/cgroup/a/b/cpu.max", "max 100000")
    write(machine.sys / "fs/cgroup/a/cpu.max", "250000 100000")
    write(machine.sys / "fs/cgroup/a/memory.max", 8 << 30)
    write(machine.sys / "fs/cgroup/a/b/memory.max", "max")
    write(machine.sys / "fs/cgroup/a/b/cpu.stat", "usage_usec 1500000")
    where = find(machine)
    assert (where.cpus, where.memory_b) == (2.5, 8 << 30)
    assert where.usage_file == f"{machine.sys}/fs/cgroup/a/b/cpu.stat"
    assert where.facts["cpu_share"] == 2.5 / 8


def test_a_quota_of_version_1_and_an_unlimited_memory(machine: Machine) -> None:
    machine.process(1, groups="4:memory:/docker/0123456789ab\n3:cpu,cpuacct:/docker/0123456789ab")
    base = machine.sys / "fs/cgroup"  # in the container its own group is the root
    write(base / "cpu,cpuacct/cpu.cfs_quota_us", 50_000)
    write(base / "cpu,cpuacct/cpu.cfs_period_us", 100_000)
    write(base / "cpu,cpuacct/cpuacct.usage", 3_000_000_000)
    write(base / "memory/memory.limit_in_bytes", 9_223_372_036_854_771_712)
    where = find(machine)
    assert (where.cpus, where.container) == (0.5, "docker")
    assert where.memory_b == where.machine_memory_b
    asked = Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys))
    assert run_time(asked, where).seconds() == 3.0


def test_no_quota_of_version_1_is_none(machine: Machine) -> None:
    machine.process(1, groups="3:cpu,cpuacct:/")
    write(machine.sys / "fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", -1)
    write(machine.sys / "fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", 100_000)
    assert find(machine).is_whole


@pytest.mark.parametrize(
    ("path", "environ", "expected"),
    [
        ("/kubepods.slice/kubepods-burstable.slice/cri-containerd-ab.scope", {}, "kubernetes"),
        ("/system.slice/docker-0123456789abcdef.scope", {}, "docker"),
        ("/machine.slice/libpod-0123.scope", {}, "podman"),
        ("/lxc/web", {}, "lxc"),
        ("/", {"APPTAINER_CONTAINER": "x.sif"}, "apptainer"),
        ("/", {"container": "systemd-nspawn"}, "systemd-nspawn"),
        ("/user.slice", {}, None),
    ],
)
def test_containers_are_recognised(machine: Machine, path: str, environ: dict[str, str], expected: str | None) -> None:
    machine.process(1, groups=f"0::{path}")
    assert find(machine, **environ).container == expected


def test_a_container_is_recognised_by_its_mark(machine: Machine) -> None:
    write(machine.proc / "1/root/.dockerenv", "")
    assert find(machine).container == "docker"


def test_a_slurm_job_is_known_by_its_variable_or_by_its_group(machine: Machine) -> None:
    where = find(machine, SLURM_JOB_ID="99", SLURM_CPUS_ON_NODE="2")
    assert (where.slurm_job_id, where.cpus, where.facts["cpu_share"]) == ("99", 2.0, 0.25)
    machine.process(1, groups="0::/system.slice/slurmstepd.scope/job_4711/step_0")
    assert find(machine).slurm_job_id == "4711"


def test_an_affinity_is_a_limit_and_its_processors_are_counted(machine: Machine) -> None:
    machine.process(1, allowed="1,4-5")
    where = find(machine)
    assert (where.cpus, where.allowed) == (3.0, {1, 4, 5})
    machine.busy(10, 1, 10, 10, 2, 3)
    asked = Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys))
    assert run_time(asked, where).seconds() == pytest.approx(6.0)


def test_a_load_is_read_again_and_again_without_opening_a_file(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.process(1, groups="0::/docker/0123456789ab")
    write(machine.sys / "fs/cgroup/cpu.stat", "usage_usec 1000000")
    asked = Asked(pid=1, proc=str(machine.proc), sys=str(machine.sys))
    busy = run_time(asked, find(machine))
    assert busy.seconds() == 1.0
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened once more"))
    write(machine.sys / "fs/cgroup/cpu.stat", "usage_usec 2000000\nuser_usec 1")
    assert busy.seconds() == 2.0
    busy.close()


def test_a_file_that_went_away_says_nothing_and_is_opened_anew_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "cpu.stat", "usage_usec 1")
    gone: set[int] = set()

    def pread(fd: int, most: int, at: int) -> bytes:
        if fd in gone:
            raise OSError(errno.ENODEV, "No such device")
        return kernel(fd, most, at)

    kernel = os.pread
    monkeypatch.setattr(os, "pread", pread)
    held = Held(str(file), 64)
    assert held.read() == b"usage_usec 1\n"
    gone.add(held._fd)  # noqa: SLF001 -- the kernel answers so for the file of a control group that was removed
    file.unlink()
    assert [held.read(), held.read()] == [b"", b""]
    gone.clear()
    write(file, "usage_usec 2")
    assert held.read() == b"usage_usec 2\n"
    held.close()
    held.close()
    assert held.read() == b"usage_usec 2\n"
    held.close()


def test_busy_time_leaves_idle_waiting_and_stolen_time_out() -> None:
    #        user nice system idle iowait irq softirq steal guest
    stat = b"cpu  100 200 300 9999 8888 10 20 7777 50 0\ncpu0 100 200 300 9999 8888 10 20 7777 50 0\nintr 1\n"
    assert busy_s(stat) == pytest.approx(6.3)


def test_what_cannot_be_read_limits_nothing(tmp_path: Path) -> None:
    where = place(Asked(proc=str(tmp_path / "no"), sys=str(tmp_path / "no")))
    assert where.is_whole
    assert where.memory_b is None
    assert run_time(Asked(proc=str(tmp_path / "no")), where).seconds() is None
