"""Wishes that change nothing leave the job's work where it was."""

from __future__ import annotations

import pytest
from clusters import ANN, NOON, bare

from grms.broker.edges import Edges
from grms.broker.lifecycle import JobState
from grms.broker.records import EventKind, Job, NewEvent, Wish, WishKind
from grms.broker.rounds.placing import place
from grms.broker.rounds.wishing import Case, fulfil
from grms.config import Settings
from grms.server.wiring import make_store

TEXT = (
    '<grmsjob appid="a"><simplejob><executable type="single">'
    '<file name="t" type="in"><url>file:////bin/true</url></file>'
    "</executable></simplejob></grmsjob>"
)


class Noon:
    def now(self):
        return NOON


@pytest.fixture
def edges(tmp_path):
    store = make_store(Settings(data_dir=tmp_path))
    yield Edges(store, None, None, Noon(), Settings(data_dir=tmp_path))
    store.close()


def test_a_job_that_is_prepared_goes_on_when_no_other_place_is_better(edges):
    edges.store.put_cluster(bare(name="here"))
    queued = Job("j1", ANN, "a", TEXT, NOON, due_at=NOON)
    place(edges, [edges.store.accept(queued, [NewEvent(EventKind.ACCEPTED, NOON, "")]).job])
    edges.store.wish(
        Wish("j1", WishKind.MIGRATE, NOON, ANN), NewEvent(EventKind.WISH, NOON, "wishes: migrate")
    )
    job, wishes = edges.store.job("j1"), tuple(edges.store.wishes(["j1"]))
    fulfil(edges, Case(job, edges.store.attempts("j1")[-1], wishes))
    job = edges.store.job("j1")
    assert "NOTHING_BETTER" in edges.store.events("j1")[-1].text
    assert (job.state, job.due_at) == (JobState.PREPROCESSING, NOON)
