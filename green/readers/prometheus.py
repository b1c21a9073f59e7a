"""Read exports of Prometheus that hold the energy of a node: DCGM exporter, Kepler, CEEMS, Scaphandre.

Counters and gauges of one device are one series. Containers, processes and jobs are shares of their node and
are left out. Without times, a difference of a counter is all that can be known; a single scrape has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from green.readers import Found, Unreadable
from green.readers.prom import Sample, is_json, samples

if TYPE_CHECKING:
    from green.readers import Log, Sink

Labels = Mapping[str, str]
J_PER_KWH = 3.6e6


class Meter(NamedTuple):
    """What a metric is: which part of a node it meters, its factor to W or J, and which of several wins."""

    component: str
    device: Callable[[Labels], str | None]  # None: this series is a part of another
    factor: float
    is_counter: bool
    rank: int = 0  # of meters that cover the same, those of the least rank are read
    group: str = ""  # meters that cover the same


def _by(word: str, *names: str) -> Callable[[Labels], str | None]:
    """Name a device by the first of these labels."""
    return lambda labels: word + next((f"-{labels[name]}" for name in names if labels.get(name)), "")


def _mode(word: str, *names: str) -> Callable[[Labels], str | None]:
    """Name a counter that Kepler splits into dynamic and idle: both are energy of the node."""
    device = _by(word, *names)
    return lambda labels: f"{device(labels)}{'/' + labels['mode'] if labels.get('mode') else ''}"


def _zone(wanted: str) -> Callable[[Labels], str | None]:
    """Keep one zone of RAPL: a package holds its core and uncore, and psys holds the package."""

    def device(labels: Labels) -> str | None:
        zone = labels.get("zone", "").partition("-")[0]
        return f"{wanted}-{labels.get('path') or labels.get('zone', '')}" if zone == wanted else None

    return device


def _cray(wanted: str) -> Callable[[Labels], str | None]:
    return lambda labels: d if (d := labels.get("domain", "")).rstrip("0123456789") == wanted else None


def _dram(labels: Labels) -> str | None:
    is_dram = labels.get("domain_name", "").lower() == "dram"
    return f"dram-{labels.get('socket_id', '')}-{labels.get('domain_id', '')}" if is_dram else None


GPU = ("UUID", "uuid", "gpu_uuid", "gpu", "index", "device")
METERS: dict[str, tuple[Meter, ...]] = {
    "DCGM_FI_DEV_POWER_USAGE": (Meter("gpu", _by("gpu", *GPU), 1, is_counter=False),),
    **dict.fromkeys(  # OpenTelemetry's collector adds the ending
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_total"),
        (Meter("gpu", _by("gpu", *GPU), 1e-3, is_counter=True),),
    ),
    "nvidia_smi_power_draw_watts": (Meter("gpu", _by("gpu", *GPU), 1, is_counter=False),),
    "kepler_node_package_joules_total": (Meter("cpu", _mode("package", "package"), 1, is_counter=True),),
    "kepler_node_dram_joules_total": (Meter("memory", _mode("dram", "package"), 1, is_counter=True),),
    "kepler_node_gpu_joules_total": (Meter("gpu", _mode("gpu", *GPU), 1, is_counter=True),),
    "kepler_node_platform_joules_total": (
        Meter("host", _mode("platform"), 1, is_counter=True, rank=9, group="kepler"),
    ),
    **{
        f"kepler_node_{kind}": (
            Meter("cpu", _zone("package"), 1, is_counter=is_counter),
            Meter("memory", _zone("dram"), 1, is_counter=is_counter),
        )
        for kind, is_counter in (("cpu_joules_total", True), ("cpu_watts", False))
    },
    "kepler_node_gpu_watts": (Meter("gpu", _by("gpu", *GPU), 1, is_counter=False),),
    "ceems_rapl_package_joules_total": (
        Meter("cpu", _by("package", "index"), 1, is_counter=True, rank=1, group="cpu"),
    ),
    "ceems_rapl_dram_joules_total": (
        Meter("memory", _by("dram", "index"), 1, is_counter=True, rank=1, group="memory"),
    ),
    **{
        f"ceems_cray_pm_counters_{kind}": (
            Meter("host", _cray("node"), 1, is_counter=is_counter, group="host"),
            Meter("cpu", _cray("cpu"), 1, is_counter=is_counter, group="cpu"),
            Meter("memory", _cray("memory"), 1, is_counter=is_counter, group="memory"),
            Meter("gpu", _cray("accel"), 1, is_counter=is_counter),
        )
        for kind, is_counter in (("energy_joules", True), ("power_watts", False))
    },
    "ceems_redfish_current_watts": (
        Meter("host", _by("redfish", "chassis"), 1, is_counter=False, rank=1, group="host"),
    ),
    "ceems_ipmi_dcmi_current_watts": (Meter("host", _by("ipmi"), 1, is_counter=False, rank=2, group="host"),),
    "scaph_socket_energy_microjoules": (
        Meter("cpu", _by("socket", "socket_id"), 1e-6, is_counter=True, group="scaph"),
    ),
    "scaph_socket_power_microwatts": (Meter("cpu", _by("socket", "socket_id"), 1e-6, is_counter=False, group="scaph"),),
    "scaph_domain_energy_microjoules": (Meter("memory", _dram, 1e-6, is_counter=True),),
    "scaph_domain_power_microwatts": (Meter("memory", _dram, 1e-6, is_counter=False),),
    "scaph_host_energy_microjoules": (Meter("cpu", _by("host"), 1e-6, is_counter=True, rank=1, group="scaph"),),
    "scaph_host_power_microwatts": (Meter("cpu", _by("host"), 1e-6, is_counter=False, rank=1, group="scaph"),),
}
HOSTS = ("Hostname", "hostname", "node_name", "node", "exported_instance", "instance")
NAMES = ("modelName", "model", "name")
MODELS = ("model", "estimator")  # words of Kepler's label source where no meter was read
MOST_DEVICES = 20_000
SHOWN = 5

_OWN = r"(?:DCGM_FI_|kepler_|ceems_|scaph_|nvidia_smi_)\w+"
_TEXT = re.compile(rf"^(?:# (?:HELP|TYPE) {_OWN} |{_OWN}(?:\{{\w+=| [-+.\dNI]))", re.MULTILINE | re.ASCII)
_JSON = re.compile(r'"(?:DCGM_FI_|kepler_|ceems_|scaph_|nvidia_smi_)\w+"', re.ASCII)


@dataclass(slots=True)
class _Device:
    """One device of one node: what the first pass learns of it."""

    component: str
    rank: tuple[str, int]  # the group that it belongs to on its node, and its rank there
    line: int
    name: str | None
    uuid: str | None
    is_modelled: bool
    series: int | None = None
    times: set[int] = field(default_factory=set)  # the first two, for more are not needed
    first_j: float | None = None  # of a counter without times
    last_j: float | None = None
    risen_j: float = 0.0
    scrapes: int = 0

    def see(self, sample: Sample, meter: Meter) -> None:
        """Learn from one sample."""
        if sample.t_us is not None:
            if len(self.times) < len(("first", "second")):
                self.times.add(sample.t_us)
            return
        if sample.value is not None and meter.is_counter:
            value_j = sample.value * meter.factor
            if self.last_j is not None and value_j >= self.last_j:
                self.risen_j += value_j - self.last_j
                self.scrapes += 1
            self.first_j = value_j if self.first_j is None else self.first_j
            self.last_j = value_j


def _known(sample: Sample) -> tuple[Meter, str, str] | None:
    """Return the meter of a sample, its node and its device; None where it is not about a node's energy."""
    for meter in METERS.get(sample.name, ()):
        device = meter.device(sample.labels)
        if device is not None:
            host = next((sample.labels[name] for name in HOSTS if sample.labels.get(name)), "")
            return meter, host, f"{host}/{device}" if host else device
    return None


