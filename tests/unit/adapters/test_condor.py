"""HTCondor: commands, and answers as real pools gave them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grms.adapters.condor import Condor
from grms.broker.ports.batch import CommandResult, NativeState, Submission
from grms.broker.records import Cluster
from grms.errors import SiteError

CAPTURED = Path(__file__).parents[2] / "captured" / "condor"
EXPECTED = json.loads((CAPTURED / "expected.json").read_text())
CONDOR = Condor(Cluster("pool", "condor"))


def said(stdout: str, *, stderr: str = "", code: int = 0) -> CommandResult:
    return CommandResult(code, stdout.encode(), stderr.encode())


@pytest.mark.parametrize("name", EXPECTED)
def test_each_captured_answer_means_what_is_written_beside_it(name: str) -> None:
    found = CONDOR.parse_status(CommandResult(0, (CAPTURED / name).read_bytes()))
    seen = {
        key: [status.state.value, status.word, str(status.exit or "")]
        for key, status in found.items()
    }
    assert seen == EXPECTED[name]


def test_a_hold_by_the_system_tells_its_reason() -> None:
    answer = CommandResult(0, (CAPTURED / "q-held-by-system.json").read_bytes())
    assert "No such file or directory" in CONDOR.parse_status(answer)["630.0"].reason


def test_the_history_tells_who_removed_a_job() -> None:
    answer = CommandResult(0, (CAPTURED / "history-removed.json").read_bytes())
    account = CONDOR.parse_account(answer)["8.0"]
    assert account.by_user
    assert account.exit.reason == "removed: broker cancel (by user grid)"


@pytest.mark.parametrize(("code", "limit"), [(46, "wall"), (47, "wall"), (34, "memory")])
def test_a_hold_for_a_limit_is_the_end_by_that_limit(code: int, limit: str) -> None:
    ad = {"ClusterId": 1, "ProcId": 0, "JobStatus": 5, "HoldReasonCode": code, "HoldReason": "x"}
    status = CONDOR.parse_status(said(json.dumps([ad])))["1.0"]
    assert status.state is NativeState.FAULTY
    assert status.exit is not None
    assert status.exit.limit == limit


def test_a_word_not_in_the_table_is_unknown() -> None:
    answer = said('[{"ClusterId": 1, "ProcId": 0, "JobStatus": 42}]')
    assert CONDOR.parse_status(answer)["1.0"].state is NativeState.UNKNOWN


def test_the_description_names_the_script_and_forbids_a_second_start(
    submission: Submission,
) -> None:
    command = CONDOR.submit_command(submission)
    text = command.stdin.decode()
    assert command.argv == ("condor_submit", "-terse", "-")
    assert "arguments = \"'/w/jobs/j/1/control/job.sh'\"" in text
    assert "NumJobStarts == 0" in text
    assert 'My.GrmsTag = "gabcdefghijklmn"' in text
    assert "request_cpus = 4\n" in text
    assert "request_memory = 2048\n" in text


def test_a_dollar_in_a_path_is_no_macro(submission: Submission) -> None:
    odd = replace(submission, directory="/w/$(x) it's")
    text = CONDOR.submit_command(odd).stdin.decode()
    assert "initialdir = /w/$(DOLLAR)(x) it's\n" in text
    assert "arguments = \"'/w/$(DOLLAR)(x) it''s/job.sh'\"" in text


def test_a_project_adds_no_line_to_the_description(submission: Submission) -> None:
    odd = replace(submission, project='a"b\nexecutable = /bin/x')
    text = CONDOR.submit_command(odd).stdin.decode()
    assert 'My.ProjectName = "a\\"b executable = /bin/x"\n' in text


def test_the_script_gives_the_job_a_path_and_a_home(submission: Submission) -> None:
    lines = CONDOR.script(submission).decode().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert "export PATH HOME" in lines
    assert lines[-1].startswith("exec /usr/bin/python3 '/w/bin/run it'\"'\"'s.py' ")


def test_an_accepted_job_has_its_id() -> None:
    assert CONDOR.parse_submit(said("8.0 - 8.0\n")) == "8.0"


def test_success_without_an_id_leaves_it_open_whether_there_is_a_job() -> None:
    with pytest.raises(SiteError) as caught:
        CONDOR.parse_submit(said("hello\n"))
    assert caught.value.transient


def test_a_missing_directory_is_refused_for_good() -> None:
    with pytest.raises(SiteError, match="No such directory: /nonexist") as caught:
        CONDOR.parse_submit(said("", stderr="ERROR: No such directory: /nonexist\n", code=1))
    assert not caught.value.transient


def test_a_schedd_that_is_down_may_come_back() -> None:
    answer = said("", stderr="\nERROR: Can't find address of local schedd\n", code=1)
    with pytest.raises(SiteError) as caught:
        CONDOR.parse_submit(answer)
    assert caught.value.transient
    with pytest.raises(SiteError):
        CONDOR.parse_outcome("cancel", ["1.0"], said("", stderr="condor_rm: (null)\n", code=1))


def test_each_id_has_its_own_outcome() -> None:
    answer = said("Job 1.0 suspended\n", stderr="Job 11.0 not found\n")
    found = CONDOR.parse_outcome("suspend", ["1.0", "11.0"], answer)
    assert found["1.0"].ok
    assert not found["11.0"].ok
    assert found["11.0"].gone


def test_a_tag_is_found_in_queue_and_history() -> None:
    queue = said('[{"ClusterId": 1, "ProcId": 0, "GrmsTag": "ga"}]')
    history = said('[{"ClusterId": 2, "ProcId": 0, "GrmsTag": "ga"}]')
    assert CONDOR.parse_find([queue, history]) == {"ga": ("1.0", "2.0")}


@pytest.mark.parametrize(
    "answer",
    [
        CommandResult(1, b"", b"-- Failed to fetch ads from: <127.0.0.1:9618>"),
        CommandResult(0, b"", b"-- Failed to fetch ads"),
        CommandResult(1, b"", b"Error: (null)\n\nExtra Info: You probably saw this error because"),
        CommandResult(1, b"", b"Error: communication error\nCEDAR:6001:Failed to connect to <a>"),
        CommandResult(0, b'[\n{ "ClusterId": 1,'),
        CommandResult(0, b"{}"),
        CommandResult(127, b"", b"not found"),
        CommandResult(-9),
        CommandResult(0, b"[]", timed_out=True),
    ],
)
def test_no_answer_is_an_error_not_an_empty_queue(answer: CommandResult) -> None:
    with pytest.raises(SiteError):
        CONDOR.parse_status(answer)


@given(st.binary(), st.integers(-15, 255))
def test_rubbish_raises_site_errors_alone(data: bytes, code: int) -> None:
    for parse in (CONDOR.parse_status, CONDOR.parse_account, CONDOR.parse_submit):
        try:
            parse(CommandResult(code, data))
        except SiteError:
            continue


@given(st.sampled_from(sorted(EXPECTED)), st.data())
def test_a_truncated_answer_is_an_error_or_still_right(name: str, data: st.DataObject) -> None:
    whole = (CAPTURED / name).read_bytes()
    cut = whole[: data.draw(st.integers(1, max(1, len(whole) - 3)))]
    if whole:
        with pytest.raises(SiteError):
            CONDOR.parse_status(CommandResult(0, cut))


def test_a_probe_counts_processors_and_jobs() -> None:
    slot = {"Cpus": 12, "TotalSlotCpus": 16, "Memory": 100, "TotalSlotMemory": 200}
    slots = said(json.dumps([slot | {"PartitionableSlot": True}]))
    schedd = said(
        '[{"Name": "a", "CondorVersion": "$CondorVersion: 23.9.6 2026-07-12 $",'
        ' "TotalIdleJobs": 2, "TotalRunningJobs": 4}]'
    )
    facts = CONDOR.parse_probe([slots, schedd])
    assert (facts.total_cpus, facts.free_cpus, facts.free_memory) == (16, 12, 100)
    assert (facts.waiting, facts.running, facts.version) == (2, 4, "23.9.6 2026-07-12")
