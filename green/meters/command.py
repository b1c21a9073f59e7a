"""`green meter`: what happens from its words to its end, in the order of time."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from green.errors import GreenError, InputError, UsageError
from green.meters import Asked, begin, child, pipe
from green.meters.clock import Clock, Strata
from green.meters.loop import Loop, Signals
from green.meters.options import parse, run_id_of
from green.meters.watch import OVER, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.meters.log import Log
    from green.meters.options import Options
    from green.meters.watch import Decision, Guard

LOOKED_S = 1.0  # how often it is looked whether a process is gone whose end nobody tells us
NOT_FOUND_EXIT, NOT_RUN_EXIT, INTERRUPTED_EXIT = 127, 126, 130  # as a shell has them


def say(text: str) -> None:
    """Tell a person one line."""
    sys.stderr.write(f"green meter: {text}\n")
    sys.stderr.flush()


def main(words: Sequence[str]) -> int:
    """Run `green meter` with the words after it; does not come back where the command ended by a signal."""
    try:
        options = parse(words)
        if options.dry_run:
            from green.meters.dry import show  # noqa: PLC0415 -- words for people, not for a run

            return show(options)
        return Metering(options).run()
    except GreenError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:  # before anything was started: later Ctrl-C is the command's
        return INTERRUPTED_EXIT


class Metering:
    """One metering of one run."""

    def __init__(self, options: Options) -> None:
        """Find out where the log will be and what the run is called; nothing is started."""
        self.options = options
        self.environ = dict(os.environ)
        self.host = os.uname().nodename
        self.clock = Clock()
        self.run_id = run_id_of(options, self.environ, self.host, self.clock.started_at)
        seed = int.from_bytes(os.urandom(4)) if options.seed is None else options.seed
        self.strata = Strata(options.every, seed)
        self.child: child.Child | None = None
        self.viewer: int | None = None
        self.pidfd: int | None = None
        self.answer: dict[str, Any] | None = None  # of the program that knows policies and the store
        self.is_over = False
        self.has_ended_children = True  # it may have ended before we listened
        self.reason: dict[str, str] = {}  # why the run or the meter was stopped
        self.kill_at_s: float | None = None  # when those that did not follow a SIGTERM are killed

    def run(self) -> int:
        """Start, sample until the end, and end as the command did."""
        self._leave_to_outer()
        guards: list[Guard] = []
        if self.options.budget:
            from green.meters.allowed import ask, guards_of  # noqa: PLC0415 -- starts a program, only for budgets

            self.answer = ask(self.options, self.run_id)
            guards = guards_of(self.answer, self.options, say)
        try:
            self.pipe = pipe.Pipe(self.options.pipe)
        except OSError as error:
            mend = "name another place with --pipe or TMPDIR"
            raise InputError(f"the pipe for events cannot be made: {error.strerror}", mend=mend) from error
        names = {pipe.ENVIRONMENT: self.pipe.path, pipe.METER: str(os.getpid()), "GREEN_RUN_ID": self.run_id}
        self.environ.update(names)
        try:
            self._start(guards)
            footer = self._sample()
        finally:
            self.pipe.remove()
        return self._end(footer)

    def _leave_to_outer(self) -> None:
        """Become the command where a meter above us records all of it already: two would count a model twice."""
        outer = self.environ.get(pipe.METER, "")
        if not self.options.command or not outer.isdecimal() or int(outer) not in child.ancestors(os.getpid()):
            return
        where = f"metered already, in the run {self.environ.get('GREEN_RUN_ID')}"
        if self.options.budget:
            raise UsageError(f"--budget: {where}", mend="give the budget to the outer `green meter`")
        say(where)
        command = self.options.command
        try:
            os.execvpe(command[0], command, self.environ)  # noqa: S606 -- the command that the user gave us
        except OSError as error:
            say(f"cannot run {command[0]}: {error.strerror}")
            os._exit(NOT_FOUND_EXIT if isinstance(error, FileNotFoundError) else NOT_RUN_EXIT)

    def _start(self, guards: list[Guard]) -> None:
        """Fork, look, write the header, take the first reading, and only then let the command run."""
        options = self.options
        if options.command:
            child.adopt()
            self.child = child.Child(options.command, self.environ, self.pipe.fd)
        pid = self.child.pid if self.child else options.pid
        try:
            self.signals = Signals((*child.PASSED_ON, signal.SIGCHLD))
            self._follow(pid)
            self.found = begin.look(begin.chosen(options.sensors), Asked(pid=pid, environ=self.environ))
            log = begin.open_log(options, self.run_id, self.host, self.environ, say)
            self.clock = Clock()  # the run begins now, and not before its budget and its sensors were looked up
            known = {"run_id": self.run_id, "host": self.host, "environ": self.environ, "pid": pid}
            self.strata.is_even = begin.averages(self.found.sensors, options.every)
            header = begin.header(self.found, options, clock=self.clock, strata=self.strata, **known)  # type: ignore[arg-type]  # the values are of the keywords' types
            begin.write(log, header, options, self.run_id)
        except GreenError:
            if self.child is not None:
                self.child.abandon()
            raise
        self.lines = pipe.Lines(self.pipe.fd)
        self.loop = Loop(self.found.sensors, log, self.clock, self.strata, lines=self.lines, fsync_s=options.fsync)
        self.loop.notes = self.found.notes
        self.loop.is_tallied = bool(guards) or self._is_watched()
        if guards:
            self.watch = Watch(guards, options.warn_at)
            self.loop.on_energy = self._on_energy
        self.loop.listen(self.signals.fd, self._on_signals)
        if self.pidfd is not None:
            self.loop.listen(self.pidfd, self._on_gone)
        if not self.found.sensors:
            say("nothing here can be read, so that the energy will be unknown; `green meter --dry-run` says why")
        self.loop.start()
        self._release(log)
        self._tell_ready(log)

    def _follow(self, pid: int | None) -> None:
        """Be told when a process that is not our child ends."""
        if self.child is not None or pid is None:
            return
        try:
            os.kill(pid, 0)
            self.pidfd = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise InputError(f"no process {pid}", mend="check --pid") from error
        except PermissionError as error:
            raise InputError(f"process {pid} is another user's", mend="meter it as its user") from error
        except (AttributeError, OSError):  # an old kernel: `_is_gone` asks again and again
            self.pidfd = None

    def _release(self, log: Log) -> None:
        """Let the command start; where it cannot, there is no run, and no log of one."""
        error = self.child.release() if self.child else None
        if error is not None:
            self.loop.end({"status": "failed"})
            os.unlink(log.path)  # noqa: PTH108 -- pathlib costs 10 ms to load
            self.found.close()
            self.pipe.remove()
            say(f"cannot run {self.options.command[0]}: {error.strerror}")
            os._exit(NOT_FOUND_EXIT if isinstance(error, FileNotFoundError) else NOT_RUN_EXIT)

    def _tell_ready(self, log: Log) -> None:
        """Answer the program that meters itself, or show a person what happens."""
        if self.options.session:
            sys.stdout.write(f"{json.dumps({'log': log.path, 'run_id': self.run_id})}\n")
            sys.stdout.flush()
        if self._is_watched():
            from green.meters.shown import start_view  # noqa: PLC0415 -- only where a person watches

            self.viewer = start_view(log.path, self.run_id, self.answer, self.options)

    def _is_watched(self) -> bool:
        return not self.options.quiet and sys.stderr.isatty()

    def _on_energy(self, energy_kwh: float) -> None:
        for decision in self.watch.see(energy_kwh):
            self._decide(decision)

    def _decide(self, decision: Decision) -> None:
        """Do what the watch says: tell it, and stop the run where that was asked for."""
        words = decision.words()
        self.loop.note({"event": "note", "note": "budget", "is": decision.kind, "text": words})
        say(words)
        if decision.kind == OVER and self.options.stop and self.kill_at_s is None:
            self.reason = {"reason": "budget", "policy": decision.guard.policy}
            self.kill_at_s = self.clock.elapsed_s() + self.options.grace
            say(f"stopping the run; what does not end within {self.options.grace:g} s is killed")
            self._send(signal.SIGTERM)
            self._send(signal.SIGCONT)  # a stopped process could not follow

    def _send(self, number: int) -> None:
        if self.child is not None:
            self.child.stop(number, spared=[] if self.viewer is None else [self.viewer])
        elif self.options.pid is not None:
            child.stop_tree(self.options.pid, number)

    def _on_signals(self) -> None:
        for number in self.signals.read():
            self.has_ended_children = self.has_ended_children or number == signal.SIGCHLD
            if self.child is None:
                if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    self.is_over, self.reason = True, self.reason or {"reason": "meter_stopped"}
            elif number != signal.SIGCHLD:
                self.loop.note({"event": "note", "note": "signal", "name": signal.Signals(number).name})
                self.child.pass_on(number)

    def _on_gone(self) -> None:
        self.is_over = True

    def _is_gone(self) -> bool:
        """Tell whether the run has ended."""
        if self.child is not None:
            if self.has_ended_children:
                self.has_ended_children = False
                self.child.reap()
            return self.child.status is not None and not (self.options.follow and self._left())
        if self.lines.ended is not None:
            return True
        if not self.is_over and self.pidfd is None and self.options.pid is not None:
            try:
                os.kill(self.options.pid, 0)
            except ProcessLookupError:
                return True
        return self.is_over

    def _wake_s(self) -> float | None:
        """Return when there is something to do beside readings: to kill, or to look for an end that nobody tells us."""
        if self.child is not None:
            is_untold = self.child.status is not None  # what the command left is followed
        else:
            is_untold = self.pidfd is None and self.options.pid is not None  # an old kernel
        if not is_untold:
            return self.kill_at_s
        looked_s = self.clock.elapsed_s() + LOOKED_S
        return looked_s if self.kill_at_s is None else min(looked_s, self.kill_at_s)

    def _left(self) -> list[int]:
        """Return the processes that the command left behind."""
        return [pid for pid in child.descendants(os.getpid()) if pid != self.viewer]

    def _sample(self) -> dict[str, Any]:
        """Sample until the end; return what the footer says of it."""
        while not self._is_gone():
            self.loop.turn(self._wake_s())
            if self.kill_at_s is not None and self.clock.elapsed_s() >= self.kill_at_s:
                self.kill_at_s = self.clock.elapsed_s() + self.options.grace
                self._send(signal.SIGKILL)
        if self.child is not None and self.child.status is not None:
            footer = child.outcome(self.child.status)
        elif self.lines.ended is not None:
            footer = {"status": self.lines.ended}
        elif self.options.session:  # its program ended without leaving the metered part
            footer = {"status": "killed"}
        else:
            footer = {}  # somebody else's process: how it ended is its parent's to know
        if self.reason.get("reason") == "budget":
            footer["status"] = "killed"
        return {**footer, **self.reason}

    def _end(self, footer: dict[str, Any]) -> int:
        """Close the log, and end as the command ended."""
        left = self._left() if self.child is not None else []
        if left:
            footer["left"] = len(left)
            say(f"{len(left)} processes of the run go on and are not metered any more; --follow waits for them")
        path = self.loop.log.path
        if not self.loop.end(footer):
            say(f"the log is not whole: {self.loop.log.lost} lines and what waited are lost: {path}")
        self.found.close()
        if self.viewer is not None:
            from green.meters.shown import end_view, summary  # noqa: PLC0415 -- only where a person watches

            end_view(self.viewer)
            say(summary(self.loop.tally, path))
        if self.child is not None and self.child.status is not None:
            child.end_like(self.child.status)
        return 0
