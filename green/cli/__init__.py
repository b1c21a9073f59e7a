"""The command `green`: parse, call one function, print. Results go to stdout, words to stderr."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from green import __version__
from green.errors import GreenError, damage, is_damage

OPTIONS = ("--config", "--store", "--policies", "--as-of")
USAGE_EXIT, BUG_EXIT, SIGPIPE_EXIT = 3, 70, 141


@dataclass
class Common:
    """The options of every command."""

    config: list[Path] = field(default_factory=list)
    store: Path | None = None
    policies: Path | None = None
    as_of: str | None = None


app = typer.Typer(
    name="green",
    help="From experiment logs to an audited ledger of energy and carbon, with budgets that hold.",
    epilog="Example: green check --policies policies --as-of now",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:  # noqa: FBT001 -- typer calls it so
    if value:
        print(f"green {__version__}")  # noqa: T201 -- the result of the command
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[list[Path] | None, typer.Option(help="configuration file; may be given again")] = None,
    store: Annotated[Path | None, typer.Option(help="the audit store [audit/green.duckdb]")] = None,
    policies: Annotated[Path | None, typer.Option(help="folder or file of policies")] = None,
    as_of: Annotated[str | None, typer.Option(help="latest, now, or a date: where windows end")] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="show it")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Take the options of every command, before or after its name."""
    del version
    context.obj = Common(list(config or []), store, policies, as_of)


def reorder(arguments: list[str]) -> list[str]:
    """Move the common options to the front, so that they may stand after the command's name, too."""
    front: list[str] = []
    rest: list[str] = []
    items = iter(arguments)
    for item in items:
        if item == "--":
            rest.extend([item, *items])
        elif item in OPTIONS:
            front.extend([item, *([value] if (value := next(items, None)) is not None else [])])
        elif item.startswith(tuple(f"{option}=" for option in OPTIONS)):
            front.append(item)
        else:
            rest.append(item)
    return [*front, *rest]


COMMANDS = (
    "check",
    "checkpoint",
    "explain",
    "export",
    "factors",
    "forget",
    "ingest",
    "meter",
    "plan",
    "policy",
    "query",
    "readers",
    "reason",
    "replay",
    "report",
    "stage",
    "verify",
)
_wanted: list[str] = []  # the command that is called: loading the others is a twentieth of what a check costs


def _register() -> None:
    """Load the commands that are wanted, all where none is; each file imports what is slow inside its function."""
    from importlib import import_module  # noqa: PLC0415 -- beside its one use

    for name in _wanted or COMMANDS:
        import_module(f"green.cli.{name}")  # it registers itself on `app`
    app.registered_commands.sort(key=lambda one: str(one.name or getattr(one.callback, "__name__", "")))


def _called(arguments: list[str]) -> str | None:
    """Return the first word that is neither an option of every command nor its value."""
    words = iter(arguments)
    for word in words:
        if word in OPTIONS:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    given = reorder(given)
    _wanted[:] = [name for name in COMMANDS if name == _called(given)]
    _register()
    _wanted.clear()
    try:
        code = app(given, standalone_mode=False, prog_name="green")
        sys.stdout.flush()  # here, where a reader that went away is no error
    except GreenError as error:
        print(error, file=sys.stderr)  # noqa: T201 -- words of the command
        code = error.exit_code
    except typer.Exit as ended:
        code = ended.exit_code
    except typer.Abort:
        code = 130
    except (BrokenPipeError, SystemExit) as ended:
        if not isinstance(ended, BrokenPipeError) and not isinstance(ended.__context__, BrokenPipeError):
            raise
        # The reader of our output went away (typer ends 1 then, our word for a broken policy): nothing is wrong,
        # but a gate whose verdict nobody heard has not passed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        code = SIGPIPE_EXIT if _called(given) == "check" else 0
    except Exception as error:  # noqa: BLE001 -- usage errors have no common public base; all else is our bug, shown whole
        if is_damage(error):
            print(said := damage(error), file=sys.stderr)  # noqa: T201 -- words of the command
            sys.exit(said.exit_code)
        if not hasattr(error, "format_message"):
            traceback.print_exc()
            sys.exit(BUG_EXIT)  # Python's own 1 would read as a broken policy
        print(f"error: {error.format_message()}\nmend: see `green --help`", file=sys.stderr)  # noqa: T201 -- as above
        code = USAGE_EXIT
    sys.exit(code if isinstance(code, int) else 0)
