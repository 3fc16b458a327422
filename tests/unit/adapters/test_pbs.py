"""PBS: commands of both dialects, and answers as real systems gave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grms.adapters.pbs import Pbs
from grms.broker.ports.batch import CommandResult, NativeState, Submission
from grms.broker.records import Cluster
from grms.errors import ConfigError, SiteError

CAPTURED = Path(__file__).parents[2] / "captured"
EXPECTED = json.loads((CAPTURED / "pbs" / "expected.json").read_text())
PBS = Pbs(Cluster("c", "pbs"))
TORQUE = Pbs(Cluster("c", "pbs", options={"dialect": "torque", "bin": "/opt/torque/bin"}))

TORQUE_XML = (
    "<Data><Job><Job_Id>7.srv</Job_Id><Job_Name>ga</Job_Name><job_state>C</job_state>"
    "<resources_used><cput>00:00:02</cput><mem>2048kb</mem><walltime>00:01:05</walltime>"
    "</resources_used><exit_status>{}</exit_status><comp_time>1795173288</comp_time></Job></Data>"
)


def captured(name: str) -> CommandResult:
    return CommandResult(0, (CAPTURED / "pbs" / name).read_bytes())


def of_slurm(name: str) -> CommandResult:
    """A capture that ends with its exit code."""
    text, _, code = (CAPTURED / "pbs-on-slurm" / name).read_text().rpartition("rc=")
    return CommandResult(int(code), text.encode())


@pytest.mark.parametrize("name", EXPECTED)
def test_each_captured_answer_means_what_is_written_beside_it(name: str) -> None:
    seen = {
        key: [status.state.value, status.word, str(status.exit or "")]
        for key, status in PBS.parse_status(captured(name)).items()
    }
    assert seen == EXPECTED[name]


def test_the_history_tells_usage_and_that_qdel_ended_the_job() -> None:
    account = PBS.parse_account(captured("qstat-xf-finished-qdel.json"))["3.pbshost"]
    assert account.by_user
    assert account.usage is not None
    assert (account.usage.wall, account.usage.max_rss) == (4.0, 1200)


def test_a_running_job_has_no_account() -> None:
    assert PBS.parse_account(captured("qstat-xf-running.json")) == {}


def test_a_job_that_can_never_run_tells_why() -> None:
    status = PBS.parse_status(captured("qstat-xf-queued-toobig.json"))["7.pbshost"]
    assert status.reason.startswith("Can Never Run: Insufficient amount of resource: ncpus")


@pytest.mark.parametrize(
    ("number", "end"),
    [
        (0, "exit code 0"),
        (271, "killed by signal 15"),
        (-11, "ended by the wall limit"),
        (-10, "ended by the memory limit"),
        (-12, "ended by the cpu limit"),
        (-1, "PBS could not start the job (before its files were set up)"),
        (-77, "PBS failed the job with status -77"),
    ],
)
def test_an_exit_status_of_torque(number: int, end: str) -> None:
    answer = CommandResult(0, TORQUE_XML.format(number).encode())
    status = TORQUE.parse_status(answer)["7.srv"]
    assert (status.tag, str(status.exit)) == ("ga", end)
    assert status.usage is not None
    assert (status.usage.wall, status.usage.cpu, status.usage.max_rss) == (65.0, 2.0, 2048)


def test_names_that_json_made_numbers_are_text_again() -> None:
    answer = b'{"pbs_version": "23", "Jobs": {"1.s": {"Job_Name": 1e5, "job_state": "R"}}}'
    assert PBS.parse_status(CommandResult(0, answer))["1.s"].tag == "100000.0"


def test_a_word_not_in_the_table_is_unknown() -> None:
    answer = b'{"pbs_version": "23", "Jobs": {"1.s": {"job_state": "M"}}}'
    assert PBS.parse_status(CommandResult(0, answer))["1.s"].state is NativeState.UNKNOWN


def test_an_unknown_id_costs_only_itself() -> None:
    whole = captured("qstat-xf-running.json").stdout
    answer = CommandResult(153, whole, b"qstat: Unknown Job Id 99.pbshost\n")
    assert list(PBS.parse_status(answer)) == ["3.pbshost"]


def test_torque_says_nothing_but_that_the_only_job_is_unknown() -> None:
    answer = CommandResult(153, b"", b"qstat: Unknown Job Id Error 99.srv\n")
    assert TORQUE.parse_status(answer) == {}


@pytest.mark.parametrize(
    "answer",
    [
        CommandResult(0, b""),
        CommandResult(111, b"", b"qstat: cannot connect to server pbshost (errno=111)"),
        CommandResult(255, b"", b"Connection refused"),
        CommandResult(0, b'{"timestamp": 1, "Jobs": {}}'),
        CommandResult(0, b"<Data><Job>"),
        CommandResult(0, b'<!DOCTYPE a [<!ENTITY b "c">]><Data/>'),
        of_slurm("qstat-f-running.txt"),
        of_slurm("qstat-unknown.txt"),
        of_slurm("qstat-F-json.txt"),
        CommandResult(127, b"", b"qstat: not found"),
    ],
)
def test_no_answer_is_an_error_not_an_empty_queue(answer: CommandResult) -> None:
    with pytest.raises(SiteError):
        PBS.parse_status(answer)


def test_qsub_of_openpbs_asks_for_one_chunk(submission: Submission) -> None:
    command = PBS.submit_command(submission)
    assert command.argv[:3] == ("qsub", "-N", "gabcdefghijklmn")
    assert "select=1:ncpus=4:mem=2048mb" in command.argv
    assert "walltime=01:01:01" in command.argv
    assert command.argv[-1] == "/w/jobs/j/1/control/job.sh"
    joined = " ".join(command.argv)
    assert "-r n" in joined
    assert "-q short -A astro" in joined


def test_qsub_of_torque_asks_for_one_node(submission: Submission) -> None:
    command = TORQUE.submit_command(submission)
    assert command.argv[0] == "/opt/torque/bin/qsub"
    assert "nodes=1:ppn=4" in command.argv
    assert "mem=2048mb" in command.argv


def test_a_dialect_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="openpbs, torque"):
        Pbs(Cluster("c", "pbs", options={"dialect": "sge"}))


def test_an_accepted_job_has_its_id() -> None:
    assert PBS.parse_submit(CommandResult(0, b"3.pbshost\n")) == "3.pbshost"


@pytest.mark.parametrize(
    ("words", "code", "transient"),
    [
        (b"qsub: Unknown queue", 170, False),
        (b"qsub: Job violates queue and/or server resource limits", 188, False),
        (b"qsub: cannot connect to server pbshost (errno=111)", 111, True),
        (b"qsub: would exceed limit on number of queued jobs", 1, True),
    ],
)
def test_a_refusal_is_for_good_or_may_pass(words: bytes, code: int, transient: bool) -> None:
    with pytest.raises(SiteError) as caught:
        PBS.parse_submit(CommandResult(code, b"", words))
    assert caught.value.transient is transient


def test_pbs_speaks_only_of_ids_that_it_did_not_obey() -> None:
    answer = CommandResult(35, b"", b"qdel: Job has finished 21.s\nqdel: Unknown Job Id 9.s\n")
    found = PBS.parse_outcome("cancel", ["1.s", "9.s", "21.s"], answer)
    assert found["1.s"].ok
    assert found["9.s"].gone
    assert found["21.s"].gone


def test_a_suspension_by_no_operator_is_refused() -> None:
    answer = CommandResult(159, b"", b"qsig: Unauthorized Request  3.s\n")
    found = PBS.parse_outcome("suspend", ["3.s"], answer)["3.s"]
    assert not found.ok
    assert not found.gone
    assert not PBS.traits.can_suspend
    assert Pbs(Cluster("c", "pbs", options={"suspend": "yes"})).traits.can_suspend


def test_a_verb_that_failed_for_all_is_no_success() -> None:
    with pytest.raises(SiteError):
        PBS.parse_outcome("cancel", ["1.s"], CommandResult(111, b"", b"cannot connect to server"))


def test_tags_are_found_with_their_ids() -> None:
    answer = CommandResult(0, b"ga 3.pbshost 4.pbshost\ngb\n")
    assert PBS.parse_find([answer]) == {"ga": ("3.pbshost", "4.pbshost")}


def test_an_id_that_may_be_cut_is_none() -> None:
    with pytest.raises(SiteError):
        PBS.parse_submit(CommandResult(0, b"12.pbsh"))
    with pytest.raises(SiteError):
        PBS.parse_find([CommandResult(0, b"ga 3.pbshost 4.pb")])


def probe_of_openpbs() -> list[CommandResult]:
    version = CommandResult(0, b"pbs_version = 23.06.06\n")
    names = ("qstat-Bf.json", "qstat-Qf.json", "pbsnodes-a.json")
    return [version, *map(captured, names)]


def test_a_probe_of_a_real_server() -> None:
    facts = PBS.parse_probe(probe_of_openpbs())
    assert (facts.version, facts.total_cpus, facts.free_cpus) == ("23.06.06", 16, 15)
    assert (facts.memory, facts.running, facts.waiting) == (24105, 1, 0)
    assert [(queue.name, queue.default) for queue in facts.queues] == [("workq", True)]


def test_a_probe_of_torque() -> None:
    facts = TORQUE.parse_probe(
        [
            CommandResult(0, b"", b"Version: 6.1.2\nCommit: abc\n"),
            CommandResult(
                0,
                b"Server: srv\n    default_queue = batch\n"
                b"    state_count = Transit:0 Queued:2 Running:1\n",
            ),
            CommandResult(0, b"Queue: batch\n    resources_max.walltime = 02:00:00\n"),
            CommandResult(0, b"n1\n     state = free\n     np = 8\n\n"),
        ]
    )
    assert (facts.version, facts.total_cpus, facts.waiting) == ("6.1.2", 8, 2)
    assert facts.queues[0].max_wall == 120
    assert facts.queues[0].default


def test_a_probe_refuses_programs_of_slurm() -> None:
    with pytest.raises(SiteError, match="qstat is not of PBS") as caught:
        PBS.parse_probe([of_slurm("qstat-x.txt"), *probe_of_openpbs()[1:]])
    assert not caught.value.transient


def test_a_probe_refuses_the_other_dialect() -> None:
    with pytest.raises(SiteError, match="dialect = 'openpbs'"):
        TORQUE.parse_probe(probe_of_openpbs())


@given(st.binary() | st.text().map(str.encode), st.sampled_from([0, 0, 35, 153, 1, -9]))
def test_rubbish_raises_site_errors_alone(data: bytes, code: int) -> None:
    result = CommandResult(code, data)
    for parse in (
        PBS.parse_status,
        PBS.parse_account,
        PBS.parse_submit,
        lambda one: PBS.parse_find([one]),
        lambda one: PBS.parse_probe([one] * 4),
        lambda one: TORQUE.parse_probe([CommandResult(0, b"Version: 6"), one, one, one]),
    ):
        try:
            parse(result)
        except SiteError:
            continue


@given(st.sampled_from(sorted(EXPECTED)), st.data())
def test_a_truncated_answer_is_an_error(name: str, data: st.DataObject) -> None:
    whole = captured(name).stdout
    whole = whole.rstrip() if name.endswith("json") else whole
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(SiteError):
        PBS.parse_status(CommandResult(0, cut))