def _survey(log: Log, sink: Sink, run: int) -> dict[str, _Device]:
    """Read all samples once: which devices there are, and which of those that cover the same are read."""
    devices: dict[str, _Device] = {}
    best: dict[str, int] = {}
    for sample in samples(log):
        if isinstance(sample, tuple):
            sink.reject(sample[0], "BAD_LINE", sample[1], run=run)
            continue
        known = _known(sample)
        if known is None:
            continue
        meter, host, device_id = known
        group = f"{host}\n{meter.group or sample.name}"
        rank = meter.rank
        device = devices.get(device_id)
        if device is None:
            if len(devices) >= MOST_DEVICES:
                sink.reject(sample.line, "TOO_MANY_DEVICES", device_id[:80], run=run)
                continue
            source = sample.labels.get("source", "")
            device = devices[device_id] = _Device(
                component=meter.component,
                rank=(group, rank),
                line=sample.line,
                name=next((sample.labels[name] for name in NAMES if sample.labels.get(name)), None),
                uuid=next((sample.labels[name] for name in GPU[:3] if sample.labels.get(name)), None),
                is_modelled=any(word in source for word in MODELS),
            )
        best[group] = min(best.get(group, rank), rank)
        device.see(sample, meter)
    if any(device.component == "cpu" for device in devices.values()):  # a platform figure of Kepler may be ACPI's guess
        best = {group: min(rank, 0) if group.endswith("\nkepler") else rank for group, rank in best.items()}
    return {key: device for key, device in devices.items() if device.rank[1] == best[device.rank[0]]}


