"""Each factor that we ship has a source that allows it, and stands as the source prints it."""

from __future__ import annotations

import csv
import math
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from green import factors, pipeline
from green.config import Config
from green.factors import (
    COMPONENTS,
    OF_PLACES,
    PRECISIONS,
    QUANTITIES,
    cached,
    catalogue,
    device_key,
    faults,
    files,
    load,
    subject_key,
    zone_of,
)
from green.stages import STAGES
from green.tables import FACTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

LICENCES = {"Apache-2.0", "CC-BY-4.0", "MIT", "OGL-3.0", "OGL-Canada-2.0", "facts", "public-domain"}
SANE = {  # wider than anything real, narrower than a slip of the unit
    "bill": (1, 64),
    "cores": (1, 256),
    "die_area": (50, 50_000),
    "embodied": (1, 20_000),
    "embodied_adp": (1e-4, 1),
    "embodied_end_of_life": (0.1, 10),
    "embodied_part": (1e-5, 1_000),
    "embodied_part_adp": (1e-13, 1),
    "embodied_part_primary_energy": (1e-4, 20_000),
    "embodied_part_water": (1e-6, 1e6),
    "embodied_primary_energy": (100, 30_000),
    "embodied_transport": (0.01, 100),
    "embodied_water": (10, 10_000),
    "end_of_life_share": (0, 1),
    "cfe": (0, 1),
    "cpu_load_power": (0, 1.1),
    "equivalent": (0.01, 100_000),
    "ewif": (0, 30),
    "grid_intensity": (0, 1_500),
    "lifetime": (8_760, 15 * 8_760),
    "market_intensity": (0, 1_500),
    "memory_capacity": (1, 512),
    **{f"peak_flops_{precision}": (0.001, 20_000) for precision in PRECISIONS},
    "part_attribute": (0.01, 200),
    "power_model": (0.0001, 12),
    "pue": (1, 3),
    "rated_power": (1, 15_000),
    "region_zone": (1, 1),
    "sensor_error": (0, 1),
    "transport_distance": (0, 40_000),
    "tariff": (0.02, 1),
    "vcpu_power": (0.1, 20),
    "wue": (0, 10),
    "zone": (1, 1),
}
ROWS = [
    (path.name, row)
    for path in files()
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines(keepends=True))
]


@pytest.fixture(scope="module")
def loaded() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        load(connection)
        yield connection


def one(connection: duckdb.DuckDBPyConnection, sql: str, *values: object) -> Any:
    row = connection.execute(sql, list(values)).fetchone()
    return row[0] if row else None


@pytest.mark.parametrize("name", sorted({name for name, _ in ROWS}))
def test_each_row_of_ours_is_valid_licensed_and_sane(name: str) -> None:
    for file, row in ROWS:
        if file != name:
            continue
        assert list(faults(row)) == [], row
        assert row["licence"] in LICENCES, row
        assert row["url"].startswith("https://"), row
        low, high = SANE[row["quantity"]]
        assert low <= float(row["value"]) <= high, row
        assert not (row["quantity"] == "grid_intensity" and row["method"] == "lifecycle" and float(row["value"]) == 0)


def test_ids_are_unique_over_all_files_and_each_file_is_in_their_order() -> None:
    ids = [row["factor_id"] for _, row in ROWS]
    assert len(set(ids)) == len(ids)
    for path in files():
        own = [row["factor_id"] for file, row in ROWS if file == path.name]
        assert own == sorted(own)
        assert b"\r" not in path.read_bytes()


def test_a_device_has_one_rated_power_and_one_memory() -> None:
    said = [
        (row["quantity"], row["subject"]) for _, row in ROWS if row["quantity"] in {"rated_power", "memory_capacity"}
    ]
    assert len(set(said)) == len(said)


def test_a_zone_has_one_intensity_a_year_and_method() -> None:
    said = [
        (row["subject"], row["valid_from"], row["method"]) for _, row in ROWS if row["quantity"] == "grid_intensity"
    ]
    assert len(set(said)) == len(said)
    assert all(
        row["valid_from"][4:] == "-01-01" and row["valid_to"] == row["valid_from"][:4] + "-12-31"
        for _, row in ROWS
        if row["quantity"] == "grid_intensity"
    )


def test_no_two_periods_of_one_source_overlap() -> None:
    said: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for _, row in ROWS:
        if row["quantity"] in OF_PLACES:
            key = (row["quantity"], row["subject"], row["method"], row["source"])
            said.setdefault(key, []).append((row["valid_from"] or "0001-01-01", row["valid_to"] or "9999-12-31"))
    for key, periods in said.items():
        periods.sort()
        assert all(before[1] < after[0] for before, after in pairwise(periods)), key


