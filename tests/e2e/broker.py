"""A whole broker in processes of its own, which a test may kill at any moment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from grms.broker.records import Attempt, JobEvent
from grms.client.api import Client
from grms.store import open_store

ENDS = ("FINISHED", "FAILED", "CANCELED")
PATIENCE = 120.0


@contextlib.contextmanager
def examples_to_myself() -> Iterator[None]:
    """Hold /tmp/grms-examples alone: the examples name it, and other tests may run beside."""
    with Path("/tmp/grms-examples.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def eventually(check: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until ``check`` is true; fail with ``what`` when patience runs out."""
    deadline = time.monotonic() + patience
    while not check():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain: {what}"
        time.sleep(0.05)


class Broker:
    """``grms-server`` on a free port of the loopback, with its data in ``place``."""

    def __init__(
        self, place: Path, env: Mapping[str, str] | None = None, account: str = ""
    ) -> None:
        self.place = place
        self.data = place / "data"
        self.files = place / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        self.env = {
            **os.environ,
            "GRMS_FILE_ROOTS": str(self.files),
            "GRMS_PORT": "0",
            # Open MPI starts nothing for root unless it is told so twice.
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            **(env or {}),
        }
        self.token = self._server("user", "add", "alice", "--account", account).stdout.strip()
        self._process: subprocess.Popen[bytes] | None = None
        #: Where it is started; None: where the tests are.
        self.cwd: Path | None = None

    def _server(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=self.env, text=True, capture_output=True, check=True
        )

    def command(self, *words: str) -> list[str]:
        """The argument list of ``grms-server``."""
        return [sys.executable, "-P", "-m", "grms.server", "--data-dir", str(self.data), *words]

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one administrator's command."""
        return subprocess.run(
            self.command(*words), env=self.env, text=True, capture_output=True, check=check
        )

    def start(self, *words: str) -> None:
        """Start ``grms-server serve`` with ``words``, and return when it answers."""
        address = self.data / "address"
        address.unlink(missing_ok=True)
        with (self.place / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command("serve", *words),
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._answers, f"the broker to answer; see {self.place / 'server.log'}")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.place / "server.log").read_text()[-3000:]
        with contextlib.suppress(OSError):
            url = (self.data / "address").read_text().strip()
            with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
                return bool(answer.status == 200)
        return False

    def children(self) -> list[int]:
        """The processes that the service has started: its engine and Python's own helper."""
        assert self._process is not None
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]

    def kill(self) -> None:
        """kill -9 to the service and its engine, as a crash would; jobs are not touched."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """A graceful end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=90)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            self._process = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return (self.data / "address").read_text().strip()

    def events(self, job_id: str) -> Sequence[JobEvent]:
        """The job's whole story, read from the store."""
        with closing(open_store(f"sqlite:///{self.data / 'grms.db'}")) as store:
            return store.events(job_id)

    def attempts(self, job_id: str) -> Sequence[Attempt]:
        """The job's placements, read from the store."""
        with closing(open_store(f"sqlite:///{self.data / 'grms.db'}")) as store:
            return store.attempts(job_id)

    def kill_wrapper(self, job_id: str) -> None:
        """kill -9 to the wrapper of a job on a fork cluster, as when its machine dies.

        Its sign of life goes too: the broker would wait two minutes for the next one.
        """
        newest = self.attempts(job_id)[-1]
        os.kill(int(newest.native_id.split(".")[0]), signal.SIGKILL)
        Path(newest.directory, "control", "alive").unlink(missing_ok=True)

    def client(self) -> Client:
        """A client with alice's token."""
        return Client(self.url, token=self.token)

    def state(self, job_id: str) -> str:
        """The job's state."""
        with self.client() as client:
            return str(client.info(job_id).state)

    def wait(self, job_id: str, *states: str, patience: float = PATIENCE) -> str:
        """Wait until the job is in one of ``states`` (default: an end); the state."""
        wanted = states or ENDS
        seen: list[str] = []

        def there() -> bool:
            seen.append(self.state(job_id))
            return seen[-1] in wanted or (not states and seen[-1] in ENDS)

        eventually(there, f"{job_id} to be {' or '.join(wanted)}, last {seen[-1:]}", patience)
        return seen[-1]
