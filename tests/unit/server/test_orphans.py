"""Native jobs that nobody follows are found, adopted or ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from click.testing import Result
from test_jobs_commands import NOW, accept, placed

from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Job, Phase
from grms.errors import GrmsError
from grms.server.orphans import Orphan, adopt, adoptable, end, find_orphans, judge
from grms.server.trial import Trial, Trials

Server = Callable[..., Result]


@pytest.fixture
def trials(site: Site) -> Iterator[Trials]:
    """Real native jobs, ended after the test."""
    found = Trials(site, patience=120)
    yield found
    found.clean_up()


@pytest.fixture
def stray(trials: Trials) -> Trial:
    """A running native job that the store has never heard of."""
    trial = trials.submit("exec sleep 600")
    trial.started()
    return trial


def orphans(edges: Edges) -> list[Orphan]:
    return list(find_orphans(edges, edges.clusters()["localhost"]))


def known(edges: Edges, trial: Trial, **fields: object) -> Job:
    """Put the trial's attempt into the store."""
    job = accept(edges, trial.attempt.job_id)
    draft = Draft(job, NOW).go(Trigger.PLACED, RequestStatus.TASK_RESOURCE_DONE)
    edges.apply([draft.attempt(replace(trial.attempt, **fields))])  # type: ignore[arg-type]
    return edges.store.job(job.id)


def test_a_running_job_that_the_store_does_not_know_is_an_orphan(
    edges: Edges, stray: Trial
) -> None:
    (found,) = orphans(edges)
    assert (found.native_id, found.tag) == (stray.native_id, stray.attempt.tag)
    assert "does not know" in found.why
    assert not found.adoptable


def test_a_job_that_the_broker_follows_is_none(edges: Edges, stray: Trial) -> None:
    known(edges, stray, phase=Phase.SUBMITTED, native_id=stray.native_id)
    assert orphans(edges) == []


def test_a_given_up_attempt_that_still_runs_is_one(edges: Edges, stray: Trial) -> None:
    known(edges, stray, phase=Phase.REVOKED, native_id=stray.native_id)
    (found,) = orphans(edges)
    assert "was given up" in found.why


def test_an_attempt_without_a_native_id_is_adopted(edges: Edges, stray: Trial) -> None:
    job = known(edges, stray, phase=Phase.SUBMITTING)
    (found,) = orphans(edges)
    assert found.adoptable
    assert stray.native_id in adopt(edges, found)
    assert edges.store.job(job.id).state is JobState.PENDING
    assert edges.store.attempts(job.id)[0].native_id == stray.native_id
    assert orphans(edges) == []
    assert adopt(edges, found) == "not adopted: the engine was quicker"


def test_an_orphan_is_ended_and_leaves_only_its_mark(edges: Edges, stray: Trial) -> None:
    assert [what for _, what in end(edges, orphans(edges))] == ["told to end"]
    assert stray.ended()["code"] is None
    stray.leaves()
    (mark,) = orphans(edges)
    assert (mark.native_id, mark.tag) == ("", stray.attempt.tag)
    assert [what for _, what in end(edges, [mark])] == ["the mark is removed"]
    assert orphans(edges) == []


def test_the_command_lists_and_ends_only_when_it_is_told_to(
    edges: Edges, stray: Trial, server: Server
) -> None:
    listed = server("orphans")
    assert stray.native_id in listed.stdout
    asked = server("orphans", "--end", text="n\n")
    assert "told to end" not in asked.stdout
    assert stray.read("exit.json") is None
    assert "told to end" in server("orphans", "localhost", "--end", "--yes").stdout
    assert json.loads(stray.read("exit.json") or b"{}") or stray.ended()


def test_an_unknown_cluster_is_named_with_the_known_ones(edges: Edges, server: Server) -> None:
    result = server("orphans", "hpc")
    assert (result.exit_code, "known: localhost" in result.stderr) == (1, True)


def test_a_cluster_that_is_away_is_said_not_to_have_been_looked_at(
    edges: Edges, server: Server
) -> None:
    workdir = edges.clusters()["localhost"].workdir
    edges.store.put_cluster(replace(edges.clusters()["localhost"], workdir="/dev/null/x"))
    result = server("orphans")
    assert "localhost: not looked at" in result.stderr
    assert result.exit_code == 0
    assert workdir


def _pair(edges: Edges, **fields: object) -> tuple[Job, Attempt]:
    job = accept(edges, "job-a")
    attempt = placed(edges, job, native_id="17")
    return edges.store.job("job-a"), replace(attempt, **fields)  # type: ignore[arg-type]


def test_a_twin_is_told_from_the_job_itself(edges: Edges) -> None:
    job, attempt = _pair(edges)
    assert judge(job, attempt, "17") == ""
    assert "twin" in judge(job, attempt, "18")
    assert not adoptable(job, attempt)


def test_a_live_job_of_an_ended_attempt_is_an_orphan(edges: Edges) -> None:
    job, attempt = _pair(edges, phase=Phase.ENDED)
    assert "is over" in judge(job, attempt, "17")


def test_an_older_attempt_is_given_up_whatever_its_phase(edges: Edges) -> None:
    job, attempt = _pair(edges)
    assert "was given up" in judge(replace(job, attempt=2), attempt, "17")
    assert not adoptable(replace(job, attempt=2), replace(attempt, native_id=""))


def test_what_cannot_be_ended_is_told_and_stops_no_other(
    edges: Edges, stray: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = orphans(edges)
    adapter = stray.site.adapter

    def refuse(*_: object) -> object:
        raise GrmsError("the batch system is down")

    with monkeypatch.context() as patch:
        patch.setattr(type(adapter), "parse_outcome", refuse)
        told = [what for _, what in end(edges, [found, found])]
    assert told == ["not ended: the batch system is down"] * 2
