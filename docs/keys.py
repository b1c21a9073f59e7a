"""Tables of the keys of `run.yaml` and `config.yaml`, from the models that read them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.words import MEANING
from green import config, yaml
from green.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPO = Path(__file__).resolve().parent.parent
_EACH = {"hardware": " (of each entry)", "parts": " (of each part of an entry of `hardware:`)"}
_PLAIN = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false"}


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; a bar inside a cell is spelled out."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |\n" for line in lines)


def _kind_of(shape: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if "$ref" in shape:
        shape = definitions[shape["$ref"].rpartition("/")[2]]
    words = str(shape.get("description", ""))
    if "anyOf" in shape:
        said = [_kind_of(one, definitions) for one in shape["anyOf"] if one.get("type") != "null"]
        kind = ", or ".join(said)
    elif "enum" in shape:
        kind = ", ".join(f"`{one}`" for one in shape["enum"])
    elif words.startswith("a quantity in "):
        unit = words.removeprefix("a quantity in ")
        kind = "number" if unit == "1" else f"quantity, {unit}"
    elif shape.get("format") == "date-time":
        kind = "time, ISO 8601"
    elif shape.get("type") == "array":
        kind = f"list of {_kind_of(shape['items'], definitions)}"
    elif shape.get("type") == "object":
        inner = shape.get("additionalProperties")
        kind = f"mapping of {_kind_of(inner, definitions)}" if isinstance(inner, dict) else "mapping"
    else:
        kind = _PLAIN.get(str(shape.get("type")), "number, or text with a unit")
    return kind


def _example(shape: Mapping[str, Any]) -> str:
    for one in [shape, *shape.get("anyOf", ())]:
        if one.get("examples"):
            return f"`{one['examples'][0]}`"
    return ""


def record() -> str:
    """List every key of `run.yaml` from the model that reads it."""
    whole = Record.model_json_schema()
    definitions = whole["$defs"]
    parts = [
        table(
            ["key", "value", "example", "meaning"],
            list(_keys(whole["properties"], definitions, "", _record_examples())),
        )
    ]
    for name, model in (
        ("site", "Site"),
        ("hardware", "Device"),
        ("parts", "BillItem"),
        ("energy", "DeclaredEnergy"),
        ("cost", "Cost"),
    ):
        rows = list(_keys(definitions[model]["properties"], definitions, f"{name}.", _record_examples()))
        parts.append(
            f"Keys of `{name}:`{_EACH.get(name, '')}\n\n"
            + table(["key", "value", "example", "meaning"], rows)
        )
    return "\n".join(parts)


def _record_examples() -> dict[str, str]:
    """Take examples from the record in docs/records.md, which a test reads with our own reader."""
    text = (REPO / "docs" / "records.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml file=[^\n]*\n(.*?)```", text, re.DOTALL)
    value: Any = yaml.loads(found[1].encode(), "docs/records.md").value if found else {}
    flat = {"device_hours": "1082990 h"}  # not in that record, which counts its devices
    flat |= {key: str(item) for key, item in value.items() if not isinstance(item, dict | list)}
    for name in ("site", "energy", "cost"):
        flat |= {f"{name}.{key}": str(item) for key, item in value.get(name, {}).items()}
    entries = value.get("hardware", ())
    flat |= {f"parts.{k}": str(v) for entry in entries for part in entry.get("parts", ()) for k, v in part.items()}
    return flat | {f"hardware.{k}": str(v) for entry in entries for k, v in entry.items() if k != "parts"}


def _keys(
    properties: Mapping[str, Any], definitions: Mapping[str, Any], below: str, examples: Mapping[str, str]
) -> Iterator[list[str]]:
    for key, shape in properties.items():
        shown = examples.get(f"{below}{key}")
        example = f"`{shown}`" if shown else _example(shape)
        yield [f"`{key}`", _kind_of(shape, definitions), example, _meaning(f"{below}{key}")]


def _meaning(key: str) -> str:
    if key not in MEANING:
        sys.exit(f'docs/words.py: MEANING has no words for "{key}" of green/model.py')
    return MEANING[key]


def configuration() -> str:
    """List every key of `config.yaml` from its schema; the meaning stands in config.yaml itself."""
    shape_of_all = config.schema()
    definitions = shape_of_all["$defs"]
    words = _comments()
    rows = []
    for key, shape in shape_of_all["properties"].items():
        section = definitions.get(str(shape.get("$ref", "")).rpartition("/")[2])
        if section is None:
            default = config.Config.model_fields[key].get_default(call_default_factory=True)
            rows.append([f"`{key}`", _kind_of(shape, definitions), _shown(default), words[key]])
            continue
        for inner, deeper in section["properties"].items():
            name = f"{key}.{inner}"
            rows.append([f"`{name}`", _kind_of(deeper, definitions), _shown(deeper.get("default")), words[name]])
    return table(["key", "value", "default", "meaning"], rows)


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
