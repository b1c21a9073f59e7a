"""The accelerators that people train on are known or named as gaps, and their figures follow from their parts."""

from __future__ import annotations

import re

import pytest

from docs.coverage import ABSENT, accelerators, missing
from green.factors import PRECISIONS
from green.factors.names import aliases, device_key, device_names, rows

KNOWN = accelerators()
CPUS = list(rows("cpus.csv"))


def found(name: str) -> str | None:
    key = device_key(name)
    return device_names().get(aliases().get(key, key))


# What today's users train and serve on, as drivers, clouds and papers write it.
TRAINED_ON = """
Tesla P4|Tesla P40|Tesla P100-PCIE-16GB|Tesla P100-SXM2-16GB|Tesla V100-PCIE-16GB|Tesla V100-PCIE-32GB
Tesla V100-SXM2-16GB|Tesla V100-SXM2-32GB|Tesla V100-SXM3-32GB|Tesla V100S-PCIE-32GB|Tesla T4|NVIDIA T4G
NVIDIA A2|NVIDIA A10|NVIDIA A10G|NVIDIA A16|NVIDIA A30|NVIDIA A40|NVIDIA A100-PCIE-40GB|NVIDIA A100 80GB PCIe
NVIDIA A100-SXM4-40GB|NVIDIA A100-SXM4-80GB|NVIDIA A100-SXM-64GB|NVIDIA A800-SXM4-80GB|NVIDIA A800 80GB PCIe
NVIDIA H100 PCIe|NVIDIA H100 80GB HBM3|NVIDIA H100 NVL|NVIDIA H800|NVIDIA H20|NVIDIA H20-3e|NVIDIA H200|NVIDIA H200 NVL
NVIDIA GH200 480GB|NVIDIA GH200 144G HBM3e|NVIDIA B100|NVIDIA B200|NVIDIA GB200|NVIDIA B300 SXM6 AC|NVIDIA GB300
NVIDIA GB10|NVIDIA L2|NVIDIA L4|NVIDIA L20|NVIDIA L40|NVIDIA L40S|NVIDIA RTX PRO 6000 Blackwell Server Edition
NVIDIA RTX PRO 6000 Blackwell Workstation Edition|NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition
NVIDIA RTX A2000 12GB|NVIDIA RTX A4000|NVIDIA RTX A4500|NVIDIA RTX A5000|NVIDIA RTX A5500|NVIDIA RTX A6000
NVIDIA RTX 2000 Ada Generation|NVIDIA RTX 4000 Ada Generation|NVIDIA RTX 5000 Ada Generation
NVIDIA RTX 6000 Ada Generation|Quadro RTX 4000|Quadro RTX 5000|Quadro RTX 6000|Quadro RTX 8000|Quadro GV100
TITAN V|TITAN RTX|TITAN Xp|NVIDIA GeForce GTX 1070|NVIDIA GeForce GTX 1080|NVIDIA GeForce GTX 1080 Ti
NVIDIA GeForce RTX 2060|NVIDIA GeForce RTX 2070|NVIDIA GeForce RTX 2080|NVIDIA GeForce RTX 2080 SUPER
NVIDIA GeForce RTX 2080 Ti|NVIDIA GeForce RTX 3050|NVIDIA GeForce RTX 3060|NVIDIA GeForce RTX 3060 Ti
NVIDIA GeForce RTX 3070|NVIDIA GeForce RTX 3070 Ti|NVIDIA GeForce RTX 3080|NVIDIA GeForce RTX 3080 Ti
NVIDIA GeForce RTX 3090|NVIDIA GeForce RTX 3090 Ti|NVIDIA GeForce RTX 4060|NVIDIA GeForce RTX 4060 Ti
NVIDIA GeForce RTX 4070|NVIDIA GeForce RTX 4070 SUPER|NVIDIA GeForce RTX 4070 Ti|NVIDIA GeForce RTX 4080
NVIDIA GeForce RTX 4080 SUPER|NVIDIA GeForce RTX 4090|NVIDIA GeForce RTX 4090 D|NVIDIA GeForce RTX 4090 Laptop GPU
NVIDIA GeForce RTX 5060|NVIDIA GeForce RTX 5060 Ti|NVIDIA GeForce RTX 5070|NVIDIA GeForce RTX 5070 Ti
NVIDIA GeForce RTX 5080|NVIDIA GeForce RTX 5090|Jetson AGX Xavier 32GB|Jetson AGX Orin 64GB|Jetson Orin NX 16GB
AMD Instinct MI50|AMD Instinct MI60|AMD Instinct MI100|AMD Instinct MI210|AMD Instinct MI250|AMD Instinct MI250X
AMD Instinct MI300A|AMD Instinct MI300X OAM|AMD Instinct MI325X OAM|AMD Instinct MI350X|AMD Instinct MI355X
AMD Radeon RX 7900 XT|AMD Radeon RX 7900 XTX|AMD Radeon PRO W7900|HL-205|HL-225|HL-325L|Intel Gaudi 2
Intel(R) Data Center GPU Max 1100|Intel(R) Data Center GPU Max 1550|Intel(R) Arc(TM) A770 Graphics
Intel(R) Arc(TM) B580 Graphics|TPU v2|TPU v3|TPU v4|TPU v5 lite|TPU v5p|TPU v6 lite|TPU7x
AWS Trainium|Trainium2|AWS Inferentia|AWS Inferentia2|Apple M1|Apple M1 Max|Apple M2 Ultra|Apple M3 Max|Apple M4 Pro
Cerebras WSE-2|Cerebras WSE-3|Graphcore GC200 IPU|Graphcore Bow IPU|Groq LPU v1
""".replace("\n", "|").strip("|")


