"""Write the parts of the documentation that are made from the program: `python -m docs.generate`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import typer

import green.cli
from docs.coverage import hardware
from docs.keys import REPO, configuration, record, table
from docs.words import UNIT_OF_END, UNIT_OF_NAME
from green.audit import schema
from green.explain.formulas import formulas as parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COMMAND = "python -m docs.generate"
WIDTH_CHARS = 100
_BLOCK = re.compile(r"(<!-- begin (\w+): [^>]* -->\n).*?(<!-- end \2 -->)", re.DOTALL)
_PUBLIC = [
    "runs",
    "run_units",
    "run_metrics",
    "by_project",
    "by_team_month",
    "budget_status",
    "violations",
    "waivers_active",
    "scope2",
    "data_quality",
    "lineage",
    "life_cycle",
    "criteria",
    "fleet",
    "run_quality",
    "measured_share",
    "run_intensity",
    "metric_intensity",
    "performance",
    "family",
    "model_lifetime",
    "break_even",
    "equivalents",
    "instruments",
    "plan_actual",
    "calibration",
    "run_history",
    "forgotten",
]


def tables() -> str:
    """Describe every table and view of a new store, as the store itself does."""
    with duckdb.connect() as con:
        schema.create(con)
        words = dict(
            con.execute(
                "SELECT table_name, comment FROM duckdb_tables() UNION ALL"
                " SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
        )
        rows = con.execute(
            "SELECT table_name, column_name, data_type, coalesce(comment, '') FROM duckdb_columns()"
            " WHERE NOT internal ORDER BY table_name, column_index"
        ).fetchall()
    columns: dict[str, list[list[str]]] = {}
    for relation, name, kind, comment in rows:
        columns.setdefault(relation, []).append([f"`{name}`", str(kind), comment])
    helpers = [name for name in schema.VIEWS if name not in _PUBLIC]
    parts = ["### Views\n"]
    parts += [_described(name, words[name], columns[name]) for name in _PUBLIC]
    parts.append(
        "Helpers of these views: "
        + ", ".join(f"`{name}` ({words[name][0].lower()}{words[name][1:].rstrip('.')})" for name in helpers)
        + ".\n"
    )
    parts.append("### Tables\n")
    parts += [_described(name, words[name], columns[name]) for name in ("ledger", *schema.PROJECTIONS, "store")]
    return "\n".join(parts)


def _described(name: str, words: str, columns: list[list[str]]) -> str:
    return f"#### `{name}`\n{words}\n\n" + table(["column", "type", "meaning"], columns)


def unit_of(name: str) -> str:
    """Return the unit that a name ends in."""
    for end, unit in UNIT_OF_END.items():
        if name == end or name.endswith(f"_{end}"):
            return unit
    if name not in UNIT_OF_NAME:
        sys.exit(f'docs/words.py: UNIT_OF_NAME has no unit for "{name}" of green/sql/formulas.sql')
    return UNIT_OF_NAME[name]


def formulas() -> str:
    """Show each macro with its clause, its text and the units of what goes in and comes out."""
    parts = []
    for formula in parsed().values():
        units = ", ".join(f"`{name}` ({unit_of(name)})" for name in formula.arguments)
        parts.append(
            f"#### `{formula.name}` ({unit_of(formula.name)})\n{formula.clause}\n\n"
            f"```sql\n{formula.name}({', '.join(formula.arguments)}) = {formula.text}\n```\n\nFrom {units}.\n"
        )
    return "\n".join(parts)


def shipped() -> str:
    """Show the repository's config.yaml."""
    return "```yaml\n" + (REPO / "config.yaml").read_text(encoding="utf-8") + "```\n"


def commands() -> str:
    """Show the help of every command."""
    green.cli._register()  # noqa: SLF001 -- the program does the same before it reads its arguments
    parts = []
    for names, command in _walked(typer.main.get_command(green.cli.app), ["green"]):
        context = command.make_context(
            " ".join(names), [], resilient_parsing=True, max_content_width=WIDTH_CHARS, terminal_width=WIDTH_CHARS
        )
        level = "#" * max(len(names), 2)
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        parts.append(f"{level} `{' '.join(names)}`\n```text\n{text}\n```\n")
    return "\n".join(parts)


def _walked(command: Any, names: list[str]) -> Iterator[tuple[list[str], Any]]:  # noqa: ANN401 -- typer brings a click of its own, without a public type
    yield names, command
    for name in sorted(getattr(command, "commands", {})):
        yield from _walked(command.commands[name], [*names, name])


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "configuration": configuration,
    "formulas": formulas,
    "hardware": hardware,
    "record": record,
    "shipped": shipped,
    "tables": tables,
}


def pages() -> list[Path]:
    """Return the pages that hold a generated part."""
    return [page for page in sorted((REPO / "docs").glob("*.md")) if _BLOCK.search(_read(page))]


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def rendered(page: Path) -> str:
    """Return the text of a page with its generated parts made anew."""

    def replace(match: re.Match[str]) -> str:
        make = BLOCKS.get(match[2])
        return match[0] if make is None else f"{match[1]}\n{make().strip()}\n\n{match[3]}"

    return _BLOCK.sub(replace, _read(page))


def main() -> None:
    """Write every page whose text changed, and name it."""
    for page in pages():
        text = rendered(page)
        if text != _read(page):
            page.write_text(text, encoding="utf-8")
            sys.stdout.write(f"written: {page.relative_to(REPO)}\n")


if __name__ == "__main__":
    main()
