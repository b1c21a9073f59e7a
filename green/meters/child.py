"""The command that is metered: started when the meter is ready, its signals passed on, its end told as it was."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KILLERS = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU})
FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT})  # sent to all processes of the terminal's foreground
PASSED_ON = (
    *(signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2),
)
MOST_ANCESTORS = 1000
_SHELL = 128  # a shell adds it to the signal that ended a command
_PR_SET_CHILD_SUBREAPER = 36
_RESTORED = ("SIGPIPE", "SIGXFSZ")  # Python ignores them, and a command should not inherit that


def adopt() -> None:
    """Become the parent of what the command leaves behind, so that it can be counted, followed and stopped."""
    import ctypes  # noqa: PLC0415 -- a millisecond, only for commands

    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # only Linux has it; elsewhere orphans are the system's
    if prctl is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def has_terminal() -> bool:
    """Tell whether a terminal controls this process: its keys send signals to a whole group of processes."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


class Child:
    """A command, from before it starts to after it ended."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], keep: int) -> None:
        """Fork; the command itself starts with `release`. It inherits the descriptor `keep`.

        On a terminal it stays in our group, so that Ctrl-C, Ctrl-Z, fg and bg do with both what they ever do;
        elsewhere it leads a group of its own, which signals are passed on to.
        """
        self.status: int | None = None
        self.has_group = not has_terminal()
        ready, self._start = os.pipe()
        self._failed, failed = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._start)
            self._run(list(command), dict(environ), keep, ready, failed)
        os.close(ready)
        os.close(failed)
        if self.has_group:
            with suppress(PermissionError, ProcessLookupError):  # it is done already, or gone: the wait will tell
                os.setpgid(self.pid, self.pid)  # in both processes, for either may come first

    def _run(self, command: list[str], environ: dict[str, str], keep: int, ready: int, failed: int) -> NoReturn:
        """Be the child: wait for the meter, and become the command."""
        try:
            for name in _RESTORED:
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            if self.has_group:
                os.setpgid(0, 0)
            if os.read(ready, 1):  # nothing comes where the meter could not start
                os.set_inheritable(keep, True)  # noqa: FBT003 -- the argument of the system
                os.execvpe(command[0], command, environ)  # noqa: S606 -- the command that the user gave us
        except OSError as error:
            os.write(failed, str(error.errno).encode("ascii"))
        finally:
            os._exit(127)

    def release(self) -> OSError | None:
        """Let the command start; return why it could not."""
        os.write(self._start, b"\n")
        os.close(self._start)
        said = os.read(self._failed, 16)
        os.close(self._failed)
        return OSError(int(said), os.strerror(int(said))) if said else None

    def abandon(self) -> None:
        """End the child before it became the command."""
        os.close(self._start)
        os.waitpid(self.pid, 0)

    def reap(self) -> bool:
        """Take the end of every process of ours that ended; tell whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.pid:
                self.status = status

    def pass_on(self, number: int) -> None:
        """Give a signal that we got to the command; what the terminal sends it has got already."""
        if self.has_group:
            _kill(self.pid, number, is_group=True)
        elif number not in FROM_TERMINAL:
            _kill(self.pid, number)

    def stop(self, number: int, spared: Sequence[int] = ()) -> None:
        """Send a signal to the command, its group and all that descends from it, but for processes of our own."""
        if self.has_group:
            _kill(self.pid, number, is_group=True)
        for pid in descendants(os.getpid()):
            if pid not in spared:
                _kill(pid, number)


def _kill(pid: int, number: int, *, is_group: bool = False) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it ended meanwhile, or became another user's
        (os.killpg if is_group else os.kill)(pid, number)


def stop_tree(pid: int, number: int) -> None:
    """Send a signal to a process that is not our child, and to all that descends from it."""
    for one in (*descendants(pid), pid):
        _kill(one, number)


def ancestors(pid: int, proc: str = "/proc") -> list[int]:
    """Return the processes that a process descends from, its parent first."""
    found: list[int] = []
    while pid > 1 and len(found) < MOST_ANCESTORS:
        try:
            with open(f"{proc}/{pid}/stat", "rb") as stream:  # noqa: PTH123 -- pathlib costs 10 ms to load
                pid = int(stream.read().rpartition(b")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            break  # it ended while we looked, or is not of our name space
        found.append(pid)
    return found


def descendants(root: int, proc: str = "/proc") -> list[int]:
    """Return the processes that descend from one, the deepest last."""
    children: dict[int, list[int]] = {}
    for name in os.listdir(proc) if os.path.isdir(proc) else ():  # noqa: PTH208, PTH112 -- pathlib costs 10 ms to load
        if name.isdecimal():
            try:
                with open(f"{proc}/{name}/stat", "rb") as stream:  # noqa: PTH123 -- likewise
                    fields = stream.read().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            if fields[:1] != [b"Z"]:
                children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    level = [root]
    while level:
        level = [child for pid in level for child in children.get(pid, ())]
        found += level
    return found


def outcome(status: int) -> dict[str, object]:
    """Return what the footer says of a wait status: status, exit code as a shell has it, and the signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        word = "killed" if number in KILLERS else "failed"
        return {"status": word, "exit_code": _SHELL + number, "signal": signal.Signals(number).name}
    code = os.WEXITSTATUS(status)
    if code == 0:
        return {"status": "completed", "exit_code": 0}
    return {"status": "killed" if code - _SHELL in KILLERS else "failed", "exit_code": code}


def end_like(status: int) -> NoReturn:
    """End this process as the command ended: by the same exit code, or by the same signal."""
    if os.WIFSIGNALED(status):
        import resource  # noqa: PLC0415 -- only here

        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command dumped its own core, ours would say nothing
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(_SHELL + number)  # where the signal is blocked
    os._exit(os.WEXITSTATUS(status))
