"""The judgement as `verdicts.json`: for programs, and the same bytes for the same facts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from green.policy.judge import Judgement


def render(judgement: Judgement) -> str:
    """Return the record of a judgement; JSON escapes every character that could do harm."""
    record = {
        "as_of": judgement.as_of,
        "digest": judgement.digest,
        "summary": judgement.summary,
        "verdicts": [verdict.record() for verdict in judgement.verdicts],
    }
    return json.dumps(record, indent=1, allow_nan=False) + "\n"
