"""The Slurm adapter against what a real Slurm 22.05.8 printed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from captured import captured
from hypothesis import given
from hypothesis import strategies as st

from grms.adapters.slurm import Slurm
from grms.adapters.slurm.states import exit_of
from grms.broker.ports.batch import CommandResult, NativeState, Submission
from grms.broker.records import Cluster, Exit
from grms.errors import SiteError

SLURM = Slurm(Cluster(name="here", batch="slurm"))
SUBMISSION = Submission(
    tag="gabc", wrapper=("python3", "/w/it's"), directory="/w/50%", workdir="/w/work"
)


def words(**more: object) -> tuple[str, ...]:
    """The command line of a submission."""
    return SLURM.submit_command(replace(SUBMISSION, **more)).argv  # type: ignore[arg-type]


def test_a_submission_is_named_and_never_put_back() -> None:
    argv = words()
    assert argv[:3] == ("sbatch", "--parsable", "--no-requeue")
    assert argv[argv.index("--job-name") + 1] == argv[argv.index("--comment") + 1] == "gabc"
    assert argv[argv.index("--output") + 1] == "/w/50%%/batch.out"


def test_limits_are_asked_for_in_slurms_units() -> None:
    argv = words(wall=61, memory=100, count=3, queue="q", project="p", hold=True)
    expected = {"--time=2", "--mem=100", "--ntasks=3", "--nodes=1", "--partition=q", "--account=p"}
    assert expected | {"--hold"} <= set(argv)


def test_a_parallel_job_may_spread_and_shares_its_memory_out() -> None:
    argv = words(count=3, parallel=True, memory=100)
    assert "--mem-per-cpu=34" in argv
    assert "--nodes=1" not in argv


def test_only_an_operator_suspends() -> None:
    operator = Slurm(Cluster(name="x", batch="slurm", options={"operator": "yes"}))
    assert (SLURM.traits.can_suspend, operator.traits.can_suspend) == (False, True)


def test_a_refusal_is_for_good_and_gives_the_reason() -> None:
    said = b"sbatch: error: Batch job submission failed: Invalid partition name specified\n"
    with pytest.raises(SiteError, match="Slurm refused the job: Invalid partition") as caught:
        SLURM.parse_submit(CommandResult(1, b"", said))
    assert not caught.value.transient


def test_an_id_that_may_be_cut_is_none() -> None:
    assert SLURM.parse_submit(CommandResult(0, b"4711\n")) == "4711"
    with pytest.raises(SiteError) as caught:
        SLURM.parse_submit(CommandResult(0, b"47"))
    assert caught.value.transient


def test_a_controller_that_is_away_is_no_refusal() -> None:
    said = b"sbatch: error: Batch job submission failed: Unable to contact slurm controller\n"
    with pytest.raises(SiteError) as caught:
        SLURM.parse_submit(CommandResult(1, b"", said))
    assert caught.value.transient


def test_one_call_tells_the_states_of_all_jobs() -> None:
    found = SLURM.parse_status(captured("slurm", "squeue")) | SLURM.parse_status(
        captured("slurm", "squeue-suspended")
    )
    named = {item.tag: item.state.value for item in found.values()}
    assert named["grun"] == "running"
    assert named["gheld"] == "held"
    assert named["gstopped"] == "suspended"
    assert {named[tag] for tag in ("gbig", "gdep", "glate")} == {"faulty"}
    assert {named[tag] for tag in ("gok", "gexit7", "gsegv")} == {"ended"}


def test_a_job_that_can_never_start_says_why() -> None:
    reason = SLURM.parse_status(captured("slurm", "squeue"))["335"].reason
    assert reason == (
        "Slurm will never start it: it asks for more time than the partition allows"
        " (PartitionTimeLimit)"
    )


def test_an_unknown_word_disturbs_no_other_job() -> None:
    whole = captured("slurm", "squeue")
    odd = whole.stdout.replace(b"333\x1fRUNNING", b"333\x1fLEVITATING")
    found = SLURM.parse_status(CommandResult(0, odd))
    assert found["333"].state is NativeState.UNKNOWN
    assert found["332"].state is NativeState.RUNNING


def test_the_accounting_tells_how_each_job_ended() -> None:
    found = SLURM.parse_account(captured("slurm", "account"))
    cancelled = Exit(signal=15, reason="cancelled in Slurm")
    assert {account.tag: account.exit for account in found.values()} == {
        "gtimeout": Exit(signal=15, limit="wall"),
        "grun": cancelled,
        "gexit7": Exit(code=7),
        "gsegv": Exit(signal=11),
        "gnodir": Exit(code=0),
        "gok": Exit(code=0),
        "gvm": Exit(signal=9),
        "ggone": cancelled,
    }
    assert found["333"].by_user
    assert found["343"].started_at is None
    usage = found["341"].usage
    assert usage is not None
    assert (usage.wall, usage.cpu, usage.max_rss) == (1.0, 0.155, 300988)


def test_a_script_that_could_not_be_started_died_of_no_signal() -> None:
    assert "could not start it" in str(exit_of("FAILED", 0, 53))


def test_jobs_that_could_not_be_cancelled_are_told_one_by_one() -> None:
    ids = ["333", "343", "340", "999999"]
    found = SLURM.parse_outcome("cancel", ids, captured("slurm", "cancel"))
    assert [found[each].ok for each in ids] == [True, True, True, False]
    assert found["999999"].gone


def test_an_unknown_id_keeps_no_other_from_being_held() -> None:
    result = captured("slurm", "hold-some-unknown")
    found = SLURM.parse_outcome("hold", ["334", "999999"], result)
    assert (found["334"].ok, found["999999"].gone) == (True, True)


def test_an_ordinary_user_may_not_suspend() -> None:
    found = SLURM.parse_outcome("suspend", ["333"], captured("slurm", "suspend-denied"))
    assert found["333"].message == "Slurm: Access/permission denied"


def test_a_tag_is_found() -> None:
    assert SLURM.parse_find([captured("slurm", "find")]) == {"gok": ("340",)}


def test_a_probe_counts_each_node_once() -> None:
    facts = SLURM.parse_probe([captured("slurm", f"probe-{number}") for number in range(4)])
    assert (facts.version, facts.total_cpus, facts.memory) == ("slurm-wlm 22.05.8", 32, 8000)
    assert [(queue.name, queue.default, queue.max_wall) for queue in facts.queues] == [
        ("debug", True, None),
        ("short", False, 10),
        ("low", False, None),
    ]


@given(st.binary(max_size=400), st.sampled_from([0, 1]))
def test_rubbish_raises_nothing_but_site_errors(noise: bytes, status: int) -> None:
    result = CommandResult(status, noise)
    for parse in (SLURM.parse_submit, SLURM.parse_status, SLURM.parse_account):
        try:
            parse(result)
        except SiteError:
            continue


@given(st.integers(0, 9000))
def test_a_cut_answer_tells_nothing_wrong(length: int) -> None:
    whole = captured("slurm", "account")
    full = SLURM.parse_account(whole)
    try:
        half = SLURM.parse_account(CommandResult(0, whole.stdout[:length]))
    except SiteError:
        return
    assert all(account.exit == full[key].exit for key, account in half.items())
