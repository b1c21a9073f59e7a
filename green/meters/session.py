"""`with green.meter():` meters the program that it stands in, by a meter that is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Self

from green.errors import InputError
from green.meters import itself, pipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

FLUSHED_S = 1.0  # counts go to the meter once a second, however often a loop counts
PATIENCE_S = 10.0  # that a meter has to read its sensors once more and to close its log


class Meter:
    """What tells the meter of a run its phases, counts and epochs; made by `green.meter`."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Keep how the meter is to be started; nothing happens before `with`."""
        self._arguments = list(arguments)
        self.run_id: str | None = None
        self.log: str | None = None  # None where an outer meter records the run
        self._process: subprocess.Popen[str] | None = None
        self._folder: str | None = None
        self._fd: int | None = None
        self._pid = 0
        self._before: dict[str, str | None] = {}
        self._counts: dict[str, float] = {}
        self._flushed_s = 0.0
        self._lock = threading.Lock()
        self._lost = 0

    def __enter__(self) -> Self:
        """Start a meter, or join the one that this program runs under already."""
        self._pid = os.getpid()
        outer = os.environ.get(pipe.ENVIRONMENT)
        if outer:
            self._join(outer)
        else:
            self._start()
        self._flushed_s = time.monotonic()
        return self

    def _join(self, path: str) -> None:
        self.run_id = os.environ.get("GREEN_RUN_ID")
        try:
            if (meter := os.environ.get(pipe.METER, "")).isdecimal():
                os.kill(int(meter), 0)  # the pipe alone does not tell: our command holds it open, too
            self._fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:  # it was killed: the run goes on without
            warnings.warn(f"the meter of this run is gone ({error.strerror}): {path}", RuntimeWarning, stacklevel=3)

    def _start(self) -> None:
        self._folder = mkdtemp(prefix="green-meter-")
        path = f"{self._folder}/events"
        self._fd = pipe.create(path)
        words = itself.words("green.meters", "--session", f"--pid={self._pid}", f"--pipe={path}", *self._arguments)
        self._process = subprocess.Popen(  # noqa: S603 -- our own module, by our own interpreter
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=itself.environ(),
            start_new_session=True,  # Ctrl-C is for the program; its meter writes down how it ended
        )  # fmt: skip
        said = self._process.stdout.readline() if self._process.stdout else ""
        if not said:
            self._process.wait()
            self._close()
            raise InputError("the meter did not start", mend="its own words stand above")
        answer = json.loads(said)
        self.run_id, self.log = answer["run_id"], answer["log"]
        ours = {pipe.ENVIRONMENT: path, pipe.METER: str(self._process.pid), "GREEN_RUN_ID": str(self.run_id)}
        for name, value in ours.items():
            self._before[name] = os.environ.get(name)
            os.environ[name] = value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell how the program came out of it, and wait until the log is closed."""
        if os.getpid() != self._pid:  # a fork of the program came along: the run is not its own
            return
        self._flush()
        if self._process is not None:
            self._tell(f"ended {_status(error)}")
            try:
                code = self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.terminate()
                code = self._process.wait()
            if code:
                warnings.warn(f"the meter ended before the run, with {code}: {self.log}", RuntimeWarning, stacklevel=2)
        if self._lost:
            warnings.warn(f"{self._lost} events did not reach the meter", RuntimeWarning, stacklevel=2)
        self._close()

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self._folder is not None:
            with suppress(FileNotFoundError):
                os.unlink(f"{self._folder}/events")  # noqa: PTH108 -- a text, as everywhere in the meter
            os.rmdir(self._folder)  # noqa: PTH106 -- likewise
            self._folder = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Name what the program does in this block; phases may stand inside others."""
        self._flush()
        self._tell(f"begin {_line(name)}")
        try:
            yield
        finally:
            self._flush()
            self._tell(f"end {_line(name)}")

    def count(self, **units: float) -> None:
        """Add functional units that were made since the last count, such as `tokens=4096`."""
        for unit, amount in units.items():
            if unit in pipe.RESERVED or "=" in unit or unit.split() != [unit] or len(unit) > pipe.MOST_NAME:
                raise ValueError(f"{unit!r} is a word of the log, or no name of a unit")
            if not 0 <= amount < float("inf"):
                raise ValueError(f"{unit}={amount} is no amount")
        with self._lock:
            for unit, amount in units.items():
                self._counts[unit] = self._counts.get(unit, 0.0) + amount
        if time.monotonic() - self._flushed_s >= FLUSHED_S:
            self._flush()

    def epoch(self, number: int) -> None:
        """Say that an epoch begins."""
        self._flush()
        self._tell(f"epoch {int(number)}")

    def note(self, text: str) -> None:
        """Write a note into the log."""
        self._tell(f"note {_line(text)}")

    def _flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, {}
            self._flushed_s = time.monotonic()
        for unit, amount in counts.items():  # a line each: what is longer than 4 KiB is no line that arrives as a whole
            self._tell(f"count {unit}={amount!r}")

    def _tell(self, line: str) -> None:
        if self._fd is None:
            return
        try:
            os.write(self._fd, f"{line}\n".encode())
        except (BlockingIOError, BrokenPipeError):  # nobody reads any more: the run must not wait for its meter
            self._lost += 1


def _line(text: str) -> str:
    """Make a text one line that the pipe takes as a whole."""
    return " ".join(text.split())[: pipe.MOST_NAME] or "unnamed"


def _status(error: BaseException | None) -> str:
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "completed"
    return "killed" if isinstance(error, KeyboardInterrupt) else "failed"


def meter(  # noqa: PLR0913 -- the options of `green meter`, each by name
    run_id: str | None = None,
    *,
    out: str | os.PathLike[str] = "logs",
    project: str | None = None,
    team: str | None = None,
    model: str | None = None,
    kind: str | None = None,
    site: str | None = None,
    region: str | None = None,
    labels: Mapping[str, str] | None = None,
    work: Mapping[str, float] | None = None,
    budget: str | Sequence[str] = (),
    warn_at: float | None = None,
    stop: bool = False,
    every_s: float = 1.0,
    sensors: Sequence[str] = (),
    quiet: bool = False,
) -> Meter:
    """Return a meter for a `with` block; its options are those of `green meter`."""
    texts: dict[str, str | float | None] = {
        "run-id": run_id,
        "out": os.fspath(out),
        "project": project,
        "team": team,
        "model": model,
    }
    texts |= {"kind": kind, "site": site, "region": region, "warn-at": warn_at, "every": every_s}
    words = [f"--{name}={value}" for name, value in texts.items() if value is not None]
    words += [f"--label={key}={value}" for key, value in (labels or {}).items()]
    words += [f"--work={unit}={amount}" for unit, amount in (work or {}).items()]
    words += [f"--budget={one}" for one in ([budget] if isinstance(budget, str) else budget)]
    words += [f"--sensors={one}" for one in sensors]
    return Meter([*words, *(["--stop"] if stop else []), *(["--quiet"] if quiet else [])])
