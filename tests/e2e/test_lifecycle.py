"""What a user sees of a job, from submit to its end, over the real service."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from broker import Broker, eventually
from jobs import shell_job

from grms.client.errors import RefusedError
from grms.client.model import FileDir
from grms.errors import ErrorCode


def _processes_of(job_id: str) -> list[str]:
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"GRMS_JOB_ID={job_id}".encode() in environ.read_bytes():
                found.append(environ.parent.name)
    return found


def test_a_job_finishes_and_its_output_is_delivered(broker: Broker) -> None:
    out = broker.files / "hello.txt"
    with broker.client() as client:
        job_id = client.submit(shell_job("echo Hello", stdout=f"file://{out}"))
        assert broker.wait(job_id) == "FINISHED"
        info = client.info(job_id)
        history = client.history(job_id)
    assert out.read_text() == "Hello\n"
    assert (info.history_length, info.request_status) == (1, "TASK_DONE")
    assert history[0].local_start_time is not None
    assert history[0].local_finish_time is not None


def test_the_job_knows_its_own_id(broker: Broker) -> None:
    out = broker.files / "id.txt"
    with broker.client() as client:
        job_id = client.submit(shell_job('echo "$GRMS_JOB_ID"', stdout=f"file://{out}"))
        broker.wait(job_id)
    assert out.read_text().strip() == job_id


def test_a_failing_program_tells_its_exit_code(broker: Broker) -> None:
    with broker.client() as client:
        job_id = client.submit(shell_job("exit 7"))
        assert broker.wait(job_id) == "FAILED"
        assert "exit code 7" in client.info(job_id).error_description


def test_a_missing_program_fails_with_its_name(broker: Broker) -> None:
    text = shell_job("true").replace("file:////bin/sh", "file:////no/such/program")
    with broker.client() as client:
        job_id = client.submit(text)
        assert broker.wait(job_id) == "FAILED"
        assert "/no/such/program" in client.info(job_id).error_description


def test_a_running_job_is_suspended_and_resumed_in_place(broker: Broker) -> None:
    clock = broker.files / "clock"
    script = f"for i in $(seq 600); do echo $i >> {clock}; sleep 0.1; done"
    with broker.client() as client:
        job_id = client.submit(shell_job(script))
        broker.wait(job_id, "RUNNING")
        client.suspend(job_id)
        broker.wait(job_id, "SUSPENDED")
        stood = clock.read_text()
        client.resume(job_id)
        broker.wait(job_id, "RUNNING")
        eventually(lambda: clock.read_text() > stood, "the program to go on")
        client.cancel(job_id)
        assert broker.wait(job_id) == "CANCELED"


def test_a_job_is_canceled_with_its_children(broker: Broker) -> None:
    beat = broker.files / "beat"
    script = f"(while :; do date >> {beat}; sleep 0.1; done) & wait"
    with broker.client() as client:
        job_id = client.submit(shell_job(script))
        eventually(beat.exists, "the child to run")
        client.cancel(job_id)
        assert broker.wait(job_id) == "CANCELED"
    assert _processes_of(job_id) == []


def test_the_wall_limit_ends_a_job(broker: Broker) -> None:
    text = shell_job("sleep 600").replace(
        "</executable>",
        "</executable><executionTime><execDuration>PT1S</execDuration></executionTime>",
    )
    with broker.client() as client:
        job_id = client.submit(text)
        assert broker.wait(job_id) == "FAILED"
        assert "wall limit" in client.info(job_id).error_description


def test_a_missing_input_fails_with_its_url(broker: Broker) -> None:
    url = f"file://{broker.files}/missing.dat"
    files = f'<file name="in.dat" type="in"><url>{url}</url></file>'
    with broker.client() as client:
        job_id = client.submit(shell_job("cat in.dat", files=files))
        assert broker.wait(job_id) == "FAILED"
        assert url in client.info(job_id).error_description


def test_an_output_that_was_not_produced_is_a_failure(broker: Broker) -> None:
    files = f'<file name="out.dat" type="out"><url>file://{broker.files}/o</url></file>'
    with broker.client() as client:
        job_id = client.submit(shell_job("true", files=files))
        assert broker.wait(job_id) == "FAILED"
        assert "did not produce out.dat" in client.info(job_id).error_description


def test_an_output_registered_while_the_job_runs_is_delivered(broker: Broker) -> None:
    go = broker.files / "go"
    script = f"echo late > late.txt; while [ ! -e {go} ]; do sleep 0.05; done"
    with broker.client() as client:
        job_id = client.submit(shell_job(script))
        broker.wait(job_id, "RUNNING")
        client.add_output(job_id, [FileDir("late.txt", f"file://{broker.files}/delivered.txt")])
        go.touch()
        assert broker.wait(job_id) == "FINISHED"
    assert (broker.files / "delivered.txt").read_text() == "late\n"


def test_files_outside_the_allowed_directories_are_refused_at_submission(broker: Broker) -> None:
    files = '<file name="shadow" type="in"><url>file:///etc/shadow</url></file>'
    with broker.client() as client, pytest.raises(RefusedError) as refused:
        client.submit(shell_job("true", files=files))
    assert refused.value.code is ErrorCode.FILE_NOT_ALLOWED


def test_the_directory_is_cleaned_unless_the_job_is_persistent(broker: Broker) -> None:
    with broker.client() as client:
        gone = client.submit(shell_job("echo x > x"))
        kept = client.submit(shell_job("echo x > x", persistent=True))
        broker.wait(gone)
        broker.wait(kept)
    jobs = broker.data / "localhost" / "jobs"
    eventually(lambda: not (jobs / gone).exists(), "the directory to be cleaned")
    assert (jobs / kept / "1" / "work" / "x").exists()


def test_an_unknown_job_and_an_ended_one_are_told_apart(broker: Broker) -> None:
    with broker.client() as client:
        with pytest.raises(RefusedError) as unknown:
            client.info("1_nobody_0001")
        job_id = client.submit(shell_job("true"))
        broker.wait(job_id)
        with pytest.raises(RefusedError) as ended:
            client.cancel(job_id)
    assert unknown.value.code is ErrorCode.UNKNOWN_JOB
    assert ended.value.code is ErrorCode.ILLEGAL_STATE


def test_jobs_beyond_the_cap_wait_and_all_finish(broker: Broker) -> None:
    with broker.client() as client:
        ids = [client.submit(shell_job("sleep 0.3")) for _ in range(12)]
    assert {broker.wait(job_id) for job_id in ids} == {"FINISHED"}
