"""Write docs/policies/catalogue.md, a section for each policy that is shipped: `python -m docs.catalogue`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from docs.keys import REPO
from green import yaml
from green.explain.policy import words
from green.policy.load import case_files, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from green.policy.load import Loaded

PAGE = REPO / "docs" / "policies" / "catalogue.md"
COMMAND = "python -m docs.catalogue"
FOLDERS = ("policies", "policies/catalogue")
_HEAD = f"""# Policies that are shipped

<!-- Made from the policies by `{COMMAND}`: a test compares it. -->
Those of `policies/defaults.yaml` apply from the first run. Those of `policies/catalogue` are there to choose from: name
that folder with `--policies policies/catalogue`, or copy what you want into a file beside `defaults.yaml` and give it an
id of your own. Each has cases; `green policy test --policies FOLDER` runs them.
"""


def page() -> str:
    """Return the text of the page."""
    sections = [_HEAD, _index()]
    for folder in FOLDERS:
        cases = _cases(REPO / folder)
        for loaded in load(REPO / folder, shown=folder).policies:
            sections.append(_section(loaded, cases[loaded.policy.id]))
    return "\n".join(sections)


def _index() -> str:
    rows = ["| id | kind | what it asks | enforcement | applies |", "|---|---|---|---|---|"]
    for folder, applies in zip(FOLDERS, ("always", "where it is named"), strict=True):
        for one in load(REPO / folder).policies:
            link = f"[{one.policy.id}](#{one.policy.id.lower()})"
            rows.append(f"| {link} | {one.policy.kind} | {one.policy.title} | {one.enforcement.value} | {applies} |")
    return "\n".join(rows) + "\n"


def _section(loaded: Loaded, cases: list[str]) -> str:
    first, *said = words(loaded)
    listed = "".join(f"- {name}\n" for name in cases)
    return (
        f"## {loaded.policy.id}\n{first.partition(': ')[2]}.\n\n"
        + "\n".join(f"- {line}" for line in said)
        + f"\n\n```yaml\n{_written(loaded)}```\n\nCases:\n{listed}"
    )


def _written(loaded: Loaded) -> str:
    """Return a policy as its file has it."""
    lines = (REPO / loaded.where.file).read_text(encoding="utf-8").splitlines()[loaded.where.line - 1 :]
    end = next((n for n, line in enumerate(lines) if n and line.startswith("- id:")), len(lines))
    return "\n".join(lines[:end]).rstrip() + "\n"


def _cases(folder: Path) -> dict[str, list[str]]:
    return {name: found for file in case_files(folder) for name, found in _named(file)}


def _named(file: Path) -> Iterator[tuple[str, list[str]]]:
    value = yaml.load(file).value
    yield value["policy"], [case["name"] for case in value["cases"]]


def main() -> None:
    """Write the page if its text changed."""
    PAGE.parent.mkdir(exist_ok=True)
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        PAGE.write_text(page(), encoding="utf-8")
        sys.stdout.write(f"written: {PAGE.relative_to(REPO)}\n")


if __name__ == "__main__":
    main()
