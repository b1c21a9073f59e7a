"""OpenTelemetry: the energy of each device of a run as OTLP metrics in JSON, for a collector or a file exporter.

Semantic conventions for hardware: a component is `hw.energy` in joules, a whole host is `hw.host.energy` and nothing
else, so that nobody adds a host to its parts. A run is a resource; what the conventions have no name for is an
attribute `green:*` of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green import __version__
from green.export import as_json, properties

if TYPE_CHECKING:
    from datetime import datetime

    from green.export import Facts, Row

J_PER_KWH = 3_600_000
NS_PER_S = 1_000_000_000
DELTA = 1  # AGGREGATION_TEMPORALITY_DELTA: what was used between the two times
HOSTS = ("host", "wall")  # a facility is no host: its energy is an attribute of the run
PARTS = {"gpu", "cpu", "memory", "rest"}  # a sensor that covers all of them is one of the host


def render(facts: Facts) -> str:
    """Return one resource a run, with a data point for each device or host whose energy and time are known."""
    return as_json({"resourceMetrics": [_resource(run, facts.answers.get(run["run_id"], [])) for run in facts.runs]})


def _resource(run: Row, answers: list[Row]) -> dict[str, Any]:
    points: dict[str, list[dict[str, Any]]] = {}
    for answer in answers:
        is_host = answer["basis"] in HOSTS or set(answer["covers"] or []) >= PARTS
        point = _point(run, answer, is_host=is_host)
        if point is not None:
            points.setdefault("hw.host.energy" if is_host else "hw.energy", []).append(point)
    metrics = [
        {
            "name": name,
            "unit": "J",
            "sum": {"aggregationTemporality": DELTA, "isMonotonic": True, "dataPoints": found},
        }
        for name, found in sorted(points.items())
    ]
    attributes = [_attribute("service.name", run["model"] or run["run_id"])]
    attributes += [_attribute(one["name"], one["value"]) for one in properties(run)]
    return {
        "resource": {"attributes": attributes},
        "scopeMetrics": [{"scope": {"name": "green", "version": __version__}, "metrics": metrics}],
    }


def _point(run: Row, answer: Row, *, is_host: bool) -> dict[str, Any] | None:
    """Return the energy of an answer over its time; None where one of them is unknown, or it is of no one thing."""
    begins = [at for at in (answer["from_at"], run["started_at"]) if at is not None]
    ends = [at for at in (answer["to_at"], run["ended_at"]) if at is not None]
    if answer["energy_kwh"] is None or not begins or not ends or answer["basis"] == "facility":
        return None
    kinds = answer["covers"] or []
    attributes = [_attribute("hw.id", answer["answer"])]
    if not is_host:
        attributes.append(_attribute("hw.type", "+".join(kinds) or "unknown"))
    attributes.append(_attribute("green:method", answer["method"]))
    attributes += [
        _attribute(f"green:{end}_j", repr(answer[f"energy_{end}_kwh"] * J_PER_KWH))
        for end in ("low", "high")
        if answer[f"energy_{end}_kwh"] is not None
    ]
    return {
        "attributes": attributes,
        "startTimeUnixNano": _nanoseconds(max(begins)),
        "timeUnixNano": _nanoseconds(min(ends)),
        "asDouble": answer["energy_kwh"] * J_PER_KWH,
    }


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def _nanoseconds(at: datetime) -> str:
    """Return Unix time as OTLP writes 64-bit numbers in JSON: as a text."""
    return str(int(at.timestamp()) * NS_PER_S + at.microsecond * 1000)
