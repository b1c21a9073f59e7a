"""A known truth, written as each tool writes it, comes back: for any powers, and on a rig of 1, 2 and 8 devices."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake import FakeSink, write_log
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green.readers import readers

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
READERS = {reader.name: reader for reader in readers()}
any_truth = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Truth:
    """Power (mW) of each device at each step, linear between."""

    milliwatts: list[list[int]]  # by device, then by step
    step_ms: int

    @property
    def joules(self) -> float:
        return sum(self.of_device(number) for number in range(len(self.milliwatts)))

    def of_device(self, number: int) -> float:
        own = self.milliwatts[number]
        return sum(a + b for a, b in itertools.pairwise(own)) * self.step_ms / 2e6

    @property
    def seconds(self) -> float:
        return (len(self.milliwatts[0]) - 1) * self.step_ms / 1000

    def rows(self) -> list[tuple[int, list[int]]]:
        """Return ms since the start and the powers of all devices."""
        return [(n * self.step_ms, list(powers)) for n, powers in enumerate(zip(*self.milliwatts, strict=True))]


def mean_w(truth: Truth, number: int) -> float:
    return truth.of_device(number) / truth.seconds


def at(ms: int) -> datetime:
    return START + timedelta(milliseconds=ms)


def carbontracker_1(truth: Truth) -> str:
    return _carbontracker(truth, "1.2.5", "[" + " ".join(f"{mean_w(truth, n)!r}" for n in _all(truth)) + "]")


def carbontracker_2(truth: Truth) -> str:
    """Write what 2.0.0 to 2.4.7 do: the mean over devices."""
    return _carbontracker(truth, "2.4.7", repr(sum(mean_w(truth, n) for n in _all(truth)) / len(truth.milliwatts)))


def _all(truth: Truth) -> range:
    return range(len(truth.milliwatts))


def _carbontracker(truth: Truth, version: str, powers: str) -> str:
    hours, rest = divmod(truth.seconds, 3600)
    lasted = f"{int(hours)}:{int(rest // 60):02d}:{rest % 60:05.2f}"
    names = ", ".join(["NVIDIA A40"] * len(truth.milliwatts))
    messages = [
        f"carbontracker version {version}",
        f"The following components were found: GPU with device(s) {names}.",
        "Epoch 1:",
        f"Duration: {lasted}",
        f"Average power usage (W) for gpu: {powers}",
    ]
    return "".join(f"2026-03-01 08:00:00 - {message}\n" for message in messages)


def zeus(truth: Truth) -> str:
    columns = ",".join(f"gpu{n}_energy" for n in _all(truth))
    energies = ",".join(repr(truth.of_device(n)) for n in _all(truth))
    return f"start_time,window_name,elapsed_time,{columns}\n{START.timestamp()},epoch,{truth.seconds},{energies}\n"


def eco2ai(truth: Truth) -> str:
    head = "id,project_name,start_time,duration(s),power_consumption(kWh),CO2_emissions(kg),CPU_name,GPU_name"
    gpu = f"A40 {len(truth.milliwatts)} device(s)"
    return f"{head}\na,p,2026-03-01 08:00:00,{truth.seconds},{truth.joules / 3.6e6!r},0.1,X,{gpu}\n"


def wandb(truth: Truth) -> str:
    lines = [
        {f"system.gpu.{n}.powerWatts": mw / 1000 for n, mw in enumerate(powers)} | {"_timestamp": at(ms).timestamp()}
        for ms, powers in truth.rows()
    ]
    return "\n".join(map(json.dumps, lines)) + "\n"


def wandb_csv(truth: Truth) -> str:
    head = ",".join(["_runtime", *(f"system.gpu.{n}.powerWatts" for n in _all(truth))])
    rows = [",".join([repr(ms / 1000), *(repr(mw / 1000) for mw in powers)]) for ms, powers in truth.rows()]
    return "\n".join([head, *rows]) + "\n"


def powerjoular(truth: Truth) -> str:
    """Write one CPU: PowerJoular has no more."""
    lines = []
    for ms, (mw, *_) in truth.rows():
        t = at(ms)
        moment = f" {t.year:4d}- {t.month}- {t.day}  {t.hour}: {t.minute}: {t.second}. {t.microsecond // 1000}"
        lines.append(f"{moment},0.5,{mw / 1000:.14f}")
    return "\n".join(["Date,CPU Utilization,CPU Power", *lines]) + "\n"


def powermetrics(truth: Truth) -> str:
    """Write the mean of each interval, as the tool does."""
    text = ""
    rows = truth.rows()
    for (_, before), (ms, powers) in itertools.pairwise(rows):
        text += (
            f"*** Sampled system activity ({at(ms):%a %b %d %H:%M:%S %Y} +0000) ({truth.step_ms:.2f}ms elapsed) ***\n"
        )
        text += f"CPU Power: {(before[0] + powers[0]) / 2} mW\n"
    return text


def power_gadget(truth: Truth) -> str:
    head = "System Time,RDTSC,Elapsed Time (sec)," + ",".join(
        f"Cumulative Processor Energy_{n}(Joules)" for n in _all(truth)
    )
    lines = [head]
    for step, (ms, _) in enumerate(truth.rows()):
        known = Truth([own[: step + 1] for own in truth.milliwatts], truth.step_ms)
        lines.append(
            f"08:00:00:000, 1, {ms / 1000:.3f}, " + ", ".join(f"{known.of_device(n):.6f}" for n in _all(truth))
        )
    return "\n".join(lines) + "\n"


def redfish(truth: Truth) -> str:
    lines = [
        {
            "timestamp": at(ms).isoformat(),
            "data": {
                "@odata.id": f"/redfish/v1/Chassis/{n}/Power",
                "PowerControl": [{"PowerConsumedWatts": mw / 1000}],
            },
        }
        for ms, powers in truth.rows()
        for n, mw in enumerate(powers)
    ]
    return "\n".join(map(json.dumps, lines)) + "\n"


def aipowermeter(truth: Truth) -> str:
    lines = [
        {
            "date": f"{at(ms):%Y-%m-%d %H:%M:%S.%f}",
            "metrics": {
                "cpu": {"psys_power": -1},
                "gpu": {
                    "nvidia_draw_absolute": 1,
                    "per_gpu_power_draw": {str(n): mw / 1000 for n, mw in enumerate(powers)},
                },
            },
        }
        for ms, powers in truth.rows()
    ]
    return "\n".join(map(json.dumps, lines)) + "\n"


def power_csv(truth: Truth) -> str:
    head = ",".join(["time_ms", *(f"gpu{n}_power_mw" for n in _all(truth))])
    rows = [",".join(map(str, [ms, *powers])) for ms, powers in truth.rows()]
    return "\n".join([head, *rows]) + "\n"


def power_csv_dated(truth: Truth) -> str:
    head = ";".join(["timestamp", *(f"GPU {n} Power (W)" for n in _all(truth))])
    rows = [";".join([at(ms).isoformat(), *(repr(mw / 1000) for mw in powers)]) for ms, powers in truth.rows()]
    return "\n".join([head, *rows]) + "\n"


@dataclass(frozen=True)
class Tool:
    """How a tool writes the truth."""

    reader: str
    write: Callable[[Truth], str]
    devices: int = 8  # the most that the format can tell of
    rel: float = 1e-9
    absolute_j: float = 1e-6


TOOLS = [
    Tool("carbontracker", carbontracker_1),
    Tool("carbontracker", carbontracker_2),
    Tool("zeus", zeus),
    Tool("eco2ai", eco2ai),
    Tool("wandb", wandb),
    Tool("wandb", wandb_csv),
    Tool("powerjoular", powerjoular, devices=1),
    Tool("powermetrics", powermetrics, devices=1),
    Tool("power_gadget", power_gadget, absolute_j=1e-5),  # six digits after the point
    Tool("redfish", redfish),
    Tool("aipowermeter", aipowermeter),
    Tool("power_csv", power_csv),
    Tool("power_csv", power_csv_dated),
]
IDS = [tool.write.__name__ for tool in TOOLS]


def joules(sink: FakeSink) -> float:
    """Add what is stated and, by a trapezoid of this test's own, what is sampled."""
    total = sum(float(kwh) * 3.6e6 for _, _, kwh, _ in sink.statements)
    for number in range(len(sink.all_series)):
        own = [(t, power) for series, t, power, _, _ in sink.samples if series == number and power is not None]
        total += sum((a + b) / 2 * (t - s) / 1e6 for (s, a), (t, b) in itertools.pairwise(own))
    return total