@pytest.mark.parametrize("quantity", ["pue", "wue", "tariff", "market_intensity", "ewif"])
def test_a_year_has_one_value_of_a_subject(quantity: str) -> None:
    # A stage joins these by subject and year: two answers would be a choice that nobody made.
    said = [
        (row["subject"], year)
        for _, row in ROWS
        if row["quantity"] == quantity
        for year in (
            range(int(row["valid_from"][:4]), int((row["valid_to"] or "2100")[:4]) + 1)
            if row["valid_from"]
            else (None,)
        )
    ]
    assert len(set(said)) == len(said)


def test_every_subject_that_is_a_place_is_one_that_a_record_can_name() -> None:
    clouds = {row["subject"].partition(":")[0] for _, row in ROWS if row["quantity"] == "region_zone"}
    operators = {*clouds, "meta", "survey"}
    for _, row in ROWS:
        if row["quantity"] in {"cfe", "ewif", "grid_intensity", "market_intensity", "pue", "tariff", "wue"}:
            subject = row["subject"]
            assert subject in operators or subject.startswith("fuel: ") or zone_of(subject) == subject, row


def test_every_country_has_a_lifecycle_intensity_or_is_a_gap_of_the_documentation() -> None:
    iso = {row["subject"] for _, row in ROWS if row["source"] == "ISO 3166-1"}
    known = {r["subject"] for _, r in ROWS if r["quantity"] == "grid_intensity" and r["method"] == "lifecycle"}
    written = re.search(r"Countries without an intensity: ([A-Z, ]+)\.", DOCS.read_text(encoding="utf-8"))
    assert written is not None
    assert written.group(1) == ", ".join(sorted(iso - known)), "mend docs/factors.md"


def test_the_table_has_the_declared_columns_and_types(loaded: duckdb.DuckDBPyConnection) -> None:
    described = loaded.execute("describe factor").fetchall()
    assert {row[0]: row[1] for row in described} == FACTOR


def test_the_key_of_each_row_is_that_of_its_subject_or_of_an_alias(loaded: duckdb.DuckDBPyConnection) -> None:
    rows = loaded.execute("select factor_id, quantity, subject, list(subject_key) from factor group by all").fetchall()
    assert len(rows) == len(ROWS)
    for _, quantity, subject, keys in rows:
        assert subject_key(quantity, subject) in keys
        assert len(set(keys)) == len(keys)
        if subject_key(quantity, "NVIDIA A100") == "a100" and subject not in COMPONENTS:
            assert device_key(subject) in keys
        else:
            assert keys == [subject]


def test_no_key_leads_to_two_devices(loaded: duckdb.DuckDBPyConnection) -> None:
    twice = loaded.execute(
        "select quantity, subject_key from factor "
        "where quantity in ('rated_power', 'memory_capacity', 'embodied') "
        "group by all having count(distinct subject) > 1",
    ).fetchall()
    assert twice == []


def test_a_name_with_the_memory_of_the_device_is_another_name_of_it(
    loaded: duckdb.DuckDBPyConnection,
) -> None:
    sql = "select value from factor where quantity = 'rated_power' and subject_key = $1"
    assert one(loaded, sql, device_key("RTX 4090 24GB")) == 450
    assert one(loaded, sql, device_key("RTX 4090 48GB")) is None


def test_almost_every_country_has_a_year_of_this_decade() -> None:
    recent = {
        row["subject"]
        for _, row in ROWS
        if row["quantity"] == "grid_intensity" and len(row["subject"]) == 2 and row["valid_from"] >= "2020"
    }
    assert len(recent) >= 190


@pytest.mark.parametrize("year", range(2000, 2026))
def test_each_year_has_its_countries(year: int) -> None:
    zones = {
        r["subject"] for _, r in ROWS if r["quantity"] == "grid_intensity" and r["valid_from"].startswith(str(year))
    }
    assert len(zones) >= 80
    assert {"DE", "FR", "GB", "IN", "PL", "SE", "US"} <= zones


def test_every_region_of_a_cloud_lies_in_a_country_with_a_factor() -> None:
    countries = {row["subject"] for _, row in ROWS if row["quantity"] == "grid_intensity"}
    for _, row in ROWS:
        if row["quantity"] == "region_zone":
            assert row["note"] in countries, row


