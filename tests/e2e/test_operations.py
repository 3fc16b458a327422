"""Running a broker through the night: stops, upgrades, bad starts, and what a monitor sees."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import Broker, eventually
from jobs import shell_job

import grms

#: Seconds for a stop, on a machine that may have eight other things to do.
STOP = 40.0


def _metrics(broker: Broker) -> dict[str, float]:
    with urllib.request.urlopen(f"{broker.url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def _failed_start(broker: Broker, *words: str) -> str:
    """What a start that cannot succeed says; it must say it in a few lines and end."""
    done = subprocess.run(
        broker.command(*(words or ("serve",))),
        env=broker.env, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr


# -- stops and upgrades -----------------------------------------------------------------------


def test_jobs_go_on_through_a_stop_and_end_truly_after_the_next_start(broker: Broker) -> None:
    tally, go = broker.files / "tally", broker.files / "go"
    script = f"echo run >> {tally}; while [ ! -e {go} ]; do sleep 0.1; done; echo end >> {tally}"
    with broker.client() as client:
        good = client.submit(shell_job(script))
        bad = client.submit(shell_job(f"while [ ! -e {go} ]; do sleep 0.1; done; exit 3"))
        for job_id in (good, bad):
            broker.wait(job_id, "RUNNING")
    broker.stop()
    assert not (broker.data / "server.pid").exists()
    go.touch()
    eventually(lambda: "end" in tally.read_text(), "the job to end without a broker")
    assert "up to date" in broker.run("migrate").stdout
    broker.start()
    assert [broker.wait(good), broker.wait(bad)] == ["FINISHED", "FAILED"]
    assert tally.read_text().split() == ["run", "end"]
    with broker.client() as client:
        assert "exit code 3" in client.info(bad).error_description


def test_a_service_started_beside_a_directory_called_grms_works_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "grms").mkdir()
    broker = Broker(tmp_path / "broker")
    broker.cwd = tmp_path
    broker.start()
    try:
        with broker.client() as client:
            assert broker.wait(client.submit(shell_job("true"))) == "FINISHED"
    finally:
        broker.kill()


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A GRMS whose program beside the job has another text, and so another digest."""
    root = tmp_path / "older"
    shutil.copytree(Path(grms.__file__).parent, root / "grms")
    with (root / "grms" / "jobside" / "files.py").open("a") as module:
        module.write("\n# as it was in the release before\n")
    return root


def test_a_job_that_an_older_release_started_ends_truly_under_the_newer(
    tmp_path: Path, older: Path
) -> None:
    broker = Broker(tmp_path / "broker")
    newer = dict(broker.env)
    broker.env |= {"PYTHONPATH": str(older), "PYTHONSAFEPATH": "1"}
    broker.start()
    go = broker.files / "go"
    out = broker.files / "out"
    try:
        with broker.client() as client:
            job_id = client.submit(
                shell_job(
                    f"while [ ! -e {go} ]; do sleep 0.1; done; echo done", stdout=f"file://{out}"
                )
            )
            broker.wait(job_id, "RUNNING")
        programs = set((broker.data / "localhost" / "bin").iterdir())
        broker.stop()
        broker.env = newer
        broker.start()
        with broker.client() as client:
            fresh = client.submit(shell_job("true"))
        assert broker.wait(fresh) == "FINISHED"
        assert set((broker.data / "localhost" / "bin").iterdir()) > programs
        go.touch()
        assert broker.wait(job_id) == "FINISHED"
        assert out.read_text() == "done\n"
    finally:
        broker.kill()


