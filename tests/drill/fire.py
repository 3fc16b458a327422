"""A broker under fire: the service in this process, engines beside it that are killed at will."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

from checker import Ran
from engine import CANNOT_START
from moving import COUNT, counting_job

from grms.broker.lifecycle import LIVE, JobState
from grms.broker.ports.store import JobQuery
from grms.broker.records import Job, Principal
from grms.broker.service import Service
from grms.config import load
from grms.errors import GrmsError
from grms.server.poke import Poker
from grms.server.wiring import SystemClock, declare_clusters, make_stager, make_store

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ADMIN = Principal("root", admin=True)
PATIENCE = 180.0
#: A program that tells when it starts and ends; lines this short are appended whole.
PROGRAM = (
    'echo "$GRMS_JOB_ID $GRMS_ATTEMPT start $(date +%s.%N) $$" >> {tally}; sleep {seconds}; '
    'echo "$GRMS_JOB_ID $GRMS_ATTEMPT {code} $(date +%s.%N)" >> {tally}; exit {code}'
)
JOB = (
    '<grmsjob appid="drill"><simplejob>{resource}<executable type="single">'
    '<file name="sh" type="in"><url>file:////bin/sh</url></file>'
    "<arguments><value>-c</value><value>{script}</value>{files}</arguments>"
    "{out}</executable></simplejob></grmsjob>"
)


def eventually(check: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until ``check`` is true; fail with ``what`` when patience runs out."""
    deadline = time.monotonic() + patience
    while not check():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain: {what}"
        time.sleep(0.05)


#: Where plain and counting jobs may be sent.
RESOURCE = "<resource><hostname>{host}.grid</hostname></resource>"