def read(tool: Tool, folder: Path, truth: Truth) -> FakeSink:
    log = write_log(folder, tool.write(truth))
    assert [name for name, reader in READERS.items() if reader.recognises(log)] == [tool.reader]
    sink = FakeSink()
    READERS[tool.reader].read(log, sink)
    assert sink.rejects == []
    return sink


@st.composite
def truths(draw: st.DrawFn, devices: int) -> Truth:
    steps = draw(st.integers(2, 12))
    powers = st.lists(st.integers(1, 2_000_000), min_size=steps, max_size=steps)
    count = draw(st.integers(1, devices))
    # the length of an epoch has two digits after the point, so that nothing is rounded away here
    return Truth(draw(st.lists(powers, min_size=count, max_size=count)), draw(st.sampled_from([100, 500, 1000, 15000])))


@pytest.mark.parametrize("tool", TOOLS, ids=IDS)
def test_any_truth_comes_back(tool: Tool, tmp_path: Path) -> None:
    @any_truth
    @given(truths(tool.devices))
    def holds(truth: Truth) -> None:
        found = joules(read(tool, tmp_path, truth))
        assert found == pytest.approx(truth.joules, rel=tool.rel, abs=tool.absolute_j)

    holds()


@pytest.mark.parametrize("devices", [1, 2, 8])
@pytest.mark.parametrize("tool", TOOLS, ids=IDS)
def test_rig_of_known_truth(tool: Tool, devices: int, tmp_path: Path) -> None:
    """Draw 100 W for 2.8 s and 400 W for 0.9 s, read every 100 ms for 37 s, as the rig of the comparison of tools."""
    count = min(devices, tool.devices)
    wave = [400_000 if n % 37 < 9 else 100_000 for n in range(371)]
    truth = Truth([wave] * count, 100)
    assert truth.joules == pytest.approx(count * (10 * (9 * 400 + 28 * 100) / 10), rel=0.005)
    assert joules(read(tool, tmp_path, truth)) == pytest.approx(truth.joules, rel=0.005)


