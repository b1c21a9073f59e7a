"""Throw random texts at the grammar of quantities: `python -m tests.policy.strings [NUMBER] [SEED]`.

What is accepted has to be a sentence of a second grammar, written here from the documentation alone: plain ASCII
digits, one unit of a fixed list, at most one tolerance. No text may take long.
"""

from __future__ import annotations

import random
import re
import sys
import time

from green.units import BadQuantity, parse

NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
UNITS = {
    "kWh": r"(?:J|kJ|MJ|mWh|Wh|kWh|MWh|GWh|TWh)",
    "kgCO2e": r"(?:g|kg|t|kt|lb) ?CO2e",
    "s": r"(?:s|min|h|d|y)",
    "gCO2e/token": r"(?:g|kg|t|kt|lb) ?CO2e/[kMGT]?tokens?",
    "1": r"[kMGT%]?",
}
GRAMMAR = {
    unit: re.compile(rf" *{NUMBER} *{words} *(?:(?:±|\+-) *{NUMBER} *(?:%|{words}) *)?")
    for unit, words in UNITS.items()
}
PIECES = [
    *("0123456789" * 2),
    *(". , _ ' e E e9 - + ± +- % / * ** ( ) nan inf Infinity 1e999 0x10 e-400".split()),  # noqa: SIM905 -- a list of pieces
    *("kWh Wh MJ J kgCO2e gCO2e tCO2e CO2 CO2e s h d min token Mtoken /token k M G K kwh".split()),  # noqa: SIM905 -- likewise
    *("kg CO2e", "k Wh", " ", " ", "\t", "\n", "\x00", "9" * 40),
    *"\uff11\u0663\u00b2\u00bd\u00a0\u2009\u202e\u00b5\u2082\u212b\u00b0",  # digits, blanks and signs that are not ours
]
ENDS = {"kWh": "kWh", "kgCO2e": "kgCO2e", "s": "h", "gCO2e/token": "gCO2e/Mtoken", "1": ""}
SLOW_S = 0.1


def run(texts: int, seed: int = 1) -> dict[str, float]:
    """Parse so many random texts; return how many were accepted, and the longest that one took."""
    noise = random.Random(seed)  # noqa: S311 -- cases, not secrets
    accepted, longest_s = 0, 0.0
    units = list(UNITS)
    for _ in range(texts):
        unit = noise.choice(units)
        text = "".join(noise.choices(PIECES, k=noise.randint(0, 7)))
        if noise.random() < 0.5:  # near to what is right
            number = f"{noise.randint(0, 99)}{noise.choice(['', '.5', 'e3'])}"
            text = f"{number}{noise.choice(['', ' '])}{ENDS[unit]}{noise.choice(['', '', text[:2], ' ± 5 %'])}"
        began = time.process_time()
        try:
            found = parse(text, unit)
        except BadQuantity:
            pass
        else:
            accepted += 1
            if GRAMMAR[unit].fullmatch(text) is None:
                raise AssertionError(f"{text!r} was read as {found} in {unit}")
            if not (found.value.is_finite() and found.value >= 0):
                raise AssertionError(f"{text!r} was read as {found.value} {unit}")
        longest_s = max(longest_s, time.process_time() - began)
    if longest_s > SLOW_S:
        raise AssertionError(f"a text took {longest_s:.3f} s of CPU")
    return {"texts": texts, "accepted": accepted, "longest_ms": round(longest_s * 1000, 3)}


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    sys.stdout.write(f"none was taken for a quantity that is none: {run(*(numbers or [1_000_000]))}\n")
