"""The judgement as `verdicts.json`: for programs, and the same bytes for the same facts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from green.policy.judge import Judgement


def record_of(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as the object of the contract (docs/records.md)."""
    return {
        "as_of": judgement.as_of,
        "digest": judgement.digest,
        "summary": judgement.summary,
        "verdicts": [verdict.record() for verdict in judgement.verdicts],
    }


def render(judgement: Judgement) -> str:
    """Return the text of `verdicts.json`; JSON escapes every character that could do harm."""
    return json.dumps(record_of(judgement), indent=1, allow_nan=False) + "\n"
