"""Which regions, devices and hours are tried for a run that is over a limit: a short list, the same every time.

Regions: of a cloud's region the three of its provider with the cleanest grids; else the three countries with the
cleanest grids in which some provider of the tables has a region. Devices: only where the run names its precision, for
else nobody knows how long another would take; the three that compute the most per watt of rated power. Hours: what a
proportion says can stay, and some steps around and below it, for not every figure is in proportion.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import floor
from typing import TYPE_CHECKING, NamedTuple

from green.model import component_of

if TYPE_CHECKING:
    import duckdb

MOST = 3
HOUR_S = 3600
STEP_S = 36  # a hundredth of an hour; under an hour the step is a second
_LESS = (0.999, 0.99, 0.95, 0.9, 0.75, 0.5)

_REGIONS = """
WITH grid AS (
    SELECT subject, arg_max(value, valid_from) AS intensity FROM factor
    WHERE quantity = 'grid_intensity' AND method NOT LIKE 'direct%' GROUP BY subject
),
place AS (
    SELECT DISTINCT f.subject AS region, f.note AS country, coalesce(own.intensity, g.intensity) AS intensity
    FROM factor AS f LEFT JOIN grid AS own ON f.subject = own.subject LEFT JOIN grid AS g ON f.note = g.subject
    WHERE f.quantity = 'region_zone' AND coalesce(own.intensity, g.intensity) IS NOT NULL
),
choice AS (
    SELECT split_part(region, ':', 1) AS provider, region, intensity FROM place
    UNION ALL
    SELECT DISTINCT '', country, g.intensity FROM place AS p INNER JOIN grid AS g ON p.country = g.subject
)
SELECT r.run_id, c.region FROM base_run AS r
INNER JOIN choice AS c
    ON c.provider = CASE WHEN contains(r.region, ':') THEN split_part(r.region, ':', 1) ELSE '' END
    AND c.region <> r.region
QUALIFY row_number() OVER (PARTITION BY r.run_id ORDER BY c.intensity, c.region) <= $most
ORDER BY r.run_id, c.intensity, c.region
"""
_DEVICES = """
WITH peak AS (
    SELECT quantity, subject_key, any_value(subject) AS subject, arg_min(value, factor_id) AS value
    FROM factor WHERE starts_with(quantity, 'peak_flops_') GROUP BY quantity, subject_key
),
rating AS (
    SELECT subject_key, max(value) AS power_w FROM factor WHERE quantity = 'rated_power' GROUP BY subject_key
),
footprint AS (SELECT DISTINCT subject_key FROM factor WHERE quantity IN ('embodied', 'bill')),
named AS (
    SELECT run_id, 'peak_flops_'
        || replace(replace(lower(json_extract_string(facts, '$.precision')), 'bfloat', 'bf'), 'float', 'fp') AS quantity
    FROM base_run
)
SELECT DISTINCT n.run_id, p.subject, max(p.value / r.power_w) AS flop_per_j FROM named AS n
INNER JOIN peak AS p ON n.quantity = p.quantity
INNER JOIN rating AS r ON p.subject_key = r.subject_key
INNER JOIN footprint AS f ON p.subject_key = f.subject_key
WHERE EXISTS (
    SELECT 1 FROM base_device AS d
    WHERE d.run_id = n.run_id AND d.component = 'gpu' AND d.device_key IS NOT NULL
        AND coalesce(d.load, d.average_power_w) IS NOT NULL
) AND NOT EXISTS (
    SELECT 1 FROM base_device AS d
    WHERE d.run_id = n.run_id AND d.component = 'gpu' AND d.device_key = p.subject_key
)
GROUP BY n.run_id, p.subject
ORDER BY n.run_id, flop_per_j DESC, p.subject
"""


class Others(NamedTuple):
    """What is tried for a run, and how long it was."""

    duration_s: float | None
    regions: list[str]
    devices: list[str]


def of_runs(con: duckdb.DuckDBPyConnection) -> dict[str, Others]:
    """Return what is tried for each run of `base_run`."""
    regions, devices = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for run_id, region in con.execute(_REGIONS, {"most": MOST}).fetchall():
        regions[run_id].append(region)
    for run_id, device, _ in con.execute(_DEVICES).fetchall():
        if component_of(device) == "gpu" and len(devices[run_id]) < MOST:
            devices[run_id].append(device)
    durations = con.execute("SELECT run_id, duration_s FROM base_run ORDER BY run_id").fetchall()
    return {run_id: Others(duration_s, regions[run_id], devices[run_id]) for run_id, duration_s in durations}


def shorter(duration_s: float, left_ratio: float) -> Iterator[tuple[float, float, str]]:
    """Give shorter durations around a share of the whole and below: seconds, and the figure and unit to tell."""
    left_s = duration_s * left_ratio
    is_hours = left_s >= HOUR_S
    step_s = STEP_S if is_hours else 1
    steps = floor(left_s / step_s)
    tried = {steps + 1, steps, steps - 1, *(floor(steps * share) for share in _LESS)}
    for number in sorted(tried):
        if 0 < number * step_s < duration_s:
            yield float(number * step_s), number / 100 if is_hours else float(number), "h" if is_hours else "s"
