"""grms-client among other programs: pipelines, completion, terminals and Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_broker import OK, FakeBroker, Hiccup, job_info

REPOSITORY = Path(__file__).resolve().parents[3]
#: Python ignores SIGINT when its parent does; a test run in the background must not.
PROGRAM = """#!{python}
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from grms.client.cli import main
main()
"""


@pytest.fixture
def environment(home: Path, plain_broker: FakeBroker) -> dict[str, str]:
    """The environment of a user with grms-client on the PATH."""
    program = home / "bin/grms-client"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "GRMS_SERVER": plain_broker.url,
    }


def shell(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script with sh in the user's home."""
    return subprocess.run(
        ["sh", "-c", script],
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_scripts_cut_the_id_out_of_submit_job(
    plain_broker: FakeBroker, environment: dict[str, str]
) -> None:
    plain_broker.accept("submitJob", jobId="1305550554579_JobId_5366")
    for verb in ("submit_job", "submit"):
        cut = "grep JobId | awk -F= '{print $2}'"
        done = shell(f"grms-client {verb} job.xml | {cut}", environment)
        assert (done.stdout.split(), done.stderr) == (["1305550554579_JobId_5366"], "")


def test_scripts_cut_the_state_out_of_job_info(
    plain_broker: FakeBroker, environment: dict[str, str]
) -> None:
    trap = job_info("FAILED", errorDescription="Status: bad\nJobId = 7", userDn="/CN=Status Q")
    plain_broker.accept("getJobInfo", jobInfo=trap)
    script = "grms-client job_info 1_Status_2 2>/dev/null | grep Status | awk '{print $3}'"
    assert shell(script, environment).stdout == "FAILED\n"
    assert "JobId" not in shell("grms-client job_info x", environment).stdout


def test_job_info_prints_nothing_to_cut_when_it_fails(
    plain_broker: FakeBroker, environment: dict[str, str]
) -> None:
    plain_broker.refuse("getJobInfo", 22, "there is no such Status")
    script = "grms-client job_info x 2>/dev/null | grep Status | awk '{print $3}'"
    assert shell(script, environment).stdout == ""


def test_a_reader_that_stops_early_makes_no_noise(
    plain_broker: FakeBroker, environment: dict[str, str]
) -> None:
    plain_broker.accept("getJobsList", jobsList=[f"job{n}" for n in range(20000)])
    done = shell("grms-client list | head -1", environment)
    assert (done.stdout, done.stderr) == ("job0\n", "")


def test_lists_feed_other_commands(plain_broker: FakeBroker, environment: dict[str, str]) -> None:
    plain_broker.accept("getJobsList", jobsList=["a", "b"])
    plain_broker.accept("cancelJob")
    done = shell("grms-client list QUEUED | xargs grms-client cancel", environment)
    assert done.stdout == "cancel of a accepted\ncancel of b accepted\n"


RECIPES = re.findall(
    r"^```sh\n(.*?)^```",
    (REPOSITORY / "docs/how-to/shell-scripts.md").read_text("utf-8"),
    re.M | re.S,
)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.split("\n")[0][:30])
def test_the_recipes_of_the_how_to_work(
    plain_broker: FakeBroker, environment: dict[str, str], recipe: str
) -> None:
    if "jq" in recipe and not shutil.which("jq"):
        pytest.skip("jq is not here")
    plain_broker.accept("submitJob", jobId="1_a_2")
    plain_broker.accept("cancelJob")
    plain_broker.accept("getJobsList", jobsList=["1_a_2"])
    plain_broker.accept("getJobInfo", jobInfo=job_info("FINISHED"))
    done = shell(f'set -eu; id=1_a_2; status=\n{recipe}\necho "$id $status"', environment)
    assert (done.returncode, "grms-client:" in done.stderr) == (0, False)
    assert done.stdout.splitlines()[-1].split()[0] == "1_a_2"


