"""The loop writes what the sensors say, when the seed says, whatever the clock, the disk and the sensors do."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import statistics
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from loop_family import A100, OTHER, FileSensor, RudeSensor

from green.meters import About
from green.meters.begin import averages
from green.meters.clock import Clock, Strata
from green.meters.command import Metering
from green.meters.log import Log
from green.meters.loop import Loop, iso
from green.meters.options import parse
from green.meters.pipe import BLOCK_BYTES, Lines, create
from green.meters.readings import Readings
from green.meters.tally import Tally

UTC0 = 1_767_225_600.0  # 2026-01-01T00:00:00Z


class Times:
    """A machine's clocks that a test moves."""

    def __init__(self) -> None:
        self.wall_s, self.boot_s, self.awake_s = UTC0, 1000.0, 900.0

    def pass_by(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds
        self.awake_s += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.wall_s, lambda: self.boot_s, lambda: self.awake_s)


class Given:
    """A sensor that reads what it is given."""

    def __init__(self, *readings: Any, about: About = A100) -> None:
        self.about, self.readings = about, list(readings)

    def read(self) -> float | None:
        found: float | None = self.readings.pop(0)
        return found


def records(path: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="ascii").splitlines()]


def loop_of(folder: Path, *sensors: Any, times: Times, **more: Any) -> Loop:
    return Loop(sensors, Log(str(folder / "a.green.jsonl")), times.clock(), Strata(1.0, 7), **more)


def test_each_stratum_has_one_instant_that_its_seed_decides() -> None:
    strata = Strata(1.0, 42)
    instants = [strata.instant_s(n) for n in range(10_000)]
    assert all(n <= instant < n + 1 for n, instant in enumerate(instants))
    parts = [instant % 1.0 for instant in instants]
    assert abs(statistics.mean(parts) - 0.5) < 0.01  # uniform: 3 standard errors are 0.0087
    assert abs(statistics.variance(parts) - 1 / 12) < 0.004
    assert instants == [Strata(1.0, 42).instant_s(n) for n in range(10_000)]
    assert instants != [Strata(1.0, 43).instant_s(n) for n in range(10_000)]


def test_power_that_is_averaged_over_a_stratum_is_read_at_even_instants() -> None:
    mean = About("g0", "gpu", "power_w", "sampled", extra={"averages_s": 1.0})
    moment = About("g1", "gpu", "power_w", "sampled")
    counter = About("g2", "gpu", "energy_j", "counter")
    beside = About("g3", "gpu", "power_w", "sampled", is_ours=False)
    asked = {name: [Given(about=about) for about in abouts] for name, abouts in {
        "even": (mean, counter, beside), "mixed": (mean, moment), "counters": (counter,), "none": (),
    }.items()}  # fmt: skip
    assert [name for name, sensors in asked.items() if averages(sensors, 1.0)] == ["even"]
    assert not averages(asked["even"], 2.0)
    strata = Strata(1.0, 42)
    strata.is_even = True
    assert [strata.next_s(elapsed_s) for elapsed_s in (0.0, 1.0, 2.1, 7.5)] == [
        1.0,
        2.0,
        3.0,
        8.0,
    ]


def test_splitmix64_is_the_published_one() -> None:
    # the first outputs for seed 1234567, as the reference implementation of SplitMix64 gives them
    first = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    strata = Strata(1.0, 1234567)
    assert [strata.instant_s(n) - n for n in range(3)] == [pytest.approx(x / 2**64, abs=1e-15) for x in first]


def test_a_wave_of_the_sampling_period_does_not_alias() -> None:
    """100 W but for 400 W in the first fifth of each second: at fixed instants the answer is 100 or 400."""
    strata = Strata(1.0, 3)
    tally = Tally([A100])
    for n in range(3600):
        instant_s = strata.instant_s(n)
        tally.see(instant_s, [400.0 if instant_s % 1.0 < 0.2 else 100.0])
    true_kwh = (400 * 0.2 + 100 * 0.8) / 1000
    assert tally.energy_kwh() == pytest.approx(true_kwh, rel=0.04)  # 3 standard errors


