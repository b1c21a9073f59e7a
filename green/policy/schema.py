"""The texts that are made from the policies and committed: the JSON Schema, and the table of a bundle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from green.policy.cases import CaseFile
from green.policy.metrics import CATALOGUE
from green.policy.model import PolicyFile
from green.policy.scope import ScopeFile
from green.policy.waivers import WaiverFile

if TYPE_CHECKING:
    from pydantic import BaseModel

    from green.policy.load import PolicySet


FILES: dict[str, type[BaseModel]] = {
    "policies": PolicyFile,
    "waivers": WaiverFile,
    "scope": ScopeFile,
    "cases": CaseFile,
}


def schema(of: str = "policies") -> dict[str, Any]:
    """Return the JSON Schema of a file of policies, waivers, scope or cases."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **FILES[of].model_json_schema(by_alias=True),
        "title": f"Green {of}",
    }


def schema_text(of: str = "policies") -> str:
    """Return a schema as its file below `policies` has it."""
    return json.dumps(schema(of), indent=2, ensure_ascii=False) + "\n"


def policy_table(policies: PolicySet) -> str:
    """Return the table of a policy set as `policies/README.md` has it."""
    rows = [
        f"| {one.policy.id} | {one.policy.kind} | {one.policy.title} | {one.enforcement.value} "
        f"| {one.on_unknown.value} | {' '.join(one.policy.because.split())} |"
        for one in policies.policies
    ]
    head = ["| id | kind | title | enforcement | unknown | because |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def metric_table() -> str:
    """Return the catalogue of metrics as `docs/policies.md` has it."""
    rows = [
        f"| `{one.name}` | {one.unit or 'rank'} | {'yes' if one.is_additive else 'no'} | {one.description} |"
        for one in CATALOGUE.values()
    ]
    return "\n".join(["| metric | unit | budgets | what it is |", "|---|---|---|---|", *rows]) + "\n"
