"""What the broker may ask of a running job through files, and what the wrapper answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from execution_host import Host, lives, wait_for

BY_SIGNAL = {"signal": "USR1", "exit_code": 85}
WRITES = "trap 'echo state >state; exit 85' USR1; echo $$ >pid; while :; do sleep 0.05; done"
DEAF = "trap '' USR1; echo $$ >pid; while :; do sleep 0.05; done"


def _ask(host: Host, name: str, **what: Any) -> None:
    folder = host.control / "requests"
    folder.mkdir(exist_ok=True)
    part = folder / f".{name}"
    part.write_text(json.dumps({"deadline": 60, **what}))
    part.rename(folder / f"{name}.json")


def _answer(host: Host, name: str) -> dict[str, Any]:
    return wait_for(lambda: host.json(f"requests/{name}.done"), "the answer")


def test_a_checkpoint_by_signal_ends_the_job_as_checkpointed(any_host: Host) -> None:
    process = any_host.start(["sh", "-c", WRITES], checkpoint=BY_SIGNAL)
    any_host.pid_in("pid")
    _ask(any_host, "c", do="checkpoint")
    assert any_host.finish(process) == 85
    assert any_host.json("exit.json")["checkpointed"] is True
    assert (any_host.work / "state").read_text() == "state\n"


def test_exit_code_85_of_a_checkpointable_job_means_run_me_again(host: Host) -> None:
    host.run(["sh", "-c", "exit 85"], checkpoint=BY_SIGNAL)
    assert host.json("exit.json")["checkpointed"] is True


def test_exit_code_85_of_any_other_job_is_an_exit_code(host: Host) -> None:
    host.run(["sh", "-c", "exit 85"])
    assert "checkpointed" not in host.json("exit.json")


def test_another_exit_code_of_a_checkpointable_job_is_its_own(host: Host) -> None:
    host.run(["sh", "-c", "exit 3"], checkpoint=BY_SIGNAL)
    assert "checkpointed" not in host.json("exit.json")


def test_one_process_that_failed_otherwise_makes_no_checkpoint_of_the_others(host: Host) -> None:
    script = 'test "$GRMS_RANK" = 0 && exit 3; exit 85'
    host.run(["sh", "-c", script], checkpoint=BY_SIGNAL, type="multiple", count=2)
    assert "checkpointed" not in host.json("exit.json")


def test_a_job_that_does_not_answer_in_time_goes_on(host: Host) -> None:
    host.start(["sh", "-c", DEAF], checkpoint=BY_SIGNAL)
    pid = host.pid_in("pid")
    _ask(host, "c", do="checkpoint", deadline=0.2)
    answer = _answer(host, "c")
    assert (answer["ok"], "deadline" in answer["reason"]) == (False, True)
    assert lives(pid)


def test_a_command_that_succeeds_is_a_checkpoint_and_ends_the_job(host: Host) -> None:
    process = host.start(
        ["sh", "-c", "echo $$ >pid; exec sleep 600"],
        checkpoint={"command": 'echo "$GRMS_JOB_ID" >state', "exit_code": 85},
    )
    host.pid_in("pid")
    _ask(host, "c", do="checkpoint")
    host.finish(process)
    assert host.json("exit.json")["checkpointed"] is True
    assert (host.work / "state").read_text() == "job\n"


def test_a_command_that_fails_leaves_the_job_alone(host: Host) -> None:
    host.start(["sh", "-c", "echo $$ >pid; exec sleep 600"], checkpoint={"command": "exit 4"})
    pid = host.pid_in("pid")
    _ask(host, "c", do="checkpoint")
    assert _answer(host, "c")["reason"] == "the checkpoint command ended with status 4"
    assert lives(pid)


def test_what_the_job_says_itself_overrides_what_was_declared(host: Host) -> None:
    script = "grms-job checkpointable --signal HUP --exit-code 99 || exit 1;" + WRITES.replace(
        "USR1", "HUP"
    ).replace("85", "99")
    process = host.start(["sh", "-c", script], checkpoint=BY_SIGNAL)
    host.pid_in("pid")
    _ask(host, "c", do="checkpoint")
    assert host.finish(process) == 99
    assert host.json("exit.json")["checkpointed"] is True


def test_a_job_is_stopped_and_goes_on_by_request(host: Host) -> None:
    host.start(["sh", "-c", "echo $$ >pid; exec sleep 600"])
    pid = host.pid_in("pid")
    _ask(host, "s", do="stop")
    assert _answer(host, "s")["ok"] is True
    assert (host.control / "suspended").exists()
    _ask(host, "t", do="cont")
    assert _answer(host, "t")["ok"] is True
    assert not (host.control / "suspended").exists()
    assert lives(pid)


def test_a_job_that_was_checkpointed_by_other_means_is_ended(host: Host) -> None:
    process = host.start(["sh", "-c", "echo $$ >pid; exec sleep 600"])
    host.pid_in("pid")
    _ask(host, "e", do="end", checkpointed=True)
    host.finish(process)
    assert host.json("exit.json")["checkpointed"] is True


def test_an_unknown_request_is_refused(host: Host) -> None:
    host.start(["sleep", "600"])
    _ask(host, "x", do="dance")
    assert "dance" in _answer(host, "x")["reason"]


def test_streams_go_on_where_they_were(host: Host) -> None:
    (host.work / "out").write_text("before\n")
    host.run(["echo", "after"], append=True)
    assert (host.work / "out").read_text() == "before\nafter\n"


@pytest.mark.parametrize(("restored", "seen"), [("2", "2"), ("", "")])
def test_the_job_knows_whether_it_goes_on_from_a_checkpoint(
    host: Host, restored: str, seen: str
) -> None:
    host.run(["sh", "-c", 'echo "<$GRMS_CHECKPOINT>"'], restored=restored)
    assert (host.work / "out").read_text() == f"<{seen}>\n"
