"""Written names of devices and regions, made one key each, so that logs meet the catalogue.

A name never meets a different device: what only some variants share (the memory size of an A100, the
`Laptop` of an RTX 4090, the `+` of a Xeon 8480+) stays in the key, and a name that leaves it out is unknown.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

HERE = Path(__file__).parent
PROVIDERS = {
    "amazon": "aws",
    "google": "gcp",
    "googlecloud": "gcp",
    "ibmcloud": "ibm",
    "microsoft": "azure",
    "oracle": "oci",
    "ovhcloud": "ovh",
}  # other names of a cloud → its name here

# Order matters: clocks and counts go before punctuation, glued words are parted before words are dropped.
# Each rewrite says what a name must hold to need it: 1,700 names are keyed whenever the tables are read.
_REWRITES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = tuple(
    (needles, re.compile(pattern), new)
    for needles, pattern, new in (
        (("(", "®", "™", "©"), r"\((?:r|tm|c)\)|[®™©]", " "),
        (("x ", "× ", "* "), r"^\s*\d+\s*(?:x|×|\*)\s+", " "),
        ((" gen",), r"^\s*\d+(?:st|nd|rd|th) gen\b", " "),
        (("@", "ghz", "/"), r"@.*$|\bcpu\s+\d+(?:\.\d+)?\s*ghz.*$|/\s*\d+ device.*$", " "),
        (("radeon",), r"\bwith radeon\b.*$|\bw/ radeon\b.*$", " "),  # the graphics inside an AMD processor
        (("core",), r"\b\d+[- ]core\b(?: processor)?", " "),
        (("core",), r"\b(?:dual|quad|six|eight|twelve|sixteen)[- ]core\b", " "),
        (("gb", "gib"), r"(\d)\s*gi?b\b", r"\1gb"),
        (("rtx", "gtx", "tpu", "mi"), r"\b(rtx|gtx|tpu|mi)[ -]?(?=v?\d)", r"\1 "),
        (("mi ",), r"\bmi (?=\d)", "mi"),
        (("radeon",), r"\bradeon rx\b", "rx"),
        (("ti", "super"), r"(?<=\d)(ti|super)\b", r" \1"),
        (("v",), r"\b(\d{4}[a-z]?)\s?v(?=\d\b)", r"\1 v"),  # E5-2630v4
        (("+",), r"\+(?=\s|$)", "plus"),
        (("",), r"[^a-z0-9.]+|\.(?!\d)|(?<!\d)\.", " "),
    )
)
_VENDOR_WORDS = frozenset(
    {"nvidia", "tesla", "geforce", "amd", "intel", "instinct", "google"}
    | {"cpu", "gpu", "processor", "corporation", "generation", "graphics"},
)
_MEMORY = re.compile(r"\d+(?:\.\d+)?gb")
_SOCKETS = re.compile(r"pcie|sxm\d?|nvl|oam|mxm")


@cache
def device_key(name: str) -> str:
    """Return the key of a written device name: `NVIDIA A100-SXM4-80GB` and `A100 80GB SXM4` are one."""
    text = " ".join(name.lower().split())
    for needles, pattern, new in _REWRITES:
        if any(needle in text for needle in needles):
            text = pattern.sub(new, text)
    words = [word for word in text.split() if word not in _VENDOR_WORDS]
    sockets = [word for word in words if _SOCKETS.fullmatch(word)]
    memory = [word for word in words if _MEMORY.fullmatch(word)]
    plain = [word for word in words if word not in sockets and word not in memory]
    return " ".join([*plain, *sockets, *memory])


def rows(file: str) -> Iterator[dict[str, str]]:
    """Read one of our own tables."""
    with (HERE / file).open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


@cache
def aliases() -> dict[str, str]:
    """Return the key of each other name of a device → the key of the device."""
    return {device_key(row["alias"]): device_key(row["subject"]) for row in rows("aliases.csv")}


@cache
def device_names() -> dict[str, str]:
    """Return the key of each device of the catalogue → its name there."""
    files = ("devices.csv", "cpus.csv", "servers.csv", "bills.csv")
    return {device_key(row["subject"]): row["subject"] for file in files for row in rows(file)}


def nearest(name: str, n: int = 3) -> list[str]:
    """Return the names in the catalogue that look most like this one: for a message, never for a number."""
    known = device_names()
    key = device_key(name)
    words = set(key.split())
    score: Callable[[str], float] = lambda other: (  # noqa: E731 - a def of one expression would hide the weights
        len(words & set(other.split())) + difflib.SequenceMatcher(None, key, other).ratio()
    )
    likely = [other for other in known if score(other) > 0.6]  # noqa: PLR2004 - found by trying real names
    return [known[other] for other in sorted(likely, key=lambda other: (-score(other), other))[:n]]


@cache
def _zones() -> tuple[dict[str, str], frozenset[str]]:
    """Return written forms of countries and their parts → subject, and the subjects of parts of countries."""
    written: dict[str, str] = {}
    for row in rows("zones.csv"):
        alpha3, *names = row["note"].split(";")
        for form in filter(None, (row["subject"], alpha3, *names)):
            written[form.casefold()] = row["subject"]
    return written, frozenset(subject for subject in written.values() if "-" in subject)


@cache
def _clouds() -> tuple[frozenset[str], dict[str, str]]:
    """Return the cloud regions, and the region names that only one cloud has → region."""
    regions = frozenset(row["subject"] for row in rows("clouds.csv") if row["quantity"] == "region_zone")
    count = Counter(region.split(":")[1] for region in regions)
    return regions, {name: region for region in regions if count[name := region.split(":")[1]] == 1}


def zone_of(region: str, *, own: Collection[str] = ()) -> str | None:
    """Return the subject of a region in the factor tables, None where no form of it is known.

    Understood are ISO 3166-1 codes and names (`DE`, `deu`, `Germany`), ISO 3166-2 codes and grid zones
    (`US-CA`, `DK-DK1`), eGRID subregions (`US-CAMX`, `eGRID CAMX`), names of states (`Texas`), and regions of
    clouds with or without their provider (`gcp:us-central1`, `eu-west-1`). A cloud region stays one:
    `region_zone` gives its country. `own` are the subjects of an organisation's own factors.
    """
    text = region.strip()
    if text in own:
        return text
    written, parts = _zones()
    if (known := written.get(" ".join(text.casefold().split()))) is not None:
        return known
    regions, bare = _clouds()
    clouds = {*PROVIDERS, *(region.partition(":")[0] for region in regions)}
    cloud = re.sub(rf"^({'|'.join(clouds)})\s+", r"\1:", text.casefold())
    provider, _, name = cloud.replace("/", ":", 1).partition(":")
    name = re.sub(r"\s+", "", name)
    provider = re.sub(r"\s+", "", provider)
    if (known := f"{PROVIDERS.get(provider, provider)}:{name}") in regions:
        return known
    if (known := bare.get(re.sub(r"\s+", "", cloud))) is not None:
        return known
    head, _, tail = text.upper().replace("_", "-").partition("-")
    country = written.get(head.casefold(), head)
    zone = f"{country}-{tail}"
    # A well-formed part of a country is a region, with or without a factor of its own.
    is_part = head.casefold() in written and "-" not in country and re.fullmatch(r"[A-Z0-9]{1,3}", tail) is not None
    return zone if zone in parts or is_part else None


def nearest_zones(region: str, n: int = 3) -> list[str]:
    """Return the regions whose written forms look most like this one: for a message, never for a number."""
    written, _ = _zones()
    regions, bare = _clouds()
    known = {**bare, **{region: region for region in regions}, **written}
    text = " ".join(region.casefold().split())
    longer = [form for form in known if text and form.startswith((f"{text} ", f"{text},"))]  # Georgia is two of them
    # 0.75: `Frnace` and `eu-wst-1` are meant, `NVIDIA` is not Bolivia.
    close = difflib.get_close_matches(text, known, n=3 * n, cutoff=0.75)
    return list(dict.fromkeys(known[form] for form in (*sorted(longer), *close)))[:n]
