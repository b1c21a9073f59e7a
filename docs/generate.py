"""Write the parts of the documentation that are made from the program: `python -m docs.generate`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REPO = Path(__file__).resolve().parent.parent
COMMAND = "python -m docs.generate"
WIDTH_CHARS = 100
_BLOCK = re.compile(r"(<!-- begin (\w+): [^>]* -->\n).*?(<!-- end \2 -->)", re.DOTALL)
_PUBLIC = (
    "runs run_units run_metrics by_project by_team_month budget_status violations waivers_active scope2"
    " data_quality lineage"
).split()
_UNIT_OF_END = {
    "gco2e_per_kwh": "gCO2e/kWh",
    "usd_per_kwh": "USD/kWh",
    "l_per_kwh": "L/kWh",
    "kgco2e": "kgCO2e",
    "kwh": "kWh",
    "usd": "USD",
    "ratio": "0 to 1",
    "w": "W",
    "h": "h",
    "s": "s",
    "l": "L",
}
_UNIT_OF_NAME = {  # what a name does not end with its unit; a name that is in neither table is refused
    "basis": "device, host, wall or facility",
    "pue": "1, at least 1",
    "e2": "2 pJ",
    "utilisation": "0 to 1",
    "share": "0 to 1",
    "part": "any",
    "x": "any",
    "known_sum": "as its part",
    "finite": "as x",
    "exact": "as x",
}
# What each key of a record means. A key of green/model.py that is not here is refused.
_MEANING = {
    "run_id": "identity of the run; replaces the path",
    "project": "project; else by path pattern from `projects:`",
    "team": "team; else by path pattern from `teams:`",
    "model": "name of the model",
    "parameters": "number of parameters",
    "dataset_size": "size of the data set, in examples or tokens",
    "iterations": "number of steps",
    "precision": "number format, such as bf16",
    "techniques": "what was done to save energy: quantization, pruning ...",
    "flops": "floating-point operations of the whole run",
    "kind": "what the run is for",
    "parent": "the sweep or pipeline that the run belongs to",
    "status": "how it ended; a planned run has not happened yet",
    "started_at": "start; a time without a zone is in the site's zone",
    "ended_at": "end",
    "duration": "where the two times are not known",
    "site": "where it ran: keys below",
    "cost": "what it costs: keys below",
    "hardware": "list of devices: keys below",
    "memory": "memory of the host",
    "energy": "energy that was measured or declared elsewhere: keys below",
    "device_hours": "instead of count × duration, in energy, embodied carbon and cost; `count` is then not used",
    "functional_units": "what the run produced, by unit: `{tokens: 300000000000}` or `{tokens: 300 Gtoken}`",
    "metrics": "quality, by name: `{accuracy: 0.93}`",
    "labels": "names of your own: `{purpose: benchmark}`",
    "site.name": "a site of config.yaml; the keys beside it override that site",
    "site.region": "ISO 3166-1 or -2, a grid zone, or `provider:region`",
    "site.timezone": "IANA name, for naive times in logs; else UTC, flagged `ASSUMED_UTC`",
    "site.pue": "power usage effectiveness (ISO/IEC 30134-2), at least 1",
    "site.intensity": "location-based intensity; wins over the factor tables",
    "site.market_intensity": "market-based intensity",
    "site.wue": "water on site, per kWh of IT energy",
    "site.ewif": "water off site, per kWh of electricity (grid water intensity)",
    "site.hardware": "devices of logs without a record (config.yaml only)",
    "site.cost": "prices of runs without their own (config.yaml only)",
    "cost.device_hour": "price of one device-hour",
    "cost.tariff": "price of electricity; used where no `device_hour` is given",
    "hardware.device": "name, as the maker or the driver writes it; required",
    "hardware.component": "what it is; else told from its name",
    "hardware.count": "how many; an entry without it is one device",
    "hardware.average_power": "average draw of each",
    "hardware.rated_power": "rated power of each; with `load` it gives energy, without it only an upper bound",
    "hardware.load": "share of the rated power, above 0 and at most 1",
    "hardware.embodied": "carbon embodied in each; overrides the catalogue",
    "hardware.lifetime": "lifetime that it is spread over",
    "hardware.utilisation": "share of the lifetime that is used (allocation per used hour)",
    "hardware.share": "share of the device that the run has",
    "energy.total": "energy of all components together",
    "energy.gpu": "energy of the accelerators",
    "energy.cpu": "energy of the processors",
    "energy.memory": "energy of the memory",
    "energy.rest": "energy of everything else",
    "energy.basis": "where it was taken; without it facility energy is unknown",
}


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; a bar inside a cell is spelled out."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |\n" for line in lines)


def tables() -> str:
    """Describe every table and view of a new store, as the store itself does."""
    import duckdb

    from green.audit import schema

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
    for table, name, kind, comment in rows:
        columns.setdefault(table, []).append([f"`{name}`", str(kind), comment])
    helpers = [name for name in schema.VIEWS if name not in _PUBLIC]
    parts = ["### Views\n"]
    parts += [_described(name, words[name], columns[name]) for name in _PUBLIC]
    parts.append(
        "Helpers of these views: "
        + ", ".join(f"`{name}` ({words[name][0].lower()}{words[name][1:].rstrip('.')})" for name in helpers)
        + ".\n"
    )
    parts.append("### Tables\n")
    parts += [
        _described(name, words[name], columns[name]) for name in ("ledger", *schema.PROJECTIONS, "store")
    ]
    return "\n".join(parts)


def _described(name: str, words: str, columns: list[list[str]]) -> str:
    return f"#### `{name}`\n{words}\n\n" + _table(["column", "type", "meaning"], columns)


def unit_of(name: str) -> str:
    """Return the unit that a name ends in."""
    for end, unit in _UNIT_OF_END.items():
        if name == end or name.endswith(f"_{end}"):
            return unit
    return _UNIT_OF_NAME[name]


def formulas() -> str:
    """Show each macro with its clause, its text and the units of what goes in and comes out."""
    from green.explain.formulas import formulas as parsed

    parts = []
    for formula in parsed().values():
        units = ", ".join(f"`{name}` ({unit_of(name)})" for name in formula.arguments)
        parts.append(
            f"#### `{formula.name}` ({unit_of(formula.name)})\n{formula.clause}\n\n"
            f"```sql\n{formula.name}({', '.join(formula.arguments)}) = {formula.text}\n```\n\nFrom {units}.\n"
        )
    return "\n".join(parts)


def _kind_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return _kind_of(target, definitions) if "enum" in target else "mapping"
    if "anyOf" in schema:
        kinds = [_kind_of(one, definitions) for one in schema["anyOf"] if one.get("type") != "null"]
        return ", or ".join(kinds)
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if str(schema.get("description", "")).startswith("a quantity"):
        unit = schema["description"].removeprefix("a quantity in ")
        return "number" if unit == "1" else f"quantity, {unit}"
    if schema.get("format") == "date-time":
        return "time, ISO 8601"
    if schema.get("type") == "array":
        return f"list of {_kind_of(schema['items'], definitions)}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"mapping of {_kind_of(inner, definitions)}" if isinstance(inner, dict) else "mapping"
    return {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true, false",
    }.get(schema.get("type", ""), "number, or text with a unit")


def _example(schema: Mapping[str, Any]) -> str:
    for one in [schema, *schema.get("anyOf", ())]:
        if one.get("examples"):
            return f"`{one['examples'][0]}`"
    return ""


def record() -> str:
    """List every key of `run.yaml` from the model that reads it."""
    from green.model import Record

    whole = Record.model_json_schema()
    definitions = whole["$defs"]
    parts = [
        _table(
            ["key", "value", "example", "meaning"], list(_keys(whole["properties"], definitions, "", _record_examples()))
        )
    ]
    for name, model in (
        ("site", "Site"),
        ("hardware", "Device"),
        ("energy", "DeclaredEnergy"),
        ("cost", "Cost"),
    ):
        rows = list(_keys(definitions[model]["properties"], definitions, f"{name}.", _record_examples()))
        parts.append(
            f"Keys of `{name}:`{' (of each entry)' if name == 'hardware' else ''}\n\n"
            + _table(["key", "value", "example", "meaning"], rows)
        )
    return "\n".join(parts)


def _record_examples() -> dict[str, str]:
    """Take examples from the record in docs/records.md, which a test reads with our own reader."""
    from green import yaml

    text = (REPO / "docs" / "records.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml file=[^\n]*\n(.*?)```", text, re.DOTALL)
    value: Any = yaml.parse(found[1]).value if found else {}
    flat = {key: str(item) for key, item in value.items() if not isinstance(item, dict | list)}
    for name in ("site", "energy", "cost"):
        flat |= {f"{name}.{key}": str(item) for key, item in value.get(name, {}).items()}
    return flat | {f"hardware.{k}": str(v) for entry in value.get("hardware", ()) for k, v in entry.items()}


def _keys(
    properties: Mapping[str, Any], definitions: Mapping[str, Any], below: str, examples: Mapping[str, str]
) -> Iterator[list[str]]:
    for key, schema in properties.items():
        shown = examples.get(f"{below}{key}")
        example = f"`{shown}`" if shown else _example(schema)
        yield [f"`{key}`", _kind_of(schema, definitions), example, _MEANING[f"{below}{key}"]]


def configuration() -> str:
    """List every key of `config.yaml` from its schema; the meaning stands in config.yaml itself."""
    from green.config import Config, schema

    definitions = schema()["$defs"]
    words = _comments()
    rows = []
    for key, shape in schema()["properties"].items():
        section = definitions.get(str(shape.get("$ref", "")).rpartition("/")[2])
        if section is None:
            default = Config.model_fields[key].get_default(call_default_factory=True)
            rows.append([f"`{key}`", _kind_of(shape, definitions), _shown(default), words[key]])
            continue
        for inner, deeper in section["properties"].items():
            name = f"{key}.{inner}"
            rows.append(
                [f"`{name}`", _kind_of(deeper, definitions), _shown(deeper.get("default")), words[name]]
            )
    return _table(["key", "value", "default", "meaning"], rows)


def _shown(default: object) -> str:
    if default in (None, (), [], {}):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _comments() -> dict[str, str]:
    """Return the comment of every key of the repository's config.yaml, also of those commented out."""
    found: dict[str, str] = {}
    section = ""
    for line in (REPO / "config.yaml").read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"(?:# )?( *)(\w+):([^#]*)(?:# +(.*))?", line)
        if match is None:
            continue
        indent, key, value, words = match.groups()
        if not indent:
            section = "" if value.strip() else key
        name = f"{section}.{key}" if indent else key
        found[name] = words or ""
    return found


def shipped() -> str:
    """Show the repository's config.yaml."""
    return "```yaml\n" + (REPO / "config.yaml").read_text(encoding="utf-8") + "```\n"


def commands() -> str:
    """Show the help of every command."""
    import typer

    import green.cli

    green.cli._register()  # noqa: SLF001 -- the program does the same before it reads its arguments
    parts = []
    for names, command in _walked(typer.main.get_command(green.cli.app), ["green"]):
        context = command.make_context(
            " ".join(names), [], resilient_parsing=True, max_content_width=WIDTH_CHARS, terminal_width=WIDTH_CHARS
        )
        level = "##" if len(names) <= 2 else "###"
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        parts.append(f"{level} `{' '.join(names)}`\n```text\n{text}\n```\n")
    return "\n".join(parts)


def _walked(command: Any, names: list[str]) -> Iterator[tuple[list[str], Any]]:
    yield names, command
    for name in sorted(getattr(command, "commands", {})):
        yield from _walked(command.commands[name], [*names, name])


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "configuration": configuration,
    "formulas": formulas,
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
