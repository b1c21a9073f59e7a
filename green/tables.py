"""The columns of every table that stages hand to each other: names with their unit, DuckDB types.

Each name is a stage's Parquet file and the logical table of the SQL files. A test holds the
head-notes of the SQL files to this list.
"""

from __future__ import annotations

EXACT = "DECIMAL(38,18)"
NAMES = "VARCHAR[]"

RUN = {
    "run_id": "VARCHAR",
    "source": "VARCHAR",  # path below logs of the source that yields the run
    "where_file": "VARCHAR",  # path below logs of the record, or of the log
    "where_line": "INTEGER",
    "project": "VARCHAR",
    "team": "VARCHAR",
    "model": "VARCHAR",
    "kind": "VARCHAR",
    "parent": "VARCHAR",
    "status": "VARCHAR",
    "site": "VARCHAR",
    "region": "VARCHAR",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "duration_s": "DOUBLE",
    "device_hours_h": "DOUBLE",
    "hours_low_ratio": "DOUBLE",  # ends of the hours that a record states, by their value; NULL: without an interval
    "hours_high_ratio": "DOUBLE",
    "memory_gb": "DOUBLE",  # of the host, what was kept and what was sent: for what nobody metered
    "memory_low_gb": "DOUBLE",
    "memory_high_gb": "DOUBLE",
    "storage_gb": "DOUBLE",
    "storage_low_gb": "DOUBLE",
    "storage_high_gb": "DOUBLE",
    "network_gb": "DOUBLE",
    "network_low_gb": "DOUBLE",
    "network_high_gb": "DOUBLE",
    "busy_core_h": "DOUBLE",  # core-hours that were computed in, of logs that count them and no energy
    "memory_gb_h": "DOUBLE",  # memory that was held, times hours, likewise
    "model_rest": "BOOLEAN",  # whether what was not metered is modelled; NULL: as config.yaml says
    "pue": "DOUBLE",
    "pue_low": "DOUBLE",
    "pue_high": "DOUBLE",
    "intensity_gco2e_per_kwh": "DOUBLE",
    "intensity_low_gco2e_per_kwh": "DOUBLE",
    "intensity_high_gco2e_per_kwh": "DOUBLE",
    "market_gco2e_per_kwh": "DOUBLE",
    "market_low_gco2e_per_kwh": "DOUBLE",
    "market_high_gco2e_per_kwh": "DOUBLE",
    "wue_l_per_kwh": "DOUBLE",
    "wue_low_l_per_kwh": "DOUBLE",
    "wue_high_l_per_kwh": "DOUBLE",
    "ewif_l_per_kwh": "DOUBLE",
    "ewif_low_l_per_kwh": "DOUBLE",
    "ewif_high_l_per_kwh": "DOUBLE",
    "device_hour_usd": "DOUBLE",
    "device_hour_low_usd": "DOUBLE",
    "device_hour_high_usd": "DOUBLE",
    "tariff_usd_per_kwh": "DOUBLE",
    "tariff_low_usd_per_kwh": "DOUBLE",
    "tariff_high_usd_per_kwh": "DOUBLE",
    "facts": "VARCHAR",  # JSON object: parameters, dataset_size, labels, ... as declared
    "flags": NAMES,
    "reasons": NAMES,  # reason codes known at ingest (MISSING_FIELD, BAD_UNIT ...)
    "logs": "INTEGER",  # how many logs were recognised as its own
    "error": "VARCHAR",  # NULL, or the code that makes the whole run an error
    "reported_kgco2e": "DOUBLE",  # what the log itself reports; shown, never counted
}