COMPLETE = """
eval "$(grms-client completion bash)"
COMP_WORDS=(grms-client {words}); COMP_CWORD={count}
_grms_client_completion grms-client
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not here")
def test_bash_completes_commands_states_and_job_ids(
    plain_broker: FakeBroker, environment: dict[str, str]
) -> None:
    plain_broker.accept("getJobsList", jobsList=["17_a_1", "18_b_2"])

    def complete(*words: str) -> list[str]:
        script = COMPLETE.format(words=" ".join(f"'{w}'" for w in words), count=len(words))
        done = subprocess.run(
            ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.stderr == ""
        return done.stdout.split()

    assert complete("sub") == ["submit", "submit_job"]
    assert complete("list", "RUN") == ["RUNNING"]
    assert complete("info", "17") == ["17_a_1"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_shell_reads_its_completion_script(environment: dict[str, str], name: str) -> None:
    program = shutil.which(name)
    if not program:
        pytest.skip(f"{name} is not here")
    script = shell(f"grms-client completion {name}", environment).stdout
    done = subprocess.run(
        [program, "-n"], input=script, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_control_c_ends_the_watching_not_the_job(
    plain_broker: FakeBroker, environment: dict[str, str]
) -> None:
    plain_broker.accept("getJobInfo", jobInfo=job_info("RUNNING"))
    command = ["grms-client", "watch", "--interval", "0.1", "j"]
    program = shutil.which("grms-client", path=environment["PATH"])
    with subprocess.Popen(
        command,
        executable=program,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watch:
        assert watch.stdout is not None
        assert "RUNNING" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        _, err = watch.communicate(timeout=120)
    assert watch.returncode == 130
    assert (
        err == "grms-client: stopped watching; the jobs go on (grms-client cancel ends them): j\n"
    )
    assert {request.operation for request in plain_broker.requests} == {"getJobInfo"}


def test_control_c_during_a_submission_names_the_key(
    plain_broker: FakeBroker, environment: dict[str, str]
) -> None:
    plain_broker.hiccups = [Hiccup(silent=True)]
    program = shutil.which("grms-client", path=environment["PATH"])
    with subprocess.Popen(
        ["grms-client", "submit", "job.xml"],
        executable=program,
        env=environment,
        cwd=environment["HOME"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as submit:
        assert plain_broker.called.wait(120)
        submit.send_signal(signal.SIGINT)
        out, err = submit.communicate(timeout=120)
    assert (submit.returncode, out) == (130, "")
    key = plain_broker.requests[0].headers["idempotency-key"]
    assert f"may have arrived: to be sure, repeat with --key {key}\n" in err


def on_terminal(environment: dict[str, str], *words: str) -> str:
    """What grms-client shows on a terminal."""
    ours, theirs = pty.openpty()
    try:
        program = shutil.which("grms-client", path=environment["PATH"])
        with subprocess.Popen(
            ["grms-client", *words], executable=program, env=environment, stdout=theirs
        ) as process:
            os.close(theirs)
            shown = _drain(ours)
            assert process.wait(120) == 0
    finally:
        os.close(ours)
    return shown.decode()


def _drain(terminal: int) -> bytes:
    """All that is written until the other side is closed."""
    shown, deadline = b"", time.monotonic() + 120
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so when the last writer is gone
            return shown
        if not piece:
            return shown
        shown += piece
    raise AssertionError(f"the terminal was never closed; it shows {shown!r}")


@pytest.fixture
def short_job(plain_broker: FakeBroker) -> None:
    """A job that is found running twice, then finished."""
    states = iter(["RUNNING", "RUNNING", "FINISHED"])
    plain_broker.answers["getJobInfo"] = lambda _request: {
        "getJobInfoReturn": OK,
        "jobInfo": job_info(next(states)),
    }


@pytest.mark.usefixtures("short_job")
def test_a_terminal_shows_a_live_line_and_colours(environment: dict[str, str]) -> None:
    shown = on_terminal(environment, "watch", "--interval", "0.1", "j")
    assert re.search(r"\r\x1b\[2KRUNNING TASK_EXEC_ACTIVE  \d+:\d\d", shown)
    assert "\x1b[32mFINISHED\x1b[0m" in shown
    assert shown.endswith("\r\x1b[2K")


@pytest.mark.usefixtures("short_job")
def test_no_color_keeps_the_live_line_and_drops_the_colours(environment: dict[str, str]) -> None:
    shown = on_terminal({**environment, "NO_COLOR": "1"}, "watch", "--interval", "0.1", "j")
    assert "  j  FINISHED\r\n" in shown
    assert not re.search(r"\x1b\[\d+m", shown)
