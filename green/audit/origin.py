"""Which green writes an event: its version, and the git commit of its code where that lies in a checkout.

Read from git's own files, for a job that commits should not start another process to ask.
"""

from __future__ import annotations

import re
from pathlib import Path

import green

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def written_by(root: Path | None = None) -> str:
    """Return the version, with `+g` and twelve digits of the commit that is checked out at `root`, if one is."""
    found = commit_of(Path(green.__file__).resolve().parent.parent if root is None else root)
    return green.__version__ if found is None else f"{green.__version__}+g{found[:12]}"


def commit_of(root: Path) -> str | None:
    """Return the commit that is checked out at `root`; None where `root` is no checkout of git."""
    own = root / ".git"
    if own.is_file():  # a worktree, or a submodule: the file says where its folder is
        own = root / _text(own).removeprefix("gitdir:").strip()
    head = _text(own / "HEAD").strip()
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    ref = head.removeprefix("ref:").strip()
    common = own / _text(own / "commondir").strip()  # of a worktree; else the folder itself
    for folder in (own, common):
        found = _text(folder / ref).strip()
        if _COMMIT.fullmatch(found):
            return found
    packed = re.search(rf"^({_COMMIT.pattern}) {re.escape(ref)}$", _text(common / "packed-refs"), re.MULTILINE)
    return None if packed is None else packed[1]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # no checkout, or none that we may read: the version alone is said
        return ""
