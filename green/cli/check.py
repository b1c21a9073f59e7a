"""`green check`: judge the runs of the store by the policies; the exit code is the answer."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from green import pipeline
from green.cli import Common, app
from green.cli.runner import configured, say, show

if TYPE_CHECKING:
    from green.config import Config
    from green.policy.judge import Judgement


class Format(StrEnum):
    """How verdicts are written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


@app.command(
    epilog="Example: green check --policies policies --as-of now --strict\n\n"
    "Exit: 0 compliant, 1 a policy is broken, 2 doubtful (--strict), 3 usage or policy error, 4 input, 5 store."
)
def check(  # noqa: PLR0913, PLR0917 -- one argument an option
    context: typer.Context,
    form: Annotated[Format, typer.Option("--format", help="how verdicts are written")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="short for --format json")] = False,  # noqa: FBT002 -- a flag
    strict: Annotated[bool, typer.Option("--strict", help="doubtful verdicts end 2")] = False,  # noqa: FBT002 -- a flag
    no_history: Annotated[bool, typer.Option("--no-history", help="budgets are unknown")] = False,  # noqa: FBT002 -- a flag
    no_commit: Annotated[bool, typer.Option("--no-commit", help="do not record the check in the store")] = False,  # noqa: FBT002 -- a flag
    output: Annotated[Path | None, typer.Option(help="write to this file instead of stdout")] = None,
) -> None:
    """Judge the runs of the store by the policies; exit 1 if a policy is broken."""
    common: Common = context.obj
    config = configured(common)
    code = conclude(
        config,
        as_of=config.check.as_of,
        form=Format.JSON if as_json else form,
        strict=strict,
        no_history=no_history,
        commit=not no_commit,
        output=output,
    )
    raise typer.Exit(code)


def conclude(  # noqa: PLR0913 -- one argument an option
    config: Config,
    *,
    as_of: str,
    form: Format = Format.TEXT,
    strict: bool = False,
    no_history: bool = False,
    commit: bool = False,
    output: Path | None = None,
) -> int:
    """Judge, print in the wanted form, and return the exit code."""
    from green.check import check as judged  # noqa: PLC0415 -- --help should not pay for DuckDB
    from green.policy.judge import exit_code  # noqa: PLC0415 -- likewise
    from green.policy.load import load  # noqa: PLC0415 -- likewise

    policies = load(Path(config.policies), shown=_shown(config.policies))
    checked = judged(
        Path(config.store),
        policies,
        as_of=pipeline.resolved(as_of),
        no_history=no_history,
        commit=commit,
        actor=config.audit.actor,
    )
    text = render(checked.judgement, form, to_file=output is not None)
    if output is not None:
        output.write_text(text, encoding="utf-8")
        say(f"verdicts written to {output}")
    elif form is Format.TEXT:
        sys.stdout.write(text)
    else:
        show(text.rstrip("\n"))
    return exit_code(checked.judgement, strict=strict)


def render(judgement: Judgement, form: Format, *, to_file: bool) -> str:
    """Return the verdicts in the wanted form; a file gets no colours."""
    if form is Format.JSON:
        from green.output import json  # noqa: PLC0415 -- one renderer is loaded, not all

        return json.render(judgement)
    if form is Format.MARKDOWN:
        from green.output import markdown  # noqa: PLC0415 -- likewise

        return markdown.render(judgement)
    from green.output import text  # noqa: PLC0415 -- likewise

    return text.render(judgement, is_terminal=False if to_file else None)


def _shown(path: str) -> str:
    import os  # noqa: PLC0415 -- beside its one use

    return os.path.relpath(path)
