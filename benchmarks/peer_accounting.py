"""Ask the other tools what they make of a case: `python -m benchmarks.peer_accounting ASKED.json ANSWERS.json`.

It runs in the environment of those tools and calls their own code: CodeCarbon and EcoLogits as libraries,
BoaviztAPI as a server (`benchmarks.peer_boavizta`); only the formula of Green Algorithms, which is no package,
stands here. Each answer is a value and the inputs that the tool took, so that the reason of a difference can be
tried out.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import peer_boavizta

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = dict[str, Any]
PACKAGES = ("boaviztapi", "codecarbon", "ecologits")
HOUR_S = 3600.0


# -- CodeCarbon -------------------------------------------------------------------------------------------------


def codecarbon_grid(*, energy_kwh: float, country: str = "", provider: str = "", region: str = "") -> Answer:
    """Convert energy with the factor of a country or of a cloud's region, offline as its tracker does."""
    from codecarbon.core.emissions import Emissions  # type: ignore[import-not-found]  # noqa: PLC0415 -- the peers' environment has it
    from codecarbon.core.units import Energy  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above
    from codecarbon.external.geography import (  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above
        CloudMetadata,
        GeoMetadata,
    )
    from codecarbon.input import DataSource  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above

    emissions, energy = Emissions(DataSource()), Energy.from_energy(energy_kwh)
    if provider:
        value = emissions.get_cloud_emissions(energy, CloudMetadata(provider=provider, region=region))
    else:
        value = emissions.get_private_infra_emissions(energy, GeoMetadata(country_iso_code=country))
    return {"value": value, "intensity_gco2e_per_kwh": value / energy_kwh * 1000}


def codecarbon_cpu(*, name: str, duration_h: float) -> Answer:
    """Model a processor by its name, in the mode without sensors: half of the TDP of its table."""
    from codecarbon.core.cpu import TDP  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above
    from codecarbon.external.hardware import CPU  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above

    tdp_w = TDP()._get_cpu_power_from_registry(name)  # noqa: SLF001 -- its constructor only looks at this machine
    cpu = CPU.from_utils(output_dir=".", mode="constant", model=name, tdp=tdp_w)
    power, energy = cpu.measure_power_and_energy(last_duration=duration_h * HOUR_S)
    return {"value": energy.kWh, "tdp_w": tdp_w, "average_power_w": power.W}


def codecarbon_memory(*, capacity_gb: float, duration_h: float) -> Answer:
    """Model memory by its size."""
    from codecarbon.external.ram import RAM  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above

    power_w = RAM()._calculate_ram_power(capacity_gb)  # noqa: SLF001 -- the public call takes this machine's memory
    return {"value": power_w * duration_h / 1000, "power_w": power_w, "power_w_per_gb": power_w / capacity_gb}


def codecarbon_water(*, it_energy_kwh: float, country: str, pue: float, wue: float) -> Answer:
    """Let its tracker run for a second and scale what it prints of water to an IT energy."""
    from codecarbon import OfflineEmissionsTracker  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above

    tracker = OfflineEmissionsTracker(
        country_iso_code=country, pue=pue, wue=wue, measure_power_secs=1, allow_multiple_runs=True,
        save_to_file=False, save_to_api=False, log_level="critical",
    )  # fmt: skip
    tracker.start()
    time.sleep(1)
    tracker.stop()
    done = tracker.final_emissions_data
    per_kwh = done.water_consumed / (done.energy_consumed / pue)  # its energy holds the PUE
    return {"value": per_kwh * it_energy_kwh, "l_per_it_kwh": per_kwh}


# -- EcoLogits --------------------------------------------------------------------------------------------------


def ecologits_request(*, gives: str, zone: str, pue: float, wue: float, batch: int = 64, **model: float) -> Answer:
    """Compute one request to a language model and give one of its results."""
    from ecologits.electricity_mix_repository import electricity_mixes  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above
    from ecologits.impacts import llm  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above

    mix = electricity_mixes.find_electricity_mix(zone)
    done = llm.compute_llm_impacts_dag(
        model_active_parameter_count=model["parameters_b"],
        model_total_parameter_count=model["parameters_b"],
        output_token_count=model["tokens"],
        tps=model["tokens_per_s"],
        request_latency=float("inf"),
        if_electricity_mix_adpe=mix.adpe,
        if_electricity_mix_pe=mix.pe,
        if_electricity_mix_gwp=mix.gwp,
        if_electricity_mix_wue=mix.wue,
        datacenter_pue=pue,
        datacenter_wue=wue,
        batch_size=batch,
    )
    gpus = done["gpu_required_count"]
    return {
        "value": done[gives],
        "gpus": gpus,
        "duration_s": done["generation_latency"],
        "gpu_share": 1 / batch,
        "server_share": gpus / llm.SERVER_GPUS / batch,
        "gpu_energy_kwh": done["gpu_energy"] * gpus,
        "it_energy_kwh": done["request_it_energy"],
        "server_power_w": llm.SERVER_POWER * 1000,
        "gpu_embodied_kgco2e": llm.GPU_EMBODIED_IMPACT_GWP,
        "server_embodied_kgco2e": llm.SERVER_EMBODIED_IMPACT_GWP,
        "lifetime_h": llm.HARDWARE_LIFESPAN / HOUR_S,
        "intensity_gco2e_per_kwh": mix.gwp * 1000,
        "ewif_l_per_kwh": mix.wue,
    }


# -- Green Algorithms -------------------------------------------------------------------------------------------


def green_algorithms(
    *, duration_h: float, memory_gb: float, pue: float = 1.67, intensity_gco2e_per_kwh: float = 0.0, **cores: float
) -> Answer:
    """Compute a job: E = t x (n_c x P_c x u_c + n_m x P_m) x PUE x 0.001 and C = E x CI.

    Lannelongue, Grealey, Inouye 2021, Advanced Science 8, 2100707, doi:10.1002/advs.202100707: P_m is 0.3725 W/GB,
    and 1.67 is the PUE where none is known.
    """
    memory_w_per_gb = 0.3725
    cores_w = cores["cores"] * cores["core_power_w"] * cores["core_usage"]
    energy_kwh = duration_h * (cores_w + memory_gb * memory_w_per_gb) * pue / 1000
    return {
        "value": energy_kwh * intensity_gco2e_per_kwh / 1000 if intensity_gco2e_per_kwh else energy_kwh,
        "memory_power_w_per_gb": memory_w_per_gb,
        "pue": pue,
    }


CALLS: dict[str, Callable[..., Answer]] = {
    function.__name__: function
    for function in (
        codecarbon_grid,
        codecarbon_cpu,
        codecarbon_memory,
        codecarbon_water,
        ecologits_request,
        green_algorithms,
    )
}


def main(asked: Path, answers: Path) -> None:
    """Answer every case, and say with which versions."""
    cases = json.loads(asked.read_text(encoding="utf-8"))
    found: dict[str, Answer] = {}
    with peer_boavizta.server() as post:
        for name, ask in cases.items():
            call = ask.pop("call")
            known = peer_boavizta.CALLS.get(call)
            found[name] = known(post, **ask) if known else CALLS[call](**ask)
    versions = {name: version(name) for name in PACKAGES}
    text = json.dumps({"versions": {**versions, "python": platform.python_version()}, "answers": found})
    answers.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