def test_instants_that_went_by_are_left_out() -> None:
    strata = Strata(1.0, 1)
    later = strata.next_s(1000.5)
    assert 1000.5 <= later < 1002
    assert later < strata.next_s(1000.6) < 1003


def test_instants_that_are_made_together_are_those_of_their_strata() -> None:
    strata = Strata(0.5, 9)
    found = [strata.next_s(0.0)]
    found += [strata.next_s(found[-1]) for _ in range(200)]
    assert found == [Strata(0.5, 9).instant_s(stratum) for stratum in range(1, 202)]


def test_a_sensor_that_answers_late_is_no_jump_of_the_clock(tmp_path: Path) -> None:
    times = Times()

    class Slow(Given):
        def read(self) -> float | None:
            times.pass_by(2.0)
            return super().read()

    loop = loop_of(tmp_path, Slow(1.0, 2.0, 3.0), times=times)
    for _ in range(3):
        loop.sample()
    assert [one["t"] - UTC0 for one in records(loop.log.path)] == [0.0, 2.0, 4.0]  # and no note


def test_jump_of_the_wall_clock_is_told_and_moves_no_reading(tmp_path: Path) -> None:
    times = Times()
    loop = loop_of(tmp_path, Given(1.0, 2.0, 3.0, 4.0), times=times)
    loop.sample()
    times.pass_by(1.0)
    times.wall_s += 3600.0
    loop.sample()
    times.pass_by(1.0)
    loop.sample()
    loop.end({"status": "completed"})
    said = records(loop.log.path)
    assert [one["t"] - UTC0 for one in said if "gpu0" in one] == [0.0, 1.0, 2.0, 2.0]
    assert [one for one in said if "event" in one] == [
        {"t": UTC0 + 1.0, "event": "note", "note": "clock", "by_s": 3600.0}
    ]
    assert said[-1]["drift_s"] == 3600.0


def test_jumps_in_a_row_are_told_one_by_one_with_the_drift_since_the_start() -> None:
    times = Times()
    clock = times.clock()
    told = []
    steps = [(0.3, 0.0), (0.3, 0.0), (0.3, 0.0), (-3600.0, 0.0), (0.0, 0.4), (0.0, 0.4), (10.0, 60.0)]
    steps += [(0.3, 60.0), (0.3, 0.0), (60.0, 0.3), (0.0, 0.3)]  # of the other clock a part was not told yet
    for wall_s, asleep_s in steps:
        times.pass_by(1.0)
        times.wall_s += wall_s + asleep_s
        times.boot_s += asleep_s
        told.append([(kind, round(by_s, 6)) for kind, by_s in clock.tell()[1]])
    assert told == [
        [],
        [("clock", 0.6)],
        [],
        [("clock", -3599.1)],
        [],
        [("suspend", 0.8)],
        [("clock", -3589.1), ("suspend", 60.0)],
        [("suspend", 60.0)],
        [("clock", -3588.5)],
        [("clock", -3528.5)],
        [("suspend", 0.6)],
    ]


def test_sleep_of_the_machine_is_told_and_is_time_of_the_log(tmp_path: Path) -> None:
    times = Times()
    loop = loop_of(tmp_path, Given(1.0, 2.0), times=times)
    loop.sample()
    times.pass_by(1.0)
    times.wall_s += 60.0
    times.boot_s += 60.0  # the clock of the waking machine stood still
    loop.sample()
    first, second, note = records(loop.log.path)
    assert (first["t"], second["t"]) == (UTC0, UTC0 + 61.0)
    assert note == {"t": UTC0 + 61.0, "event": "note", "note": "suspend", "by_s": 60.0}