def test_every_part_of_a_country_with_a_factor_is_a_known_zone() -> None:
    zones = {row["subject"] for _, row in ROWS if row["quantity"] == "zone"}
    used = {row["subject"] for _, row in ROWS if row["quantity"] == "grid_intensity" and ":" not in row["subject"]}
    assert used <= zones


def test_the_codes_of_iso_3166_1_are_all_there() -> None:
    iso = [row for _, row in ROWS if row["source"] == "ISO 3166-1"]
    assert len(iso) == 249  # officially assigned codes
    assert len({row["note"].split(";")[0] for row in iso}) == 249
    assert {r["subject"]: r["note"][:3] for r in iso}["CH"] == "CHE"


@pytest.mark.parametrize(
    ("factor_id", "value"),
    [
        # Our World in Data, carbon-intensity-electricity, April 2026; Ember's own download of 2025 prints the same
        ("grid/SE/2025/owid", 35.26),
        ("grid/PL/2025/owid", 588.6),
        ("grid/DE/2025/owid", 329.65),
        ("grid/BR/2025/owid", 109.95),
        ("grid/US/2025/owid", 384.4),
        ("grid/DE/2024/owid", 336.38),
        ("grid/US/2023/owid", 392.89),
        # EPA: eGRID2022 state and subregion, CO2e; eGRID2023 revision 2, 429.983 lb/MWh
        ("grid-direct/US-CA/2022/egrid", 207.512),
        ("grid-direct/US-CAMX/2022/egrid", 226.469),
        ("grid-direct/US-CAMX/2023/egrid", round(429.983 * 0.45359237, 3)),
        # ECCC v4.0 table 5.4; NGA 2026 table 1; MfE 2026 v2 data!J1604; EEA July 2026; DESNZ 2025 UK electricity!E26
        ("grid-direct/CA-QC/2024/eccc", 2.6),
        ("grid-direct/AU-VIC/2026/nga", 740),
        ("grid-direct/NZ/2024/mfe", 99.3596),
        ("grid-direct/FR/2024/eea", 36),
        ("grid-direct/GB/2025/desnz", 177),
        # Amazon and Microsoft, pages of 2025 and 2026
        ("pue/aws/eu-central-1/2024", 1.35),
        ("wue/aws/ap-southeast-3/2024", 2.75),
        ("pue/azure/westeurope/2025", 1.16),
        # WRI 2020, appendix 2; appendix 1, subregion RFCE
        ("ewif/DE/wri", 1.946974),
        ("ewif/aws/us-east-1/wri", 2.312704),
        # Macknick 2012: 672 gal/MWh
        ("ewif/fuel/nuclear-tower/macknick", round(672 * 3.785411784 / 1000, 4)),
        # EIA, Electric Power Annual 2023: 8.95 cents
        ("tariff/US-VA/2023/eia", 0.0895),
        # Google, region-carbon-info, data/yearly/2023.csv and 2019.csv
        ("cloud/gcp/us-central1/2023/google", 430),
        ("cloud/gcp/europe-west4/2019/google", 474),
        # NVIDIA: A100 datasheet 1758950-r4, H100 PCIe brief PB-11133, H100 datasheet, L4 brief PB-11316
        ("device/nvidia-a100-sxm4-80gb/rated-power/green", 400),
        ("device/nvidia-a100-pcie-40gb/rated-power/green", 250),
        ("device/nvidia-h100-pcie-80gb/rated-power/nvidia", 350),
        ("device/nvidia-h100-sxm5-80gb/rated-power/mlco2-impact", 700),
        ("device/nvidia-l4/rated-power/mlco2-impact", 72),
        # NVIDIA's footprint of an HGX H100: 1,312 kg for 8 GPUs
        ("device/nvidia-h100-sxm5-80gb/embodied/nvidia", 1312 / 8),
        # Cloud Carbon Footprint: PUE_AVG in packages/aws, gcp, azure
        ("pue/aws/ccf", 1.135),
        ("pue/gcp/ccf", 1.1),
        ("pue/azure/ccf", 1.185),
        # UBA Texte 94/2021, as Boavizta prints it
        ("part/hdd/uba", 31.11),
        ("part/cpu-die/uba", 0.0197),
    ],
)
def test_a_value_is_the_one_of_its_source(loaded: duckdb.DuckDBPyConnection, factor_id: str, value: float) -> None:
    assert one(loaded, "select any_value(value) from factor where factor_id = $1", factor_id) == value


