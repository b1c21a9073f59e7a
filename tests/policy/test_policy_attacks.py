"""Files that were made to harm are refused at once, with their place; random texts never become quantities."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from facts_for_tests import HEAD

from green.errors import UsageError
from green.policy.load import load
from tests.policy import strings

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = "- {{id: A, title: t, kind: limit, metric: energy.it, limit: {{max: {}}}}}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MOST_CPU_S = 0.1

QUANTITIES = [
    *("9**9**9**9", "1e999999 kWh", "1e-999999 kWh", "9" * 90 + " kWh", "9" * 5000 + " kWh", "1_000 kWh", "1,000 kWh"),
    *(
        "50 k Wh",
        "50 kwh",
        "50 kWh kWh",
        "50 kWh/",
        "50 /kWh",
        "50 kWh/h",
        "0x32 kWh",
        "0b1 kWh",
        "+-50 kWh",
        "--50 kWh",
    ),
    *(
        "\u0665\u0660 kWh",
        "\uff15\uff10 kWh",
        "\u00bd kWh",
        "50\u00a0kWh",
        "50\u2009kWh",
        "50 \u212aWh",
        "50 kWh\u202e",
    ),
    *("50 kWh ± 5 %", "50 kWh ± -5 %", "nan kWh", "inf kWh", "-inf kWh", "Infinity kWh", "1e400 kWh", "-50 kWh"),
    *("-0.000001 kWh", "kWh", "50", "50 kgCO2", "50 kgCO2e", "50 %", "(50) kWh", "50 kWh; rm -rf", "50 kWh' OR 1=1 --"),
    *(
        "50\\nkWh",
        "__import__('os')",
        "{value: 50}",
        "50 kWh" + " " * 200,
        "1e12.5 kWh",
        "1.2.3 kWh",
        "5 0 kWh",
        "1e13 kWh",
    ),
    *(".inf", ".nan", "true", "~", "[50 kWh]", "{}", "''", "1" * 400),
]

FILES = {
    "aliases that double and double again": BOMB,
    "an anchor": HEAD + LIMIT.format("&x 5 kWh"),
    "a merge key": "base: {a: 1}\n<<: {b: 2}\n" + HEAD,
    "a tag of Python": HEAD + LIMIT.format("!!python/object/apply:os.system [echo]"),
    "a tag of a float": HEAD + LIMIT.format("!!float 5"),
    "deep lists": "a: " + "[" * 100_000,
    "deep lists, closed": "a: " + "[" * 3_000 + "]" * 3_000,
    "deep mappings": "".join(f"{' ' * depth}a:\n" for depth in range(1_200)),
    "deep flow mappings": "a: " + "{a: " * 50_000,
    "two documents": HEAD + LIMIT.format("5 kWh") + "---\n" + HEAD + LIMIT.format("5 kWh"),
    "a duplicate key": HEAD + LIMIT.format("5 kWh, max: 500 kWh"),
    "a key that is a list": "? [a, b]\n: 1\n",
    "a huge integer": HEAD + LIMIT.format("9" * 100_000),
    "a huge key": f"{'k' * 100_000}: 1\n",
    "a NUL": HEAD + LIMIT.format('"5 \0kWh"'),
    "a control character": HEAD + LIMIT.format('"5 \x1b[31mkWh"'),
    "a directional character": HEAD + LIMIT.format("5 kWh").replace("title: t", "title: a\u202eb"),
    "a tab for indentation": HEAD + "-\tid: A\n\t title: t\n",
    "not text": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "UTF-16": (HEAD + LIMIT.format("5 kWh")).encode("utf-16"),
    "half of a character": (HEAD + "- {id: A, title: \u00e9").encode()[:-1],
    "too many bytes": b"# " + b"x" * (1 << 21),
    "an empty file": "",
    "a list": "- 1\n",
    "a text": "policies\n",
    "policies that are none": HEAD.replace("policies:", "policies: {}"),
    "another version": (HEAD + LIMIT.format("5 kWh")).replace("green/v1", "green/v2"),
    "no bundle": "apiVersion: green/v1\npolicies:\n" + LIMIT.format("5 kWh"),
    "an id with SQL": HEAD + LIMIT.format("5 kWh").replace("id: A", "id: \"A'; DROP TABLE fact; --\""),
    "unclosed": HEAD + "- {id: A, title: t",
}  # fmt: skip


def refused(folder: Path, content: str | bytes) -> None:
    """Load a file of policies: it has to be refused soon, with file, line and column."""
    file = folder / "p.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    began = time.process_time()
    with pytest.raises(UsageError) as caught:
        load(file)
    took_s = time.process_time() - began
    where = caught.value.where
    assert where is not None
    assert (where.file, where.line > 0, where.column > 0) == ("p.yaml", True, True), str(caught.value)
    assert caught.value.mend, str(caught.value)
    assert took_s < MOST_CPU_S, f"{took_s:.3f} s of CPU"


@pytest.fixture(scope="module", autouse=True)
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load a policy once, so that imports are not measured."""
    file = tmp_path_factory.mktemp("warm") / "p.yaml"
    file.write_text(HEAD + LIMIT.format("5 kWh"), encoding="utf-8")
    assert load(file).policies


@pytest.mark.parametrize("text", QUANTITIES)
def test_a_text_that_is_no_quantity_is_refused_soon_and_with_its_place(tmp_path: Path, text: str) -> None:
    quoted = text if text[:1] in {".", "[", "{", "'"} or text in {"true", "~"} else '"' + text + '"'
    refused(tmp_path, HEAD + LIMIT.format(quoted))


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_made_to_harm_is_refused_soon_and_with_its_place(tmp_path: Path, name: str) -> None:
    refused(tmp_path, FILES[name])


def test_random_texts_are_no_quantities_unless_the_grammar_says_so() -> None:
    found = strings.run(20_000, seed=7)  # `python -m tests.policy.strings 1000000` takes longer
    assert found["accepted"] > 1000, "hardly any text was near a quantity: nothing was tried"
