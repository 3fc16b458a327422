"""The SGE adapter against what a real Son of Grid Engine 8.1.9 printed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from captured import captured
from hypothesis import given
from hypothesis import strategies as st

from grms.adapters.sge import Sge
from grms.adapters.sge.states import exit_of, judge
from grms.broker.ports.batch import CommandResult, NativeState, Submission
from grms.broker.records import Cluster, Exit, Usage
from grms.errors import SiteError

SGE = Sge(Cluster(name="here", batch="sge", options={"timezone": "UTC"}))
SUBMISSION = Submission(
    tag="gabc", wrapper=("python3", "/w/it's"), directory="/w/control", workdir="/w/work"
)


def words(**more: object) -> str:
    """The command line of a submission."""
    return " ".join(SGE.submit_command(replace(SUBMISSION, **more)).argv)  # type: ignore[arg-type]


def test_a_submission_is_named_never_runs_twice_and_is_refused_if_impossible() -> None:
    line = words()
    assert line.startswith("/usr/lib/gridengine/qsub -terse -w e -r n")
    assert "-N gabc" in line
    assert line.endswith("/w/control/job.sh")
    assert "-pe" not in line


def test_limits_slots_queue_and_project_are_asked_for() -> None:
    line = words(wall=90, cpu=60, count=3, queue="all.q", project="p", memory=100, hold=True)
    assert "-l h_rt=90,h_cpu=60" in line
    assert "-pe smp 3" in line
    assert "-q all.q -P p" in line
    assert " -h " in line
    assert "h_vmem" not in line
    assert "-pe mpi 3" in words(count=3, parallel=True)


def test_memory_is_asked_for_each_slot_where_the_site_wants_it() -> None:
    sge = Sge(Cluster(name="here", batch="sge", options={"h_vmem": "yes"}))
    submission = Submission(
        tag="g", wrapper=("w",), directory="/c", workdir="/w", count=3, memory=100
    )
    assert "h_vmem=34M" in " ".join(sge.submit_command(submission).argv)


def test_the_script_quotes_the_wrapper() -> None:
    assert b"setsid python3 '/w/it'\"'\"'s'" in SGE.script(SUBMISSION)


def test_the_places_of_another_sge_are_options() -> None:
    sge = Sge(Cluster(name="x", batch="sge", options={"sge_root": "/sge", "sge_arch": "lx"}))
    command = sge.cancel_command(["1"])
    assert command.argv[0] == "/sge/bin/lx/qdel"
    assert (command.env["SGE_ROOT"], command.env["SGE_ARCH"]) == ("/sge", "lx")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("limit", "no suitable queues"),
        ("pe", 'the requested parallel environment "nosuch" does not exist'),
        ("project", 'the requested project "nosuch" does not exist'),
        ("queue", 'requests unknown queue "nosuch.q"'),
    ],
)
def test_a_refusal_is_for_good_and_gives_the_reason(name: str, reason: str) -> None:
    with pytest.raises(SiteError, match=reason) as caught:
        SGE.parse_submit(captured("sge", f"qsub-refused-{name}"))
    assert not caught.value.transient


def test_an_id_that_may_be_cut_is_none() -> None:
    assert SGE.parse_submit(CommandResult(0, b"4711\n")) == "4711"
    with pytest.raises(SiteError) as caught:
        SGE.parse_submit(CommandResult(0, b"47"))
    assert caught.value.transient


def test_a_qmaster_that_is_away_is_no_refusal() -> None:
    said = b"Unable to run job: unable to contact qmaster using port 6444 on host x\nExiting.\n"
    with pytest.raises(SiteError) as caught:
        SGE.parse_submit(CommandResult(1, b"", said))
    assert caught.value.transient


def test_one_call_tells_the_states_of_all_jobs() -> None:
    found = SGE.parse_status(captured("sge", "qstat"))
    assert {status.tag: (status.state.value, status.word) for status in found.values()} == {
        "grun": ("running", "r"),
        "gheld": ("held", "hqw"),
        "gnodir": ("faulty", "Eqw"),
        "gstopped": ("suspended", "s"),
        "gexit7": ("ended", "z"),
        "gsegv": ("ended", "z"),
        "ggone": ("ended", "z"),
        "gagain": ("waiting", "Rq"),
    }


def test_a_job_in_error_says_why() -> None:
    status = SGE.parse_status(captured("sge", "qstat"))["358"]
    assert status.reason == (
        "SGE holds it in error: can't chdir to /nonexistent: No such file or directory"
    )


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("qw", NativeState.WAITING),
        ("t", NativeState.WAITING),
        ("Rr", NativeState.RUNNING),
        ("hr", NativeState.RUNNING),
        ("dr", NativeState.RUNNING),
        ("S", NativeState.SUSPENDED),
        ("T", NativeState.SUSPENDED),
        ("hRwq", NativeState.HELD),
        ("d", NativeState.ENDING),
        ("", NativeState.UNKNOWN),
        ("rX", NativeState.UNKNOWN),
    ],
)
def test_letters_come_in_combinations(letters: str, state: NativeState) -> None:
    assert judge(letters) is state


def test_a_name_that_is_no_xml_hides_no_other_job() -> None:
    whole = captured("sge", "qstat")
    broken = CommandResult(0, whole.stdout.replace(b"<JB_name>grun<", b"<JB_name>\x01\xe9&<", 1))
    assert SGE.parse_status(broken)["357"].state is NativeState.HELD


def test_the_accounting_tells_how_each_job_ended() -> None:
    found = SGE.parse_account(captured("sge", "qacct"))
    assert {account.tag: account.exit for account in found.values()} == {
        "grun": Exit(signal=9),
        "gexit7": Exit(code=7),
        "gsegv": Exit(signal=11),
        "grt": Exit(signal=9, limit="wall", reason="qmaster enforced h_rt, h_cpu, or h_vmem limit"),
        "gnodir": Exit(reason="SGE could not run it: failed 28, changing into working directory"),
        "gagain": Exit(code=0),
    }


def test_a_job_deleted_while_waiting_has_no_record() -> None:
    assert "363" not in SGE.parse_account(captured("sge", "qacct"))


def test_of_a_job_that_ran_twice_the_last_record_counts() -> None:
    assert SGE.parse_account(captured("sge", "qacct"))["364"].exit == Exit(code=0)


def test_a_job_that_is_to_run_again_has_not_ended() -> None:
    assert exit_of(25, "rescheduling", 99) is None
    assert exit_of(24, "migrating", 143) is None


def test_exit_codes_that_are_no_signals_stay_codes() -> None:
    assert exit_of(0, "", 255) == Exit(code=255)


def test_local_times_become_utc_by_the_clusters_zone() -> None:
    account = SGE.parse_account(captured("sge", "qacct"))["360"]
    assert account.started_at is not None
    assert account.started_at.tzinfo is UTC
    paris = Sge(Cluster(name="p", batch="sge", options={"timezone": "Europe/Paris"}))
    other = paris.parse_account(captured("sge", "qacct"))["360"].started_at
    assert isinstance(other, datetime)
    assert (account.started_at - other).total_seconds() == 3600


def test_the_largest_memory_is_in_kib() -> None:
    """qacct prints the kernel's KiB as if they were bytes."""
    usage = SGE.parse_account(captured("sge", "qacct"))["360"].usage
    assert isinstance(usage, Usage)
    assert 4000 < usage.max_rss < 6000


