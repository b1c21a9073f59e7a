"""The judgement as `verdicts.json`: for programs, and the same bytes for the same facts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from green.policy.judge import Judgement


def record_of(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as the object of the contract (docs/records.md)."""
    return {**_head(judgement), "verdicts": [verdict.record() for verdict in judgement.verdicts]}


def render(judgement: Judgement) -> str:
    """Return the text of `verdicts.json`, a verdict a line; JSON escapes every character that could do harm."""
    head = json.dumps(_head(judgement), separators=(",", ":"))[:-1]
    lines = list(judgement.lines) or [""]
    lines[0] = f'{head},"verdicts":[\n{lines[0]}'
    lines[-1] += "\n]}\n"
    return ",\n".join(lines)  # one text: fifty thousand verdicts are 23 MB


def _head(judgement: Judgement) -> dict[str, Any]:
    return {"as_of": judgement.as_of, "digest": judgement.digest, "summary": judgement.summary}
