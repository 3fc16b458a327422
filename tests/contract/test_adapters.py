"""One suite that every adapter passes on its real system: what the broker relies on."""

from __future__ import annotations

import json

import pytest
from sites import jobs
from sites.jobs import act, prepare, reaches, run_python, send, states, submit, wait_for
from sites.site import Site

from grms.broker.ports.batch import Command, CommandResult, NativeState
from grms.errors import SiteError

#: A job that has ended: the system says so, or does not know it any more.
OVER = (NativeState.ENDED, NativeState.ENDING, None)
LONG = "import time, pathlib; pathlib.Path('ran').touch(); time.sleep(600)"


def test_a_job_runs_to_its_end_and_leaves_evidence_in_both_places(site: Site) -> None:
    job = submit(site, ["true"])
    assert job.ended() == {"code": 0, "signal": None, "reason": "", "limit": ""}
    assert [item["exit"]["code"] for item in wait_for(lambda: job.news("exited"), "news")] == [0]
    assert len(job.news("started")) == 1
    reaches(job, *OVER)


@pytest.mark.parametrize("code", [0, 7, 126, 127, 255])
def test_exit_codes_are_told_by_evidence_and_by_accounting(site: Site, code: int) -> None:
    job = submit(site, ["sh", "-c", f"exit {code}"])
    assert job.ended()["code"] == code
    assert jobs.account(job).exit.code == code


def test_a_program_that_does_not_exist_is_named(site: Site) -> None:
    end = submit(site, ["./no such program"]).ended()
    assert end["code"] == 127
    assert "./no such program" in end["reason"]


def test_a_job_that_kills_itself_ends_by_that_signal(site: Site) -> None:
    end = submit(site, ["sh", "-c", "kill -SEGV $$"]).ended()
    assert (end["code"], end["signal"]) == (None, 11)


ODD = [
    "",
    " ",
    "a b",
    "'",
    '"',
    "a\nb",
    "\\",
    "\\n",
    "$$",
    "$HOME",
    "`id`",
    "*",
    "%s",
    "ß→🙂",
    "-n",
]


def test_arguments_arrive_as_they_were_given(site: Site) -> None:
    program = "import sys, json; print(json.dumps(sys.argv[1:]))"
    job = run_python(site, program, *ODD)
    assert job.ended()["code"] == 0, job.output("err")
    assert json.loads(job.output()) == ODD


def test_bytes_that_are_not_utf_8_arrive_as_they_were_given(site: Site) -> None:
    program = "import sys, os; print(os.fsencode(sys.argv[1]).hex())"
    job = run_python(site, program, b"\xff\xe9".decode("utf-8", "surrogateescape"))
    assert job.ended()["code"] == 0, job.output("err")
    assert job.output().strip() == "ffe9"


def test_the_environment_arrives_as_it_was_given(site: Site) -> None:
    env = {f"ODD_{number}": value for number, value in enumerate(ODD)}
    program = (
        "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if 'ODD' in k}))"
    )
    job = run_python(site, program, env=env)
    assert job.ended()["code"] == 0, job.output("err")
    assert json.loads(job.output()) == env


def test_standard_streams_are_files(site: Site) -> None:
    job = prepare(site, ["sh", "-c", "cat; echo bad >&2"])
    job.spec["stdin"] = job.work("given")
    site.transport.write(
        {job.work("given"): b"hello\n", job.control("spec.json"): json.dumps(job.spec).encode()}
    )
    assert send(job).ended()["code"] == 0
    assert (job.output("out"), job.output("err")) == ("hello\n", "bad\n")


def test_a_job_knows_who_it_is(site: Site) -> None:
    job = submit(site, ["sh", "-c", "echo $GRMS_JOB_ID $GRMS_ATTEMPT $GRMS_TAG"])
    job.ended()
    assert job.output().split() == [job.id, "1", job.tag]


def test_a_job_of_several_processes_starts_each_with_its_rank(site: Site) -> None:
    script = "echo $GRMS_RANK of $GRMS_COUNT; test $GRMS_RANK = 0 || exit 3"
    job = submit(site, ["sh", "-c", script], type="multiple", count=2)
    assert job.ended()["code"] == 3
    assert sorted(job.output().splitlines()) == ["0 of 2", "1 of 2"]


