"""Take files of a git ref out into a folder, without touching the working tree or its index."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from green.errors import UsageError

_OWN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")  # what a hook sets, and means another index by


class Ref:
    """A commit of the repository that holds a folder: the merge base of HEAD and a ref, as a review compares."""

    def __init__(self, ref: str, folder: Path) -> None:
        """Resolve the ref; `folder` is any folder of the repository."""
        self.name = ref
        self.root = Path(_git(folder, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
        if ref.startswith("-"):
            raise UsageError(f"{ref!r} is no git ref", mend="name a branch, a tag or a commit, as in origin/main")
        tip = _git(self.root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", fails=True).decode().strip()
        if not tip:
            raise UsageError(
                f"{ref!r} is neither a git ref, a verdicts.json nor a store",
                mend="name a branch, a tag or a commit; in CI, check out with the history (fetch-depth: 0)",
            )
        # What came to the base since the branch left it is not the branch's doing; a shallow clone may know no base.
        base = _git(self.root, "merge-base", "@", tip, fails=True).decode().strip()
        self.commit = base or tip
        self.shown = f"{ref} ({self.commit[:12]}{', merge base' if base and base != tip else ''})"

    def take(self, folder: Path, into: Path) -> Path:
        """Write what the commit holds below `folder` into another one, and return where it lies there."""
        below = self._below(folder)
        index = into / "index"
        top = into / self.root.name  # runs without a record are named after their folder
        into.mkdir(parents=True, exist_ok=True)
        env = {"GIT_INDEX_FILE": str(index)}
        _git(self.root, "read-tree", self.commit, env=env)
        names = _git(self.root, "--literal-pathspecs", "ls-files", "-z", "--", below, env=env)
        _git(self.root, "checkout-index", "-z", "--stdin", f"--prefix={top}/", env=env, given=names)
        index.unlink(missing_ok=True)
        out = top / below
        out.mkdir(parents=True, exist_ok=True)
        return out

    def holds(self, path: Path) -> bool:
        """Tell whether a path belongs to the repository."""
        return path.resolve().is_relative_to(self.root.resolve())

    def text(self, file: Path) -> bytes | None:
        """Return the content of a file in the commit; None where it is not there."""
        name = f"{self.commit}:{self._below(file)}"
        if not _git(self.root, "cat-file", "-t", name, fails=True):
            return None
        return _git(self.root, "cat-file", "blob", name)

    def _below(self, path: Path) -> str:
        if not self.holds(path):
            raise UsageError(
                f"{os.path.relpath(path)} is not in the repository of {self.name}",
                mend="compare with a verdicts.json or a store instead, or keep the logs in the repository",
            )
        return path.resolve().relative_to(self.root.resolve()).as_posix()


def _git(
    folder: Path, *arguments: str, env: dict[str, str] | None = None, given: bytes = b"", fails: bool = False
) -> bytes:
    """Run git in a folder and return its stdout; where `fails` is expected, an error returns nothing."""
    own = {key: value for key, value in os.environ.items() if key not in _OWN} | (env or {})
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, env=own, input=given, capture_output=True, check=False)  # noqa: S603 -- git, with arguments of ours and a ref that is no option
    except FileNotFoundError as error:
        raise UsageError("git is not installed", mend="install it, or compare with a verdicts.json") from error
    if done.returncode == 0:
        return done.stdout
    if fails:
        return b""
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    raise UsageError(
        f"git {arguments[0]}: {said[0][:200] if said else 'failed'}",
        mend="run it inside a git repository, or compare with a verdicts.json or a store",
    )
