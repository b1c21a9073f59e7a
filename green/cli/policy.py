"""`green policy schema|test|explain`: the language, the cases, and what a policy does in words and SQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from green.cli import Common, app
from green.cli.runner import configured, show

commands = typer.Typer(help="Policies: schema, test, explain.", no_args_is_help=True)
app.add_typer(commands, name="policy")


@commands.command(epilog="Example: green policy schema > policies/schema.json")
def schema() -> None:
    """Print the JSON schema of policy files, for editors."""
    from green.policy.schema import schema as policy_schema  # noqa: PLC0415 -- pydantic, only here

    show(json.dumps(policy_schema(), indent=2, ensure_ascii=False))
