"""Cases of policies: given these facts, expect these verdicts, and no finding that is not expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from green import units, yaml
from green.errors import UsageError, Where
from green.policy.facts import create, insert
from green.policy.judge import VERDICTS, Verdict, judge
from green.policy.load import PolicySet, case_files
from green.policy.metrics import CATALOGUE, TIER
from green.policy.model import Part
from green.policy.waivers import Granted, Waiver, granted
from green.policy.window import read_as_of
from green.policy.words import Id, Raw, Text, as_tuple

if TYPE_CHECKING:
    from pathlib import Path

    from green.policy.facts import Row
    from green.policy.finding import Number
    from green.policy.load import Loaded

_FINDINGS = frozenset(VERDICTS) - {"pass", "not_applicable"}


def _known_metrics(raw: object) -> object:
    if isinstance(raw, dict):
        for name in raw:
            if name not in CATALOGUE or name == TIER:
                raise ValueError(f'unknown metric "{name}" | `green policy schema` lists them')
    return raw


class Given(Part):
    """One run, as a case states it; metrics are quantities with a unit."""

    run_id: Text
    project: Text | None = None
    team: Text | None = None
    model: Text | None = None
    kind: Text | None = "training"
    parent: Text | None = None
    status: Text | None = "completed"
    region: Text | None = None
    site: Text | None = None
    labels: dict[Text, Text] = Field(default_factory=dict)
    started_at: str | None = None
    ended_at: str | None = None
    metrics: Annotated[dict[str, Any], BeforeValidator(_known_metrics)] = Field(default_factory=dict)
    units: dict[str, Raw] = Field(default_factory=dict)
    method: Text | None = None
    quality_tier: Text | None = None
    unknown_reasons: tuple[Text, ...] = ()
    hardware: Annotated[tuple[Text, ...], BeforeValidator(as_tuple)] = ()
    is_current: bool = True
    is_counted: bool = True
    error: Text | None = None

    def fact(self) -> Row:
        """Return the row of `fact` that the case describes."""
        plain = self.model_dump(exclude={"metrics", "units", "started_at", "ended_at"})
        row: Row = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
        for name in ("started_at", "ended_at"):
            stated = getattr(self, name)
            row[name] = None if stated is None else read_as_of(stated)
        for name, raw in self.metrics.items():
            row.update(_columns(name, raw))
        return row


def _columns(name: str, raw: object) -> dict[str, Number | None]:
    metric = CATALOGUE[name]
    found = units.parse(raw, metric.unit)
    row: dict[str, Number | None] = {metric.column: float(found.value)}
    if metric.low is not None and metric.high is not None:
        row[metric.low] = None if found.low is None else float(found.low)
        row[metric.high] = None if found.high is None else float(found.high)
    return row


class Expected(Part):
    """One verdict that must come out."""

    subject: Text
    verdict: Literal["error", "fail", "unknown", "at_risk", "warn", "waived", "pass", "not_applicable"]
    reason: Text | None = None
    policy: Id | None = None  # GRN-WAIVER, where the subject is a waiver
    waiver: Id | None = None


class Case(Part):
    """Facts, and all that a policy has to find in them."""

    name: Text
    as_of: str = "latest"
    given: tuple[Given, ...]
    waivers: tuple[Waiver, ...] = ()
    expect: Annotated[tuple[Expected, ...], Field(min_length=1)]


class CaseFile(Part):
    """The cases of one policy."""

    policy: Id
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case; it passes where nothing is wrong."""

    policy: str
    name: str
    where: Where
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What came of all cases, and which policies have none."""

    results: tuple[CaseResult, ...]
    untested: tuple[str, ...]
    policies: int

    @property
    def is_passed(self) -> bool:
        """Tell whether every case passes."""
        return not any(result.wrong for result in self.results)

    def __str__(self) -> str:
        lines = [f"{result.where}: {result.policy}, {result.name}: {wrong}"
                 for result in self.results for wrong in result.wrong]  # fmt: skip
        broken = sum(bool(result.wrong) for result in self.results)
        lines.append(f"{len(self.results)} cases, {broken} failed")
        names = f": {', '.join(self.untested)}" if self.untested else ""
        return "\n".join([*lines, f"{len(self.untested)} of {self.policies} policies untested{names}"])


def run_cases(folder: Path, policies: PolicySet, *, shown: str = "") -> CaseReport:
    """Run every case file of a folder against the policies that they name."""
    results: list[CaseResult] = []
    tested: set[str] = set()
    for file in case_files(folder):
        document = yaml.load(file, f"{shown or folder.name}/{file.relative_to(folder).as_posix()}")
        cases = yaml.validate(CaseFile, document)
        if cases.policy not in {loaded.policy.id for loaded in policies.policies}:
            raise UsageError(f'no policy "{cases.policy}"', where=document.where("policy"), mend="name one that exists")
        tested.add(cases.policy)
        loaded = policies[cases.policy]
        for index, case in enumerate(cases.cases):
            where = document.where("cases", index)
            waivers = tuple(_granted(one, loaded, document, index, n) for n, one in enumerate(case.waivers))
            only = PolicySet((loaded,), policies.digest, waivers)
            results.append(CaseResult(cases.policy, case.name, where, _wrong(case, only, where)))
    untested = tuple(loaded.policy.id for loaded in policies.policies if loaded.policy.id not in tested)
    return CaseReport(tuple(results), untested, len(policies.policies))


def _granted(waiver: Waiver, loaded: Loaded, document: yaml.Document, case: int, number: int) -> Granted:
    def where(*keys: str | int) -> Where:
        return document.where("cases", case, "waivers", number, *keys)

    own = loaded if waiver.policy == loaded.policy.id else None
    return granted(waiver, own, (loaded.policy.id,), where)


def _wrong(case: Case, policies: PolicySet, where: Where) -> tuple[str, ...]:
    """Judge a case, and name what differs from what it expects."""
    from green.engine import duckdb  # noqa: PLC0415 -- slow to import, and only cases need a database of their own

    amounts = []
    with duckdb.connect() as connection:
        create(connection)
        try:
            insert(connection, [given.fact() for given in case.given])
            for given in case.given:
                amounts += [(given.run_id, unit, _amount(unit, raw)) for unit, raw in given.units.items()]
        except units.BadQuantity as error:
            raise UsageError(error.what, where=where, mend=error.mend) from error
        insert(connection, [], units=amounts)
        judgement = judge(connection, policies, as_of=case.as_of)
    return tuple(_differences(case, policies.policies[0].policy.id, [*judgement.verdicts, *judgement.idle]))


def _amount(unit: str, raw: object) -> float:
    return float(units.parse(raw, unit).value)


def _differences(case: Case, policy: str, verdicts: list[Verdict]) -> list[str]:
    found = {(verdict.policy, verdict.subject): verdict for verdict in verdicts}
    wrong = []
    for expected in case.expect:
        verdict = found.pop((expected.policy or policy, expected.subject), None)
        lead = f"expected {expected.verdict} for {expected.subject}, found"
        if verdict is None:
            wrong.append(f"{lead} no verdict")
        elif verdict.verdict != expected.verdict:
            wrong.append(f"{lead} {verdict.verdict}: {verdict.message}")
        elif expected.reason not in {None, verdict.reason}:
            wrong.append(f"expected reason {expected.reason} for {expected.subject}, found {verdict.reason}")
        elif expected.waiver not in {None, verdict.waiver}:
            wrong.append(f"expected waiver {expected.waiver} for {expected.subject}, found {verdict.waiver}")
    wrong += [
        f"did not expect {verdict.verdict} for {verdict.subject}: {verdict.message}"
        for verdict in found.values()
        if verdict.verdict in _FINDINGS
    ]
    return wrong
