"""Watch over the processes of a job until the last has ended: signals, limits, usage, sign of life.

One thread and no handlers: all signals are blocked and waited for, so nothing races.
"""

import os
import signal
import sys
import time
from functools import lru_cache

from grms.jobside import child, processes
from grms.jobside.cgroup import Group
from grms.jobside.files import raw, text
from grms.jobside.requests import Requests

_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_TO_PASS_ON = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
SIGNALS = frozenset(_TO_END + _TO_PASS_ON + (signal.SIGCHLD, signal.SIGTSTP, signal.SIGCONT))

_LOOK = 1.0  # seconds between two measurements, and between two looks for requests
_FIRST_BEAT = 1.0  # a job that is over before needs no sign of life beside its evidence
_PATIENCE_WITH_LEFTOVERS = 20.0  # processes that even SIGKILL does not end hang in the kernel


class Supervisor:
    """The processes of one job. Times are seconds of the monotonic clock."""

    def __init__(self, spec: "dict[str, object]", control: bytes, tools: bytes = b"") -> None:
        limits = dict(spec.get("limits") or {})  # type: ignore[call-overload]
        self.spec = spec
        self.control = control
        self.tools = tools
        self.tag = str(spec["tag"])
        self.group = Group(self.tag)
        self.wall = limits.get("wall")
        self.cpu_limit = limits.get("cpu")
        self.memory = limits.get("memory")
        self.heartbeat = float(str(spec.get("heartbeat") or 30))
        self.grace = float(str(spec.get("grace") or 10))
        self.reaper = False
        self.ranks = set()  # type: set[int]
        self.first = None  # type: int | None
        self.bad = None  # type: int | None
        self.statuses = []  # type: list[int]
        self.cpu = 0.0
        self.max_rss = 0
        self.limit = ""
        self.told = ""
        self.kill_at = None  # type: float | None
        self.begun = time.monotonic()
        self.paused_at = None  # type: float | None
        self.paused = 0.0
        self.next_beat = self.next_look = self.next_request = 0.0
        self.requests = Requests(self)
        self.checkpointed = False

    def work(self) -> "tuple[dict[str, object], dict[str, object]]":
        """Run the job to its end; return the ``exit`` and ``usage`` objects of the evidence."""
        self.reaper = processes.become_reaper()
        try:
            self._start()
        except child.StartError as error:
            self.end_all()
            return self._exit(error.code, None, error.reason), self.usage()
        begin = time.monotonic()
        self.next_beat = begin + min(_FIRST_BEAT, self.heartbeat)
        self.next_request = begin + _LOOK
        while self.ranks:
            self._wait()
        self.end_all()
        self.checkpointed = self.requests.checkpointed(self.statuses)
        return self._verdict(), self.usage()

    def environment(self, rank: int) -> "dict[bytes, bytes]":
        """The environment of one process of the job."""
        count = max(1, int(str(self.spec.get("count") or 1)))
        return environment(self.spec, rank, count, self.control, self.tools)

    def _start(self) -> None:
        streams = child.open_streams(self.spec)
        try:
            count = max(1, int(str(self.spec.get("count") or 1)))
            argv = command(self.spec, count)
            copies = count if self.spec.get("type") == "multiple" else 1
            for rank in range(copies):
                work = raw(str(self.spec["work"]))
                env = self.environment(rank)
                self.ranks.add(child.start(argv, env, work, streams, self.cpu_limit, self.group))
        finally:
            for stream in set(streams):
                os.close(stream)

    def _wait(self) -> None:
        """One turn: sleep until a signal or the next thing to do."""
        self._beat()
        now = time.monotonic()
        timeout = max(0.0, self._next() - now)
        info = signal.sigtimedwait(SIGNALS, timeout)
        woke = time.monotonic()
        if self.paused_at is None and woke - now > timeout + 5:
            self.paused += woke - now - timeout  # we were stopped ourselves, with the job
        if info is not None:
            self._heed(info.si_signo)
        self._reap()
        if self.ranks and time.monotonic() >= self.next_request:
            self.next_request = time.monotonic() + _LOOK
            self.requests.look()
        self._keep_limits()

    def _next(self) -> float:
        times = [self.next_beat, self.next_request]
        if self.kill_at is not None:
            times.append(self.kill_at)
        if self.wall and self.paused_at is None and not self.limit:
            times.append(self.begun + self.paused + self.wall)
        if self.cpu_limit or self.memory:
            times.append(self.next_look)
        return min(times)

    def _heed(self, number: int) -> None:
        if number in _TO_END:
            self.told = self.told or signal.Signals(number).name
            self.end(number)
        elif number in _TO_PASS_ON:
            self.send_ranks(number)
        elif number == signal.SIGTSTP:
            self.suspend()
        elif number == signal.SIGCONT:
            self.resume()

    def end(self, number: int) -> None:
        """Ask all processes to end; those that do not are killed after the grace time."""
        processes.send(number, self.members())
        self.resume()
        if self.kill_at is None:
            self.kill_at = time.monotonic() + self.grace

    def send_ranks(self, number: int) -> None:
        """Signal the processes that the wrapper started, and only them."""
        for pid in self.ranks:  # not reaped yet, so the ids are still ours
            try:
                os.kill(pid, number)
            except OSError:
                pass  # it runs as another account now

    def suspend(self) -> None:
        """Stop all processes; the wall limit stops with them. Not while the job is ending."""
        if self.paused_at is None and self.kill_at is None:
            self.paused_at = time.monotonic()
            for _ in range(10):
                running = [process for process in self.members() if process.state not in "Tt"]
                if not running:
                    break
                processes.send(signal.SIGSTOP, running)
            _touch(os.path.join(self.control, b"suspended"))

    def resume(self) -> None:
        """Let all processes go on."""
        processes.send(signal.SIGCONT, self.members())
        if self.paused_at is not None:
            self.paused += time.monotonic() - self.paused_at
            self.paused_at = None
            try:
                os.unlink(os.path.join(self.control, b"suspended"))
            except OSError:
                pass  # a matter of display alone

    def members(self) -> "list[processes.Process]":
        """All processes of the job. Without a reaper, strays are found by group or environment."""
        found = processes.descendants(os.getpid())
        looks = [processes.look(pid) for pid in self.group.members()]
        strays = [process for process in looks if process and process.lives]
        if not self.reaper:
            strays += processes.marked(self.tag)
        all_of_them = {process.pid: process for process in strays + found}
        return list(all_of_them.values())

    def _reap(self) -> bool:
        """Take in who has ended. True when nobody is left: a reaper inherits all that live."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return self.reaper
            if pid == 0:
                return False
            self.cpu += used.ru_utime + used.ru_stime
            self.max_rss = max(self.max_rss, used.ru_maxrss)
            self.requests.ended(pid, status)
            if pid in self.ranks:
                self.ranks.discard(pid)
                self.statuses.append(status)
                self.first = status if self.first is None else self.first
                self.bad = status if self.bad is None and status != 0 else self.bad

    def _keep_limits(self) -> None:
        now = time.monotonic()
        if self.kill_at is not None and now >= self.kill_at:
            processes.send(signal.SIGKILL, self.members())
            self.kill_at = now + 1
        if self.limit or not self.ranks:
            return
        if self.wall and self.paused_at is None and now - self.begun - self.paused >= self.wall:
            self._over("wall", signal.SIGTERM)
        elif (self.cpu_limit or self.memory) and now >= self.next_look:
            self.next_look = now + _LOOK
            living = self.members()
            if self.memory and sum(process.rss for process in living) > self.memory * 1024:
                self._over("memory", signal.SIGKILL)
            elif self.cpu_limit and self.cpu + sum(p.cpu for p in living) >= self.cpu_limit + 1:
                self._over("cpu", signal.SIGTERM)

    def _over(self, limit: str, number: int) -> None:
        self.limit = limit
        self.end(number)

    def end_all(self) -> None:
        """What the job left behind is killed: its resources are not its own any more."""
        deadline = time.monotonic() + _PATIENCE_WITH_LEFTOVERS
        if self._reap() and self.group.remove():
            return
        while time.monotonic() < deadline:
            left = self.members()
            self.group.kill()
            processes.send(signal.SIGKILL, left)
            self._reap()
            if not left:
                break
            signal.sigtimedwait([signal.SIGCHLD], 0.05)
        self.group.remove()

    def _verdict(self) -> "dict[str, object]":
        status = self.bad if self.bad is not None else (self.first or 0)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = None if number is not None else os.WEXITSTATUS(status)
        spent = self.cpu_limit and self.cpu >= self.cpu_limit
        if number == signal.SIGXCPU or (number is not None and spent):
            self.limit = self.limit or ("cpu" if self.cpu_limit else "")
        reason = "told to end by %s" % self.told if self.told else ""
        if status != 0 and not reason and not self.limit and _full(raw(str(self.spec["work"]))):
            reason = "the disk of the working directory is full"
        return self._exit(code, number, reason)

    def _exit(self, code: "int | None", number: "int | None", reason: str) -> "dict[str, object]":
        return {"code": code, "signal": number, "reason": reason, "limit": self.limit}

    def usage(self) -> "dict[str, object]":
        """Wall time without suspensions and CPU time in seconds, largest process in KiB."""
        paused = self.paused
        if self.paused_at is not None:
            paused += time.monotonic() - self.paused_at
        wall = time.monotonic() - self.begun - paused
        return {"wall": round(wall, 3), "cpu": round(self.cpu, 3), "max_rss": self.max_rss}

    def _beat(self) -> None:
        now = time.monotonic()
        if now >= self.next_beat:
            self.next_beat = now + self.heartbeat
            _touch(os.path.join(self.control, b"alive"))


def command(spec: "dict[str, object]", count: int) -> "list[bytes]":
    """The argument list to execute: for MPI with the launcher in front."""
    argv = [raw(str(word)) for word in spec["argv"]]  # type: ignore[attr-defined]
    if spec.get("type") not in ("mpi", "mpichg"):
        return argv
    words = spec.get("launcher") or ["mpirun", "-np", "{count}"]
    front = [str(word).replace("{count}", str(count)) for word in words]  # type: ignore[attr-defined]
    return [raw(word) for word in front] + argv


def environment(
    spec: "dict[str, object]", rank: int, count: int, control: bytes, tools: bytes
) -> "dict[bytes, bytes]":
    """The environment of one process: the account's, the job's, and ours."""
    given = dict(spec.get("env") or {})  # type: ignore[call-overload]
    ours = {
        "GRMS_JOB_ID": spec["job_id"],
        "GRMS_ATTEMPT": spec["attempt"],
        "GRMS_TAG": spec["tag"],
        "GRMS_RANK": rank,
        "GRMS_COUNT": count,
        "GRMS_CHECKPOINT": spec.get("restored") or "",
        "GRMS_CONTROL": text(control),
        "GRMS_PYTHON": sys.executable,
    }
    result = dict(account())
    for values in (given, ours):
        result.update((raw(str(name)), raw(str(value))) for name, value in values.items())
    if tools:
        result[b"PATH"] = tools + b":" + result.get(b"PATH", os.defpath.encode())
    return result


@lru_cache(maxsize=None)
def account() -> "dict[bytes, bytes]":
    """The environment of the account, read once, by a launcher for all its wrappers."""
    return dict(os.environb)


def _touch(path: bytes) -> None:
    """Leave the time in a file; a full disk must not disturb the job."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.write(handle, b"%.3f\n" % time.time())
        finally:
            os.close(handle)
    except OSError:
        pass


def _full(path: bytes) -> bool:
    try:
        facts = os.statvfs(path)
    except OSError:
        return False
    return facts.f_bavail == 0
