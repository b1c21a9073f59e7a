"""`green explain` leads every number back to its inputs, and says where one does not follow from them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from green.cli import main
from green.policy.metrics import METRICS
from green.reasons import document, sections
from tests.conftest import REPO

if TYPE_CHECKING:
    from tests.conftest import Pipeline

RECORDS = {
    # 8 x 330 W x 4 h = 10.56 kWh
    "known": """
run_id: known
kind: training
started_at: 2024-10-01T08:00:00Z
ended_at: 2024-10-01T12:00:00Z
site: {region: DE, pue: 1.2}
hardware:
- {device: NVIDIA A100-SXM4-80GB, count: 8, average_power: "330 W ± 5 %"}
""",
    "unknown-device": """
run_id: unknown-device
started_at: 2024-10-01T08:00:00Z
ended_at: 2024-10-01T12:00:00Z
site: {region: DE, pue: 1.2, wue: "1.8 L/kWh", ewif: "3 L/kWh", market_intensity: "10 gCO2e/kWh"}
hardware:
- {device: NVIDIA A100-SXM5-80GB, average_power: "100 W"}
cost: {tariff: "0.5 USD/kWh"}
energy: {total: "12 kWh", basis: facility}
""",
    # half of its energy in each year
    "new-year": """
run_id: new-year
started_at: 2022-12-31T12:00:00Z
ended_at: 2023-01-01T12:00:00Z
site: {region: DE, pue: 1}
energy: {gpu: "10 kWh ± 10 %", basis: device}
""",
    # 40 h on a device that lasts 10 h: its whole footprint, once for each of the two
    "outlived": """
run_id: outlived
duration: "40 h"
hardware:
- {device: own board, count: 2, embodied: "150 kgCO2e", lifetime: "10 h", component: gpu}
""",
    # no cap on device-hours: 150 kg x 40 h / 10 h
    "device-hours": """
run_id: device-hours
duration: "20 h"
device_hours: "40 h"
hardware:
- {device: own board, embodied: "150 kgCO2e", lifetime: "10 h", component: gpu}
""",
    "cloud": """
run_id: cloud
started_at: 2024-10-01T08:00:00Z
ended_at: 2024-10-01T12:00:00Z
site: {region: "aws:eu-central-1", intensity: "100 gCO2e/kWh ± 20 %"}
energy: {total: "10 kWh", basis: wall}
""",
    "idle": """
