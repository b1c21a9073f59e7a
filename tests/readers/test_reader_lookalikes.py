"""What is said of files that look like a log and are none, or none that can be read without more words."""

from __future__ import annotations

import pytest

from green.readers import lookalikes


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("7|train|COMPLETED|100\n", "without its header"),
        ("ConsumedEnergyRaw|CPUTimeRAW|State\n5000|20|COMPLETED\n7000|9|FAILED\n", "without JobID"),
        ("State|ConsumedEnergy|\r\nFAILED|7|\r\n", "without JobID"),
        ("Delta,Time,CPU_FREQUENCY_0,PACKAGE_ENERGY (J)\n0,1736296650586,1474,195978.5\n", "EnergiBridge"),
        ("algorithm,time(s),totEnergy(kW)\nquick,2.0,0.00002\n", "power or energy"),
        ("<html>", "a web page"),
        ("nothing of all this\n", lookalikes.UNKNOWN),
    ],
)
def test_a_file_that_nobody_reads_is_told_what_it_is(head: str, words: str) -> None:
    assert words in lookalikes.words(head)


def test_the_jobs_of_a_table_with_ids_are_not_said_to_have_none() -> None:
    assert "without JobID" not in lookalikes.words("JobID|ConsumedEnergyRaw|State\n7|5000|COMPLETED\n")