DEVICE = {
    "run_id": "VARCHAR",
    "device_id": "VARCHAR",  # unique in the run
    "component": "VARCHAR",  # gpu | cpu | memory | rest | host (host = all four)
    "name": "VARCHAR",  # as written; NULL where the log does not say
    "device_key": "VARCHAR",  # normalised name, the key of the catalogue
    "uuid": "VARCHAR",
    "origin": "VARCHAR",  # log | hardware | site
    "tool": "VARCHAR",  # the reader of the log that meters or names it
    "sensor_method": "VARCHAR",  # how the meter itself says that it reads, where that is no measurement
    "sensor_low_ratio": "DOUBLE",  # ends of what its model gives, by the value; NULL: the sensor's error holds
    "sensor_high_ratio": "DOUBLE",
    "file": "VARCHAR",  # log or record that names it, path below logs
    "line": "INTEGER",
    "count": "DOUBLE",
    "share": "DOUBLE",
    "is_embodied": "BOOLEAN",  # whether its embodied carbon is charged (a record overrides logs)
    "average_power_w": "DOUBLE",
    "average_power_low_w": "DOUBLE",
    "average_power_high_w": "DOUBLE",
    "rated_power_w": "DOUBLE",
    "rated_power_low_w": "DOUBLE",
    "rated_power_high_w": "DOUBLE",
    "load": "DOUBLE",
    "load_low": "DOUBLE",
    "load_high": "DOUBLE",
    "embodied_kgco2e": "DOUBLE",
    "embodied_low_kgco2e": "DOUBLE",
    "embodied_high_kgco2e": "DOUBLE",
    "lifetime_h": "DOUBLE",
    "lifetime_low_h": "DOUBLE",
    "lifetime_high_h": "DOUBLE",
    "utilisation": "DOUBLE",
    "bill": "VARCHAR",  # its parts as declared, `board;count=1|ram;capacity_gb=64;count=32`, in order, or NULL
    "serial": "VARCHAR",  # which physical machine it is, where a record says so
    "first_at": "TIMESTAMPTZ",  # first and last line of its log with a time, readable power or not
    "last_at": "TIMESTAMPTZ",
    "resets": "BIGINT",
}

SAMPLES = {
    "run_id": "VARCHAR",
    "device_id": "VARCHAR",
    "sampled_at": "TIMESTAMPTZ",
    "power_w": "DOUBLE",
    "energy_j": "DOUBLE",
    "max_gap_us": "BIGINT",  # 10 × the median of the device's own positive intervals, at most an hour
}

STATEMENT = {  # energy that somebody else measured, modelled or declared
    "run_id": "VARCHAR",
    "answer": "VARCHAR",  # unique in the run
    "origin": "VARCHAR",  # log | energy
    "tool": "VARCHAR",  # the reader of the log that states it
    "method": "VARCHAR",  # imported | modelled | declared
    "covers": NAMES,  # of gpu, cpu, memory, rest
    "basis": "VARCHAR",  # device | host | wall | facility
    "energy_kwh": EXACT,
    "energy_low_kwh": EXACT,
    "energy_high_kwh": EXACT,
    "file": "VARCHAR",
    "line": "INTEGER",
}

UNITS = {"run_id": "VARCHAR", "unit": "VARCHAR", "amount": "DOUBLE"}
METRICS = {"run_id": "VARCHAR", "metric": "VARCHAR", "value": "DOUBLE"}
REJECTS = {
    "source": "VARCHAR",
    "file": "VARCHAR",
    "line": "BIGINT",  # first line that it concerns, NULL for the whole file
    "lines": "BIGINT",  # how many lines the row stands for
    "reason": "VARCHAR",
    "detail": "VARCHAR",
    "run_id": "VARCHAR",  # the run that it belongs to, NULL for a file that nobody recognised
}
INPUTS = {
    "source": "VARCHAR",
    "file": "VARCHAR",
    "sha256": "VARCHAR",
    "bytes": "BIGINT",
    "reader": "VARCHAR",  # NULL: not recognised; "record" for run.yaml and run.json
    "has_readings": "BOOLEAN",
}
RUN_INPUTS = {"run_id": "VARCHAR", "file": "VARCHAR"}

FACTOR = {
    "factor_id": "VARCHAR",
    "quantity": "VARCHAR",
    "subject": "VARCHAR",
    "subject_key": "VARCHAR",  # devices: normalised name; else the subject itself
    "value": "DOUBLE",
    "low": "DOUBLE",
    "high": "DOUBLE",
    "unit": "VARCHAR",
    "valid_from": "DATE",
    "valid_to": "DATE",
    "method": "VARCHAR",
    "source": "VARCHAR",
    "url": "VARCHAR",
    "licence": "VARCHAR",
    "note": "VARCHAR",
}

INGEST = {
    "run": RUN,
    "device": DEVICE,
    "samples": SAMPLES,
    "statement": STATEMENT,
    "units": UNITS,
    "metrics": METRICS,
    "rejects": REJECTS,
    "inputs": INPUTS,
    "run_inputs": RUN_INPUTS,
}

