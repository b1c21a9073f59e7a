"""Which processes belong to a run: those below its first one, by the files of /proc."""

from __future__ import annotations

MOST_PARENTS = 1_000  # no tree of processes is deeper


def parent_of(pid: int, proc: str = "/proc") -> int | None:
    """Return the parent of a process, None where there is no such process."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as stream:  # noqa: PTH123 -- read for many processes again and again
            text = stream.read()
    except OSError:
        return None
    # the name stands in brackets and may hold anything: what follows the last one is numbers
    cells = text[text.rfind(b")") + 1 :].split()
    return int(cells[1]) if len(cells) > 1 and cells[1].isdigit() else None


def is_below(pid: int, top: int, proc: str = "/proc") -> bool | None:
    """Tell whether a process is another or descends from it; None where it is none of this machine's that we see."""
    at: int | None = pid
    for _ in range(MOST_PARENTS):
        if at == top:
            return True
        at = parent_of(at, proc) if at else None
        if at is None:
            return None if parent_of(pid, proc) is None else False
        if at == 0:
            return False
    return False