def test_sensor_that_vanishes_and_comes_back_is_told_once_each(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, Given(300.0, None, float("nan"), 310.5), times=Times())
    for _ in range(4):
        loop.sample()
    said = records(loop.log.path)
    assert [one["gpu0"] for one in said if "gpu0" in one] == [300.0, None, None, 310.5]
    assert [one["is"] for one in said if "event" in one] == ["lost", "back"]


def test_sensor_that_comes_and_goes_does_not_fill_the_log(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, Given(*[1.0, None] * 100), times=Times())
    for _ in range(200):
        loop.sample()
    said = records(loop.log.path)
    assert sum("event" in one for one in said) == 20
    assert sum("gpu0" in one for one in said) == 200


def test_sensor_that_raises_is_lost_with_its_words_and_the_others_go_on(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, RudeSensor(), Given(5.0), times=Times())
    loop.sample()
    note, reading = sorted(records(loop.log.path), key=lambda one: "rude" in one)
    assert (note["is"], note["why"]) == ("lost", "RuntimeError: no manners")
    assert (reading["rude"], reading["gpu0"]) == (None, 5.0)


def test_sensors_that_were_read_before_one_raised_are_not_asked_twice(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, Given(5.0, 6.0), RudeSensor(), Given(7.0, 8.0, about=OTHER), times=Times())
    loop.sample()
    loop.sample()
    read = [one for one in records(loop.log.path) if "gpu0" in one]
    assert [(one["gpu0"], one["rude"], one[OTHER.id]) for one in read] == [(5.0, None, 7.0), (6.0, None, 8.0)]


def test_a_sensor_that_raises_is_asked_once_a_line_and_told_as_lost_and_back(tmp_path: Path) -> None:
    class Odd(Given):
        asked = 0

        def read(self) -> float | None:
            self.asked += 1
            if self.asked % 2:
                raise OSError("broken")
            return 5.0

    odd = Odd()
    loop = loop_of(tmp_path, odd, times=Times())
    for _ in range(4):
        loop.sample()
    said = records(loop.log.path)
    assert odd.asked == 4
    assert [one["gpu0"] for one in said if "gpu0" in one] == [None, 5.0, None, 5.0]
    assert [(one["is"], one.get("why")) for one in said if "event" in one] == [
        ("lost", "OSError: broken"),
        ("back", None),
    ] * 2


class Raises(Given):
    def read(self) -> float | None:
        raise OSError("broken")


@pytest.mark.parametrize("reading", [None, math.nan, math.inf, "5", 10**400, 1j, "raises"])
@pytest.mark.parametrize("is_constant", [True, False])
def test_a_reading_that_is_no_number_is_null_and_told_and_spoils_no_other(
    tmp_path: Path, reading: Any, *, is_constant: bool
) -> None:
    about = About("model", "dram", "power_w", "modelled", is_constant=is_constant)
    broken = Raises(about=about) if reading == "raises" else Given(*[reading] * 3, about=about)
    loop = loop_of(tmp_path, broken, Given(300.0, 300.0), times=Times())
    loop.is_tallied = True
    loop.sample()
    loop.sample()
    said = records(loop.log.path)
    assert [(one["model"], one["gpu0"]) for one in said if "gpu0" in one] == [(None, 300.0)] * 2
    assert [(one["id"], one["is"]) for one in said if "event" in one] == [("model", "lost")]
    assert loop.tally.energy_kwh() == 0.0  # two readings of one moment: a number, whatever the other said


def test_what_never_changes_is_asked_once_and_written_each_time(tmp_path: Path) -> None:
    memory = About("dram", "dram", "power_w", "modelled", is_constant=True)
    times = Times()
    loop = loop_of(tmp_path, Given(8.75, about=memory), Given(300.0, None, 300.0), times=times)
    loop.is_tallied = True
    for _ in range(3):
        loop.sample()
        times.pass_by(1.0)
    read = [one for one in records(loop.log.path) if "dram" in one]
    assert [(one["gpu0"], one["dram"]) for one in read] == [(300.0, 8.75), (None, 8.75), (300.0, 8.75)]
    assert {kind: joules for kind, _, joules in loop.tally.parts_j()} == {"gpu": 600.0, "dram": 17.5}


