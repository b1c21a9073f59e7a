"""Which files of a folder are policies: asked at parse time, without the models that check them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

APART = "waivers.yaml"  # has a file of its own, so that CODEOWNERS can guard it


def files(path: Path) -> list[Path]:
    """List the policy files below a folder: all YAML except cases and waivers."""
    if path.is_file():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix in {".yaml", ".yml"} and file.name != APART and "cases" not in file.relative_to(path).parts
    )
