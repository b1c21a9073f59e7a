"""The same cases through Green and through the tools of the field, in one run: the page of the differences.

Each case of side_by_side.yaml is a run record that goes through the real pipeline, and a call that goes to the
other tool itself. A difference above 5 % needs a reason, and the reason is tried out: with what it names changed
in our record, the difference must be gone. A reason that no difference needs is out of date. Both end the run.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from benchmarks.measure import BIN, REPOSITORY, command, peer, work
from green import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CASES = Path(__file__).with_suffix(".yaml")
PAGE = REPOSITORY / "docs" / "side_by_side.md"
COMMAND = "python -m benchmarks side_by_side --write"
NEEDS_REASON_PERCENT = 5.0
GONE_PERCENT = 0.1
ALIGNED = ".aligned"
TITLES = {"codecarbon": "CodeCarbon", "ecologits": "EcoLogits", "boaviztapi": "BoaviztAPI"}
FORMULA = "Green Algorithms as of doi:10.1002/advs.202100707"


class Case(BaseModel):
    """One case that both sides are given; the head of side_by_side.yaml explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    tool: Literal["CodeCarbon", "EcoLogits", "BoaviztAPI", "Green Algorithms"]
    what: str
    ask: dict[str, Any]
    record: dict[str, Any]
    compare: Annotated[dict[str, str], Field(min_length=1)]
    within: float | None = None
    reason: str = ""
    unknown: str = ""
    aligned: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One figure of one case, ours beside theirs; unknown is None."""

    case: str
    tool: str
    what: str
    metric: str
    ours: float | None
    theirs: float
    aligned: float | None
    within: float | None
    reason: str
    unknown: str  # the code that ours is to be unknown for
    codes: tuple[str, ...]  # those that it is unknown for

    @property
    def difference_percent(self) -> float | None:
        """How far ours is from theirs; None where ours is unknown."""
        return _percent(self.ours, self.theirs)

    @property
    def because(self) -> str:
        """Say why ours differs, with the code that the ledger gives where it is unknown."""
        return f"{self.reason} (`{self.unknown}`)" if self.unknown else self.reason

    @property
    def fault(self) -> str:
        """Say what is wrong with the row; nothing where it stands."""
        off, left = self.difference_percent, _percent(self.aligned, self.theirs)
        differs = off is None or abs(off) > NEEDS_REASON_PERCENT
        if (self.unknown in self.codes, self.ours is None) != (bool(self.unknown), bool(self.unknown)):
            return f"is {_figure(self.ours)}, unknown for {list(self.codes)}, where {self.unknown or 'nothing'} is due"
        if self.within is not None and (off is None or abs(off) > self.within):
            return f"differs by {_shown(off)}, {self.within:g} % is allowed"
        if differs and not self.reason:
            return f"differs by {_shown(off)} and has no reason"
        if differs and (left is None or abs(left) > GONE_PERCENT):
            return f"differs by {_shown(left)} still when its reason is taken away"
        if self.reason and not differs:
            return f"has a reason and differs by {_shown(off)} only: the reason is out of date"
        return ""


@dataclass(frozen=True)
class Result:
    """All rows of a run, and the versions that they were measured with."""

    rows: list[Row]
    versions: Mapping[str, str]

    def check(self) -> None:
        """End the benchmark where a figure differs and nobody can say why."""
        faults = [f"{row.case}: {row.metric} {row.fault}" for row in self.rows if row.fault]
        if faults:
            sys.exit("benchmark: side by side does not hold\n  " + "\n  ".join(faults))

    def table(self) -> str:
        """Write the rows as a table of Markdown."""
        lines = [
            "| case | tool | figure | ours | theirs | difference | left | reason |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            left = _shown(_percent(row.aligned, row.theirs)) if row.reason else ""
            cells = (
                row.what, row.tool, f"`{row.metric}`", _figure(row.ours), _figure(row.theirs),
                _shown(row.difference_percent), left, row.because,
            )  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def page(self) -> str:
        """Write the page of the documentation."""
        tools = [f"{TITLES[name]} {number}" for name, number in self.versions.items() if name in TITLES]
        cases = len({row.case for row in self.rows})
        equal = sum(not row.reason for row in self.rows)
        return _PAGE.format(
            command=COMMAND, cases=cases, rows=len(self.rows), equal=equal, tools=", ".join(tools), formula=FORMULA,
            needs=NEEDS_REASON_PERCENT, gone=GONE_PERCENT, table=self.table(),
        )  # fmt: skip


_PAGE = """# Side by side with the tools of the field

