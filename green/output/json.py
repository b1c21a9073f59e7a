"""The judgement as `verdicts.json`: for programs, and the same bytes for the same facts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.compare import Change, Comparison
    from green.policy.judge import Judgement

AT_ONCE = 1_000


def record_of(judgement: Judgement, comparison: Comparison | None = None) -> dict[str, Any]:
    """Return a judgement as the object of the contract (docs/records.md)."""
    record = {**_head(judgement), "verdicts": [verdict.record() for verdict in judgement.verdicts]}
    return record if comparison is None else {**record, "review": review_of(comparison)}


def render(judgement: Judgement, comparison: Comparison | None = None) -> str:
    """Return the text of `verdicts.json`, a verdict a line; JSON escapes every character that could do harm."""
    return "".join(parts(judgement, comparison))


def parts(judgement: Judgement, comparison: Comparison | None = None) -> Iterator[str]:
    """Give that text a thousand verdicts at a time: fifty thousand are 23 MB."""
    yield json.dumps(_head(judgement), separators=(",", ":"))[:-1] + ',"verdicts":[\n'
    lines = judgement.lines
    for first in range(0, len(lines), AT_ONCE):
        yield (",\n" if first else "") + ",\n".join(lines[first : first + AT_ONCE])
    review = "" if comparison is None else ',"review":' + json.dumps(review_of(comparison), separators=(",", ":"))
    yield f"\n]{review}}}\n"


def review_of(comparison: Comparison) -> dict[str, Any]:
    """Return what a comparison adds: what it was compared with, and each finding of either side with its state."""
    return {
        "against": comparison.base.name,
        "base_digest": comparison.base.digest,
        "summary": comparison.counts,
        "notes": list(comparison.notes),
        "changes": [_change(change) for change in comparison.changes],
    }


def _change(change: Change) -> dict[str, Any]:
    policy, subject = change.key
    before = change.before or {}
    return {
        "policy": policy,
        "subject": subject,
        "state": change.state,
        "verdict": None if change.now is None else change.now.verdict,
        "verdict_before": before.get("verdict"),
        "value": None if change.now is None else change.now.value,
        "value_before": before.get("value"),
        "unit": change.now.unit if change.now is not None else before.get("unit"),
        "causes": [
            {
                "run_id": cause.run_id,
                "value": cause.value,
                "value_before": cause.before,
                "unit": cause.unit,
                "where": {"file": cause.file, "line": cause.line},
            }
            for cause in change.causes
        ],
    }


def _head(judgement: Judgement) -> dict[str, Any]:
    return {"as_of": judgement.as_of, "digest": judgement.digest, "summary": judgement.summary}
