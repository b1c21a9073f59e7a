"""Who wrote an event: the version, and the commit of the code as git's own command names it."""

import subprocess
from pathlib import Path

import pytest

import green
from green.audit import origin


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *own, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "code"
    root.mkdir()
    git(root, "init", "-q")
    git(root, "commit", "-q", "--allow-empty", "-m", "one")
    return root


def test_the_commit_is_what_git_says_of_a_branch_a_packed_ref_a_detached_head_and_a_worktree(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert origin.commit_of(checkout) == commit
    assert origin.written_by(checkout) == f"{green.__version__}+g{commit[:12]}"
    git(checkout, "pack-refs", "--all")
    assert origin.commit_of(checkout) == commit
    git(checkout, "worktree", "add", "-q", "-b", "other", str(checkout.parent / "tree"))
    git(checkout.parent / "tree", "commit", "-q", "--allow-empty", "-m", "two")
    assert origin.commit_of(checkout.parent / "tree") == git(checkout.parent / "tree", "rev-parse", "HEAD") != commit
    git(checkout, "checkout", "-q", "--detach")
    assert origin.commit_of(checkout) == commit


def test_where_nothing_is_checked_out_only_the_version_is_said(tmp_path: Path) -> None:
    assert origin.written_by(tmp_path) == green.__version__
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/none\n")
    assert origin.written_by(tmp_path) == green.__version__
