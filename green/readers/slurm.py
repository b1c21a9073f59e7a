"""Read the accounting table of Slurm, `sacct --parsable2` or fixed width: a run a job, steps below their job."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import COMPONENTS, Found, Unreadable
from green.readers.nodes import shared
from green.readers.parse import Clock, decimal, has_zone, seconds_us
from green.readers.quantity import J_PER_KWH, clock_s, joules, plain
from green.readers.table import HEAD_LINES, Header, Row, header_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log, Sink

ENERGY = ("ConsumedEnergyRaw", "ConsumedEnergy")
NEEDED = frozenset({"JobID"})
RAW = frozenset({"JobIDRaw"})  # where the table has no JobID
OTHERS = frozenset(
    {  # columns of sacct, two of which tell its table from another with a column JobID
        *(
            "JobIDRaw",
            "JobName",
            "Partition",
            "Account",
            "State",
            "ExitCode",
            "Elapsed",
            "ElapsedRaw",
            "Submit",
            "Start",
        ),
        *(
            "End",
            "AllocCPUS",
            "NCPUS",
            "NNodes",
            "AllocNodes",
            "NodeList",
            "AllocTRES",
            "ReqTRES",
            "TotalCPU",
            "CPUTime",
        ),
        *("MaxRSS", "ReqMem", "ConsumedEnergy", "ConsumedEnergyRaw"),
    }
)
STATUS = {
    "COMPLETED": "completed",
    "CANCELLED": "killed",
    "TIMEOUT": "killed",
    "PREEMPTED": "killed",
    "DEADLINE": "killed",
    "REVOKED": "killed",
    "FAILED": "failed",
    "OUT_OF_MEMORY": "failed",
    "NODE_FAIL": "failed",
    "BOOT_FAIL": "failed",
    "LAUNCH_FAILED": "failed",
}
UNFINISHED = frozenset({"RUNNING", "SUSPENDED", "COMPLETING", "STOPPED", "REQUEUED", "RESIZING", "SIGNALING"})
NEVER_RAN = frozenset({"PENDING", "CONFIGURING", "SPECIAL_EXIT"})
MOST_J = Decimal(2) ** 63  # Slurm writes "no value" as a number of 64 bits just below 2^64

_RULE = re.compile(r"-+( +-+)+ *", re.ASCII)
_JOB = re.compile(r"\d{1,10}([_+][\w\[\]\-,%]{1,80})?", re.ASCII)
_GPU = re.compile(r"gres/gpu(?::([^=,]{1,80}))?=(\d{1,6})", re.ASCII)


@dataclass(slots=True)
class _Job:
    """A job: its own row, and the largest energy that a step of it states."""

    job_id: str
    row: Row | None = None
    first: Row | None = None  # where the job has no row of its own
    energy_j: Decimal | None = None
    step_j: Decimal | None = None
    step_line: int = 0
    fault: tuple[int, str, str] | None = None
    flags: list[str] = field(default_factory=list)


def _fixed(log: Log) -> tuple[int, list[tuple[str, int, int]]] | None:
    """Return the line of the rule below the header, and name, start and end of each column."""
    if "JobID" not in log.head:
        return None
    lines = log.head_lines[:HEAD_LINES]
    for number, line in enumerate(lines[1:], 1):
        if _RULE.fullmatch(line):
            spans = [match.span() for match in re.finditer(r"-+", line)]
            columns = [(lines[number - 1][a:b].strip(), a, b) for a, b in spans]
            names = {name for name, _, _ in columns}
            return (number + 1, columns) if names >= NEEDED and len(names & OTHERS) > 1 else None
    return None


def _rows(log: Log) -> Iterator[Row | tuple[int, str]]:
    """Yield the rows of either form."""
    fixed = _fixed(log)
    if fixed is None:
        header = _header(log)
        if header is None:
            raise Unreadable("NO_HEADER")
        yield from rows_of(log, header)
        return
    rule, columns = fixed
    above = ""
    for number, line in enumerate(log.lines(), 1):
        if number <= rule or not line.strip() or _RULE.fullmatch(line):
            continue
        cells = {name: line[a:b].strip() for name, a, b in columns}
        if cells["JobID"] == "JobID":
            continue
        job_id = _whole_id(cells, above)
        above = job_id.partition(".")[0]
        # a plus ends what did not fit: half a number or a time is none
        whole = {name: "" if cell.endswith("+") else cell for name, cell in cells.items()}
        yield Row(number, {**whole, "JobID": job_id, "State": cells.get("State", "")})


def _whole_id(cells: dict[str, str], above: str) -> str:
    """Return the id of a row of fixed width; one that is cut before its dot is a step of the job above.

    Steps have no partition, jobs have one.
    """
    job_id = cells["JobID"]
    is_step = job_id.endswith("+") and "." not in job_id and cells.get("Partition") == ""
    return f"{above}." if is_step and above and above.startswith(job_id[:-1]) else job_id


def _columns(log: Log) -> frozenset[str]:
    fixed = _fixed(log)
    if fixed is not None:
        return frozenset(name for name, _, _ in fixed[1])
    header = _header(log)
    return frozenset(header.columns) if header else frozenset()


def _header(log: Log) -> Header | None:
    return header_of(log, NEEDED, "|;\t,") or header_of(log, RAW, "|;\t,")


def _energy(row: Row) -> tuple[Decimal | None, str | None]:
    """Return the joules that a row states, and the reason where it states something else."""
    text = row.get(*ENERGY)
    if not text:
        alloc = re.search(r"(?:^|,)energy=([^,]{1,40})", row.get("AllocTRES"))
        text = alloc[1] if alloc else ""
    if not text:
        return None, "ZERO_ENERGY" if any(name in row.cells for name in ENERGY) else None
    value = joules(text)
    if value is None:
        return None, "UNREADABLE_ENERGY"
    if value >= MOST_J:
        return None, "ZERO_ENERGY"
    return (value, None) if value > 0 else (None, "ZERO_ENERGY")


def _collect(log: Log, sink: Sink) -> dict[tuple[str, str], _Job]:
    """Gather the rows below their jobs; of a job that was started again each start is one."""
    jobs: dict[tuple[str, str], _Job] = {}
    newest: dict[str, tuple[str, str]] = {}
    for row in _rows(log):
        if isinstance(row, tuple):
            sink.reject(row[0], "CELL_COUNT", row[1])
            continue
        job_id, dot, _ = row.get("JobID", "JobIDRaw").partition(".")
        if not _JOB.fullmatch(job_id):
            sink.reject(row.line, "BAD_JOB_ID", row.get("JobID", "JobIDRaw")[:80])
            continue
        value, reason = _energy(row)
        if not dot:
            state = row.get("State").partition(" ")[0]
            if state in NEVER_RAN:
                continue
            key = (job_id, row.get("Start") if row.get("Start") not in ("Unknown", "None") else "")
            newest[job_id] = key
            job = jobs.setdefault(key, _Job(job_id))
            job.row = row  # the last of several: a table that was written again while the job ran
            job.energy_j = value
            job.fault = (row.line, reason, row.get(*ENERGY)[:40]) if reason else None
            continue
        job = jobs.setdefault(newest.get(job_id, (job_id, "")), _Job(job_id))
        job.first = job.first or row
        if value is not None and (job.step_j is None or value > job.step_j):
            job.step_j, job.step_line = value, row.line
    return jobs


def _moment_us(text: str, clock: Clock) -> int | None:
    """Return a time of the table; SLURM_TIME_FORMAT may have made it Unix seconds."""
    found = clock.us(text)
    return seconds_us(text) if found is None and text.isdigit() else found


def _elapsed_s(row: Row) -> float | None:
    raw = decimal(row.get("ElapsedRaw"))
    spoken = clock_s(row.get("Elapsed")) if raw is None else raw
    return float(spoken) if spoken is not None and spoken >= 0 else None


def _found(job: _Job, row: Row, own_id: str, log: Log, clock: Clock) -> Found:
    """Say what is known of a job."""
    state = row.get("State").partition(" ")[0].rstrip("+")
    start, end = row.get("Start"), row.get("End")
    found = Found(
        own_id=own_id,
        line=row.line,
        started_at_us=_moment_us(start, clock),
        ended_at_us=_moment_us(end, clock),
        duration_s=_elapsed_s(row),
        project=row.get("Account") or None,
        status=STATUS.get(state),
        flags=job.flags,
        facts={
            "job_name": row.get("JobName") or None,
            "partition": row.get("Partition") or None,
            "nodes": row.get("NodeList") or None,
        },
    )
    if state in UNFINISHED:
        found.flags.append("STILL_RUNNING")
    is_timed = found.started_at_us is not None or found.ended_at_us is not None
    if is_timed and log.zone_assumed and not has_zone(start) and not start.isdigit():
        found.flags.append("ASSUMED_UTC")
    return found


def _gpus(row: Row) -> list[tuple[str | None, float]]:
    """Return kind and number of the GPUs that a job had; a total beside its kinds is left out."""
    found = [(kind or None, float(count)) for kind, count in _GPU.findall(row.get("AllocTRES", "AllocGRES", "ReqTRES"))]
    kinds = [(kind, count) for kind, count in found if kind and count]
    return kinds or [(kind, count) for kind, count in found if count]


class Slurm:
    """The reader of sacct tables."""

    name = "slurm"
    title = "Slurm sacct, --parsable2 or fixed width"
    holds_many = True

    def recognises(self, log: Log) -> bool:
        """Tell by the columns: JobID and two others of sacct."""
        columns = _columns(log)
        return bool(columns & (NEEDED | RAW)) and len(columns & OTHERS) > 1

    def read(self, log: Log, sink: Sink) -> None:
        """Read all rows, then report each job with its best figure of energy."""
        jobs = _collect(log, sink)
        has_column = bool(_columns(log) & set(ENERGY))
        if not has_column and not any(job.energy_j for job in jobs.values()):
            sink.reject(None, "NO_ENERGY_COLUMN", "ask sacct for ConsumedEnergyRaw")
        clock = Clock(log.timezone)
        starts: dict[str, int] = {}
        for job in jobs.values():
            starts[job.job_id] = starts.get(job.job_id, 0) + 1
        rows = {key: row for key, job in jobs.items() if (row := job.row or job.first) is not None}
        for key in shared({key: (r.get("NodeList"), r.get("Start"), r.get("End")) for key, r in rows.items()}):
            jobs[key].flags.append("SHARED_NODE")
        for key, row in rows.items():
            own_id = key[0] if starts[key[0]] == 1 else "@".join(filter(None, key))
            self._report(jobs[key], _found(jobs[key], row, own_id, log, clock), row, sink)

    def _report(self, job: _Job, found: Found, row: Row, sink: Sink) -> None:
        """Tell the sink of one job."""
        value, line = job.energy_j, row.line
        if value is None and job.step_j is not None:
            value, line = job.step_j, job.step_line
            found.flags.append("STEPS_ONLY")
        if value is not None:
            found.flags.append("SCOPE_UNSAID")
        run = sink.run(found)
        for number, (kind, count) in enumerate(_gpus(row)):
            sink.device(run, f"gpu-{number}", "gpu", name=kind, count=count, line=row.line)
        if value is not None:
            sink.statement(run, COMPONENTS, plain(value / J_PER_KWH), basis="host", line=line)
        elif job.fault is not None:
            sink.reject(*job.fault, run=run)


READER = Slurm()