def test_a_tag_is_found_in_queue_and_history() -> None:
    assert SGE.parse_find([captured("sge", "find")]) == {"gexit7": ("360",), "ggone": ("363",)}


def test_refusals_with_exit_status_0_are_refusals() -> None:
    """qmod tells by text alone, and names the task .1 of a job that is no array."""
    ids = ["359", "357", "999999"]
    found = SGE.parse_outcome("suspend", ids, captured("sge", "suspend-again"))
    assert [found[each].ok for each in ids] == [True, False, False]
    assert [found[each].gone for each in ids] == [False, False, True]


def test_several_jobs_are_deleted_in_one_call() -> None:
    ids = ["356", "357", "358", "999999"]
    found = SGE.parse_outcome("cancel", ids, captured("sge", "cancel"))
    assert [found[each].ok for each in ids] == [True, True, True, False]
    assert found["999999"].gone


def test_a_job_that_is_held_already_is_held() -> None:
    """qhold says nothing of it."""
    said = b'\x1e357 0\ndenied: job "9" does not exist\n\x1e9 3\nmodified hold of job 8\n\x1e8 0\n'
    found = SGE.parse_outcome("hold", ["357", "9", "8"], CommandResult(0, said))
    assert [found[each].ok for each in ("357", "9", "8")] == [True, False, True]
    assert found["9"].gone


def test_a_probe_tells_slots_and_queues() -> None:
    facts = SGE.parse_probe([captured("sge", "probe")])
    assert facts.version == "SGE 8.1.9"
    assert facts.total_cpus == 20
    assert [(queue.name, queue.max_wall) for queue in facts.queues] == [
        ("all.q", None),
        ("short.q", 10),
    ]


def test_the_qstat_of_another_system_is_told_apart() -> None:
    said = captured("sge", "probe").stdout.replace(b"SGE 8.1.9", b"pbs_version = 23", 1)
    with pytest.raises(SiteError, match="not SGE's"):
        SGE.parse_probe([CommandResult(0, said)])


@given(st.binary(max_size=400), st.sampled_from([0, 1, 3]))
def test_rubbish_raises_nothing_but_site_errors(noise: bytes, status: int) -> None:
    result = CommandResult(status, noise)
    for parse in (SGE.parse_submit, SGE.parse_status, SGE.parse_account):
        try:
            parse(result)
        except SiteError:
            continue
    for verb in ("cancel", "hold"):
        try:
            SGE.parse_outcome(verb, ["1"], result)
        except SiteError:
            continue


@given(st.sampled_from(["qstat", "qacct", "find", "probe"]), st.integers(0, 12000))
def test_a_cut_answer_tells_nothing_wrong(name: str, length: int) -> None:
    whole = captured("sge", name)
    half = CommandResult(0, whole.stdout[:length])
    try:
        if name == "qstat":
            full = SGE.parse_status(whole)
            for key, status in SGE.parse_status(half).items():
                assert status.state is full[key].state
        elif name == "qacct":
            SGE.parse_account(half)
        elif name == "find":
            SGE.parse_find([half])
        else:
            SGE.parse_probe([half])
    except SiteError:
        pass
