"""What the wrappers of a site report is taken in together, each job's news as one change."""

from __future__ import annotations

import pytest
from clusters import ANN, NOON
from test_placing import TEXT, Noon, Shelf

from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.evidence import News
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.records import (
    Attempt,
    EventKind,
    Exit,
    FileDir,
    FileRole,
    Job,
    NewEvent,
    Phase,
    Usage,
    Wish,
    WishKind,
)
from grms.broker.rounds.tracking import absorb
from grms.config import Settings
from grms.server.wiring import make_store

STARTED = News("gtag", "started", NOON)
EXITED = News("gtag", "exited", NOON, exit=Exit(code=0), usage=Usage())


@pytest.fixture
def edges(tmp_path):
    store = make_store(Settings(data_dir=tmp_path))
    yield Edges(store, None, Shelf(), Noon(), Settings(data_dir=tmp_path))
    store.close()


@pytest.fixture
def pending(edges):
    """A job that its batch system has."""
    return submitted(edges)


def submitted(edges, phase=Phase.SUBMITTED):
    text = TEXT.format(wanted="")
    job = Job("j1", ANN, "a", text, NOON, due_at=NOON)
    job = edges.store.accept(job, [NewEvent(EventKind.ACCEPTED, NOON, "accepted")]).job
    attempt = Attempt("j1", 1, "c", "gtag", "/w/1", text, NOON, phase, native_id="7")
    draft = Draft(job, NOON).attempt(attempt)
    draft.go(Trigger.PLACED, RequestStatus.TASK_RESOURCE_DONE)
    draft.go(Trigger.SUBMITTED, RequestStatus.TASK_EXEC_PENDING).due(None)
    (job,) = edges.apply([draft])
    return job


def states(edges):
    events = edges.store.events("j1")
    return [event.data["to"] for event in events if event.kind is EventKind.STATE]


def test_a_start_and_an_end_with_nothing_to_deliver_are_one_change_to_the_last_state(
    edges, pending
):
    assert absorb(edges, {"2": EXITED, "1": STARTED}) == ["1", "2"]
    assert edges.store.job("j1").version == pending.version + 1
    assert states(edges)[2:] == ["RUNNING", "STOPPED", "POSTPROCESSING", "FINISHED"]
    (attempt,) = edges.store.attempts("j1")
    assert (attempt.phase, attempt.started_at, attempt.exit) == (Phase.ENDED, NOON, Exit(code=0))


def test_a_job_with_outputs_to_deliver_waits_for_the_next_turn(edges, pending):
    edges.store.add_files("j1", FileRole.OUTPUT, [FileDir("out", "file:///out")])
    absorb(edges, {"1": STARTED, "2": EXITED})
    job = edges.store.job("j1")
    assert (job.state, job.due_at) == (JobState.STOPPED, NOON)


def test_a_job_that_somebody_wants_something_of_waits_for_the_next_turn(edges, pending):
    wished = NewEvent(EventKind.WISH, NOON, "wished")
    edges.store.wish(Wish("j1", WishKind.CANCEL, NOON, ANN), wished)
    absorb(edges, {"1": STARTED, "2": EXITED})
    assert edges.store.job("j1").state is JobState.STOPPED


def test_a_checkpointed_end_is_not_an_end(edges, pending):
    left = News("gtag", "exited", NOON, exit=Exit(code=85, checkpointed=True))
    absorb(edges, {"1": STARTED, "2": left})
    assert edges.store.job("j1").state is JobState.STOPPED


def test_news_before_the_submission_is_written_down_come_too_early(edges):
    submitted(edges, Phase.SUBMITTING)
    assert absorb(edges, {"1": STARTED}) == []


def test_what_is_no_message_or_anothers_is_dealt_with(edges, pending):
    assert sorted(absorb(edges, {"1": None, "2": News("other", "started", NOON)})) == ["1", "2"]


def test_a_job_that_changed_meanwhile_is_decided_again(edges, pending, monkeypatch):
    tagged = edges.store.tagged

    def late(tags):
        """Somebody else changes the job just after it was read, once."""
        found = tagged(tags)
        monkeypatch.undo()
        edges.apply([Draft(edges.store.job("j1"), NOON).note("meanwhile")])
        return found

    monkeypatch.setattr(edges.store, "tagged", late)
    assert absorb(edges, {"1": STARTED}) == ["1"]
    assert states(edges)[2:] == ["RUNNING"]
