"""A cluster in virtual time: its files, its batch system, and the wrappers that run there.

Nothing here knows the broker. It does what the broker's wrapper promises (``grms.jobside``), and
what batch systems do on bad days.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
REFUSED = 76  # the wrapper's exit status for a start that it refused
NO_SPEC = 70


@dataclass
class Run:
    """A program that ran: what really happened, whatever anybody says of it."""

    job_id: str
    attempt: int
    start: float
    end: float | None = None
    code: int | None = None  # of a normal end
    evidence: bool = False  # the wrapper left its exit file


@dataclass
class Native:
    """A job of the batch system."""

    id: str
    tag: str
    control: str
    start_at: float
    state: str = "waiting"  # waiting, held, stuck (in error), running, suspended, gone
    ends_at: float = 0.0
    left: float = 0.0
    code: int | None = None
    reason: str = ""
    ended: float = 0.0
    account_at: float | None = None
    run: Run | None = None


@dataclass
class _Version:
    at: float
    by_broker: bool
    data: bytes | None


@dataclass
class Files:
    """A network file system: what one side writes, the other sees ``late`` seconds later."""

    late: float = 0.0
    _versions: dict[str, list[_Version]] = field(default_factory=dict)

    def put(self, path: str, data: bytes | None, now: float, *, by_broker: bool) -> None:
        self._versions.setdefault(path, []).append(_Version(now, by_broker, data))

    def get(self, path: str, now: float, *, by_broker: bool, fresh: bool = False) -> bytes | None:
        for version in reversed(self._versions.get(path, ())):
            if fresh or version.by_broker == by_broker or version.at + self.late <= now:
                return version.data
        return None

    def under(self, directory: str, now: float, *, by_broker: bool) -> dict[str, bytes]:
        prefix = f"{directory}/"
        found = {}
        for path in self._versions:
            if path.startswith(prefix):
                data = self.get(path, now, by_broker=by_broker)
                if data is not None:
                    found[path] = data
        return found

    def remove(self, path: str, now: float) -> None:
        for known in list(self._versions):
            if known == path or known.startswith(f"{path}/"):
                self.put(known, None, now, by_broker=True)


class World:
    """One cluster. ``now`` is in seconds; the moment is moved by ``advance`` alone."""

    heartbeat = 30.0

    def __init__(self) -> None:
        self.now = 0.0
        self.skew = 0.0  # what the clocks of the nodes are ahead
        self.files = Files()
        self.natives: dict[str, Native] = {}
        self.past: list[Native] = []
        self.runs: list[Run] = []
        self.refusals = 0
        self.queue_delay = 2.0
        self.account_delay = 5.0
        self.vanish = False  # finished jobs are in no record
        self.lose_news = False  # the inbox is full: news are lost, control files are not
        self._next_id = 100
        self._reuse: list[str] = []
        self._beat_at = 0.0

    @property
    def time(self) -> datetime:
        """The broker's clock."""
        return EPOCH + timedelta(seconds=self.now)

    # -- time ---------------------------------------------------------------------------------

    def next_event(self) -> float:
        """When something happens by itself."""
        times = [n.start_at for n in self.natives.values() if n.state == "waiting"]
        times += [n.ends_at for n in self.natives.values() if n.state == "running"]
        return min(times, default=self.now + 3600)

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due happens in order."""
        until = self.now + seconds
        while True:
            moment = self.next_event()
            if moment > until:
                break
            self.now = max(self.now, moment)
            self._happen()
        self.now = until
        self._beat()

    def _happen(self) -> None:
        for native in list(self.natives.values()):
            if native.state == "waiting" and native.start_at <= self.now:
                self._start(native)
            elif native.state == "running" and native.ends_at <= self.now:
                self._exit(native, native.run.code if native.run else 0)

    def _beat(self) -> None:
        if self.now - self._beat_at < self.heartbeat:
            return
        self._beat_at = self.now
        for native in self.natives.values():
            if native.run and native.state in ("running", "suspended"):
                self._write(native, f"{native.control}/alive", self._news(native, "alive"))

    # -- the batch system ---------------------------------------------------------------------

    def submit(self, tag: str, control: str) -> str:
        if self._reuse:
            native_id = self._reuse.pop()
        else:
            self._next_id += 1
            native_id = str(self._next_id)
        if native_id in self.natives:
            self.past.append(self.natives[native_id])
        self.natives[native_id] = Native(native_id, tag, control, self.now + self.queue_delay)
        return native_id

    def reuse(self) -> bool:
        """The next submission gets the id of a job that is over."""
        over = [i for i, n in self.natives.items() if n.state == "gone"]
        if over:
            self._reuse = [over[-1]]
        return bool(over)

    def of_state(self, *states: str) -> list[Native]:
        return [native for native in self.natives.values() if native.state in states]

    def _leave(self, native: Native, code: int | None, reason: str) -> None:
        native.state, native.code, native.reason, native.ended = "gone", code, reason, self.now
        native.account_at = None if self.vanish else self.now + self.account_delay

    def cancel(self, native: Native, reason: str = "removed by its owner") -> None:
        """As qdel does: a waiting job leaves, a running one's wrapper is told to end."""
        if native.state in ("waiting", "held", "stuck"):
            self._leave(native, None, reason)
        elif native.state in ("running", "suspended"):
            self._exit(native, None, signal=15)

    def hold(self, native: Native) -> bool:
        if native.state == "waiting":
            native.state = "held"
        return native.state == "held"

    def release(self, native: Native) -> bool:
        if native.state == "held":
            native.state, native.start_at = "waiting", self.now + self.queue_delay
            return True
        return False

    def stick(self, native: Native) -> None:
        """The system holds a waiting job for an error, until somebody mends it."""
        native.state = "stuck"

    def mend(self, native: Native) -> None:
        """Somebody clears the error: the job may start at once."""
        native.state, native.start_at = "waiting", self.now

    def suspend(self, native: Native) -> bool:
        if native.state == "running":
            native.state, native.left = "suspended", native.ends_at - self.now
        return native.state == "suspended"

    def resume(self, native: Native) -> bool:
        if native.state == "suspended":
            native.state, native.ends_at = "running", self.now + native.left
        return native.state == "running"

    def forget(self, native: Native) -> None:
        """The system acknowledged a job and lost it before it started."""
        del self.natives[native.id]
        self.past.append(native)

    def node_dies(self, native: Native, *, requeue: bool = False) -> None:
        """The machine is gone with wrapper and program; the system may start the job again."""
        if native.run:
            native.run.end = self.now
        if requeue:
            native.state, native.run, native.start_at = "waiting", None, self.now + 5
        else:
            self._leave(native, None, "the node failed")

    # -- the wrapper --------------------------------------------------------------------------

    def _node_sees(self, path: str) -> bytes | None:
        return self.files.get(path, self.now, by_broker=False)

    def _write(self, native: Native, path: str, data: bytes) -> None:
        self.files.put(path, data, self.now, by_broker=False)

    def _news(self, native: Native, what: str, **more: object) -> bytes:
        at = (EPOCH + timedelta(seconds=self.now + self.skew)).timestamp()
        return json.dumps(
            {"tag": native.tag, "what": what, "at": at, "host": "n1", **more}
        ).encode()

    def _tell(self, native: Native, spec: dict[str, object], what: str, **more: object) -> bytes:
        news = self._news(native, what, **more)
        if not self.lose_news:
            name = f"{int((self.now + self.skew) * 1000):015d}-{native.tag}-{what}.json"
            self._write(native, f"{spec['inbox']}/{name}", news)
        return news

    def _start(self, native: Native) -> None:
        raw = self.files.get(f"{native.control}/spec.json", self.now, by_broker=False, fresh=True)
        if raw is None:
            self._leave(native, NO_SPEC, "no specification")
            return
        spec = json.loads(raw)
        self._write(native, f"{spec['tags']}/{native.tag}", self._news(native, "tag"))
        reason = (
            self._forbidden(native, spec) or self._mark(native) or self._forbidden(native, spec)
        )
        if reason:
            self.refusals += 1
            self._tell(native, spec, "refused", reason=reason)
            self._leave(native, REFUSED, "")
            return
        seconds, code = spec["argv"][-1].split()
        native.run = Run(spec["job_id"], spec["attempt"], self.now, code=int(code))
        self.runs.append(native.run)
        native.state, native.ends_at = "running", self.now + float(seconds)
        self._write(native, f"{native.control}/started.json", self._tell(native, spec, "started"))
        self._write(native, f"{native.control}/alive", self._news(native, "alive"))

    def _forbidden(self, native: Native, spec: dict[str, object]) -> str:
        if self._node_sees(f"{native.control}/revoked") is not None:
            return "this attempt was revoked"
        fence = self._node_sees(str(spec["fence"]))
        if fence is not None and int(fence) > int(str(spec["attempt"])):
            return f"attempt {int(fence)} is in force"
        return ""

    def _mark(self, native: Native) -> str:
        """O_EXCL is the server's word: no cache is asked."""
        path = f"{native.control}/started"
        if self.files.get(path, self.now, by_broker=False, fresh=True) is not None:
            return "this attempt was started already"
        self._write(native, path, b"")
        return ""

    def _exit(self, native: Native, code: int | None, signal: int | None = None) -> None:
        run = native.run
        assert run is not None
        run.end, run.code = self.now, code
        spec = json.loads(
            self.files.get(f"{native.control}/spec.json", self.now, by_broker=False, fresh=True)
            or b"{}"
        )
        if spec:  # else the directory was taken away under the running job
            facts = {
                "exit": {"code": code, "signal": signal, "reason": "", "limit": ""},
                "usage": {"wall": self.now - run.start, "cpu": 0.0, "max_rss": 1},
            }
            news = self._tell(native, spec, "exited", **facts)
            self._write(native, f"{native.control}/exit.json", news)
            run.evidence = True
        self._leave(native, code if signal is None else 128 + signal, "")