def test_readings_have_the_places_that_their_driver_counts_in(tmp_path: Path) -> None:
    milli = About("gpu0", "gpu", "power_w", "sampled", places=3)
    loop = loop_of(tmp_path, Given(251.337, about=milli), times=Times())
    loop.sample()
    assert Path(loop.log.path).read_text() == f'{{"t": {UTC0:.6f}, "gpu0": 251.337}}\n'


@pytest.mark.parametrize("name", ["50%", "%s %d", 'the "first"', "Prozessor-Kühlung", "{t}"])
def test_any_name_of_a_sensor_is_written_as_it_is(tmp_path: Path, name: str) -> None:
    found = [
        About(name, "gpu", "power_w", "sampled"),
        About(f"{name}!", "gpu", "power_w", "modelled", is_constant=True),
    ]
    loop = loop_of(tmp_path, *(Given(1.5, None, about=about) for about in found), times=Times())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Readings, "_with_gaps", lambda *_: pytest.fail("all is well"))
        loop.sample()
    loop.sample()
    note, first, second = sorted(records(loop.log.path), key=lambda one: "event" not in one)
    assert note["id"] == name
    assert ({**first, "t": 0}, {**second, "t": 0}) == (
        {"t": 0, name: 1.5, f"{name}!": 1.5},
        {"t": 0, name: None, f"{name}!": 1.5},
    )


def test_a_turn_takes_all_readings_until_something_is_heard(tmp_path: Path) -> None:
    times, heard = Times(), []
    loop = loop_of(tmp_path, Given(*[1.0] * 10), times=times)
    loop.start()
    loop.listen(99_999, lambda: heard.append(loop.readings))

    class Poll:
        """Lets the time of a wait pass; hears something in the sixth."""

        waits = 0

        def poll(self, wait_ms: float) -> list[tuple[int, int]]:
            assert wait_ms >= 0.0  # a negative one would have no end
            times.pass_by(math.ceil(wait_ms) / 1000)  # as the kernel's
            self.waits += 1
            assert self.waits < 10, "a turn that does not end"
            return [(99_999, 1)] if self.waits == 6 else []

    loop._poll = Poll()  # type: ignore[assignment]  # noqa: SLF001 -- no test waits for seconds
    loop.turn()
    assert heard == [6]  # the first, and one after each wait before
    assert loop.readings == 7
    instants = [one["t"] - UTC0 for one in records(loop.log.path)]
    assert instants[1:] == pytest.approx([Strata(1.0, 7).instant_s(n) for n in range(1, 7)], abs=1e-3)
    before_s = times.boot_s
    loop.turn(until_s=0.0)  # gone by: one wait of no length, and no reading before its instant
    assert (loop.readings, times.boot_s) == (7, before_s)


def test_a_flood_on_the_pipe_keeps_no_reading_from_its_instant_and_all_of_it_is_read_at_the_end(tmp_path: Path) -> None:
    fd, times = create(str(tmp_path / "fifo")), Times()
    loop = loop_of(tmp_path, Given(*[1.0] * 4), times=times, lines=Lines(fd))
    loop.start()
    written = 0
    with suppress(BlockingIOError):
        while written < 100_000:
            written += os.write(fd, b"count tokens=1\n" * 200) // 15
    assert written > 3 * BLOCK_BYTES // 15
    times.pass_by(2.0)
    loop.turn()
    assert loop.readings == 2
    os.write(fd, b"phase last\n")
    loop.end({})
    said = records(loop.log.path)
    counts = [one["tokens"] for one in said if one.get("event") == "count"]
    assert counts[0] <= BLOCK_BYTES / 15 + 1
    assert sum(counts) == written
    assert [one["name"] for one in said if one.get("event") == "phase"] == ["last"]
    os.close(fd)