@pytest.fixture
def tarpit() -> Iterator[str]:
    """A file server that accepts and then says nothing: its URL."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def swallow() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(listening.accept()[0])

        thread = threading.Thread(target=swallow, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/in.dat"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(60)
        for connection in held:
            connection.close()


def test_a_transfer_that_hangs_does_not_hold_up_a_stop(broker: Broker, tarpit: str) -> None:
    files = f'<file name="in.dat" type="in"><url>{tarpit}</url></file>'
    with broker.client() as client:
        job_id = client.submit(shell_job("true", files=files))
        broker.wait(job_id, "PREPROCESSING")
    begun = time.monotonic()
    broker.stop()
    assert time.monotonic() - begun < STOP
    assert "is left: it is done again" in (broker.place / "server.log").read_text()
    broker.start()
    assert broker.state(job_id) == "PREPROCESSING"


def test_an_engine_whose_service_was_killed_alone_gives_way_to_the_next_one(
    broker: Broker,
) -> None:
    go = broker.files / "go"
    with broker.client() as client:
        job_id = client.submit(shell_job(f"while [ ! -e {go} ]; do sleep 0.1; done; exit 5"))
        broker.wait(job_id, "RUNNING")
    assert broker._process is not None
    broker._process.kill()
    broker._process.wait()
    broker.start()
    go.touch()
    assert broker.wait(job_id) == "FAILED"
    log = (broker.place / "server.log").read_text()
    assert "the service is gone: the engine stops" in log
    assert "Traceback" not in log


def test_an_engine_that_is_killed_is_started_again(broker: Broker) -> None:
    eventually((broker.data / "engine-metrics.json").exists, "the engine's first sign of life")
    pid = int((broker.data / "engine.lock").read_text())
    os.kill(pid, signal.SIGKILL)
    with broker.client() as client:
        assert broker.wait(client.submit(shell_job("true"))) == "FINISHED"
    assert int((broker.data / "engine.lock").read_text()) != pid


def test_an_interrupt_stops_it_like_a_termination(broker: Broker) -> None:
    assert broker._process is not None
    broker._process.send_signal(signal.SIGINT)
    assert broker._process.wait(timeout=120) == 0
    assert not (broker.data / "server.pid").exists()


# -- bad starts -------------------------------------------------------------------------------


def test_a_second_broker_on_the_same_data_is_refused_and_harms_nothing(broker: Broker) -> None:
    said = _failed_start(broker)
    assert "is at work on" in said
    assert "--data-dir" in said
    with broker.client() as client:
        assert broker.wait(client.submit(shell_job("true"))) == "FINISHED"


def test_a_port_in_use_is_named_with_the_cure(broker: Broker, tmp_path: Path) -> None:
    port = broker.url.rsplit(":", 1)[1]
    other = Broker(tmp_path / "other", {"GRMS_PORT": port})
    said = _failed_start(other)
    assert port in said
    assert "--port" in said


def test_a_broken_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    file = broker.data / "grms.db"
    for log in broker.data.glob("grms.db-*"):
        log.unlink()
    rubbish = b"rubbish " * 2000
    file.write_bytes(rubbish)
    assert str(file) in _failed_start(broker)
    assert file.read_bytes() == rubbish


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    (tmp_path / "file").touch()
    broker.data = tmp_path / "file" / "data"
    said = _failed_start(broker)
    assert str(broker.data) in said
    assert "--data-dir" in said


def test_all_unknown_and_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    config = tmp_path / "grms.toml"
    config.write_text('prot = 80\nworkers = "many"\n')
    broker.env["GRMS_CONFIG"] = str(config)
    said = _failed_start(broker)
    assert "'prot'" in said
    assert "workers" in said


# -- what the administrator sees --------------------------------------------------------------


def test_the_log_has_one_line_for_each_state_of_a_job(broker: Broker) -> None:
    with broker.client() as client:
        job_id = client.submit(shell_job("true"))
    broker.wait(job_id)
    log = (broker.place / "server.log").read_text()
    told = [line.split(f"{job_id} ")[1].split()[0] for line in log.splitlines() if job_id in line]
    assert told == [
        "QUEUED", "PREPROCESSING", "PENDING", "RUNNING", "STOPPED", "POSTPROCESSING", "FINISHED",
    ]  # fmt: skip


def test_the_figures_follow_the_jobs(broker: Broker) -> None:
    with broker.client() as client:
        done = client.submit(shell_job("true"))
        broker.wait(done)
        job_id = client.submit(shell_job("sleep 600"))
        broker.wait(job_id, "RUNNING")
    figures = _metrics(broker)
    assert figures['grms_jobs{state="FINISHED"}'] == 1
    assert figures['grms_jobs{state="RUNNING"}'] == 1
    eventually(
        lambda: _metrics(broker).get('grms_cluster_calls{cluster="localhost"}', 0) >= 1,
        "the engine to tell of its calls",
    )
    assert _metrics(broker)["grms_engine_age_seconds"] < 60
    with broker.client() as client:
        client.cancel(job_id)
        broker.wait(job_id)


def test_a_running_broker_passes_its_check_and_its_conformance(broker: Broker) -> None:
    checked = broker.run("check", check=False)
    assert checked.returncode == 0, checked.stdout
    assert "the service runs as process" in checked.stdout
    tried = broker.run("conformance", "localhost", "--quick", check=False)
    assert tried.returncode == 0, tried.stdout
    with broker.client() as client:
        assert broker.wait(client.submit(shell_job("true"))) == "FINISHED"


def test_a_backup_of_a_running_broker_brings_its_jobs_back(broker: Broker) -> None:
    with broker.client() as client:
        job_id = client.submit(shell_job("true"))
    broker.wait(job_id)
    copy = broker.place / "copy.db"
    broker.run("backup", str(copy))
    assert "is at work on" in broker.run("restore", str(copy), check=False).stderr
    broker.kill()
    for file in broker.data.glob("grms.db*"):
        file.unlink()
    broker.run("restore", str(copy))
    broker.start()
    assert broker.state(job_id) == "FINISHED"
    assert job_id in broker.run("jobs", "--state", "finished").stdout
