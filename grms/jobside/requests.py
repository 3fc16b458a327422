"""What the broker asks of a running job through files: checkpoint, stop, go on, end.

The broker writes ``control/requests/<id>.json`` whole; the answer is ``<id>.done`` beside it.
"""

import os
import signal
import time

from grms.jobside import child
from grms.jobside.files import dump, load, raw, text, write_whole

MYPY = False  # a name that type checkers take for true
if MYPY:  # the supervisor imports this module
    from grms.jobside.supervise import Supervisor

CHECKPOINTED = 85  # the exit code of "checkpointed, run me again", as HTCondor's
_SHELL = b"/bin/sh"


class Requests:
    """The requests to one job, looked for once a second; each is carried out once."""

    def __init__(self, job: "Supervisor") -> None:
        self.job = job
        self.folder = os.path.join(job.control, b"requests")
        self.seen = set()  # type: set[bytes]
        self.open = None  # type: bytes | None
        self.deadline = 0.0
        self.command = None  # type: int | None
        self.fulfilled = False

    def look(self) -> None:
        """Carry out what is new, and give up a checkpoint whose time is over."""
        if self.open is not None and time.monotonic() >= self.deadline:
            self._give_up()
        try:
            names = sorted(os.listdir(self.folder))
        except OSError:
            return  # no request so far
        for name in names:
            if name.endswith(b".json") and not name.startswith(b".") and name not in self.seen:
                asked = load(os.path.join(self.folder, name))
                if asked is not None:
                    self.seen.add(name)
                    self._carry_out(name[:-5], asked)

    def _carry_out(self, name: bytes, asked: "dict[str, object]") -> None:
        what = asked.get("do")
        if what == "checkpoint":
            self._checkpoint(name, asked)
        elif what == "stop":
            self.job.suspend()
            self._answer(name, self.job.paused_at is not None, "the job is ending")
        elif what == "cont":
            self.job.resume()
            self._answer(name, True)
        elif what == "end":
            self.fulfilled = self.fulfilled or bool(asked.get("checkpointed"))
            self._answer(name, True)
            self.job.end(signal.SIGTERM)
        else:
            self._answer(name, False, "this wrapper does not know the request %s" % what)

    def _checkpoint(self, name: bytes, asked: "dict[str, object]") -> None:
        if self.open is not None or self.job.kill_at is not None:
            self._answer(name, False, "the job is ending, or writes a checkpoint already")
            return
        self.job.resume()
        self.open = name
        self.deadline = time.monotonic() + float(str(asked.get("deadline") or 60))
        way = ways(self.job.control, self.job.spec)
        if way.get("command"):
            self._run(str(way["command"]))
            return
        number = getattr(signal, "SIG" + str(way.get("signal") or "USR1"), None)
        if number is None:
            self._close(False, "there is no signal SIG%s here" % way.get("signal"))
        else:
            self.job.send_ranks(number)

    def _run(self, command: str) -> None:
        job = self.job
        streams = [os.open(os.devnull, os.O_RDONLY)]
        log = os.path.join(job.control, b"checkpoint.log")
        streams.append(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        try:
            argv = [_SHELL, b"-c", raw(command)]
            work = raw(str(job.spec["work"]))
            env = job.environment(0)
            self.command = child.start(argv, env, work, streams + streams[1:], None, job.group)
        except child.StartError as error:
            self._close(False, "the checkpoint command cannot run: %s" % error.reason)
        finally:
            for stream in streams:
                os.close(stream)

    def ended(self, pid: int, status: int) -> None:
        """A child was reaped: if it was the checkpoint command, its status is the answer."""
        if pid != self.command:
            return
        self.command = None
        if self.open is None:
            return  # too late: it was given up
        if status == 0:
            self.fulfilled = True
            self._close(True)
            self.job.end(signal.SIGTERM)
        else:
            self._close(False, "the checkpoint command ended with status %d" % (status >> 8))

    def _give_up(self) -> None:
        self._close(False, "no checkpoint within its deadline", overdue=True)

    def _close(self, ok: bool, reason: str = "", **more: object) -> None:
        name, self.open = self.open, None
        if name is not None:
            self._answer(name, ok, reason, **more)

    def _answer(self, name: bytes, ok: bool, reason: str = "", **more: object) -> None:
        value = {"id": text(name), "ok": ok, "reason": "" if ok else reason, "at": time.time()}
        value.update(more)
        try:
            write_whole(os.path.join(self.folder, name + b".done"), dump(value))
        except OSError:
            pass  # the broker gives up by its own clock

    def checkpointed(self, statuses: "list[int]") -> bool:
        """True when the job ended by a checkpoint, given the statuses of its processes."""
        if self.fulfilled:
            return True
        bad = [status for status in statuses if status != 0]
        if not bad:
            return False
        way = ways(self.job.control, self.job.spec)
        code = int(str(way.get("exit_code") or CHECKPOINTED)) if way else None
        by_code = all(os.WIFEXITED(status) and os.WEXITSTATUS(status) == code for status in bad)
        return by_code and not self.job.limit


def ways(control: bytes, spec: "dict[str, object]") -> "dict[str, object]":
    """How this job can be checkpointed: as it said itself, else as its description did, or {}."""
    said = load(os.path.join(control, b"ways.json"))
    if said is not None:
        return said
    declared = spec.get("checkpoint")
    return dict(declared) if isinstance(declared, dict) else {}