class Fire:
    """Everything of one drill lies in ``place``. Jobs run by ``account``, "" is our own."""

    def __init__(self, place: Path, account: str = "", **settings: str) -> None:
        self.place = place
        self.alice = Principal("alice", account)
        self.tally, self.files, self.counts = place / "tally", place / "files", place / "counts"
        for folder in (self.files, self.counts):
            folder.mkdir(parents=True)
        self.tally.touch()
        self.tally.chmod(0o666)  # whoever runs the jobs
        self.counts.chmod(0o777)
        variables = {
            "GRMS_DATA_DIR": str(place / "data"),
            "GRMS_FILE_ROOTS": f"{self.files}:{COUNT.parent}",
            "GRMS_LOCAL_JOBS": "64",
            **{f"GRMS_{name.upper()}": value for name, value in settings.items()},
        }
        path = f"{ROOT}:{HERE}:{os.environ.get('PYTHONPATH', '')}"
        # Processes are started by the thousand: each compiles nothing that another has compiled.
        kept = {**os.environ, "PYTHONPYCACHEPREFIX": str(place / "pycache"), "PYTHONPATH": path}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        self.env = {**kept, **variables}
        self.settings = load(environ=variables)
        self.store = make_store(self.settings)
        declare_clusters(self.store, self.settings)
        self._poker = Poker(self.settings.data_dir)
        stager = make_stager(self.settings)
        self.service = Service(self.store, stager, SystemClock(), self._poker)
        self.engine: subprocess.Popen[bytes] | None = None
        self.kills = 0
        self.crashes: list[str] = []
        self.appointment = ""
        self.stopped_at = Counter[str]()

    def close(self) -> None:
        """End the engine and let go of the store."""
        self.kill()
        self._poker.close()
        self.store.close()

    # -- engines ------------------------------------------------------------------------------

    def start(self, kill_at: str = "") -> None:
        """Start an engine, which may have an appointment."""
        self.appointment = kill_at.partition(":")[0]
        with (self.place / "engine.log").open("ab") as log:
            self.engine = subprocess.Popen(
                [sys.executable, HERE / "engine.py", kill_at],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9."""
        if self.engine is not None and not self._has_ended():
            self.engine.kill()
            self.engine.wait()
            self.kills += 1
        self.engine = None

    def revive(self) -> None:
        """Start another engine where one has come to its point, or died of something else."""
        if self.engine is not None and self._has_ended():
            self.start()

    def _has_ended(self) -> bool:
        """True for an engine that is gone already; its end is noted down."""
        assert self.engine is not None
        if self.engine.poll() is None:
            return False
        if self.engine.returncode == -signal.SIGKILL:
            self.kills += 1
            self.stopped_at[self.appointment] += 1
        elif self.engine.returncode != CANNOT_START:
            log = (self.place / "engine.log").read_text(errors="replace")
            self.crashes.append(f"an engine ended with {self.engine.returncode}: {log[-2000:]}")
        return True

    def may_end(self, patience: float) -> None:
        """Give the engine time to come to its point, which it may never do."""
        deadline = time.monotonic() + patience
        while self.engine and self.engine.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)

    def points(self) -> list[str]:
        """The numbered points that engines have passed so far."""
        file = self.settings.data_dir / "points"
        return sorted(set(file.read_text().split("\n")) - {""}) if file.exists() else []

    def killed_itself(self, point: str) -> None:
        """Wait until the engine has come to its point."""
        assert self.engine is not None
        eventually(lambda: self.engine and self.engine.poll() is not None, f"the engine at {point}")
        log = (self.place / "engine.log").read_text()
        assert self.engine.returncode == -signal.SIGKILL, log[-3000:]
        self.engine = None
        self.kills += 1

    # -- jobs ---------------------------------------------------------------------------------

    def submit(self, code: int, seconds: float = 0.0, *, staged: bool = False) -> str:
        """A job that ends with ``code`` after ``seconds``."""
        return self.send(self.text(code, seconds, staged=staged))

    def text(self, code: int, seconds: float = 0.0, *, staged: bool = False, host: str = "") -> str:
        """The description of such a job."""
        script = PROGRAM.format(tally=self.tally, seconds=seconds, code=code)
        files = out = ""
        if staged:
            (self.files / "in").write_text("x")
            files = f'<file name="in" type="in"><url>file://{self.files}/in</url></file>'
            out = f"<stdout><url>file://{self.files}/out</url></stdout>"
        resource = RESOURCE.format(host=host) if host else ""
        return JOB.format(script=escape(script), files=files, out=out, resource=resource)

    def counting(self, name: str, steps: int, host: str, python: str) -> str:
        """The description of a job that counts ``steps`` and can be moved."""
        out, log = self.files / name, self.counts / name
        return counting_job(out, steps, 0.1, host=f"{host}.grid", log=log, python=python)

    def send(self, text: str, key: str = "") -> str:
        """Submit; the job's id."""
        return self.service.submit(self.alice, text, key=key).job.id

    def wish(self, verb: str, job_id: str, *text: str) -> None:
        """A wish that comes too late is no fault."""
        with contextlib.suppress(GrmsError):
            getattr(self.service, verb)(self.alice, job_id, *text)

    def wait(self, job_id: str, *states: JobState) -> None:
        """Wait until a job is in one of ``states``."""
        eventually(lambda: self.store.job(job_id).state in states, f"{job_id} to be {states}")

    def jobs(self) -> list[Job]:
        """All jobs."""
        return list(self.store.jobs(JobQuery()))

    def all_ended(self, patience: float) -> bool:
        """Wait until every job has ended; parked ones are released, suspended ones resumed.

        False: some have not.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self.revive()
            live = list(self.store.jobs(JobQuery(states=tuple(LIVE))))
            for job in live:
                if job.state is JobState.SUSPENDED and not self.store.wishes([job.id]):
                    self.wish("resume", job.id)
            if not live and not self._release_parked():
                return True
            time.sleep(0.5)
        return False

    def _release_parked(self) -> int:
        parked = [job for job in self.jobs() if job.parked]
        for job in parked:
            self.service.release(ADMIN, job.id)
        return len(parked)

    def runs(self) -> list[Ran]:
        """What really ran, as the programs themselves wrote it down."""
        return read_tally(self._lines())

    def _lines(self) -> list[str]:
        return self.tally.read_text().splitlines() if self.tally.exists() else []

    def is_alive(self, run: Ran) -> bool:
        """True while the program of a run that wrote no end is there."""
        for line in self._lines():
            job_id, attempt, word, _, *pid = line.split()
            if (job_id, attempt, word) == (run.job_id, str(run.attempt), "start") and pid:
                with contextlib.suppress(OSError):
                    mark = f"GRMS_JOB_ID={job_id}\0".encode()
                    return mark in Path(f"/proc/{pid[0]}/environ").read_bytes()
        return False


def read_tally(lines: list[str]) -> list[Ran]:
    """Runs from the lines of programs. One without an end was ended, or is running."""
    runs: list[Ran] = []
    for line in lines:
        job_id, attempt, word, at, *_ = line.split()
        if word == "start":
            runs.append(Ran(job_id, int(attempt), float(at), None, None))
            continue
        for index, run in enumerate(runs):
            if (run.job_id, run.attempt, run.end) == (job_id, int(attempt), None):
                runs[index] = Ran(job_id, run.attempt, run.start, float(at), int(word))
                break
    return runs