def test_a_running_job_is_said_to_run(site: Site) -> None:
    job = run_python(site, LONG)
    job.started()
    reaches(job, NativeState.RUNNING)
    act("cancel", job)
    job.ended()


def test_cancel_ends_all_processes_of_a_running_job_and_leaves_evidence(site: Site) -> None:
    script = (
        "(setsid sh -c 'echo $$ >stray; exec sleep 600' &); trap '' TERM; while :; do sleep 1; done"
    )
    job = submit(site, ["sh", "-c", script])
    pid = int(wait_for(lambda: job.read(job.work("stray")), "the grandchild"))
    act("cancel", job)
    assert job.ended()["signal"] in (9, 15)
    assert not jobs.alive(site, pid)
    reaches(job, *OVER)


def test_a_held_job_waits_until_it_is_released(site: Site) -> None:
    if not site.can_hold:
        pytest.skip(f"{site.name} cannot hold")
    job = submit(site, ["true"], hold=True)
    reaches(job, NativeState.HELD)
    act("release", job)
    assert job.ended()["code"] == 0


def test_a_waiting_job_is_cancelled_before_it_ever_runs(site: Site) -> None:
    if not site.can_hold:
        pytest.skip(f"{site.name} cannot hold")
    job = run_python(site, LONG, hold=True)
    act("cancel", job)
    reaches(job, *OVER)
    assert job.read(job.work("ran")) is None
    assert job.json("started.json") is None


def test_a_suspended_job_stands_still_until_it_is_resumed(site: Site) -> None:
    if not site.adapter.traits.can_suspend:
        pytest.skip(f"{site.name} lets only its operators suspend")
    job = submit(site, ["sh", "-c", "while [ ! -e go ]; do sleep 0.1; done"])
    job.started()
    reaches(job, NativeState.RUNNING)
    act("suspend", job)
    reaches(job, NativeState.SUSPENDED)
    site.transport.write({job.work("go"): b""})
    assert job.json("exit.json") is None
    act("resume", job)
    assert job.ended()["code"] == 0


def test_the_tag_finds_a_live_job(site: Site) -> None:
    job = run_python(site, LONG)
    assert jobs.found(job) == (job.native_id,)
    job.started()  # cancelled while it waits, it would leave no evidence
    act("cancel", job)
    reaches(job, *OVER)  # it may have been cancelled before its wrapper could leave evidence


def test_the_tag_finds_a_finished_job(site: Site) -> None:
    if not site.adapter.traits.finds_finished:
        pytest.skip(f"{site.name} forgets names of finished jobs")
    job = submit(site, ["true"])
    job.ended()
    reaches(job, *OVER)
    wait_for(lambda: jobs.found(job) == (job.native_id,), "the tag in the history")


def test_a_tag_that_was_never_submitted_is_not_found(site: Site) -> None:
    assert jobs.found(prepare(site, ["true"])) == ()


def test_an_unknown_id_is_absent_and_disturbs_no_other(site: Site) -> None:
    job = run_python(site, LONG)
    job.started()
    answer = states(site, site.unknown_id, job.native_id)
    assert job.native_id in answer
    assert site.unknown_id not in answer
    act("cancel", job)
    job.ended()


def test_cancelling_an_unknown_id_is_no_error_of_the_system(site: Site) -> None:
    result = site.transport.run(site.adapter.cancel_command([site.unknown_id]))
    outcome = site.adapter.parse_outcome("cancel", [site.unknown_id], result)[site.unknown_id]
    assert outcome.gone or not outcome.ok


def test_a_job_that_vanished_without_evidence_is_absent(site: Site) -> None:
    if site.vanish is None:
        pytest.skip(f"no way to make a job of {site.name} vanish")
    job = run_python(site, LONG)
    wait_for(lambda: job.read(job.work("ran")) is not None, "the program to run")
    site.vanish(job.native_id)
    reaches(job, None)
    assert job.json("exit.json") is None


