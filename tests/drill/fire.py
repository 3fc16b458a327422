"""A broker under fire: the service in this process, engines beside it that are killed at will."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

from checker import Ran

from grms.broker.lifecycle import JobState
from grms.broker.ports.store import JobQuery
from grms.broker.records import Job, Principal
from grms.broker.service import Service
from grms.config import load
from grms.errors import GrmsError
from grms.server.poke import Poker
from grms.server.wiring import SystemClock, declare_clusters, make_stager, make_store

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ALICE = Principal("alice")
ADMIN = Principal("root", admin=True)
PATIENCE = 180.0
#: A program that tells when it starts and ends; lines this short are appended whole.
PROGRAM = (
    'echo "$GRMS_JOB_ID $GRMS_ATTEMPT start $(date +%s.%N)" >> {tally}; sleep {seconds}; '
    'echo "$GRMS_JOB_ID $GRMS_ATTEMPT {code} $(date +%s.%N)" >> {tally}; exit {code}'
)
JOB = (
    '<grmsjob appid="drill"><simplejob><executable type="single">'
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


class Fire:
    """Everything of one drill lies in ``place``."""

    def __init__(self, place: Path, **settings: str) -> None:
        self.place = place
        self.tally = place / "tally"
        self.files = place / "files"
        self.files.mkdir(parents=True)
        variables = {
            "GRMS_DATA_DIR": str(place / "data"),
            "GRMS_FILE_ROOTS": str(self.files),
            "GRMS_LOCAL_JOBS": "64",
            **{f"GRMS_{name.upper()}": value for name, value in settings.items()},
        }
        path = f"{ROOT}:{HERE}:{os.environ.get('PYTHONPATH', '')}"
        self.environment = {**os.environ, **variables, "PYTHONPATH": path}
        self.settings = load(environ=variables)
        self.store = make_store(self.settings)
        declare_clusters(self.store, self.settings)
        self._poker = Poker(self.settings.data_dir)
        stager = make_stager(self.settings)
        self.service = Service(self.store, stager, SystemClock(), self._poker)
        self.engine: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def close(self) -> None:
        """End the engine and let go of the store."""
        self.kill()
        self._poker.close()
        self.store.close()

    # -- engines ------------------------------------------------------------------------------

    def start(self, kill_at: str = "") -> None:
        """Start an engine, which may have an appointment."""
        with (self.place / "engine.log").open("ab") as log:
            self.engine = subprocess.Popen(
                [sys.executable, HERE / "engine.py", kill_at],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9."""
        if self.engine is not None:
            self.engine.kill()
            self.engine.wait()
            self.engine = None
            self.kills += 1

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
        return self.service.submit(ALICE, self.job(code, seconds, staged=staged)).job.id

    def job(self, code: int, seconds: float = 0.0, *, staged: bool = False) -> str:
        """The description of a job that ends with ``code`` after ``seconds``."""
        script = PROGRAM.format(tally=self.tally, seconds=seconds, code=code)
        files = out = ""
        if staged:
            (self.files / "in").write_text("x")
            files = f'<file name="in" type="in"><url>file://{self.files}/in</url></file>'
            out = f"<stdout><url>file://{self.files}/out</url></stdout>"
        return JOB.format(script=escape(script), files=files, out=out)

    def wish(self, verb: str, job_id: str) -> None:
        """A wish that comes too late is no fault."""
        with contextlib.suppress(GrmsError):
            getattr(self.service, verb)(ALICE, job_id)

    def wait(self, job_id: str, *states: JobState) -> None:
        """Wait until a job is in one of ``states``."""
        eventually(lambda: self.store.job(job_id).state in states, f"{job_id} to be {states}")

    def jobs(self) -> list[Job]:
        """All jobs."""
        return list(self.store.jobs(JobQuery()))

    def all_ended(self, patience: float) -> bool:
        """Wait until every job has ended; parked ones are released. False: some have not."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            states = self.jobs()
            for job in states:
                if job.parked:
                    self.service.release(ADMIN, job.id)
            if all(job.state.is_end and not job.parked for job in states):
                return True
            time.sleep(0.3)
        return False

    def runs(self) -> list[Ran]:
        """What really ran, as the programs themselves wrote it down."""
        lines = self.tally.read_text().splitlines() if self.tally.exists() else []
        return list(read_tally(lines))


def read_tally(lines: list[str]) -> list[Ran]:
    """Runs from the lines of programs. One without an end was ended, or is running."""
    runs: list[Ran] = []
    for line in lines:
        job_id, attempt, word, at = line.split()
        if word == "start":
            runs.append(Ran(job_id, int(attempt), float(at), None, None))
            continue
        for index, run in enumerate(runs):
            if (run.job_id, run.attempt, run.end) == (job_id, int(attempt), None):
                runs[index] = Ran(job_id, run.attempt, run.start, float(at), int(word))
                break
    return runs