class Prometheus:
    """The reader of exports of Prometheus."""

    name = "prometheus"
    title = "Prometheus text or JSON of DCGM exporter, Kepler, CEEMS, Scaphandre"
    holds_many = False

    def recognises(self, log: Log) -> bool:
        """Tell by a metric of these exporters in the head."""
        return (_JSON if is_json(log) else _TEXT).search(log.head.lstrip("\ufeff")) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Read all samples twice: what there is, then the readings of what counts."""
        if not self.recognises(log):
            raise Unreadable("NO_HEADER")
        found = Found(line=1)
        run = sink.run(found)
        devices = _survey(log, sink, run)
        if not devices:
            sink.reject(None, "NO_POWER_METRIC", "no metric of a node's power or energy", run=run)
            return
        timed = {key: device for key, device in devices.items() if device.times}
        for device_id, device in devices.items():
            if device_id in timed:
                device.series = sink.series(
                    run,
                    device_id,
                    device.component,
                    name=device.name,
                    uuid=device.uuid,
                    method="modelled" if device.is_modelled else None,
                )
            else:
                sink.device(run, device_id, device.component, name=device.name, count=1.0, line=device.line)
        if any(device.is_modelled for device in devices.values()):
            found.flags.append("MODELLED_SENSOR")
        _untimed({key: device for key, device in devices.items() if key not in timed}, found, sink, run)
        if timed:
            _readings(log, timed, sink, run)
        if timed and all(len(device.times) < len(("first", "second")) for device in timed.values()):
            sink.reject(None, "SINGLE_SCRAPE", "one moment has a power and no energy", run=run)


def _untimed(devices: Mapping[str, _Device], found: Found, sink: Sink, run: int) -> None:
    """Say what can be known without times: how far a counter rose between scrapes; of one scrape nothing."""
    risen = {key: device for key, device in devices.items() if device.scrapes}
    totals = {device.rank[0]: key for key, device in risen.items() if device.component == "host"}
    for device in risen.values():
        host = device.rank[0].partition("\n")[0]
        if device.component != "host" and any(group.partition("\n")[0] == host for group in totals):
            continue  # the whole node is stated
        covers = ("gpu", "cpu", "memory", "rest") if device.component == "host" else (device.component,)
        sink.statement(run, covers, repr(device.risen_j / J_PER_KWH), line=device.line)
    if risen:
        found.flags.append("NO_TIMES")
    if devices and not risen:
        shown = [f"{key} {d.last_j:.6g} J" for key, d in devices.items() if d.last_j is not None][:SHOWN]
        detail = f"counters since they began: {', '.join(shown)}" if shown else "powers of one moment"
        sink.reject(None, "SINGLE_SCRAPE", detail, run=run)


def _readings(log: Log, devices: Mapping[str, _Device], sink: Sink, run: int) -> None:
    """Give the sink every reading of the devices that count."""
    for sample in samples(log):
        known = None if isinstance(sample, tuple) else _known(sample)
        if known is None or isinstance(sample, tuple) or (device := devices.get(known[2])) is None:
            continue
        if sample.t_us is None or device.series is None:
            sink.reject(sample.line, "BAD_TIME", known[2][:80], run=run)
            continue
        meter = known[0]
        value = None if sample.value is None else sample.value * meter.factor
        if value is None:
            sink.reject(sample.line, "UNREADABLE_POWER", known[2][:80], run=run)
        power_w, energy_j = (None, value) if meter.is_counter else (value, None)
        sink.sample(device.series, sample.t_us, power_w, energy_j, sample.line)


READER = Prometheus()
