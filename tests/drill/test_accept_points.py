"""kill -9 of the service while it takes a job: a caller who repeats with its key has one job."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fire import HERE, ROOT, Fire, eventually
from serving import ACCEPTING

from grms.client.api import Client
from grms.client.errors import RefusedError, UnreachableError
from grms.errors import ErrorCode
from grms.server import guard

DOCS = ROOT / "docs" / "explanation" / "guarantee.md"


class Serving:
    """Services one after the other on one port, over the store and the engines of a ``fire``."""

    def __init__(self, fire: Fire, port: int) -> None:
        self.fire = fire
        self.url = f"http://127.0.0.1:{port}"
        self._env = {
            **fire.env,
            "GRMS_PORT": str(port),
            "GRMS_ANONYMOUS": "alice",
        }
        self._appointment = fire.settings.data_dir / "point"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a service and wait until it serves."""
        with (self.fire.place / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, HERE / "serving.py"],
                env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        eventually(self._serves, "the service to serve")

    def _serves(self) -> bool:
        assert self._process is not None
        log = self.fire.place / "service.log"
        assert self._process.poll() is None, log.read_text()[-3000:]
        holder = guard.holder(self.fire.settings.data_dir, guard.SERVER)
        with socket.socket() as probe:
            return holder == str(self._process.pid) and not probe.connect_ex(
                ("127.0.0.1", int(self.url.rpartition(":")[2]))
            )

    def arm(self, point: str) -> None:
        """Let the service end at its next passage of ``point``."""
        self._appointment.write_text(point)

    def died(self) -> bool:
        """True when the service has ended by kill -9; the next one has no appointment."""
        assert self._process is not None
        self._appointment.unlink()
        return self._process.wait(60) == -signal.SIGKILL

    def close(self) -> None:
        """End the service."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """A service that may be killed; engines are started by the test."""
    fire = Fire(tmp_path / "fire", probe_interval="3600")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = Serving(fire, port)
    yield found
    found.close()
    fire.close()


def test_a_service_killed_at_any_point_of_a_submission_leaves_one_job_to_a_caller_who_repeats(
    serving: Serving,
) -> None:
    accepted = {}
    serving.start()
    for point in ACCEPTING:
        serving.arm(point)
        deaths: list[bool] = []

        def begin_again(_seconds: float, deaths: list[bool] = deaths) -> None:
            deaths.append(serving.died())
            serving.start()

        text = serving.fire.text(code=0)
        with Client(serving.url, sleep=begin_again) as client:
            accepted[point] = client.submit(text, key=point.replace(" ", "-"))
            assert deaths == [True], point
            assert client.submit(text, key=point.replace(" ", "-")) == accepted[point]
            with pytest.raises(RefusedError) as refused:
                client.submit(serving.fire.text(code=3), key=point.replace(" ", "-"))
            assert refused.value.code == ErrorCode.KEY_REUSED
    assert sorted(job.id for job in serving.fire.jobs()) == sorted(accepted.values())
    serving.fire.start()
    assert serving.fire.all_ended(120)
    assert sorted(run.job_id for run in serving.fire.runs()) == sorted(accepted.values())


def test_a_committed_job_runs_although_its_caller_never_heard_of_it_and_gave_up(
    serving: Serving,
) -> None:
    serving.start()
    serving.arm("accept committed")
    with (
        Client(serving.url, tries=1) as client,
        pytest.raises(UnreachableError, match="repeat with key"),
    ):
        client.submit(serving.fire.text(code=0))
    assert serving.died()
    serving.fire.start()
    assert serving.fire.all_ended(120)
    assert len(serving.fire.runs()) == 1


def test_the_points_of_a_submission_are_those_in_the_guarantee() -> None:
    listed = [
        line.split("`")[1]
        for line in DOCS.read_text("utf-8").splitlines()
        if line.startswith("| `accept ")
    ]
    assert listed == list(ACCEPTING)
