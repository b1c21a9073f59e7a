"""`green factors list|show|search`: the factor rows, with their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from green.cli import Common, app
from green.cli.runner import configured, show, show_json
from green.errors import UsageError

commands = typer.Typer(help="Factors: list, show, search; each with its source.", no_args_is_help=True)
app.add_typer(commands, name="factors")

NAMES = ("region_zone", "zone")  # what they give is a name, in the note; their value means nothing
Row = dict[str, Any]
Quantity = Annotated[str | None, typer.Option(help="only this quantity: embodied, grid_intensity, pue ...")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@commands.command("list", epilog="Example: green factors list --quantity pue")
def list_(context: typer.Context, quantity: Quantity = None, as_json: AsJson = False) -> None:  # noqa: FBT002 -- a flag
    """List all factors, or those of one quantity."""
    _print(_catalogue(context, (), quantity), as_json=as_json)


@commands.command(epilog="Example: green factors search a100 --quantity embodied")
def search(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(help="all of them must be in the id, the subject or the note")],
    quantity: Quantity = None,
    as_json: AsJson = False,  # noqa: FBT002 -- a flag
) -> None:
    """Find factors by words."""
    found = _catalogue(context, words, quantity)
    if not found:
        raise UsageError(f"no factor holds {' '.join(words)!r}", mend=_near(" ".join(words)))
    _print(found, as_json=as_json)


@commands.command("show", epilog='Example: green factors show "NVIDIA A100-SXM4-80GB"')
def show_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="a factor_id, or a device or region in any spelling")],
    quantity: Quantity = None,
    as_json: AsJson = False,  # noqa: FBT002 -- a flag
) -> None:
    """Show every fact about a factor, a device or a region, with source, licence and interval."""
    found = _named(_catalogue(context, (), quantity), name)
    if not found:
        raise UsageError(f"no factor, device or region {name!r}", mend=_near(name))
    if as_json:
        show_json([_plain(row) for row in found])
        return
    show("\n\n".join(_card(row) for row in found))


def _catalogue(context: typer.Context, words: list[str] | tuple[str, ...], quantity: str | None) -> list[Row]:
    from green.factors import QUANTITIES, catalogue  # noqa: PLC0415 -- --help should not pay for reading tables

    if quantity is not None and quantity not in QUANTITIES:
        raise UsageError(f"unknown quantity {quantity!r}", mend=f"one of {', '.join(QUANTITIES)}")
    common: Common = context.obj
    extra = [Path(file) for file in configured(common).factors]
    return catalogue(words, quantity, extra)


def _named(rows: list[Row], name: str) -> list[Row]:
    """Return the rows of a factor_id, else those of a device or region that the name is a spelling of."""
    from green.factors import device_key, subject_key, zone_of  # noqa: PLC0415 -- likewise
    from green.factors.names import aliases  # noqa: PLC0415 -- likewise

    exact = [row for row in rows if row["factor_id"] == name]
    if exact:
        return exact
    key = device_key(name)
    subjects = {key, aliases().get(key, key)} - {""}
    own = {str(row["subject"]) for row in rows if row["quantity"] == "grid_intensity"}
    zone = zone_of(name, own=own)
    return [
        row
        for row in rows
        if row["subject"] in {name, zone} or subject_key(row["quantity"], row["subject"]) in subjects
    ]


def _near(name: str) -> str:
    from green.factors import nearest, nearest_zones  # noqa: PLC0415 -- likewise

    near = nearest_zones(name) or nearest(name)
    if near:
        return f"did you mean {', '.join(near)}?"
    return (
        "`green factors search WORD` finds parts of names; `green factors list --quantity grid_intensity` the regions"
    )


def _print(rows: list[Row], *, as_json: bool) -> None:
    if as_json:
        show_json([_plain(row) for row in rows])
        return
    from green.output.text import table  # noqa: PLC0415 -- rich, only for a table

    names = ["factor_id", "subject", "value", "unit", "method", "licence"]
    cells = [
        [
            row["factor_id"],
            row["subject"],
            f"{row['value']:g}{_interval(row)}",
            row["unit"],
            row["method"],
            row["licence"],
        ]
        for row in rows
    ]
    show(table(names, cells).rstrip("\n"))


def _card(row: Row) -> str:
    """Write one factor in full."""
    from green.output import plain  # noqa: PLC0415 -- beside its one use

    period = " to ".join(str(day) for day in (row["valid_from"], row["valid_to"]) if day)
    number = f": {row['value']:g}{_interval(row)} {row['unit']}".removesuffix(" 1")
    lines = [
        f"{row['quantity']} of {row['subject']}{'' if row['quantity'] in NAMES else number}",
        f"  factor_id {row['factor_id']}",
        f"  method    {row['method']}",
        f"  source    {row['source']}",
        f"  url       {row['url'] or 'none'}",
        f"  licence   {row['licence']}",
    ]
    lines += [f"  {name:<9} {text}" for name, text in (("valid", period), ("note", row["note"])) if text]
    return "\n".join(plain(line, 1000) for line in lines)


def _interval(row: Row) -> str:
    if row["low"] is None and row["high"] is None:
        return ""
    low, high = (row["value"] if row[end] is None else row[end] for end in ("low", "high"))
    return f" [{low:g}, {high:g}]"


def _plain(row: Row) -> Row:
    return {name: None if value is None else _text(value) for name, value in row.items()}


def _text(value: object) -> object:
    return value if isinstance(value, str | float | int) else str(value)
