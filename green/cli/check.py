"""`green check`: judge runs by the policies, beside a base where one is named; the exit code is the answer."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from green import pipeline
from green.cli import Common, app
from green.cli.runner import configured, say, show
from green.errors import UsageError
from green.handover import RESULTS

if TYPE_CHECKING:
    from green.compare import Comparison
    from green.config import Config
    from green.policy.judge import Judgement
    from green.policy.load import PolicySet


class Format(StrEnum):
    """How verdicts are written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    GITLAB = "gitlab"


class FailOn(StrEnum):
    """Which findings end in an exit code other than 0."""

    ANY = "any"
    NEW = "new"


@app.command(
    epilog="Example: green check --against origin/main --fail-on new --as-of now --format github\n\n"
    "Exit: 0 compliant, 1 a policy is broken, 2 doubtful (--strict), 3 usage or policy error, 4 input, 5 store."
)
def check(  # noqa: PLR0913, PLR0917 -- one argument an option
    context: typer.Context,
    form: Annotated[Format, typer.Option("--format", help="how verdicts are written")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="short for --format json")] = False,  # noqa: FBT002 -- a flag
    strict: Annotated[bool, typer.Option("--strict", help="doubtful verdicts end 2")] = False,  # noqa: FBT002 -- a flag
    against: Annotated[
        str | None, typer.Option(help="compare with a git ref, a store (.duckdb) or a verdicts.json")
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="new: of a comparison, only what is new or worse breaks")
    ] = FailOn.ANY,
    logs: Annotated[
        Path | None, typer.Option(help="judge these logs as they are now, without a pipeline; nothing is recorded")
    ] = None,
    no_history: Annotated[bool, typer.Option("--no-history", help="budgets are unknown")] = False,  # noqa: FBT002 -- a flag
    no_commit: Annotated[bool, typer.Option("--no-commit", help="do not record the check in the store")] = False,  # noqa: FBT002 -- a flag
    output: Annotated[Path | None, typer.Option(help="write to this file instead of stdout")] = None,
    write: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT=FILE", help="write another form, too; may be given again")
    ] = None,
) -> None:
    """Judge the runs of the store, or of logs, by the policies; exit 1 if a policy is broken."""
    common: Common = context.obj
    if fail_on is FailOn.NEW and against is None:
        raise UsageError("--fail-on new needs a base", mend="name one with --against")
    files = dict(map(_form_and_file, write or ()))
    config = configured(common)
    code = conclude(
        config,
        as_of=config.check.as_of,
        form=Format.JSON if as_json else form,
        strict=strict,
        no_history=no_history,
        commit=not no_commit,
        output=output,
        against=against,
        only_new=fail_on is FailOn.NEW,
        logs=logs,
        files=files,
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
    against: str | None = None,
    only_new: bool = False,
    logs: Path | None = None,
    files: dict[Path, Format] | None = None,
) -> int:
    """Judge, print in the wanted form, and return the exit code."""
    from green.policy.load import load  # noqa: PLC0415 -- --help should not pay for it

    policies = load(Path(config.policies), shown=_shown(config.policies))
    moment = pipeline.resolved(as_of)
    comparison = None
    if against is None and logs is None:
        from green.check import check as judged  # noqa: PLC0415 -- likewise
        from green.whatif import rates_of  # noqa: PLC0415 -- likewise

        judgement = judged(
            Path(config.store),
            policies,
            as_of=moment,
            no_history=no_history,
            commit=commit,
            actor=config.audit.actor,
            rates=rates_of(config, RESULTS),
        ).judgement
    else:
        from green.review import review  # noqa: PLC0415 -- only a review runs the stages

        judgement, comparison, notes = review(
            config, policies, moment, against=against, logs=logs, no_history=no_history, commit=commit
        )
        for note in notes if comparison is None else ():  # a comparison shows them itself
            say(f"note: {note}")
    shown = Shown(judgement, comparison, policies, str(logs or config.logs), only_new=only_new)
    for path, wanted in (files or {}).items():
        _write(path, render(shown, wanted, to_file=True))
        say(f"{wanted} written to {path}")
    text = render(shown, form, to_file=output is not None)
    if output is not None:
        _write(output, text)
        say(f"verdicts written to {output}")
    elif form is Format.TEXT:
        sys.stdout.write(text)
    else:
        show(text.rstrip("\n"))
    from green.compare import code  # noqa: PLC0415 -- likewise

    return code(judgement, comparison if only_new else None, strict=strict)


class Shown(NamedTuple):
    """What a form shows: a judgement, what it was compared with, and where things stand."""

    judgement: Judgement
    comparison: Comparison | None
    policies: PolicySet
    logs: str
    only_new: bool = False


def render(shown: Shown, form: Format, *, to_file: bool) -> str:
    """Return the verdicts in the wanted form; a file gets no colours."""
    from importlib import import_module  # noqa: PLC0415 -- one renderer is loaded, not all

    judgement, comparison, policies, logs, only_new = shown
    if form is Format.TEXT:
        from green.output import text  # noqa: PLC0415 -- likewise

        return text.render(judgement, comparison, is_terminal=False if to_file else None)
    if form is Format.JSON:
        from green.output import json  # noqa: PLC0415 -- likewise

        return json.render(judgement, comparison)
    if form is Format.MARKDOWN and comparison is None:
        from green.output import markdown  # noqa: PLC0415 -- likewise

        return markdown.render(judgement)
    from green.output.finding import frame  # noqa: PLC0415 -- likewise

    module = import_module("green.output." + ("comment" if form is Format.MARKDOWN else form.value))
    return str(module.render(judgement, comparison, frame=frame(policies, logs), only_new=only_new))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}", mend="name a file in a folder that is there"
        ) from error


def _form_and_file(text: str) -> tuple[Path, Format]:
    """Read what `--write` asks for."""
    form, sign, file = text.partition("=")
    if not sign or not file or form not in set(Format):
        raise UsageError(
            f"--write {text!r} is no FORMAT=FILE", mend=f"write a format ({', '.join(Format)}), = and a file"
        )
    return Path(file), Format(form)


def _shown(path: str) -> str:
    import os  # noqa: PLC0415 -- beside its one use

    return os.path.relpath(path)
