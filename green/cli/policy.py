"""`green policy schema|test|explain`: the language, the cases, and what a policy does in words and SQL."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from green.cli import Common, app
from green.cli.runner import configured, show, show_json, store_of
from green.errors import UsageError

if TYPE_CHECKING:
    from green.policy.load import PolicySet

commands = typer.Typer(help="Policies: schema, test, explain.", no_args_is_help=True)
app.add_typer(commands, name="policy")

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


class Language(StrEnum):
    """The files that have a schema."""

    POLICIES = "policies"
    WAIVERS = "waivers"
    SCOPE = "scope"
    CASES = "cases"


@commands.command(epilog="Example: green policy schema > policies/schema.json")
def schema(
    of: Annotated[Language, typer.Argument(help="which files the schema is for")] = Language.POLICIES,
) -> None:
    """Print the JSON schema of policy files, or of waivers, scopes or cases, for editors."""
    from green.policy.schema import schema_text  # noqa: PLC0415 -- pydantic, only here

    show(schema_text(of.value).rstrip("\n"))


@commands.command(
    "test", epilog="Example: green policy test --policies policies\n\nExit: 0 all cases pass, 1 one fails."
)
def run_(context: typer.Context, as_json: AsJson = False) -> None:  # noqa: FBT002 -- a flag
    """Run the cases of the policies; exit 1 if one does not come out as it says."""
    common: Common = context.obj
    from green.policy.cases import run_cases  # noqa: PLC0415 -- --help should not pay for DuckDB

    folder, policies = _loaded(common)
    report = run_cases(folder, policies, shown=_shown(folder))
    if as_json:
        cases = [
            {"policy": one.policy, "case": one.name, "where": str(one.where), "wrong": list(one.wrong)}
            for one in report.results
        ]
        show_json(
            {"passed": report.is_passed, "cases": cases, "untested": list(report.untested), "policies": report.policies}
        )
    else:
        from green.output import plain  # noqa: PLC0415 -- beside its one use

        for one in report.results:
            show(plain(f"{'failed' if one.wrong else 'passed'}  {one.policy}, {one.name}"))
        show("\n".join(plain(line, 2000) for line in str(report).splitlines()))
    raise typer.Exit(0 if report.is_passed else 1)


@commands.command(epilog="Example: green policy explain GRN-E001")
def explain(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="id of a policy")],
    as_json: AsJson = False,  # noqa: FBT002 -- a flag
) -> None:
    """Say what a policy means, which SQL judges it, and what it finds in the store, run by run."""
    common: Common = context.obj
    from green import check  # noqa: PLC0415 -- --help should not pay for DuckDB
    from green.audit import store  # noqa: PLC0415 -- likewise
    from green.explain.policy import explain_policy  # noqa: PLC0415 -- likewise
    from green.pipeline import resolved  # noqa: PLC0415 -- likewise

    _, policies = _loaded(common)
    config = configured(common)
    with store.reader(store_of(common)) as con:
        check.facts(con)
        found = explain_policy(con, policies, policy, as_of=resolved(config.check.as_of))
    if as_json:
        show_json(found)
    else:
        _print(found)


def _loaded(common: Common) -> tuple[Path, PolicySet]:
    """Return the folder of the policies, and what it holds."""
    from green.policy.load import load  # noqa: PLC0415 -- pydantic, only here

    path = Path(configured(common).policies)
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise UsageError(f"no policies at {_shown(path)}", mend="check --policies")
    return folder, load(path, shown=_shown(path))


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def _print(found: dict[str, Any]) -> None:
    from green.output import plain  # noqa: PLC0415 -- beside its one use
    from green.output.text import table  # noqa: PLC0415 -- rich, only for a table

    for line in found["words"]:
        show(plain(line, 2000))
    counts = found["considered"]
    lacking = f"; {counts['unknown']} lack a field that it needs" if counts["unknown"] else ""
    show(f"\nof {counts['runs']} runs it selects {counts['selected']}{lacking}")
    show(f"judged as of {found['as_of'] or 'no known time'}:")
    if found["subjects"]:
        names = ["subject", "verdict", "value", "low", "high", "limit", "margin", "unit", "message"]
        show(table(names, [[_cell(row[name]) for name in names] for row in found["subjects"]]).rstrip("\n"))
    else:
        show("it selects no run of the store")
    if found["runs"]:
        show("\nruns that it sums:")
        names = ["run_id", "subject", "value", "low", "high", "unit", "unknown"]
        show(table(names, [[_cell(row[name]) for name in names] for row in found["runs"]]).rstrip("\n"))
    if found["waivers"]:
        show("\nwaivers of it:")
        names = ["id", "state", "issued", "expires", "owner", "approved_by", "message"]
        show(table(names, [[_cell(row[name]) for name in names] for row in found["waivers"]]).rstrip("\n"))
    show("\nthe SQL that judges it, over fact (view runs), unit (view run_units) and faulty (run_ids that are errors):")
    show(f"\n{found['sql'].rstrip()}")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
