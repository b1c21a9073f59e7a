"""Ask, before a run starts, what its budgets still allow: by another program, so that the meter itself stays small."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from green.errors import GreenError, InputError, UsageError
from green.meters import itself
from green.meters.options import record_of
from green.meters.watch import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.meters.options import Options

MODULE = "green.allowance"
KEYS = ("policy", "title", "metric", "unit", "limit", "warn_above", "used", "per_kwh", "subject")


class Refused(GreenError):  # noqa: N818 -- what happened to us, told in the words of another program
    """The other program ended with an error, whose words and exit code are ours."""

    def __init__(self, text: str, code: int) -> None:
        """Keep what it said."""
        super().__init__(text)
        self.text, self.exit_code = text, code  # type: ignore[misc]  # of this one error

    def __str__(self) -> str:
        return self.text


def ask(options: Options, run_id: str) -> dict[str, Any]:
    """Return the answer of `green.allowance` for this run."""
    common = list(zip(options.common[::2], options.common[1::2], strict=True))
    given = dict(common)
    overrides = {key: given[f"--{key}"] for key in ("store", "policies") if f"--{key}" in given}
    asked = {
        "config": [value for option, value in common if option == "--config"],
        "overrides": overrides,
        "record": record_of(options, run_id),
        "run_id": run_id,
        "folder": os.path.realpath(os.path.join(options.out, run_id)),  # noqa: PTH118 -- pathlib costs 10 ms to load
        "budget": options.budget,
    }
    ended = subprocess.run(  # noqa: S603 -- our own module, by our own interpreter
        itself.words(MODULE), input=json.dumps(asked), capture_output=True, text=True, check=False, env=itself.environ()
    )
    if ended.returncode:
        raise Refused(ended.stderr.rstrip("\n"), ended.returncode if ended.returncode in (3, 4, 5) else 70)
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def guards_of(answer: dict[str, Any], options: Options, say: Callable[[str], None]) -> list[Guard]:
    """Return the guards of the run; a policy that was named and cannot be watched is an error, never a pass."""
    for one in answer["unwatched"]:
        if one["policy"] in options.budget:
            raise InputError(
                f"--budget {one['policy']} cannot be watched: {one['why']}",
                mend="say what is missing (--region, --site, --store), or leave --budget away",
            )
        say(f"{one['policy']} is not watched: {one['why']}")
    if not answer["guards"]:
        raise UsageError("--budget: no policy bounds this run", mend="`green policy explain ID` says what one is about")
    for one in answer["guards"]:
        if one["is_part"]:
            say(f"{one['policy']}: only the emissions of use are watched; those of the hardware come on top")
        if one["unknown_runs"]:
            say(f"{one['policy']}: {one['unknown_runs']} runs of {one['subject']} are unknown and not in what was used")
    return [Guard(**{key: one[key] for key in KEYS}) for one in answer["guards"]]
