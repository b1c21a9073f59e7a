"""YAML 1.2 as it is written, and nothing that a document can do to us."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green import yaml
from green.errors import UsageError


def value(text: str) -> Any:
    return yaml.loads(f"k: {text}\n".encode(), "f.yaml").value["k"]


def refusal(blob: bytes) -> str:
    with pytest.raises(UsageError) as caught:
        yaml.loads(blob, "f.yaml")
    return f"{caught.value.where} {caught.value.what}"


# The core schema of YAML 1.2.2, chapter 10.3.2; words and base 60 of YAML 1.1 stay text.
RESOLVED = [
    ("NO", "NO"),
    ("yes", "yes"),
    ("on", "on"),
    ("12:30:00", "12:30:00"),
    ("1_000", "1_000"),
    ("0b1", "0b1"),
    ("2026-10-01", "2026-10-01"),
    ("nULL", "nULL"),
    ("0123", 123),
    ("0o17", 15),
    ("0x1F", 31),
    ("-0", 0),
    ("1.", 1.0),
    ("+.5", 0.5),
    ("1e3", 1000.0),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("Null", None),
    ("~", None),
    ("TRUE", True),
    ("'12'", "12"),
    ("!!str 5", "5"),
]


@pytest.mark.parametrize(("text", "expected"), RESOLVED)
def test_scalar_is_resolved_by_the_core_schema_of_yaml_1_2(text: str, expected: Any) -> None:
    found = value(text)
    assert (type(found), found) == (type(expected), expected)


def test_nan_is_a_number() -> None:
    assert math.isnan(value(".NaN"))


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        (b"a: 1\na: 2\n", 'f.yaml:2:1 duplicate key "a"'),
        (b"a:\n  b: 1\n  'b': 2\n", 'f.yaml:3:3 duplicate key "b"'),
        (b"a: &x 1\n", "f.yaml:1:4 anchors and aliases are not allowed"),
        (b"b: *x\n", "f.yaml:1:4 anchors and aliases are not allowed"),
        (b"a: !!python/name:os.system 3\n", "f.yaml:1:4 tag tag:yaml.org,2002:python/name:os.system is not allowed"),
        (b"a: !mine 3\n", "f.yaml:1:4 tag !mine is not allowed"),
        (b"a: 1\n---\nb: 2\n", "f.yaml:2:1 more than one document"),
        (b"? [a]\n: b\n", "f.yaml:1:3 a key must be plain text"),
        (b"a: 1\nb: c \xff\n", "f.yaml:2:6 file is not UTF-8"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(blob: bytes, expected: str) -> None:
    assert refusal(blob) == expected


def test_depth_has_a_bound_and_twenty_levels_are_within_it() -> None:
    assert yaml.loads(b"[" * 20 + b"]" * 20, "f").value is not None
    assert "nested deeper than 20" in refusal(b"[" * 22 + b"]" * 22)


@pytest.mark.parametrize("blob", [b"[" * 100_000, b"- " * 100_000, b"a: {" * 30_000, b"*a " * 50_000, b"? " * 100_000])
def test_nesting_bomb_costs_bounded_time(blob: bytes) -> None:
    start = time.monotonic()
    refusal(blob)
    assert time.monotonic() - start < 5


def test_file_above_a_mebibyte_is_refused_unread() -> None:
    assert "larger than 1 MiB" in refusal(b"#" * ((1 << 20) + 1))
    assert yaml.loads(b"#" * (1 << 20), "f").value is None


def test_line_of_a_place_is_that_of_its_key_or_nearest_parent() -> None:
    document = yaml.loads(b"a:\n  b:\n  - 1\n  - c: 2\n", "f")
    assert (document.where("a", "b", 1, "c").line, document.where("a", "b", 1, "x").line) == (4, 4)
    assert str(document.where("nowhere")) == "f:1:1"


PIECES = st.sampled_from(
    [
        *(
            "\\u",
            "\\U",
            "\\x",
            "d800",
            "FFFFFFFF",
            "%YAML 1.1\n",
            "%YAML 9.9\n",
            "%TAG ! a\n",
            "---",
            "...",
            "&a",
            "*a",
        ),
        *("!", "!!int", "!<", "<<", "a: b", "|", ">", "|-9", "? ", "- ", "\n", " ", "\t", "\x85", "\u2028", "\ufeff"),
        *(":", "{", "}", "[", "]", '"', "'", "#", ",", "@", "`", "0", "1e9", "1" * 40, "\x00", "\x01", "é", "🚀", "\r"),
    ]
)


@settings(max_examples=400, deadline=1000)
@given(st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=14).map(lambda parts: "".join(parts).encode())))
def test_any_bytes_give_a_value_or_a_usage_error_with_a_line(blob: bytes) -> None:
    caught = None
    try:
        yaml.loads(blob, "f")
    except UsageError as error:
        caught = error
    if caught is not None:
        assert caught.where is not None
        assert caught.where.line >= 1
        assert str(caught)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(lambda t: len(t) < 99), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=1000)
@given(JSON)
def test_json_reads_as_what_it_says(body: Any) -> None:
    for is_ascii in (True, False):
        text = json.dumps({"k": body}, ensure_ascii=is_ascii)
        assert yaml.loads(text.encode(), "f.json").value["k"] == body


def test_half_of_a_pair_and_an_escaped_backslash_are_not_joined() -> None:
    assert yaml.loads(b'{"k": "\\\\ud83d\\\\ude80"}', "f.json").value["k"] == "\\ud83d\\ude80"
    with pytest.raises(UsageError):
        yaml.loads(b'{"k": "\\ud83d"}', "f.json")
