"""What a file that no reader recognises is, where that is known: the reject then says where its energy stands."""

from __future__ import annotations

import re
from typing import NamedTuple


class Known(NamedTuple):
    """A kind of file, told by its head, and what to do instead."""

    pattern: re.Pattern[str]
    words: str


KNOWN = tuple(
    Known(re.compile(pattern, re.MULTILINE), words)
    for pattern, words in (
        (r"^:::MLLOG \{", "MLPerf's loadgen log, which has no power: give spl.txt of the same run"),
        (r"SPEC PTDaemon Tool", "the daemon's own log, which has no power: give spl.txt of the same run"),
        (
            r'^\s*"(client|server)\.py": "[0-9a-f]{40}"|"lib/source_hashes\.py"',
            "MLPerf's list of sources: no power",
        ),
        (
            r"^\S+ (session|sequencer): m-",
            "the session of MLPerf Tiny's runner, without energy: give its results",
        ),
        (r"^\s*- record: \S+\n\s+expr: ", "recording rules of Prometheus: rules, no samples; export a range of them"),
        (r"^(Type;)?Make;Model;Vehicle Class;|CO2 Emissions\(g/km\)", "emissions of vehicles, not of computing"),
        (
            r"\A\ufeff?(?=[A-Za-z|]*\bConsumedEnergy)(?![A-Za-z|]*\bJobID)[A-Za-z]+(\|[A-Za-z]*)+\r?$",
            "a table of sacct without JobID: nobody can tell a job from its steps",
        ),
        (r"^[\w.-]+\|[^|\n]*\|[^\n]*\b(COMPLETED|FAILED|TIMEOUT|CANCELLED)\b", "a table of sacct without its header"),
        (r"^task_name,load_type,cpu_name,", "CodeCarbon's test of its own load model: no run"),
        (
            r"^dataset,network,batch_size,optimizer,power_limit,",
            "Zeus' summary of traces: a mean power a setting, no run",
        ),
        (
            r"^[^\n]*\bGPU[ _-]?\d\b[^\n]*\n[\d.]+[,;\t]",
            "a table without units: say what its columns are, in readers: of config.yaml",
        ),
        (
            r"\A\ufeff?Delta,Time,[^\n]*_ENERGY \(J\)",
            "EnergiBridge's counters of energy: say which to read, each: total, in readers: of config.yaml",
        ),
        (
            r"\A[^\n]*[Ee]nergy ?\(k?W\)",
            "an energy in W or kW: whether it is power or energy is not said; name its unit in readers: of config.yaml",
        ),
        (r"<html|<!DOCTYPE html", "a web page, not the file that it links to"),
        (r"^version https://git-lfs\.github\.com/spec", "a pointer of Git LFS: fetch the file itself"),
    )
)
UNKNOWN = "no reader recognises it; `green readers` lists the formats"


def words(head: str) -> str:
    """Say what a file is, or that nobody knows."""
    return next((known.words for known in KNOWN if known.pattern.search(head)), UNKNOWN)
