"""The demonstration ends as it says, in a repository of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.conftest import BIN, REPO


def test_demonstration_ends_as_it_says(tmp_path: Path) -> None:
    script = REPO / "examples" / "review" / "demo.sh"
    text = script.read_text(encoding="utf-8")
    text = text.replace('"$(dirname "$0")"', f'"{script.parent}"')
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    own["PATH"] = os.pathsep.join([str(BIN), own["PATH"]])
    command = ["sh", "-c", text, "demo.sh", str(tmp_path / "demo")]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    comment = next(line for line in done.stdout.splitlines() if line.startswith("| new | **fail**"))
    for part in (
        "ACME-C010",
        "translate-09",
        "run.yaml&#58;12",
        "379 kgCO2e (37.9 %) over the limit",
        "plan it smaller",
    ):
        assert part in comment, part
    ends = [line for line in done.stdout.splitlines() if line.startswith("(ended")]
    assert ends == ["(ended 0)", "(ended 1)", "(ended 0)", "(ended 1)"]