def test_readings_are_written_in_microwatts_and_no_finer(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, Given(1 / 3, 1234567890.123456789), times=Times())
    loop.sample()
    loop.sample()
    assert [one["gpu0"] for one in records(loop.log.path)] == [0.333333, 1234567890.123457]


def test_counts_stand_in_the_log_before_the_phase_that_follows_them(tmp_path: Path) -> None:
    fd = create(str(tmp_path / "fifo"))
    loop = loop_of(tmp_path, Given(1.0, 1.0), times=Times(), lines=Lines(fd))
    os.write(fd, b"count tokens=5\nphase train\ncount tokens=1 images=2.5\ncount tokens=2\n")
    loop.end({})
    said = [{k: v for k, v in one.items() if k != "t"} for one in records(loop.log.path) if "event" in one]
    assert said == [
        {"event": "count", "tokens": 5},
        {"event": "phase", "name": "train", "edge": "begin"},
        {"event": "count", "tokens": 3, "images": 2.5},
    ]
    os.close(fd)


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("phase a\nphase b\nphase\n", [("a", "begin"), ("a", "end"), ("b", "begin"), ("b", "end")]),
        ("begin a\nbegin b\nend b\nend a\n", [("a", "begin"), ("b", "begin"), ("b", "end"), ("a", "end")]),
        ("phase two words\n", [("two words", "begin")]),
    ],
)
def test_phases_are_switched_or_nested(tmp_path: Path, text: str, events: list[tuple[str, str]]) -> None:
    fd = create(str(tmp_path / "fifo"))
    os.write(fd, text.encode())
    assert [(one["name"], one["edge"]) for one in Lines(fd).read()] == events
    os.close(fd)


@pytest.mark.parametrize(
    "line",
    [
        *("count", "count tokens", "count tokens=", "count tokens=many", "count tokens=-1", "count tokens=nan"),
        *("count tokens=inf", "count t=1", "count ended_at=1", "count a=1 b", "epoch x", "epoch -1", "begin", "hello"),
    ],
)
def test_line_that_says_nothing_known_is_kept_as_a_note(tmp_path: Path, line: str) -> None:
    fd = create(str(tmp_path / "fifo"))
    lines = Lines(fd)
    os.write(fd, f"{line}\n".encode())
    assert list(lines.read()) == [{"event": "note", "note": "unread", "text": line}]
    assert lines.counts() is None
    os.close(fd)


def test_counts_that_add_up_to_no_number_are_not_taken(tmp_path: Path) -> None:
    fd = create(str(tmp_path / "fifo"))
    lines = Lines(fd)
    os.write(fd, b"count tokens=1e308\n" * 3)
    assert [one["note"] for one in lines.read()] == ["unread", "unread"]
    assert lines.counts() == {"event": "count", "tokens": int(1e308)}
    os.close(fd)


def test_a_flood_of_nonsense_is_bounded(tmp_path: Path) -> None:
    fd = create(str(tmp_path / "fifo"))
    lines = Lines(fd)
    found = []
    for _ in range(50):
        os.write(fd, b"x" * 20_000 + b"\nnonsense\n" * 10)
        found += list(lines.read())
    assert len(found) == 100
    assert max(len(one["text"]) for one in found) == 200
    os.close(fd)


def test_a_kill_comes_before_a_look_at_what_nobody_tells() -> None:
    metering, times = Metering(parse(["--pid", "1"])), Times()
    metering.clock = times.clock()
    times.pass_by(5.0)
    found = []
    for kill_at_s in (None, 5.2, 7.0):
        metering.kill_at_s = kill_at_s
        found.append(metering._wake_s())  # noqa: SLF001 -- no kernel here is too old to tell
    assert found == [6.0, 5.2, 6.0]
    metering.pidfd = 99
    assert metering._wake_s() == 7.0  # noqa: SLF001 -- as above