@pytest.mark.parametrize("name", TRAINED_ON.split("|"))
def test_what_people_train_on_has_a_rated_power_or_is_named_as_a_gap(name: str) -> None:
    subject = found(name)
    if subject is None:
        assert name in ABSENT
        return
    rated = {row["subject"] for row in CPUS if row["quantity"] == "rated_power"}
    assert subject in rated or "rated_power" in KNOWN[subject] or "rated power" in missing(KNOWN[subject])


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_a_name_that_stands_as_absent_meets_no_device(name: str) -> None:
    assert found(name) is None


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("Tesla P100-SXM2-16GB", "NVIDIA P100 SXM2 16GB"),
        ("Tesla V100-SXM3-32GB", "NVIDIA V100 SXM3 32GB"),
        ("NVIDIA A800 80GB PCIe", "NVIDIA A800 PCIe 80GB"),
        ("NVIDIA H100 80GB HBM2e", "NVIDIA H100 PCIe 80GB"),
        ("NVIDIA H800", "NVIDIA H800 SXM5 80GB"),
        ("NVIDIA H20", "NVIDIA H20 SXM 96GB"),
        ("NVIDIA GH200 480GB", "NVIDIA GH200 96GB"),
        ("NVIDIA B300 SXM6 AC", "NVIDIA B300"),
        ("NVIDIA RTX 5000 Ada Generation", "NVIDIA RTX 5000 Ada"),
        ("NVIDIA RTX A2000 12GB", "NVIDIA RTX A2000"),
        ("8 x NVIDIA A40", "NVIDIA A40"),  # as CodeCarbon writes gpu_model
        ("2 x NVIDIA GeForce RTX 4070 Ti SUPER", "NVIDIA GeForce RTX 4070 Ti SUPER"),
        ("AMD Instinct MI300X OAM", "AMD Instinct MI300X"),
        ("AMD INSTINCT MI250 (MCM) OAM AC MBA", "AMD Instinct MI250"),
        ("HL-225", "Intel Gaudi 2"),
        ("HL-325L", "Intel Gaudi 3"),
        ("Intel(R) Data Center GPU Max 1550", "Intel Data Center GPU Max 1550"),
        ("TPU v5 lite", "Google TPU v5e"),
        ("TPU v5", "Google TPU v5p"),
        ("TPU7x", "Google TPU v7"),
        ("Amazon Trainium1", "AWS Trainium"),
        ("INTEL(R) XEON(R) PLATINUM 8480C", "Intel Xeon Platinum 8480C"),
        ("p4d.24xlarge", "AWS p4d.24xlarge"),
    ],
)
def test_a_name_that_a_driver_or_a_cloud_prints_meets_its_device(written: str, subject: str) -> None:
    assert found(written) == subject


def test_a_device_has_one_value_of_each_plain_fact() -> None:
    plain = {"die_area", "cores", *(f"peak_flops_{precision}" for precision in PRECISIONS)}
    said = [(r["quantity"], r["subject"]) for r in [*rows("devices.csv"), *CPUS] if r["quantity"] in plain]
    assert len(set(said)) == len(said)


def test_a_narrower_number_is_never_slower_on_the_matrix_units_of_a_chip() -> None:
    order = ("peak_flops_tf32", "peak_flops_bf16", "peak_flops_fp8")
    chips = [facts for facts in KNOWN.values() if all(quantity in facts for quantity in order)]
    assert len(chips) >= 8
    for facts in chips:
        peaks = [float(facts[quantity][0]["value"]) for quantity in order]
        assert peaks == sorted(peaks), facts


