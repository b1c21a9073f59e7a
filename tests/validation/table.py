"""Write docs/validation.md from published results and ours: `python -m tests.validation.table`."""

from __future__ import annotations

import tempfile
from collections import Counter
from itertools import groupby
from pathlib import Path

from tests.conftest import snakemake

from .cases import Case, Published, anomalies, counted, not_a_run, published
from .harness import Results, Second, run, seconds

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
COMMAND = "python -m tests.validation.table"
MILLION = 1_000_000  # from here on six digits would need an exponent

HEAD = """\
<!-- Written by `{command}`: change the files in tests/validation/, not this page. -->
# Validation against published results

{counted} published figures from {files} sources are written as run records in `tests/validation/`,
one file a source. One run of the pipeline reads all of them, and each figure has to agree with the one that the source
prints, in the unit of the source and within the tolerance below, in the view that `shown by` names.
The expected figure is never computed by the test, no record holds it, and an unknown fails its case.
{derived} of them (marked †) are not printed themselves, but are the product of two printed figures.
{read} were read in their source, a copy of it or a work that quotes it. The others (`arithmetic`) were not
read again: that the inputs of the source give its figure is their only confirmation.
Where a source does not print an input (a PUE, a grid factor), a `note:` says what was taken instead.

| shown by | results | what it is |
|---|---|---|
| runs | {runs} | one row a run in view `runs` |
| aggregate | {aggregate} | a sum, a ratio or a rate: views `family`, `break_even`, `run_intensity`, `performance` |
| equivalent | {equivalent} | a comparison with everyday things: view `equivalents` |
| none | {none} | no view shows it: listed at the end with the reason, not counted |

{wrong} of these do not follow from their own inputs; they stand apart. {further} were added to the list that the
validation began with.
"""
SECTION = """
## {name}.yaml

| result | source | shown by | metric | published | ours | difference | tolerance | because | confirmed |
|---|---|---|---|---|---|---|---|---|---|
"""
OWN = """
## With our own factors

Where a source says where and when it happened, its result is computed again without one figure that it declares: the
grid's intensity, PUE, or a figure of water. Ours takes its place, by region and year. A state is followed by its
country. A result that is unknown says why: no such factor is known for that place and year, and none is guessed.
{numbers} of {all} second runs have a number, {unknown} a reason. Where theirs is the direct intensity of a grid (eGRID,
for one), ours is higher: it is of the whole lifecycle.

| result | left out | region | year | published | ours | difference | factor, or reason |
|---|---|---|---|---|---|---|---|
"""
WRONG = """
## Figures that do not follow from their own inputs

The pipeline has to differ from the published figure by more than its tolerance, and to agree with
the right one. A figure of one run is flagged; a sum or a comparison has no run that could be.

| result | source | shown by | metric | published | right | ours | because | flags | what it teaches |
|---|---|---|---|---|---|---|---|---|---|
"""
LEFT_OUT = """
## Not counted

{number} results of the same sources are shown by no view.

| result | why |
|---|---|
"""


def page(results: Results) -> str:
    """Return the whole page."""
    files, cases, wrong, left_out = published(), counted(), anomalies(), not_a_run()
    labels = Counter(case.expect.shown_by for case in cases) + Counter(one.right.shown_by for one in wrong)
    head = HEAD.format(
        command=COMMAND,
        counted=len(cases),
        files=len(files),
        derived=sum(case.expect.derived for case in cases),
        read=sum(case.confirmed == "read" for case in cases),
        further=sum(one.further for one in (*cases, *wrong)),
        wrong=len(wrong),
        none=len(left_out),
        **labels,
    )
    parts = [head, *(_section(results, name, of) for name, of in files.items()), _own(results, cases), WRONG]
    for one in wrong:
        ours = results.figure(one.id, one.right)
        figures = (_figure(one.published), _figure(one.right), _ours(one.right, ours))
        flags = " ".join(one.flags)
        row = (one.id, one.citation, one.right.shown_by, one.right.metric, *figures, one.right.because, flags)
        parts.append(_row((*row, one.lesson)))
    parts += [LEFT_OUT.format(number=len(left_out)), *(_row((one.id, one.why)) for one in left_out)]
    return "".join(parts)


def _section(results: Results, name: str, cases: list[Case]) -> str:
    parts = [SECTION.format(name=name)]
    for case in cases:
        of = case.expect
        ours = results.figure(case.id, of)
        row = (case.id, case.citation, of.shown_by, of.metric, _figure(of), _ours(of, ours), _difference(of, ours))
        parts.append(_row((*row, of.tolerance, of.because, case.confirmed)))
    return "".join(parts)


def _own(results: Results, cases: list[Case]) -> str:
    rows: list[str] = []
    numbers, every = 0, seconds(cases)
    for _, group in groupby(every, key=lambda one: (one.case.id, one.knob.key)):
        runs = list(group)
        ours = [results.figure(one.run_id, one.case.expect) for one in runs]
        numbers += sum(figure is not None for figure in ours)
        if all(figure is None for figure in ours):  # one line where neither a state nor its country has a factor
            rows.append(_second(results, runs[0], None, ", ".join(one.region for one in runs)))
            continue
        rows += [_second(results, one, figure, one.region) for one, figure in zip(runs, ours, strict=True)]
    return OWN.format(numbers=numbers, all=len(every), unknown=len(every) - numbers) + "".join(rows)


def _second(results: Results, one: Second, ours: float | None, regions: str) -> str:
    of, place = one.case.expect, one.case.place
    source = one.knob.reason if ours is None else " ".join(results.factors(one.run_id, one.knob.quantity))
    where = (one.case.id, one.knob.key, regions, place.at[:4] if place else "")
    return _row((*where, _figure(of), _ours(of, ours), _difference(of, ours), source))


def _figure(of: Published) -> str:
    return f"{of.value} {of.unit}".removesuffix(" 1") + (" †" if of.derived else "")


def _ours(of: Published, ours: float | None) -> str:
    """Write ours in the published unit: six digits, which do not depend on the version of a database."""
    if ours is None:
        return "unknown"
    figure = float(of.in_own_unit(ours))
    return f"{figure:{'.0f' if abs(figure) >= MILLION else '.6g'}} {of.unit}".removesuffix(" 1")


def _difference(of: Published, ours: float | None) -> str:
    if ours is None:
        return ""
    apart = of.in_own_unit(ours) - of.value
    if of.value == 0:
        return "0 %" if apart == 0 else "from zero"
    return f"{apart / of.value * 100:+.2f} %"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _pipeline(logs: Path, work: Path) -> Path:
    done = snakemake(work, logs=logs)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return work / "audit" / "green.duckdb"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(page(run(_pipeline, Path(folder))), encoding="utf-8")
