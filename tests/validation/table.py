"""Write docs/validation.md from the published results: `python -m tests.validation.table`."""

from __future__ import annotations

from pathlib import Path

from .cases import Case, Published, anomalies, counted, not_a_run, published

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
COMMAND = "python -m tests.validation.table"

HEAD = """\
<!-- Written by `{command}`: change the files in tests/validation/, not this page. -->
# Validation against published results

{counted} published figures from {files} sources are written as run records in `tests/validation/`,
one file a source. One run of the pipeline reads all of them, and each figure in its view `runs` has to
agree with the one that the source prints, in the unit of the source and within the tolerance below.
The expected figure is never computed by the test, no record holds it, and an unknown fails its case.
{derived} of them (marked †) are not printed themselves, but are the product of two printed figures.
{read} were read in their source, a copy of it or a work that quotes it. The others (`arithmetic`) were not
read again: that the inputs of the source give its figure is their only confirmation.
Where a source does not print an input (a PUE, a grid factor), a `note:` says what was taken instead.
"""
SECTION = """
## {name}.yaml

| result | source | metric | published | tolerance | because | confirmed |
|---|---|---|---|---|---|---|
"""
WRONG = """
## Figures that do not follow from their own inputs

The pipeline has to differ from the published figure by more than its tolerance, and to agree with
the right one.

| result | source | metric | published | right | because | what it teaches |
|---|---|---|---|---|---|---|
"""
LEFT_OUT = """
## Not counted

{number} results of the same sources are no figure of one run.

| result | why |
|---|---|
"""


def page() -> str:
    """Return the whole page."""
    files = published()
    cases = counted()
    derived = sum(case.expect.derived for case in cases)
    read = sum(case.confirmed == "read" for case in cases)
    counts = {"counted": len(cases), "files": len(files), "derived": derived, "read": read}
    parts = [HEAD.format(command=COMMAND, **counts)]
    parts += [_section(name, cases) for name, cases in files.items()]
    rows = [
        (
            one.id,
            one.citation,
            one.right.metric,
            _figure(one.published),
            _figure(one.right),
            one.right.because,
            one.lesson,
        )
        for one in anomalies()
    ]
    parts += [WRONG, *map(_row, rows)]
    left_out = not_a_run()
    parts += [LEFT_OUT.format(number=len(left_out)), *(_row((one.id, one.why)) for one in left_out)]
    return "".join(parts)


def _section(name: str, cases: list[Case]) -> str:
    head = SECTION.format(name=name)
    rows = (
        (
            case.id,
            case.citation,
            case.expect.metric,
            _figure(case.expect),
            case.expect.tolerance,
            case.expect.because,
            case.confirmed,
        )
        for case in cases
    )
    return head + "".join(map(_row, rows))


def _figure(of: Published) -> str:
    return f"{of.value} {of.unit}" + (" †" if of.derived else "")


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