@pytest.mark.parametrize(
    ("subject", "quantity", "value"),
    [
        # the dense half of what NVIDIA's data sheets print with sparsity
        ("NVIDIA H100 SXM5 80GB", "peak_flops_bf16", 1978.8 / 2),
        ("NVIDIA H100 SXM5 80GB", "peak_flops_fp8", 3958 / 2),
        ("NVIDIA A100 SXM4 80GB", "peak_flops_bf16", 624 / 2),
        ("NVIDIA B200", "peak_flops_bf16", 36_000 / 8 / 2),  # HGX B200: 36 PFLOPS with sparsity of 8 GPUs
        ("NVIDIA L4", "peak_flops_fp16", 242 / 2),
        ("Google TPU v5p", "peak_flops_bf16", 459),
        ("NVIDIA P100 SXM2 16GB", "rated_power", 300),
        ("NVIDIA A30", "rated_power", 165),
        ("NVIDIA GB200", "rated_power", 1200),
        ("Intel Gaudi 2", "memory_capacity", 96),
        ("NVIDIA H100 SXM5 80GB", "die_area", 814),
    ],
)
def test_a_figure_is_the_one_that_is_printed(subject: str, quantity: str, value: float) -> None:
    assert float(KNOWN[subject][quantity][0]["value"]) == pytest.approx(value, rel=1e-3)


def test_a_computed_peak_follows_from_the_units_and_the_clock_that_its_note_names() -> None:
    computed = [r for r in rows("devices.csv") if r["method"] == "computed"]
    assert len(computed) >= 80
    for row in computed:
        said = re.match(r"(\d+) tensor cores x (\d+) FMA x 2 x ([\d.]+) GHz", row["note"])
        assert said, row
        cores, rate, clock_ghz = map(float, said.groups())
        assert float(row["value"]) == pytest.approx(cores * rate * 2 * clock_ghz / 1000, rel=1e-3), row


def test_computed_peaks_agree_with_the_ones_that_the_maker_prints() -> None:
    # NVIDIA's data sheets of A10, A5000, RTX 6000 Ada and Turing whitepaper, FP32 accumulation, dense
    for subject, printed in (
        ("NVIDIA RTX A5000", 111.1),
        ("NVIDIA RTX 6000 Ada", 364.2),
        ("NVIDIA Quadro RTX 6000", 130.5),
    ):
        assert float(KNOWN[subject]["peak_flops_fp16"][0]["value"]) == pytest.approx(printed, rel=0.005)


def test_the_makers_footprint_of_a_baseboard_is_shared_by_its_eight_gpus() -> None:
    for gpu, board in (("NVIDIA H100 SXM5 80GB", "NVIDIA HGX H100"), ("NVIDIA B200", "NVIDIA HGX B200")):
        whole = next(float(r["value"]) for r in rows("servers.csv") if r["subject"] == board)
        made = [float(r["value"]) for r in KNOWN[gpu]["embodied"] if r["method"] == "maker"]
        assert made == [whole / 8]


def test_a_processor_costs_its_dies_in_every_criterion() -> None:
    by_subject: dict[str, dict[str, float]] = {}
    for row in CPUS:
        by_subject.setdefault(row["subject"], {})[row["quantity"]] = float(row["value"])
    whole = [facts for facts in by_subject.values() if "embodied" in facts]
    assert len(whole) >= 150
    for facts in whole:  # UBA Texte 94/2021, as Boavizta takes it
        assert facts["embodied"] == pytest.approx(9.14 + 0.0197 * facts["die_area"], abs=0.006)
        assert facts["embodied_adp"] == pytest.approx(2.04e-2 + 5.87e-9 * facts["die_area"], rel=1e-4)
        assert facts["embodied_primary_energy"] == pytest.approx(156 + 0.265 * facts["die_area"], rel=1e-4)


def test_the_parts_of_the_r740_are_its_footprint() -> None:
    # Dell's assessment lists each kind once; eight drives and twelve sticks, two processors
    count = {"r740 ssd 3840 GB": 8, "r740 ram 32 GB": 12, "r740 cpu with housing": 2}
    parts = [r for r in rows("parts.csv") if r["subject"].startswith("r740 ")]
    whole = next(float(r["value"]) for r in rows("servers.csv") if r["subject"] == "Dell PowerEdge R740")
    assert sum(float(r["value"]) * count.get(r["subject"], 1) for r in parts) == pytest.approx(whole, abs=0.01)


def test_all_waste_goes_somewhere() -> None:
    assert sum(float(r["value"]) for r in rows("end_of_life.csv")) == 1


def test_each_scope_of_an_embodied_figure_is_said() -> None:
    for row in [*rows("devices.csv"), *CPUS, *rows("servers.csv")]:
        if row["quantity"] == "embodied":
            said = row["note"].replace("-", " ")
            assert re.search(r"cradle to (gate|grave)|one socket|a TPU with its share", said), row
