"""Verdicts written by hand are the text that `json.dumps` writes, character by character."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from green.policy.judge import Verdict
from green.policy.written import recorded, signed

TEXT = st.text(st.characters(), max_size=20)
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
VERDICTS = st.builds(
    Verdict,
    **dict.fromkeys(("policy", "title", "subject", "verdict", "enforcement", "message", "mend", "on_unknown"), TEXT),
    **dict.fromkeys(("metric", "unit", "reason", "where_file"), st.none() | TEXT),
    **dict.fromkeys(("value", "low", "high", "limit"), NUMBER),
    where_line=st.none() | st.integers(1, 10**6),
)


@given(VERDICTS)
def test_the_record_is_what_json_dumps_writes_of_it(verdict: Verdict) -> None:
    assert recorded(verdict) == json.dumps(verdict.record(), separators=(",", ":"))


@given(VERDICTS)
def test_what_is_signed_is_the_canonical_text_without_the_place(verdict: Verdict) -> None:
    unplaced = {**verdict.record(), "where": None}
    assert signed(verdict) == json.dumps(unplaced, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("write", [recorded, signed])
def test_a_number_that_json_does_not_have_is_refused(write: Any, number: float) -> None:
    verdict = Verdict("p", "t", "s", "pass", "advisory", None, number, *[None] * 5, "m", "", None, None, "fail")
    with pytest.raises(ValueError, match="no number"):
        write(verdict)