def wafer_mm2(die_mm2: float) -> float:
    """Return the wafer that a good die costs: kerf, edge of a 300 mm wafer, yield (Boavizta GPU page)."""
    square = (math.sqrt(die_mm2) + 0.2) ** 2
    wafer = math.pi * 150**2
    dies = wafer / square - math.pi * 300 / math.sqrt(2 * square)
    return wafer / dies / math.exp(-math.sqrt(square / 100 * 0.1))


def test_the_bottom_up_h100_follows_from_its_published_parts(loaded: duckdb.DuckDBPyConnection) -> None:
    # The card of the Boavizta page: casing 0.79 kg, heatsink 0.90 kg, board 296.37 cm², die 2810.4 mm²
    # effective, 80 GB in 6 stacks of 15.5 mm² a GB, 1.69 kg, 19,000 km by sea and 1,000 km by road.
    part = dict(loaded.execute("select subject, value from factor where quantity = 'embodied_part'").fetchall())
    kg = (
        part["gpu casing"] * 0.78923
        + part["gpu heatsink"] * 0.90077
        + part["gpu board"] * 296.37
        + part["gpu die"] * 2810.4
        + part["gpu memory"] * 6 * wafer_mm2(80 * 15.5 / 6)
        + 1.69 * (part["gpu upstream transport"] + 1.33e-5 * 19000 + 5.04e-5 * 1000 + part["gpu end of life"])
    )
    assert kg == pytest.approx(575.1, abs=0.1)  # what Boavizta's API answers
    shipped = "select any_value(value) from factor where factor_id = $1"
    assert one(loaded, shipped, "device/nvidia-h100-sxm5-80gb/embodied/boavizta") == pytest.approx(kg, abs=0.1)


def test_a_processor_costs_its_die(loaded: duckdb.DuckDBPyConnection) -> None:
    sql = "select value from factor where quantity = 'embodied' and subject = 'Intel Xeon Gold 6148'"
    assert one(loaded, sql) == 22.81  # 9.14 + 0.0197 * 694 mm² (Skylake XCC)


def test_google_s_intensities_change_their_method_with_the_source(loaded: duckdb.DuckDBPyConnection) -> None:
    sql = "select method from factor where factor_id = 'cloud/gcp/northamerica-northeast1/' || $1 || '/google'"
    assert one(loaded, sql, "2020") == "lifecycle"  # hydropower 27 g
    assert one(loaded, sql, "2021") == "direct"  # hydropower 0 g


def test_each_component_has_a_lifetime() -> None:
    assert {row["subject"] for _, row in ROWS if row["quantity"] == "lifetime"} == set(COMPONENTS)


def test_every_quantity_has_a_sane_range() -> None:
    assert set(SANE) == set(QUANTITIES)


def test_the_catalogue_is_searched_by_words() -> None:
    found = catalogue(["h100", "sxm5 80gb"], "embodied")
    assert [row["value"] for row in found] == [575.1, 273.0, 164.0]
    assert {row["quantity"] for row in catalogue(["DE/"], "grid_intensity")} == {"grid_intensity"}
    assert catalogue(["no such thing"]) == []
    assert len(catalogue()) == len(ROWS)


def test_the_digest_does_not_depend_on_the_number_of_threads() -> None:
    digests = set()
    for threads in (1, 4):
        with duckdb.connect(config={"threads": threads}) as connection:
            digests.add(load(connection))
    assert len(digests) == 1
    assert all(len(digest) == 64 for digest in digests)


DOCS = Path(__file__).parents[2] / "docs" / "factors.md"


@pytest.mark.parametrize("changed", ["aliases.csv", "cpus.csv", "names.py"])
def test_all_of_ours_that_the_table_is_made_of_runs_the_stages_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """The other names of devices, and the code that reads them, decide which factor a stage joins."""
    ours = tmp_path / "factors"
    shutil.copytree(Path(factors.__file__).parent, ours, ignore=shutil.ignore_patterns("__pycache__"))

    def known() -> list[str]:
        return [cached.fingerprint(), *(pipeline.settings(Config(logs="x"))[name] for name in STAGES)]

    before = known()
    monkeypatch.setattr(factors, "HERE", ours)
    assert known() == before
    with (ours / changed).open("a", encoding="utf-8") as stream:
        stream.write("#\n")
    assert all(now != then for now, then in zip(known(), before, strict=True))


def test_the_documentation_names_each_file_and_quantity() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for name in [*(path.name for path in files()), *QUANTITIES]:
        assert f"`{name}`" in text