def test_one_call_tells_the_states_of_many_jobs(site: Site) -> None:
    many = [prepare(site, ["true"]) for _ in range(site.many)]
    results = site.transport.run_many([site.adapter.submit_command(job.submission) for job in many])
    for job, result in zip(many, results, strict=True):
        job.native_id = site.adapter.parse_submit(result)
    ids = [job.native_id for job in many]
    assert len(set(ids)) == site.many
    answer = states(site, *ids)
    for job in many:
        if job.native_id not in answer:
            assert job.ended()["code"] == 0  # it left the queue already
    for job in many:
        assert job.ended()["code"] == 0


def test_the_wall_limit_is_named_as_the_end(site: Site) -> None:
    job = run_python(site, LONG, limits={"wall": 1})
    assert job.ended()["limit"] == "wall"


def test_a_second_start_of_an_attempt_is_refused(site: Site) -> None:
    job = submit(site, ["sh", "-c", "echo once >>ran"])
    job.ended()
    again = site.transport.run(Command(job.submission.wrapper))
    assert again.exit == 76
    assert job.read(job.work("ran")) == b"once\n"
    assert job.news("refused")[0]["reason"]


def test_a_revoked_attempt_never_starts(site: Site) -> None:
    job = prepare(site, ["sh", "-c", "echo >ran"])
    site.transport.write({job.control("revoked"): b""})
    send(job)
    refusal = wait_for(lambda: job.news("refused"), "the refusal")[0]
    assert "revoked" in refusal["reason"]
    reaches(job, *OVER)
    assert job.read(job.work("ran")) is None


def test_an_attempt_older_than_the_fence_never_starts(site: Site) -> None:
    job = prepare(site, ["sh", "-c", "echo >ran"])
    site.transport.write({site.layout.fence(job.id): b"2\n"})
    send(job)
    refusal = wait_for(lambda: job.news("refused"), "the refusal")[0]
    assert "attempt 2" in refusal["reason"]
    reaches(job, *OVER)
    assert job.read(job.work("ran")) is None


RUBBISH = [
    CommandResult(0, b"\x00\xff\xfe rubbish <xml"),
    CommandResult(0, b"", b"", timed_out=True),
    CommandResult(-9, b"half an ans"),
    CommandResult(127, b"", b"sh: no such program"),
]


@pytest.mark.parametrize("result", RUBBISH, ids=["noise", "timeout", "killed", "missing"])
@pytest.mark.parametrize("parse", ["parse_submit", "parse_status", "parse_account"])
def test_an_answer_that_says_nothing_is_an_error(
    site: Site, parse: str, result: CommandResult
) -> None:
    with pytest.raises(SiteError):
        getattr(site.adapter, parse)(result)


@pytest.mark.parametrize("result", RUBBISH[1:], ids=["timeout", "killed", "missing"])
def test_a_search_that_failed_is_not_an_absence(site: Site, result: CommandResult) -> None:
    commands = site.adapter.find_commands(["gnobody"])
    with pytest.raises(SiteError):
        site.adapter.parse_find([result] * len(commands))


def test_half_an_answer_never_tells_a_wrong_state(site: Site) -> None:
    job = submit(site, ["sh", "-c", "exit 7"])
    job.ended()
    result = site.transport.run(site.adapter.status_command([job.native_id]))
    whole = site.adapter.parse_status(result)
    for cut in range(len(result.stdout)):
        half = CommandResult(result.exit, result.stdout[:cut], result.stderr)
        try:
            answer = site.adapter.parse_status(half)
        except SiteError:
            continue
        for key, status in answer.items():
            assert status.state in (NativeState.UNKNOWN, whole[key].state)


def test_a_word_that_no_table_has_is_unknown(site: Site) -> None:
    if site.strange is None:
        pytest.skip(f"no strange answer of {site.name} is at hand")
    status = site.adapter.parse_status(site.strange)[site.strange_id]
    assert status.state is NativeState.UNKNOWN
    assert status.word


def test_a_probe_tells_the_processors(site: Site) -> None:
    results = site.transport.run_many(site.adapter.probe_commands())
    facts = site.adapter.parse_probe(results)
    assert facts.version
    assert facts.total_cpus
    assert facts.total_cpus >= 1