ENERGY = {
    "run_id": "VARCHAR",
    "answer": "VARCHAR",  # device and method, or the statement: one answer to "how much did it use"
    "origin": "VARCHAR",  # log | energy | hardware | site
    "method": "VARCHAR",
    "covers": NAMES,
    "basis": "VARCHAR",
    "from_at": "TIMESTAMPTZ",
    "to_at": "TIMESTAMPTZ",
    "energy_kwh": EXACT,
    "energy_low_kwh": EXACT,
    "energy_high_kwh": EXACT,
    "covered_s": "DOUBLE",
    "still_s": "DOUBLE",  # of it, where the power repeats to the microwatt
    "uncovered_s": "DOUBLE",
    "gaps": "BIGINT",
    "resets": "BIGINT",
    "duplicates": "BIGINT",
    "is_counted": "BOOLEAN",
    "factor_ids": NAMES,
    "file": "VARCHAR",
    "line": "INTEGER",
}

EMBODIED = {
    "run_id": "VARCHAR",
    "device_id": "VARCHAR",
    "component": "VARCHAR",
    "name": "VARCHAR",
    "machine": "VARCHAR",  # serial of the record, or uuid of the log
    "count": "DOUBLE",
    "inside": "VARCHAR",  # the host of the run that holds it, or a part of its count, and is charged with it
    "device_hours_h": "DOUBLE",
    "lifetime_h": "DOUBLE",
    "utilisation": "DOUBLE",
    "share": "DOUBLE",
    "embodied_total_kgco2e": "DOUBLE",
    "embodied_kgco2e": EXACT,
    "embodied_low_kgco2e": EXACT,
    "embodied_high_kgco2e": EXACT,
    "life_cycle_stages": "VARCHAR",  # those that the figure holds of every part, with +; NULL where nobody says
    "footprint": "VARCHAR",  # of one, in the form of a part: its stages that are known apart, and the other criteria
    "reason": "VARCHAR",
    "bill": "VARCHAR",  # the parts of one, as in `device`, with what the catalogue adds to them
    "factor_ids": NAMES,
    "file": "VARCHAR",
    "line": "INTEGER",
}

SERIES = {"zone": "VARCHAR", "hour_at": "TIMESTAMPTZ", "intensity_gco2e_per_kwh": "DOUBLE"}

INSTRUMENT = {
    "instrument_id": "VARCHAR",
    "kind": "VARCHAR",  # rec | ppa | go | green_tariff
    "zone": "VARCHAR",
    "site": "VARCHAR",
    "from_at": "TIMESTAMPTZ",  # of the vintage; to_at is the first moment after it
    "to_at": "TIMESTAMPTZ",
    "quantity_kwh": "DOUBLE",
    "intensity_gco2e_per_kwh": "DOUBLE",
    "intensity_low_gco2e_per_kwh": "DOUBLE",
    "intensity_high_gco2e_per_kwh": "DOUBLE",
    "energy_source": "VARCHAR",  # what it was generated from, where the contract says so
    "source": "VARCHAR",
}

PHYSICAL = (
    "energy_kwh",
    "facility_energy_kwh",
    "operational_kgco2e",
    "operational_market_kgco2e",
    "embodied_kgco2e",
    "emissions_kgco2e",
    "water_onsite_l",
    "water_offsite_l",
    "water_l",
    "cost_usd",
)

EMISSIONS = {
    "run_id": "VARCHAR",
    "source": "VARCHAR",
    "where_file": "VARCHAR",
    "where_line": "INTEGER",
    "project": "VARCHAR",
    "team": "VARCHAR",
    "model": "VARCHAR",
    "kind": "VARCHAR",
    "parent": "VARCHAR",
    "status": "VARCHAR",
    "site": "VARCHAR",
    "region": "VARCHAR",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "duration_s": "DOUBLE",
    "facts": "VARCHAR",
    "hardware": NAMES,
    "device_hours_h": "DOUBLE",
    "pue": "DOUBLE",
    **{f"{name}{end}": EXACT for name in PHYSICAL[:2] for end in ("", "_low", "_high")},
    "intensity_gco2e_per_kwh": "DOUBLE",
    "factor_age_y": "BIGINT",
    **{f"{name}{end}": EXACT for name in PHYSICAL[2:] for end in ("", "_low", "_high")},
    "coverage_ratio": "DOUBLE",
    "method": "VARCHAR",
    "quality_tier": "VARCHAR",
    "scope": "VARCHAR",
    "reported_kgco2e": "DOUBLE",
    "market_covered_kwh": EXACT,  # facility energy that instruments cover
    "instruments": "VARCHAR",  # JSON list: instrument_id, drawn_kwh in its market and vintage, allocated_kwh
    "capacity_flop": "DOUBLE",  # what the accelerators could have computed at the named precision
    "unknown_reasons": NAMES,
    "flags": NAMES,
    "factor_ids": NAMES,
    "error": "VARCHAR",
}


def quote(text: object) -> str:
    """Write a string literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"