def test_what_a_family_notes_stands_in_the_log_with_each_sync_and_at_the_end(tmp_path: Path) -> None:
    times, said = Times(), [{"note": "storage", "read_b": 1}, None, {"note": "storage", "read_b": 3}]
    loop = loop_of(tmp_path, Given(*[1.0] * 4), times=times, fsync_s=2.0)
    loop.notes = [lambda: said.pop(0)]
    for _ in range(3):
        loop.sample()
        times.pass_by(2.0)
    loop.end({})
    assert [one for one in records(loop.log.path) if "event" in one] == [
        {"t": UTC0 + 2.0, "event": "note", "note": "storage", "read_b": 1},
        {"t": UTC0 + 6.0, "event": "note", "note": "storage", "read_b": 3},
    ]


def test_full_disk_keeps_what_fits_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the file full in the middle of a line, and is lifted later."""
    told: list[str] = []
    log = Log(str(tmp_path / "a.green.jsonl"), told.append)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (95, hard))
        written = [log.line(b'{"t": %d, "gpu0": 300}\n' % n) for n in range(10)]
        assert Path(log.path).stat().st_size == 95  # four lines and a part of the fifth
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert log.line(b'{"t": 10, "gpu0": 300}\n')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert written == [True] * 4 + [False] * 6
    assert [one["t"] for one in records(log.path)] == list(range(11))
    assert len(told) == 2
    assert "File too large" in told[0]
    assert log.close()


def test_what_waits_is_bounded_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "a.green.jsonl"), most_bytes=1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        for n in range(1000):
            log.line(b'{"t": %04d}\n' % n)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not log.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    lines = Path(log.path).read_text(encoding="ascii").splitlines()
    assert lines[0] == '{"t": 0000}'  # the half line was ended first
    assert lines[-1] == '{"t": 0999}'
    assert len(lines) + log.lost == 1000
    assert log.lost > 900


def test_log_that_is_there_is_never_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.green.jsonl"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        Log(str(path))
    assert path.read_text() == "mine"


def test_times_are_iso_8601_in_utc_to_the_microsecond() -> None:
    assert iso(UTC0 + 0.1234564) == "2026-01-01T00:00:00.123456Z"
    assert iso(UTC0 + 0.9999999) == "2026-01-01T00:00:01.000000Z"


def counter(**more: Any) -> About:
    return About("gpu0_j", "gpu", "energy_j", "counter", uuid="GPU-1", **more)


def test_tally_takes_the_counter_of_a_device_and_not_its_power_too() -> None:
    tally = Tally([A100, counter()])
    for n in range(4):
        tally.see(UTC0 + n, [300.0, 5000.0 + 320.0 * n])
    assert tally.parts_j() == [("gpu", "NVIDIA A100-SXM4-80GB", 960.0)]


def test_tally_unwraps_and_does_not_take_a_reset_for_energy() -> None:
    wrapping, plain = Tally([counter(wraps_at_j=1000.0)]), Tally([counter()])
    for reading in (900.0, 950.0, 50.0):
        wrapping.see(0.0, [reading])
        plain.see(0.0, [reading])
    assert [one.parts_j()[0][2] for one in (wrapping, plain)] == [150.0, 50.0]


def test_tally_leaves_out_gaps_others_devices_and_a_host_whose_parts_are_read() -> None:
    host = About("psu", "host", "power_w", "sampled")
    tally = Tally([A100, OTHER, host])
    tally.see(0.0, [100.0, 100.0, 500.0])
    tally.see(1.0, [100.0, 100.0, 500.0])
    tally.see(100.0, [100.0, 100.0, 500.0])  # a gap
    assert tally.energy_kwh() * 3_600_000 == pytest.approx(100.0)
    alone = Tally([host])
    alone.see(0.0, [500.0])
    alone.see(1.0, [500.0])
    assert alone.energy_kwh() * 3_600_000 == pytest.approx(500.0)


def test_file_sensor_of_these_tests_reads_none_where_the_file_is_gone(tmp_path: Path) -> None:
    sensor = FileSensor(A100, tmp_path / "w")
    assert sensor.read() is None
    (tmp_path / "w").write_text("12.5")
    assert sensor.read() == 12.5
