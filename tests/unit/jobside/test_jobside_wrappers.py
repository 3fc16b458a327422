"""Wrappers that outlive their starter, and the verbs that look at them and steer them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from execution_host import Host, lives, wait_for

SLEEP = ["sh", "-c", "echo $$ >pid; exec sleep 600"]


def states(host: Host, *ids: str) -> dict[str, str]:
    return {item["id"]: item["state"] for item in host.ask("status", host.layout.tags, *ids)}


def steer(host: Host, name: str, identity: str) -> dict[str, object]:
    (answer,) = host.ask("signal", host.layout.tags, name, identity)
    return answer


def test_a_launched_job_outlives_the_launcher_and_ends_with_evidence(any_host: Host) -> None:
    identity = any_host.launch(["sh", "-c", "exit 6"])
    assert any_host.exit()["code"] == 6
    assert states(any_host, identity) == {identity: "ended"}


def test_the_tag_is_there_when_the_launcher_answers(host: Host) -> None:
    identity = host.launch(["true"])
    assert host.ask("find", host.layout.tags, host.tag) == [{"tag": host.tag, "ids": [identity]}]
    host.exit()


def test_without_its_tag_file_a_living_job_is_found_by_its_mark(host: Host) -> None:
    host.launch(SLEEP)
    pid = host.pid_in("pid")
    host.tag_file.unlink()
    (found,) = host.ask("find", host.layout.tags, host.tag)
    assert found["ids"][0].startswith(f"{pid}.")


def test_a_launch_without_a_specification_says_so(host: Host) -> None:
    (answer,) = host.ask("launch", str(host.control))
    assert "no job specification" in answer["error"]


def test_another_boot_has_no_living_wrapper(host: Host) -> None:
    identity = host.launch(SLEEP)
    pid, start, _, tag = identity.split(".")
    assert states(host, f"{pid}.{start}.00000000.{tag}") == {}
    assert states(host, f"{pid}.{int(start) + 1}.{identity.split('.')[2]}.{tag}") == {}
    assert states(host, identity) == {identity: "running"}


@pytest.mark.parametrize("identity", ["", "nonsense", "1.2.3", "a.b.c.d", "1.2.3./etc/passwd"])
def test_an_id_that_is_none_is_unknown(host: Host, identity: str) -> None:
    assert states(host, identity) == {}
    assert steer(host, "KILL", identity)["gone"] is True


def test_kill_ends_the_job_with_evidence(host: Host) -> None:
    identity = host.launch(SLEEP)
    pid = host.pid_in("pid")
    assert steer(host, "KILL", identity)["ok"] is True
    assert host.exit()["signal"] == 15
    assert not lives(pid)
    again = steer(host, "KILL", identity)
    assert (again["ok"], again["gone"]) == (True, True)


def test_a_suspended_job_is_stopped_and_its_wall_clock_with_it(host: Host) -> None:
    identity = host.launch(SLEEP)
    pid = host.pid_in("pid")
    assert steer(host, "STOP", identity)["ok"] is True
    suspended = time.time()
    assert states(host, identity) == {identity: "suspended"}
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    wait_for(lambda: time.time() > suspended + 1.5, "time to pass")
    resumed = time.time()
    assert steer(host, "CONT", identity)["ok"] is True
    assert states(host, identity) == {identity: "running"}
    steer(host, "KILL", identity)
    host.exit()
    started, evidence = host.json("started.json"), host.json("exit.json")
    assert started is not None
    assert evidence is not None
    most = evidence["at"] - started["at"] - (resumed - suspended)
    assert evidence["usage"]["wall"] < most + 0.5


def test_a_suspended_job_can_be_ended(host: Host) -> None:
    identity = host.launch(SLEEP)
    host.pid_in("pid")
    steer(host, "STOP", identity)
    steer(host, "KILL", identity)
    assert host.exit()["signal"] == 15


def test_a_held_job_starts_when_it_is_released(any_host: Host) -> None:
    any_host.describe(["true"])
    (answer,) = any_host.ask("launch-held", str(any_host.control))
    identity = answer["native_id"]
    assert states(any_host, identity) == {identity: "held"}
    assert steer(any_host, "HOLD", identity)["ok"] is True
    assert steer(any_host, "CONT", identity)["ok"] is True
    assert any_host.exit()["code"] == 0


def test_a_held_job_that_is_ended_never_starts(host: Host) -> None:
    host.describe(["touch", "ran"])
    (answer,) = host.ask("launch-held", str(host.control))
    steer(host, "KILL", answer["native_id"])
    assert host.exit()["reason"] == "ended while it was held"
    assert not (host.work / "ran").exists()
    assert host.json("started.json") is None


def test_a_job_whose_wrapper_was_killed_is_absent_once_nothing_of_it_lives(host: Host) -> None:
    identity = host.launch(SLEEP)
    pid = host.pid_in("pid")
    os.kill(int(identity.partition(".")[0]), signal.SIGKILL)
    wait_for(lambda: not lives(pid), "the program to end")
    assert states(host, identity) == {}
    assert steer(host, "KILL", identity)["gone"] is True


def test_strays_of_a_killed_wrapper_are_seen_and_can_be_ended(host: Host) -> None:
    script = "(setsid sh -c 'echo $$ >pid; exec sleep 600' &); exec sleep 600"
    identity = host.launch(["sh", "-c", script])
    pid = host.pid_in("pid")
    os.kill(int(identity.partition(".")[0]), signal.SIGKILL)
    wait_for(lambda: states(host, identity) == {identity: "orphaned"}, "the strays to be seen")
    assert steer(host, "KILL", identity)["ok"] is True
    wait_for(lambda: not lives(pid), "the stray to end")
    assert host.exit()["reason"] == "ended by force: its wrapper was gone"


def test_a_wrapper_that_does_not_obey_for_long_is_ended_by_force(host: Host) -> None:
    identity = host.launch(["sh", "-c", "trap '' TERM; echo $$ >pid; sleep 600"], grace=600)
    pid = host.pid_in("pid")
    steer(host, "KILL", identity)
    assert states(host, identity) == {identity: "running"}
    old = time.time() - 3600
    os.utime(host.control / "ending", (old, old))
    assert steer(host, "KILL", identity)["ok"] is True
    wait_for(lambda: not lives(pid), "the program to end")
    assert host.exit()["signal"] == 9


def test_a_wrong_call_is_told(host: Host) -> None:
    process = host.popen("fly", "away")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 64
    assert b"fly" in err


def test_the_inbox_is_swept_oldest_first_without_what_is_being_written(host: Host) -> None:
    for name in ("2-b", "1-a", ".3-c.part", "4-d"):
        (host.root / "inbox" / name).write_bytes(name.encode())
    assert list(host.ask("sweep", host.layout.inbox, "2")) == ["1-a", "2-b"]
    assert host.ask("sweep", str(host.root / "none"), "2") == {}


def test_a_probe_tells_what_the_host_has(any_host: Host) -> None:
    facts = any_host.ask("probe", str(any_host.root))
    assert facts["cpus"] >= 1
    assert facts["memory"] >= facts["memory_free"] > 0
    assert facts["disk_free"] >= 0
    assert facts["os"]["ID"]