run_id: idle
started_at: 2024-10-01T08:00:00Z
ended_at: 2024-10-01T12:00:00Z
site: {region: DE, pue: 1.1}
energy: {total: "0 kWh", basis: wall}
""",
    "silent": "run_id: silent\nsite: {region: DE}\n",
}
POWER = """timestamp, index, name, power.draw [W]
2024/10/01 08:00:00.000, 0, NVIDIA A100-SXM4-80GB, 300.00 W
2024/10/01 08:00:01.000, 0, NVIDIA A100-SXM4-80GB, 300.00 W
2024/10/01 08:00:02.000, 0, NVIDIA A100-SXM4-80GB, 300.00 W
2024/10/01 08:01:02.000, 0, NVIDIA A100-SXM4-80GB, 300.00 W
2024/10/01 08:01:03.000, 0, NVIDIA A100-SXM4-80GB, 300.00 W
"""
CARBON = (
    "timestamp,project_name,run_id,duration,emissions,energy_consumed,country_iso_code\n"
    "2024-10-01T12:00:00,p,one,3600,2.5,4.0,DEU\n"
)
EVIL = "evil\x1b[31m\u202ename"
OWN = (
    "factor_id,quantity,subject,value,low,high,unit,valid_from,valid_to,method,source,url,licence,note\n"
    "own/pue,pue,aws:eu-central-1,1.5,1.4,1.6,1,2020-01-01,,annual mean,our provider's letter,https://example.org,own,\n"
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, pipeline: Pipeline) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    logs = folder / "logs"
    for name, text in RECORDS.items():
        (logs / name).mkdir(parents=True)
        (logs / name / "run.yaml").write_text(text, encoding="utf-8")
    (logs / "metered").mkdir()
    (logs / "metered" / "run.yaml").write_text("run_id: metered\nsite: {region: DE, pue: 1.5, timezone: UTC}\n")
    (logs / "metered" / "power.csv").write_text(POWER)
    (logs / f"{EVIL}.csv").write_text(POWER)
    (logs / "emissions.csv").write_text(CARBON)
    (folder / "own.csv").write_text(OWN)
    (folder / "config.yaml").write_text("factors: [own.csv]\n")
    pipeline(logs, folder)
    return folder


@pytest.fixture
def here(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(work)
    return work


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["explain", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, out + err
    return {one["metric"]: one for one in json.loads(out)["figures"]}


def of(figure: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one for one in figure["inputs"] if one["input"] == kind]


@pytest.mark.usefixtures("here")
def test_figures_follow_from_hand_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "known")
    assert list(found) == [
        "energy.it",
        "energy.facility",
        "carbon.operational",
        "carbon.operational_market",
        "carbon.embodied",
        "carbon.total",
        "water.total",
        "cost.total",
    ]
    kwh = 8 * 330 * 4 / 1000
    assert found["energy.it"]["value"] == pytest.approx(kwh)
    assert (found["energy.it"]["low"], found["energy.it"]["high"]) == pytest.approx((0.95 * kwh, 1.05 * kwh))
    assert found["energy.facility"]["terms"][0]["arguments"] == {
        "energy_kwh": pytest.approx(kwh),
        "basis": "device",
        "pue": 1.2,
    }
    assert found["carbon.operational"]["terms"][0]["arguments"]["intensity_gco2e_per_kwh"] == 336.38
    assert found["carbon.operational"]["value"] == pytest.approx(1.2 * kwh * 0.33638)
    # the bill of the card by the model of Boavizta, whose own program says 567.7229 kg
    assert found["carbon.embodied"]["value"] == pytest.approx(567.7229 * 32 / 26280)
    assert "ISO/IEC 21031:2024, 5.4" in found["carbon.embodied"]["formula"]["clause"]
    assert all(one["agrees"] for one in found.values() if one["value"] is not None)


@pytest.mark.usefixtures("here")
def test_a_factor_is_shown_with_all_that_an_auditor_needs(capsys: pytest.CaptureFixture[str]) -> None:
    [intensity] = of(figures(capsys, "known")["carbon.operational"], "intensity")
    [factor] = intensity["factors"]
    assert (factor["factor_id"], factor["year"], factor["value"]) == ("grid/DE/2024/owid", 2024, 336.38)
    assert factor["licence"] == "CC-BY-4.0"
    assert factor["source"]
    assert factor["url"].startswith("https://")
    code, text, _ = run(capsys, "known", "carbon.operational")
    assert code == 0
    assert "factor grid/DE/2024/owid: 336.38 gCO2e/kWh (lifecycle, 2024)" in text
    assert "licence: CC-BY-4.0" in text


def test_files_and_event_are_those_of_the_ledger(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(run(capsys, "known", "--json")[1])
    content = (here / "logs" / "known" / "run.yaml").read_bytes()
    [file] = record["files"]
    assert (file["file"], file["bytes"]) == ("known/run.yaml", len(content))
    with duckdb.connect(str(here / "audit" / "green.duckdb"), read_only=True) as con:
        expected = con.execute("SELECT seq, hash FROM ledger WHERE kind = 'run' AND subject = 'known'").fetchone()
    assert (record["event"]["seq"], record["event"]["hash"]) == expected


@pytest.mark.usefixtures("here")
def test_answers_stand_side_by_side_with_the_reason_of_the_choice(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {one["answer"]: one for one in of(figures(capsys, "unknown-device")["energy.it"], "energy")}
    assert answers["energy-total"]["is_counted"]
    assert not answers["hardware[0]"]["is_counted"]
    assert answers["hardware[0]"]["why"] == "counted is gpu from energy-total (declared)"
    assert answers["energy-total"]["where"] == "unknown-device/run.yaml:9"


@pytest.mark.usefixtures("here")
def test_an_unknown_device_is_said_with_its_nearest_names(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "unknown-device")
    assert [one["code"] for one in found["carbon.total"]["unknown"]] == ["UNKNOWN_DEVICE"]
    [device] = of(found["carbon.embodied"], "device")
    assert "NVIDIA A100 SXM4 80GB" in device["nearest"]
    _, text, _ = run(capsys, "unknown-device")
    assert "nearest names: NVIDIA A100" in text
    assert "mend: use one of the nearest names" in text


@pytest.mark.usefixtures("here")
def test_metered_energy_shows_coverage_and_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "metered")
    [answer] = of(found["energy.it"], "energy")
    # 3 of 63 s are covered: the minute is longer than 10 x the median interval of 1 s
    assert (answer["covered_s"], answer["uncovered_s"], answer["gaps"]) == (3, 60, 1)
    assert answer["coverage_ratio"] == pytest.approx(3 / 63)
    assert found["energy.it"]["value"] == pytest.approx(300 * 3 / 3.6e6)
    assert found["energy.it"]["agrees"]
    assert answer["formula"] == "sampled_energy_kwh"
    coverage = figures(capsys, "metered", "coverage.energy")["coverage.energy"]
    assert coverage["terms"][0]["result"] == pytest.approx(3 / 63)


@pytest.mark.usefixtures("here")
def test_emissions_that_a_log_reports_stand_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert figures(capsys, "emissions.csv#one")["carbon.total"]["reported_kgco2e"] == 2.5
    _, text, _ = run(capsys, "emissions.csv#one")
    assert "the log itself reports 2.5 kgCO2e" in text


@pytest.mark.usefixtures("here")
def test_energy_of_two_years_names_both_factors(capsys: pytest.CaptureFixture[str]) -> None:
    operational = figures(capsys, "new-year", "carbon.operational")["carbon.operational"]
    [intensity] = of(operational, "intensity")
    assert [one["year"] for one in intensity["factors"]] == [2022, 2023]
    assert intensity["value"] == pytest.approx(sum(one["value"] for one in intensity["factors"]) / 2)
    assert operational["agrees"]


@pytest.mark.usefixtures("here")
def test_a_device_that_is_outlived_is_charged_whole_and_device_hours_are_not_capped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outlived = figures(capsys, "outlived", "carbon.embodied")["carbon.embodied"]
    [device] = of(outlived, "device")
    assert (outlived["value"], device["is_capped"], outlived["agrees"]) == (300, True, True)
    assert "charged whole" in run(capsys, "outlived")[1]
    hours = figures(capsys, "device-hours", "carbon.embodied")["carbon.embodied"]
    [device] = of(hours, "device")
    assert (hours["value"], device["is_capped"], hours["agrees"]) == (600, False, True)


@pytest.mark.usefixtures("here")
def test_a_pue_of_a_provider_is_a_factor_and_a_declared_one_has_a_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    facility = figures(capsys, "cloud")["energy.facility"]
    [pue] = of(facility, "pue")
    assert (pue["origin"], pue["value"], pue["factors"][0]["factor_id"]) == ("factor", 1.5, "own/pue")
    assert (facility["value"], facility["low"], facility["high"]) == pytest.approx((15, 14, 16))
    assert facility["agrees"]
    assert not facility["not_recomputed"]
    [declared] = of(figures(capsys, "known")["energy.facility"], "pue")
    assert (declared["origin"], declared["where"]) == ("declared", "known/run.yaml:1")


@pytest.mark.usefixtures("here")
def test_ends_whose_inputs_are_not_kept_are_said_to_be_open(capsys: pytest.CaptureFixture[str]) -> None:
    operational = figures(capsys, "cloud")["carbon.operational"]  # the interval of a declared intensity
    assert operational["agrees"]
    assert operational["not_recomputed"] == ["low", "high"]
    assert "not recomputed: low and high" in run(capsys, "cloud")[1]


@pytest.mark.usefixtures("here")
def test_no_energy_is_no_disagreement(capsys: pytest.CaptureFixture[str]) -> None:
    operational = figures(capsys, "idle")["carbon.operational"]
    assert (operational["value"], operational["agrees"]) == (0, True)


@pytest.mark.usefixtures("here")
def test_an_unknown_figure_names_the_fields_that_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "silent")
    [unknown] = found["energy.it"]["unknown"]
    assert (unknown["code"], unknown["missing"]) == ("MISSING_FIELD", ["energy, or hardware with its power"])
    assert [one["code"] for one in found["carbon.embodied"]["unknown"]] == ["NO_HARDWARE"]
    [unknown] = figures(capsys, "known", "water.onsite")["water.onsite"]["unknown"]
    assert (unknown["code"], unknown["missing"]) == ("NO_WUE", ["wue of site"])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_can_be_asked_for_by_name_and_by_column(metric: str, capsys: pytest.CaptureFixture[str]) -> None:
    by_name = figures(capsys, "unknown-device", metric)
    assert list(by_name) == [metric]
    assert figures(capsys, "unknown-device", METRICS[metric].column) == by_name
    assert run(capsys, "unknown-device", metric)[0] == 0


@pytest.mark.usefixtures("here")
def test_a_declared_rate_is_what_the_result_implies(capsys: pytest.CaptureFixture[str]) -> None:
    for metric, rate in (("water.onsite", 1.8), ("water.offsite", 3), ("carbon.operational_market", 10)):
        [found] = of(figures(capsys, "unknown-device", metric)[metric], "rate")
        assert found["value"] == pytest.approx(rate)
    rates = of(figures(capsys, "unknown-device", "cost.total")["cost.total"], "rate")
    assert {one["name"]: one["value"] for one in rates}["tariff"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE run SET facility_energy_kwh = 1 WHERE run_id = 'known'", "energy.facility: value is 1.0"),
        ("UPDATE run SET energy_kwh_high = 99 WHERE run_id = 'known'", "energy.it: high is 99.0"),
        ("UPDATE run SET operational_kgco2e = 1 WHERE run_id = 'known'", "carbon.operational: value is 1.0"),
        ("UPDATE run SET operational_kgco2e_low = 1 WHERE run_id = 'known'", "carbon.operational: low is 1.0"),
        ("UPDATE run SET emissions_kgco2e = 1 WHERE run_id = 'known'", "carbon.total: value is 1.0"),
        ("UPDATE run SET embodied_kgco2e = NULL WHERE run_id = 'known'", "carbon.embodied: value is unknown"),
        (
            "UPDATE embodied SET embodied_kgco2e = 0 WHERE run_id = 'known'",
            "carbon.embodied: hardware[0]: value is 0.0",
        ),
        ("UPDATE embodied SET lifetime_h = 5e4 WHERE run_id = 'known'", "its lifetime is 50000.0"),
        ("UPDATE energy SET energy_kwh = 9 WHERE run_id = 'known'", "energy.it: value is 10.56"),
        ("UPDATE factor SET value = 1 WHERE factor_id = 'grid/DE/2024/owid'", "its factor grid/DE/2024/owid is 1.0"),
        ("UPDATE run SET pue = 2 WHERE run_id = 'known'", "energy.facility: value is 12.672"),
    ],
)
def test_a_number_that_was_changed_does_not_agree(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    store = tmp_path / "copy.duckdb"
    shutil.copyfile(work / "audit" / "green.duckdb", store)
    with duckdb.connect(str(store)) as con:
        con.execute(change)
    code, out, err = run(capsys, "known", "--store", str(store), "--json")
    assert code == 5
    assert "green verify" in err
    record = json.loads(out)
    assert not record["agrees"]
    assert any(said in text for text in record["disagreements"]), record["disagreements"]
    assert "DOES NOT AGREE" in run(capsys, "known", "--store", str(store))[1]


@pytest.mark.usefixtures("here")
def test_an_unknown_run_or_metric_is_a_usage_error_with_its_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "unknown-devise")
    assert (code, out) == (3, "")
    assert "'unknown-device'" in err
    code, _, err = run(capsys, "known", "carbon.totl")
    assert code == 3
    assert "carbon.total" in err


@pytest.mark.usefixtures("here")
def test_a_name_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, f"{EVIL}.csv")
    assert code == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)
    code, _, err = run(capsys, f"{EVIL}.cvs")
    assert code == 3
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", err)
    assert json.loads(run(capsys, f"{EVIL}.csv", "--json")[1])["run_id"] == f"{EVIL}.csv"


def test_a_missing_store_is_a_store_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "known", "--store", str(tmp_path / "none.duckdb"))[0] == 5


def test_the_words_of_reasons_are_those_of_the_docs() -> None:
    assert (REPO / "docs" / "reasons.md").read_text(encoding="utf-8") == document(), (
        "mend: python -c \"from green.reasons import document; print(document(), end='')\" > docs/reasons.md"
    )


# words of SQL and names of variables
NO_CODES = set(
    re.findall(
        r"\w+",
        "BEGIN BIGINT BOOLEAN CHECKPOINT COMMIT COMPONENTS DATE DECIMAL DOUBLE FALSE INTEGER NULL QUANTITIES TABLE"
        " HEAD RDTSC DRAM FQDD PYDANTIC_DISABLE_PLUGINS TFLOPS TIMESTAMPTZ TRUE VARCHAR VIEW"
        " ABORTED BOOT_FAIL CACHED CANCELLED COMPLETED COMPLETING CONFIGURING DEADLINE FAILED LAUNCH_FAILED NCPUS"
        " NODE_FAIL OUT_OF_MEMORY PENDING PREEMPTED REQUEUED RESIZING REVOKED RUNNING SIGNALING SPECIAL_EXIT STOPPED"
        " STORED SUSPENDED TIMEOUT"  # states of other tools' jobs
        " SECONDS NAMES POLICY SHARE SIGPIPE SIGXFSZ CLOCK_BOOTTIME GREEN_RUN_ID PYTHONPATH SLURM_ARRAY_JOB_ID"
        " SLURM_ARRAY_TASK_ID TORCHELASTIC_RUN_ID WORLD_SIZE RANK SLURM_PROCID OMPI_COMM_WORLD_RANK GREEN_METER_PIPE"
        " GREEN_METER_PID TMPDIR"  # words of a command line, signals, variables of the environment
        " ROCR_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER PATH KUBERNETES_SERVICE_HOST LOCAL_RANK"
        " APPTAINER_CONTAINER SINGULARITY_CONTAINER SLURM_LOCALID OMPI_COMM_WORLD_LOCAL_RANK SLURM_CPUS_ON_NODE"
        " SLURM_JOB_ID MI250 PAR1 UUID DCGM_FI_DEV_POWER_USAGE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
        " DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_total",  # others' names
    )
)


def test_every_code_of_the_program_has_its_words() -> None:
    known = {code for section in sections().values() for code in section}
    found: dict[str, str] = {}
    for file in sorted((REPO / "green").rglob("*")):
        if file.suffix in {".py", ".sql"} and file.name != "reasons.py":
            for code in re.findall(r"""['"]([A-Z][A-Z0-9]{3,}(?:_[A-Z0-9]+)*|CUT)['"]""", file.read_text("utf-8")):
                found[code] = file.name
    missing = {code: file for code, file in found.items() if code not in known | NO_CODES}
    assert len(found) > 50
    assert not missing, f"mend: say in green/explain/reasons.py what they mean: {missing}"


def test_no_code_is_explained_that_the_program_never_gives() -> None:
    files = [
        file for file in (REPO / "green").rglob("*") if file.suffix in {".py", ".sql"} and file.name != "reasons.py"
    ]
    text = "\n".join(file.read_text("utf-8") for file in files)
    dead = [
        code
        for section in sections().values()
        for code in section
        if not re.search(rf"['\"]{code}['\"]", text) and not code.startswith("UNMEASURED_")
    ]
    assert not dead
