"""Which files below a folder of policies are read: found without the models that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCOPE = "scope.yaml"  # what holds for a folder (green.policy.scope)


def says_opt_in(file: Path, shown: str) -> bool:
    """Tell whether a scope file says so, right or wrong in all else: `check` says what is wrong with it."""
    said = yaml.load(file, shown).value
    return isinstance(said, dict) and said.get("opt_in") is True


def label(path: Path, name: str, file: Path) -> str:
    """Return the name of a file in messages, below that of its folder."""
    return name if file == path else f"{name}/{file.relative_to(path).as_posix()}"


def applying(path: Path, is_opt_in: Callable[[Path, str], bool] = says_opt_in) -> list[Path]:
    """List the YAML files below a folder, without those of folders that have to be asked for."""
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in {".yaml", ".yml"} and file.is_file())
    hidden = {
        file.parent
        for file in found
        if file.name == SCOPE and file.parent != path and is_opt_in(file, label(path, path.name, file))
    }
    return [file for file in found if hidden.isdisjoint(file.parents)]


def files(path: Path, is_opt_in: Callable[[Path, str], bool] = says_opt_in) -> list[Path]:
    """List all files below a folder that verdicts depend on: policies, scopes and waivers, but no cases."""
    return [file for file in applying(path, is_opt_in) if file == path or "cases" not in file.relative_to(path).parts]
