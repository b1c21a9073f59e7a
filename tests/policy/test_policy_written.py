"""Verdicts written by hand are the text that `json.dumps` writes, character by character."""

from __future__ import annotations

import json

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
def test_what_is_signed_is_the_record_but_its_place(verdict: Verdict) -> None:
    placed = verdict.record()
    del placed["where"]
    assert json.loads(signed(recorded(verdict)) + "}") == placed


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    verdict = Verdict("p", "t", "s", "pass", "advisory", None, number, *[None] * 5, "m", "", None, None, "fail")
    with pytest.raises(ValueError, match="no number"):
        recorded(verdict)
