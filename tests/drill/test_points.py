"""kill -9 before and after each durable write and each outside call: nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from checker import check
from fire import Fire
from points import CANCELING, POINTS, RESUMING, SUSPENDING

from grms.broker.lifecycle import JobState

DOCS = Path(__file__).parents[2] / "docs" / "explanation" / "guarantee.md"
WISHES = {
    **dict.fromkeys(CANCELING, "cancel"),
    **dict.fromkeys(SUSPENDING, "suspend"),
    **dict.fromkeys(RESUMING, "resume"),
}


@pytest.fixture
def fire(tmp_path: Path) -> Iterator[Fire]:
    """A broker whose engines may be killed."""
    found = Fire(tmp_path / "fire", probe_interval="3600")
    yield found
    for job in found.jobs():
        found.wish("cancel", job.id)
    if found.engine is None:
        found.start()
    assert found.all_ended(120)
    found.close()


def prepare(fire: Fire, verb: str) -> str:
    """A running (or, to be resumed, a suspended) job, and no engine any more."""
    fire.start()
    job_id = fire.submit(0, 600)
    fire.wait(job_id, JobState.RUNNING)
    if verb == "resume":
        fire.wish("suspend", job_id)
        fire.wait(job_id, JobState.SUSPENDED)
    fire.kill()
    return job_id


@pytest.mark.timeout(900)
def test_a_broker_killed_at_every_point_loses_doubles_and_misreports_nothing(fire: Fire) -> None:
    codes, wished = {}, {}
    for number, point in enumerate(POINTS):
        for when in ("before", "after"):
            verb = WISHES.get(point)
            if verb:
                job_id = prepare(fire, verb)
                wished[job_id] = verb
                fire.wish(verb, job_id)
            else:
                good = fire.submit(0, staged=True)
                bad = fire.submit(3 + number)
                codes |= {good: 0, bad: 3 + number}
            fire.start(f"{point} {when}")
            fire.killed_itself(f"{point} {when}")
    fire.start()
    for job_id, verb in wished.items():
        if verb == "suspend":
            fire.wait(job_id, JobState.SUSPENDED)
        elif verb == "resume":
            fire.wait(job_id, JobState.RUNNING)
        fire.wish("cancel", job_id)
    assert fire.all_ended(240), [job.id for job in fire.jobs() if not job.state.is_end]
    ended = {job.id: job.state for job in fire.jobs()}
    assert {job_id: ended[job_id] for job_id in wished} == dict.fromkeys(wished, JobState.CANCELED)
    for job_id, code in codes.items():
        assert ended[job_id] is (JobState.FINISHED if code == 0 else JobState.FAILED)
        assert fire.store.attempts(job_id)[-1].exit.code == code
    assert sorted(run.job_id for run in fire.runs()) == sorted(ended), "each ran once"
    broken = check(fire.store, ended_runs(fire), now=0.0, settled=False)
    assert not broken, "\n".join(map(str, broken))


def ended_runs(fire: Fire) -> list:  # type: ignore[type-arg]
    """Runs; those that were canceled wrote no end of their own."""
    from dataclasses import replace

    return [replace(run, end=run.end or run.start) for run in fire.runs()]


def test_the_list_of_points_is_the_one_in_the_guarantee() -> None:
    listed = [
        line.split("`")[1]
        for line in DOCS.read_text("utf-8").splitlines()
        if line.startswith(("| `write", "| `call"))
    ]
    assert listed == list(POINTS)
