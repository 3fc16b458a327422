"""How the wrapper runs one attempt: its evidence, its refusals, its signals and its limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from execution_host import Host, lives, wait_for

SLEEP = ["sh", "-c", "echo $$ >pid; exec sleep 600"]


@pytest.mark.parametrize(
    ("script", "status", "code", "number"),
    [
        ("exit 0", 0, 0, None),
        ("exit 7", 7, 7, None),
        ("exit 255", 255, 255, None),
        ("kill -SEGV $$", 139, None, 11),
        ("kill -KILL $$", 137, None, 9),
    ],
)
def test_the_exit_is_recorded_as_it_was(
    any_host: Host, script: str, status: int, code: int | None, number: int | None
) -> None:
    assert any_host.run(["sh", "-c", script]) == status
    assert any_host.exit() == {"code": code, "signal": number, "reason": "", "limit": ""}
    assert any_host.news() == ["started", "exited"]


def test_the_evidence_names_the_process_that_wrote_it(host: Host) -> None:
    process = host.start(["true"])
    host.finish(process)
    evidence = host.json("exit.json")
    assert evidence is not None
    assert evidence["pid"] == process.pid
    assert evidence["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert evidence["usage"].keys() == {"wall", "cpu", "max_rss"}


@pytest.mark.parametrize("name", ["no such", "./no such", "/no/such"])
def test_a_missing_program_is_127(host: Host, name: str) -> None:
    assert host.run([name]) == 127
    assert host.exit()["reason"] == f"no such program: {name} (or its interpreter)"


def test_a_file_that_is_not_executable_is_126(host: Host) -> None:
    (host.work / "text").write_text("hello")
    assert host.run(["./text"]) == 126
    assert host.exit()["reason"] == "cannot execute ./text: Permission denied"


def test_a_text_without_an_interpreter_is_126_and_says_what_is_missing(host: Host) -> None:
    (host.work / "text").write_text("echo hello\n")
    (host.work / "text").chmod(0o755)
    assert host.run(["./text"]) == 126
    assert "#!" in host.exit()["reason"]


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_a_stream_that_cannot_be_opened_is_named(host: Host, stream: str) -> None:
    assert host.run(["true"], **{stream: "/no/such/file"}) == 70
    end = host.exit()
    assert end["code"] is None
    assert end["reason"] == f"cannot open {stream} /no/such/file: No such file or directory"


def test_a_missing_working_directory_is_told(host: Host) -> None:
    assert host.run(["true"], work="/no/such/place") == 70
    assert "/no/such/place" in host.exit()["reason"]


def test_outputs_that_are_one_file_do_not_overwrite_each_other(host: Host) -> None:
    both = str(host.work / "both")
    host.run(["sh", "-c", "echo a; echo b >&2; echo c"], stdout=both, stderr=both)
    assert Path(both).read_text() == "a\nb\nc\n"


def test_each_process_of_a_job_has_its_rank(any_host: Host) -> None:
    script = "echo $GRMS_RANK/$GRMS_COUNT"
    assert any_host.run(["sh", "-c", script], type="multiple", count=3) == 0
    assert sorted((any_host.work / "out").read_text().split()) == ["0/3", "1/3", "2/3"]


def test_when_one_process_fails_the_others_go_on_and_its_status_wins(host: Host) -> None:
    script = "if [ $GRMS_RANK = 1 ]; then touch failed; exit 5; fi; "
    script += "while [ ! -e failed ]; do sleep 0.05; done; echo $GRMS_RANK >>went-on"
    assert host.run(["sh", "-c", script], type="multiple", count=3) == 5
    assert sorted((host.work / "went-on").read_text().split()) == ["0", "2"]


def test_an_mpi_job_is_started_by_its_launcher(host: Host) -> None:
    launcher = ["echo", "-n", "{count}"]
    host.run(["program", "x y"], type="mpi", count=4, launcher=launcher)
    assert (host.work / "out").read_text() == "4 program x y"


def test_a_second_start_is_refused_and_the_first_tag_stays(host: Host) -> None:
    first = host.start(["true"])
    host.finish(first)
    tag = host.tag_file.read_text()
    assert host.run(["true"]) == 76
    assert host.tag_file.read_text() == tag
    assert host.news() == ["started", "exited", "refused"]


def test_two_starts_at_once_run_the_job_once(host: Host) -> None:
    spec = host.describe(["sh", "-c", "echo x >>ran"])
    racers = [host.popen("run", spec) for _ in range(4)]
    assert sorted(host.finish(racer) for racer in racers) == [0, 76, 76, 76]
    assert (host.work / "ran").read_text() == "x\n"


def test_a_revoked_attempt_is_refused(host: Host) -> None:
    (host.control / "revoked").touch()
    assert host.run(["touch", "ran"]) == 76
    assert not (host.work / "ran").exists()


@pytest.mark.parametrize(("fence", "status"), [("1", 0), ("2", 76), ("", 0), ("10\n", 76)])
def test_only_attempts_older_than_the_fence_are_refused(
    host: Host, fence: str, status: int
) -> None:
    Path(host.layout.fence("job")).write_text(fence)
    assert host.run(["true"]) == status


def test_a_specification_that_is_none_is_a_failure_of_our_own(host: Host) -> None:
    spec = host.describe(["true"])
    Path(spec).write_text('{"version": 1, "half')
    assert host.finish(host.popen("run", spec)) == 70


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_wrapper_ends_the_job_and_is_recorded(
    any_host: Host, number: signal.Signals
) -> None:
    process = any_host.start(SLEEP)
    any_host.pid_in("pid")
    process.send_signal(number)
    assert any_host.finish(process) == 128 + number
    end = any_host.exit()
    assert (end["signal"], end["reason"]) == (number, f"told to end by {number.name}")


def test_a_job_that_tidies_up_on_term_ends_with_its_own_code(host: Host) -> None:
    script = "trap 'exit 3' TERM; echo $$ >pid; while :; do sleep 0.05; done"
    process = host.start(["sh", "-c", script])
    host.pid_in("pid")
    process.terminate()
    assert host.finish(process) == 3
    assert host.exit()["reason"] == "told to end by SIGTERM"


def test_a_job_that_ignores_term_is_killed_after_its_grace_time(host: Host) -> None:
    script = "trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done"
    process = host.start(["sh", "-c", script])
    host.pid_in("pid")
    process.terminate()
    assert host.finish(process) == 137


def test_usr1_is_passed_on_to_the_program(host: Host) -> None:
    script = "trap 'exit 9' USR1; echo $$ >pid; while :; do sleep 0.05; done"
    process = host.start(["sh", "-c", script])
    host.pid_in("pid")
    process.send_signal(signal.SIGUSR1)
    assert host.finish(process) == 9


def test_a_daemon_left_behind_is_ended_with_the_job(any_host: Host) -> None:
    script = "(setsid env -i sh -c 'echo $$ >pid; exec sleep 600' &); "
    script += "while [ ! -s pid ]; do sleep 0.05; done"
    assert any_host.run(["sh", "-c", script]) == 0
    assert not lives(any_host.pid_in("pid"))


def test_when_the_wrapper_is_killed_its_program_is_killed_too(host: Host) -> None:
    process = host.start(SLEEP)
    pid = host.pid_in("pid")
    process.kill()
    host.finish(process)
    wait_for(lambda: not lives(pid), "the program to end")
    assert host.json("exit.json") is None


def test_the_wall_limit_ends_the_job_and_is_named(host: Host) -> None:
    host.run(SLEEP, limits={"wall": 1})
    assert host.exit() == {"code": None, "signal": 15, "reason": "", "limit": "wall"}


def test_the_cpu_limit_ends_the_job_and_is_named(host: Host) -> None:
    host.run([sys.executable, "-c", "while True: pass"], limits={"cpu": 1})
    assert host.exit()["limit"] == "cpu"


def test_the_cpu_limit_counts_all_processes_together(host: Host) -> None:
    script = "while :; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done"
    host.run(["sh", "-c", script], limits={"cpu": 1})
    assert host.exit()["limit"] == "cpu"


def test_the_memory_limit_ends_the_job_and_is_named(host: Host) -> None:
    program = "import time; x = bytearray(150_000_000); time.sleep(600)"
    host.run([sys.executable, "-c", program], limits={"memory": 80})
    end = host.exit()
    assert (end["limit"], end["signal"]) == ("memory", 9)


def test_an_ended_job_within_its_limits_names_none(host: Host) -> None:
    host.run(["sh", "-c", "exit 4"], limits={"wall": 600, "cpu": 600, "memory": 4000})
    assert host.exit() == {"code": 4, "signal": None, "reason": "", "limit": ""}


def test_the_sign_of_life_is_renewed(host: Host) -> None:
    host.start(SLEEP)
    alive = host.control / "alive"
    first = wait_for(lambda: alive.exists() and alive.read_text(), "a sign of life")
    wait_for(lambda: alive.read_text() not in ("", first), "another sign of life")


def test_usage_is_measured(host: Host) -> None:
    program = "x = bytearray(60_000_000); y = sum(i * i for i in range(2_000_000))"
    host.run([sys.executable, "-c", program])
    evidence = host.json("exit.json")
    assert evidence is not None
    usage = evidence["usage"]
    assert usage["max_rss"] > 55_000
    assert usage["cpu"] > 0
    assert usage["wall"] > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_delays_the_evidence_but_does_not_lose_it(host: Host) -> None:
    small = host.root / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)])
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        script = f"cat /dev/zero >{small}/fill 2>/dev/null; mkdir -p x; touch ran; exit 3"
        process = host.start(["sh", "-c", script], inbox=str(small))
        wait_for((host.control / "exit.json").exists, "the evidence beside the full inbox")
        assert not list(small.glob("*-exited.json"))
        (small / "fill").unlink()
        assert host.finish(process) == 3
        assert len(list(small.glob("*-exited.json"))) == 1
        assert not list(small.glob(".*"))
    finally:
        subprocess.run(["umount", str(small)], check=True)
