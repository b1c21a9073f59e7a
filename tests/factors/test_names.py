"""Names as tools and people write them meet the catalogue, and never a different device."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from green.factors import names
from green.factors.names import aliases, device_key, device_names, nearest, nearest_zones, zone_of


def found(name: str) -> str | None:
    key = device_key(name)
    return device_names().get(aliases().get(key, key))


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 SXM4 80GB"),
        ("A100-SXM4-80GB", "NVIDIA A100 SXM4 80GB"),
        ("A100 80GB SXM", "NVIDIA A100 SXM4 80GB"),
        ("8 x NVIDIA A100-SXM4-40GB", "NVIDIA A100 SXM4 40GB"),
        ("NVIDIA A100 80GB PCIe", "NVIDIA A100 PCIe 80GB"),
        ("A100-PCIE-40GB", "NVIDIA A100 PCIe 40GB"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM5 80GB"),
        ("NVIDIA H100 PCIe", "NVIDIA H100 PCIe 80GB"),
        ("NVIDIA H100 NVL", "NVIDIA H100 NVL 94GB"),
        ("NVIDIA H200", "NVIDIA H200 SXM 141GB"),
        ("NVIDIA B200", "NVIDIA B200"),
        ("Tesla V100-SXM2-32GB", "NVIDIA V100 SXM2 32GB"),
        ("Tesla V100S-PCIE-32GB", "NVIDIA V100S PCIe 32GB"),
        ("Tesla P100-PCIE-16GB", "NVIDIA P100 PCIe 16GB"),
        ("Tesla T4", "NVIDIA T4"),
        ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("RTX4090", "NVIDIA GeForce RTX 4090"),
        ("GeForce RTX 2080Ti", "NVIDIA GeForce RTX 2080 Ti"),
        ("TITAN X (Pascal)", "NVIDIA TITAN X Pascal"),
        ("NVIDIA RTX 6000 Ada Generation", "NVIDIA RTX 6000 Ada"),
        ("Quadro RTX 6000", "NVIDIA Quadro RTX 6000"),
        ("AMD Instinct MI250X", "AMD Instinct MI250X"),
        ("MI300X", "AMD Instinct MI300X"),
        ("Radeon RX 580", "AMD Radeon RX 580"),
        ("Google TPU v4 chip", "Google TPU v4"),
        ("Intel(R) Xeon(R) Gold 6226R CPU @ 2.90GHz", "Intel Xeon Gold 6226R"),
        ("Intel(R) Xeon(R) Gold 5120 CPU @ 2.20GHz", "Intel Xeon Gold 5120"),
        ("Intel(R) Xeon(R) CPU E5-2620 v4 @ 2.10GHz", "Intel Xeon E5-2620 v4"),
        ("Xeon E5-2620v4", "Intel Xeon E5-2620 v4"),
        ("Intel(R) Xeon(R) Platinum 8480+", "Intel Xeon Platinum 8480+"),
        ("Intel(R) Core(TM) i5-1135G7 @ 2.40GHz/1 device(s)", "Intel Core i5-1135G7"),
        ("AMD EPYC 7742 64-Core Processor", "AMD EPYC 7742"),
        ("AMD Ryzen 7 5700X 8-Core Processor", "AMD Ryzen 7 5700X"),
        ("AMD Ryzen Threadripper 1950X 16-Core Processor", "AMD Ryzen Threadripper 1950X"),
        ("Apple M1                 ", "Apple M1"),
    ],
)
def test_a_written_name_meets_its_device(written: str, subject: str) -> None:
    assert found(written) == subject


@pytest.mark.parametrize(
    "written",
    [
        "NVIDIA A100",  # 40 or 80 GB, PCIe or SXM4
        "NVIDIA A100 80GB",
        "NVIDIA H100",
        "Tesla V100",
        "RTX 6000",  # Quadro or Ada
        "NVIDIA GeForce RTX 3080",  # 10 or 12 GB, 320 or 350 W
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "NVIDIA A10G-24Q",
        "Tesla K80",  # a log names half a board so
        "Intel(R) Xeon(R) CPU @ 2.20GHz",
        "Intel Xeon Platinum 8480",
        "GPU",
        "",
    ],
)
def test_a_name_that_leaves_the_device_open_is_unknown(written: str) -> None:
    assert found(written) is None


def test_no_two_devices_share_a_key() -> None:
    subjects = {row["subject"] for file in ("devices.csv", "cpus.csv", "servers.csv") for row in names.rows(file)}
    keys = {device_key(subject) for subject in subjects}
    assert len(keys) == len(subjects)
    assert "" not in keys


def test_each_alias_names_one_known_device_and_hides_none() -> None:
    written = list(names.rows("aliases.csv"))
    assert len({device_key(row["alias"]) for row in written}) == len(written)
    for row in written:
        assert row["subject"] in device_names().values()
        assert device_key(row["alias"]) not in device_names()
        assert row["because"]


@given(st.text(max_size=60))
def test_any_text_gives_a_key_of_plain_words(text: str) -> None:
    assert re.fullmatch(r"([a-z0-9.]+( [a-z0-9.]+)*)?", device_key(text))


@given(st.sampled_from(sorted(device_names().values())))
def test_case_vendor_and_spaces_do_not_change_a_key(name: str) -> None:
    assert device_key(f"  {name.upper()} ") == device_key(name)
    assert device_key(f"4 x {name}") == device_key(name)
    assert device_key(device_key(name)) == device_key(name)


def test_nearest_names_are_offered_for_a_message() -> None:
    assert nearest("NVIDIA A100 SXM4 90GB")[0] in {"NVIDIA A100 SXM4 40GB", "NVIDIA A100 SXM4 80GB"}
    assert len(nearest("NVIDIA H100")) == 3
    assert all("H100" in name for name in nearest("NVIDIA H100"))
    assert nearest("§") == []


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("DE", "DE"),
        ("de", "DE"),
        ("DEU", "DE"),
        ("Germany", "DE"),
        ("FRA", "FR"),
        ("NO", "NO"),
        ("South Korea", "KR"),
        ("Türkiye", "TR"),
        ("USA", "US"),
        ("US-CA", "US-CA"),
        ("us_ca", "US-CA"),
        ("USA-CA", "US-CA"),
        ("US-CAL-CISO", "US-CAL-CISO"),
        ("AUS-NSW", "AU-NSW"),
        ("DE-BY", "DE-BY"),
        ("DK-DK1", "DK-DK1"),
        ("gcp:us-central1", "gcp:us-central1"),
        ("GCP/us-central1", "gcp:us-central1"),
        ("aws:eu-west-1", "aws:eu-west-1"),
        ("eu-west-1", "aws:eu-west-1"),
        ("europe-west4", "gcp:europe-west4"),
        ("West Europe", "azure:westeurope"),
        ("azure:West US 2", "azure:westus2"),
        ("world", "WORLD"),
        ("US-CAMX", "US-CAMX"),
        ("egrid camx", "US-CAMX"),
        ("Texas", "US-TX"),
        ("Georgia, US", "US-GA"),
        ("Quebec", "CA-QC"),
        ("New South Wales", "AU-NSW"),
        ("oracle:eu-frankfurt-1", "oci:eu-frankfurt-1"),
        ("us-ashburn-1", "oci:us-ashburn-1"),
        ("IBM us-south", "ibm:us-south"),
        ("Google us-central1", "gcp:us-central1"),
        ("amazon:us-east-1", "aws:us-east-1"),
        ("hetzner:fsn1", "hetzner:fsn1"),
    ],
)
def test_a_written_region_meets_its_zone(written: str, subject: str) -> None:
    assert zone_of(written) == subject


@pytest.mark.parametrize(
    "written",
    ["", "Mars", "XX", "XX-CA", "Georgia", "aws:mars-1", "gcp:", "gcp:eu-west-1", "California-XX", "US-CA-XX"],
)
def test_a_region_that_nobody_knows_has_no_zone(written: str) -> None:
    assert zone_of(written) is None


def test_a_zone_of_an_organisation_s_own_is_known_when_told() -> None:
    assert zone_of("island-1") is None
    assert zone_of("island-1", own={"island-1"}) == "island-1"


def test_no_written_form_of_a_region_leads_to_two() -> None:
    said: dict[str, set[str]] = {}
    for row in names.rows("zones.csv"):
        for form in filter(None, (row["subject"], *row["note"].split(";"))):
            said.setdefault(form.casefold(), set()).add(row["subject"])
    assert {form: subjects for form, subjects in said.items() if len(subjects) > 1} == {}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Frnace", "FR"),
        ("Georgia", "GE"),
        ("Georgia", "US-GA"),
        ("eu-wst-1", "aws:eu-west-1"),
        ("gcp:us-centrall", "gcp:us-central1"),
        ("US-CAMY", "US-CAMX"),
    ],
)
def test_nearest_regions_are_offered_for_a_message(written: str, meant: str) -> None:
    assert zone_of(written) is None
    assert meant in nearest_zones(written)


@pytest.mark.parametrize("written", ["", "NVIDIA A100", "Atlantis"])
def test_what_is_no_region_has_no_nearest_one(written: str) -> None:
    assert nearest_zones(written) == []