<!-- made by `{command}`; do not edit -->

{cases} cases went through Green and through other tools in one run: {rows} figures. In {equal} of them both agree to
{needs:g} %. Each of the others has its reason, and the reason was tried out: with what it names taken from the other
tool, what is left of the difference is at most {gone:g} %. A difference without a reason ends the run with an error,
and so does a reason that no difference needs any more.

- **Ours** is the run record of [side_by_side.yaml](../benchmarks/side_by_side.yaml), through the whole pipeline, with
  the factors that Green ships.
- **Theirs** is the tool itself, called as a library or as a server on loopback, without a network; Green Algorithms by
  its published formula. None of their code or tables is part of Green: `make bench-peers` installs them for this page.
- **unknown** is a result: where the other tool takes a default, we say that we do not know, and for which reason.
- **From its parts**: what BoaviztAPI took as the parts of a device goes into our record as `parts:`, and our formulas
  compute the rest. These must agree to 0.1 %. Only the area of the die is the data sheet's, for its table holds the
  area of wafer that a die costs. Its mean of a server is asked for with the mean of every part spelled out, because it
  rounds what it prints to a tenth of the interval (10,600 kg for 10,570).

Versions: {tools}, {formula}.

{table}
"""


def cases() -> list[Case]:
    """Read the cases."""
    return yaml.validate(RootModel[list[Case]], yaml.load(CASES)).root


def measure(folder: Path) -> Result:
    """Ask the other tools, run the pipeline over the same cases, and put the figures side by side."""
    every = cases()
    asked, answers = folder / "asked.json", folder / "answers.json"
    asked.write_text(json.dumps({case.id: case.ask for case in every}), encoding="utf-8")
    peer("benchmarks.peer_accounting", asked, answers)
    said = json.loads(answers.read_text(encoding="utf-8"))
    theirs: dict[str, dict[str, Any]] = said["answers"]
    ours = _ours(folder, {name: record for case in every for name, record in _records(case, theirs[case.id])})
    rows = [
        Row(
            case.id,
            case.tool,
            case.what,
            metric,
            ours[case.id][metric],
            theirs[case.id][key],
            ours[case.id + ALIGNED][metric] if case.aligned else None,
            case.within,
            case.reason,
            case.unknown,
            tuple(ours[case.id]["unknown_reasons"] or ()),
        )
        for case in every
        for metric, key in case.compare.items()
    ]
    return Result(rows, said["versions"])


def _records(case: Case, answer: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the record of a case, and the one in which its reason is taken away."""
    yield case.id, filled(case.record, answer)
    if case.aligned:
        yield case.id + ALIGNED, filled(merged(case.record, case.aligned), answer)


def filled(value: Any, answer: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- any value of YAML
    """Put the inputs of an answer in the place of their names."""
    if isinstance(value, dict):
        return {key: filled(one, answer) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, answer) for one in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    whole = value.removeprefix("{").removesuffix("}")
    return answer[whole] if whole in answer else value.format(**answer)


def merged(record: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with some of its keys replaced, mapping by mapping."""
    out = dict(record)
    for key, value in change.items():
        old = out.get(key)
        out[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out


def _ours(folder: Path, records: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Run the pipeline over the records and return the figures of each run."""
    logs, home = folder / "logs", folder / "work"
    home.mkdir()
    for name, record in records.items():
        (logs / name).mkdir(parents=True)
        (logs / name / "run.yaml").write_text(json.dumps(record), encoding="utf-8")  # JSON is YAML 1.2
    command([BIN / "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--config", f"logs={logs}"], cwd=home)
    refused = work("rejects", home).output
    if refused:
        sys.exit(f"benchmark: the records of side_by_side.yaml were not read whole\n{refused}")
    found = command([BIN / "green", "query", "--json", "SELECT * FROM runs"], cwd=home)
    return {row["run_id"]: row for row in json.loads(found.output)}


def _percent(ours: float | None, theirs: float) -> float | None:
    return None if ours is None else 100 * (ours / theirs - 1)


def _shown(percent: float | None) -> str:
    if percent is None:
        return "unknown"
    return "0 %" if abs(percent) < 0.005 else f"{percent:+.2f} %".replace("-", "−")  # noqa: PLR2004 -- what rounds to it


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"