def test_the_file_of_carbontracker_2_4_7_says_an_eighth_of_the_truth(tmp_path: Path) -> None:
    tool = next(tool for tool in TOOLS if tool.write is carbontracker_2)
    truth = Truth([[100_000] * 16] * 8, 1000)  # 8 devices of 100 W for 15 s
    text = tool.write(truth)
    assert "Average power usage (W) for gpu: 100.0\n" in text  # 1.5 kJ as carbontracker counts
    sink = read(tool, tmp_path, truth)
    assert joules(sink) == pytest.approx(12_000)
    assert "DIVIDED_BY_DEVICES" in sink.runs[0].flags


def test_power_of_mlflow_comes_back(tmp_path: Path) -> None:
    store = tmp_path / ("0" * 32) / "metrics" / "system"
    store.mkdir(parents=True)
    truth = Truth([[100_000, 250_000, 50_000]], 10_000)
    text = "".join(
        f"{int(START.timestamp() * 1000) + ms} {mw / 1000} {n}\n" for n, (ms, (mw,)) in enumerate(truth.rows())
    )
    log = write_log(store, text, name="gpu_0_power_usage_watts")
    object.__setattr__(log, "shown", "mlruns/0/" + "0" * 32 + "/metrics/system/gpu_0_power_usage_watts")
    assert [name for name, reader in READERS.items() if reader.recognises(log)] == ["mlflow"]
    sink = FakeSink()
    READERS["mlflow"].read(log, sink)
    assert joules(sink) == pytest.approx(truth.joules)
