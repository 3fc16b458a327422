"""LSF: commands of both dialects, and answers as real systems gave them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grms.adapters.lsf import Lsf
from grms.broker.ports.batch import CommandResult, NativeState, Submission
from grms.broker.records import Cluster
from grms.errors import ConfigError, SiteError

CAPTURED = Path(__file__).parents[2] / "captured" / "lsf"
EXPECTED = json.loads((CAPTURED / "expected.json").read_text())
LSF = Lsf(Cluster("c", "lsf"))
OPENLAVA = Lsf(Cluster("c", "lsf", options={"dialect": "openlava"}))


def captured(name: str) -> CommandResult:
    return CommandResult(0, (CAPTURED / name).read_bytes())


@pytest.mark.parametrize("name", EXPECTED)
def test_each_captured_log_means_what_is_written_beside_it(name: str) -> None:
    native_id, end, by_user = EXPECTED[name]
    accounts = OPENLAVA.parse_account(captured(name))
    assert {key: (str(one.exit), one.by_user) for key, one in accounts.items()} == (
        {native_id: (end, by_user)} if end else {}
    )


def log_of(*events: str) -> CommandResult:
    """A log of job 7, as bhist -l prints it."""
    lines = "".join(f"Fri Nov 20 11:08:2{at}: {event}\n" for at, event in enumerate(events))
    head = "\nJob <7>, Job Name <ga>, User <u>, Command <x>\n"
    times = (
        "\n  PEND     PSUSP    RUN      USUSP    SSUSP    UNKWN    TOTAL\n  0  0  5  0  0  0  5\n"
    )
    return CommandResult(0, (head + lines + times).encode())


def test_lsf_10_tells_the_reason_of_an_end_on_a_line_of_its_own() -> None:
    answer = log_of(
        "Dispatched to <h>;",
        "Exited with exit code 140. The CPU time used is 1.5 seconds;",
        "Completed <exit>; TERM_RUNLIMIT: job killed after reaching LSF run time limit;",
    )
    account = LSF.parse_account(answer)["7"]
    assert (account.exit.code, account.exit.limit, account.by_user) == (140, "wall", False)


def test_a_job_that_was_put_back_in_the_queue_has_not_ended() -> None:
    ran = ("Dispatched to <h>;", "Exited with exit code 1. The CPU time used is 0.0 seconds;")
    assert LSF.parse_account(log_of(*ran, "Pending: Job has been requeued;")) == {}
    again = LSF.parse_account(log_of(*ran, "Dispatched to <h>;", "Done successfully."))["7"]
    assert again.exit.ok


def test_a_command_that_speaks_of_an_end_is_none() -> None:
    said = log_of("Dispatched to <h>;").stdout
    said = said.replace(
        b"Command <x>", b"Command <echo; Done successfully>\nExited with exit code 1"
    )
    assert LSF.parse_account(CommandResult(0, said)) == {}


@given(st.sampled_from(sorted(EXPECTED)), st.data())
def test_a_log_that_is_cut_short_tells_no_other_end(name: str, data: st.DataObject) -> None:
    whole = captured(name)
    cut = whole.stdout[: data.draw(st.integers(0, len(whole.stdout)))]
    try:
        seen = OPENLAVA.parse_account(CommandResult(0, cut))
    except SiteError:
        return
    ends = {key: account.exit for key, account in OPENLAVA.parse_account(whole).items()}
    assert all(ends[key] == account.exit for key, account in seen.items())


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PEND", NativeState.WAITING),
        ("PSUSP", NativeState.HELD),
        ("RUN", NativeState.RUNNING),
        ("USUSP", NativeState.SUSPENDED),
        ("SSUSP", NativeState.SUSPENDED),
        ("UNKWN", NativeState.UNKNOWN),
        ("ZOMBI", NativeState.UNKNOWN),
        ("WHAT", NativeState.UNKNOWN),
    ],
)
def test_words_that_are_no_end(word: str, state: NativeState) -> None:
    status = OPENLAVA.parse_status(CommandResult(0, f"101|{word}||ga\n".encode()))["101"]
    assert (status.state, status.exit, status.tag) == (state, None, "ga")


@pytest.mark.parametrize(
    ("row", "end"),
    [
        (b"1|DONE|0|ga", "exit code 0"),
        (b"1|EXIT|7|ga", "exit code 7"),
        (b"1|EXIT|140|ga", "ended by the wall limit"),
        (b"1|EXIT||ga", "LSF ended the job without an exit code"),
    ],
)
def test_ends_in_openlava(row: bytes, end: str) -> None:
    status = OPENLAVA.parse_status(CommandResult(0, row))["1"]
    assert (status.state, str(status.exit)) == (NativeState.ENDED, end)


def test_lsf_tells_the_reason_of_an_end() -> None:
    row = b"1|EXIT|137|ga|12 second(s)|0.5 second(s)|TERM_MEMLIMIT: job killed|-\n"
    status = LSF.parse_status(CommandResult(0, row))["1"]
    assert str(status.exit) == "ended by the memory limit"
    assert status.usage is not None
    assert (status.usage.wall, status.usage.cpu) == (12.0, 0.5)


def test_a_reason_may_hold_the_delimiter() -> None:
    row = b"1|PEND|-|ga|-|-|-|Job slot limit | reached: 1 host;\n"
    assert (
        LSF.parse_status(CommandResult(0, row))["1"].reason == "Job slot limit | reached: 1 host;"
    )


def test_unknown_ids_are_absent_and_the_rest_counts() -> None:
    answer = CommandResult(255, b"1|RUN||ga\n", b"Job <9> is not found\n")
    assert list(OPENLAVA.parse_status(answer)) == ["1"]


@pytest.mark.parametrize(
    "answer",
    [
        CommandResult(255, b"", b"LSF is down. Please wait ..."),
        CommandResult(255, b"", b"batch daemon not responding ... still trying"),
        CommandResult(255, b"", b""),
        CommandResult(0, b"1|RUN|\n"),
        CommandResult(0, b"JOBID STAT\n"),
        CommandResult(127, b"", b"bjobs: not found"),
        CommandResult(0, b"", timed_out=True),
    ],
)
def test_no_answer_is_an_error_not_an_empty_queue(answer: CommandResult) -> None:
    with pytest.raises(SiteError):
        OPENLAVA.parse_status(answer)


def test_bsub_reads_the_script_and_forbids_restarts(submission: Submission) -> None:
    command = LSF.submit_command(submission)
    assert command.stdin == LSF.script(submission)
    assert command.cwd == "/w/jobs/j/1/control"
    joined = " ".join(command.argv)
    assert "-J gabcdefghijklmn -n 4 -rn" in joined
    assert "-W 62 -M 2097152 -q short -P astro" in joined


def test_openlava_would_read_rn_as_restart(submission: Submission) -> None:
    assert "-rn" not in OPENLAVA.submit_command(replace(submission, hold=True)).argv
    assert "-H" in OPENLAVA.submit_command(replace(submission, hold=True)).argv


def test_memory_in_the_unit_of_the_site(submission: Submission) -> None:
    site = Lsf(Cluster("c", "lsf", options={"memory_unit": "MB"}))
    argv = site.submit_command(submission).argv
    assert argv[argv.index("-M") + 1] == "2048"


@pytest.mark.parametrize("options", [{"dialect": "sge"}, {"memory_unit": "TB"}])
def test_an_option_that_is_none_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="is none of"):
        Lsf(Cluster("c", "lsf", options=options))


@pytest.mark.parametrize("queue", [b"queue", b"default queue"])
def test_an_accepted_job_has_its_id(queue: bytes) -> None:
    answer = CommandResult(0, b"Job <101> is submitted to " + queue + b" <normal>.\n")
    assert LSF.parse_submit(answer) == "101"


@pytest.mark.parametrize(
    ("words", "transient"),
    [
        (b"nosuch: No such queue. Job not submitted.", False),
        (b"Too many processors requested. Job not submitted.", False),
        (b"LSF is down. Please wait ...", True),
        (b"Pending job threshold reached. Retrying in 60 seconds...", True),
    ],
)
def test_a_refusal_is_for_good_or_may_pass(words: bytes, transient: bool) -> None:
    with pytest.raises(SiteError) as caught:
        LSF.parse_submit(CommandResult(255, b"", words))
    assert caught.value.transient is transient


def test_each_id_has_its_own_outcome() -> None:
    answer = CommandResult(
        255,
        b"Job <1> is being terminated\n",
        b"Job <11>: No matching job found\nJob <12>: Job has already finished\n",
    )
    found = LSF.parse_outcome("cancel", ["1", "11", "12"], answer)
    assert [found[key].ok for key in ("1", "11", "12")] == [True, False, False]
    assert [found[key].gone for key in ("1", "11", "12")] == [False, True, True]


def test_a_tag_is_found_by_bjobs_or_in_the_log() -> None:
    nothing = CommandResult(255, b"", b"Job <ga> is not found\n")
    log = CommandResult(0, b"\nJob <7>, Job Name <ga>, User <grid>, Command <x>\n")
    assert OPENLAVA.parse_find([nothing, log]) == {"ga": ("7",)}
    assert len(OPENLAVA.find_commands(["ga", "gb"])) == 4


def test_a_probe_of_openlava() -> None:
    answers = [captured(name) for name in ("lsid.txt", "bhosts.txt", "bqueues.txt")]
    facts = OPENLAVA.parse_probe(answers)
    assert (facts.version, facts.total_cpus, facts.free_cpus) == ("OpenLava 4.0.0", 16, 16)
    assert [queue.name for queue in facts.queues] == ["normal"]


def test_a_probe_refuses_the_other_dialect() -> None:
    answers = [captured(name) for name in ("lsid.txt", "bhosts.txt", "bqueues.txt")]
    with pytest.raises(SiteError, match="dialect = 'openlava'") as caught:
        LSF.parse_probe(answers)
    assert not caught.value.transient


@given(st.binary() | st.text().map(str.encode), st.sampled_from([0, 0, 255, 1, -9]))
def test_rubbish_raises_site_errors_alone(data: bytes, code: int) -> None:
    result = CommandResult(code, data)
    for parse in (
        LSF.parse_status,
        OPENLAVA.parse_status,
        LSF.parse_account,
        LSF.parse_submit,
        lambda one: LSF.parse_find([one, one]),
        lambda one: LSF.parse_probe([one] * 3),
    ):
        try:
            parse(result)
        except SiteError:
            continue
