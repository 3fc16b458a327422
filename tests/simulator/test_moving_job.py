"""A moving job whose new place holds it for an error, in virtual time, with files seen late."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from checker import check
from sim_broker import SimBroker, make_template
from sim_world import Native
from walk import memory, runs_of

from grms.broker.lifecycle import JobState, RequestStatus
from grms.broker.records import Change, Phase
from grms.broker.rounds.fencing import SETTLE

LATE = 45.0


@pytest.fixture
def broker() -> Iterator[SimBroker]:
    """A broker whose files are seen late by the cluster."""
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        make_template(Path(name))
        made = SimBroker(Path(name) / "empty.db", Path(name) / "b")
        made.world.files.late = LATE
        made.world.queue_delay = 1000.0
        yield made
        made.close()


def _stuck(broker: SimBroker) -> tuple[str, Native]:
    """A job that goes on from a checkpoint, held by its new place before it starts."""
    job_id = broker.submit(200, 0)
    shelf = broker._engine._edges.shelf
    shelf.keep(job_id, 0, shelf.begin(job_id, 0), [])
    job = broker.store.job(job_id)
    broker.store.apply([Change(replace(job, status=RequestStatus.MIGRATE_QUEUED))])
    broker.run_for(1)
    (native,) = broker.world.of_state("waiting")
    broker.world.stick(native)
    return job_id, native


def _until(broker: SimBroker, reached: Callable[[], bool], what: str) -> float:
    """Let time pass until ``reached``; the moment."""
    begun = broker.world.now
    while not reached():
        broker.run_for(5)
        assert broker.world.now - begun < 600, f"waited in vain for it to be {what}"
    return broker.world.now


def _until_fenced(broker: SimBroker, job_id: str) -> float:
    return _until(broker, lambda: broker.store.attempts(job_id)[0].evidence == "fenced", "fenced")


def test_it_is_fenced_and_that_has_settled_before_it_is_placed_elsewhere(broker: SimBroker) -> None:
    job_id, native = _stuck(broker)
    fenced = _until_fenced(broker, job_id)
    placed = _until(broker, lambda: broker.store.job(job_id).attempt == 2, "placed elsewhere")
    assert placed - fenced >= SETTLE - 5
    assert native.state == "gone"
    assert broker.store.attempts(job_id)[0].phase is Phase.REVOKED
    broker.settle()
    assert broker.store.job(job_id).state is JobState.FINISHED
    assert not check(broker.store, runs_of(broker), now=broker.world.now)


@pytest.mark.parametrize("after", [0, 44, 110])
def test_it_runs_once_whenever_somebody_mends_the_error(broker: SimBroker, after: int) -> None:
    job_id, native = _stuck(broker)
    _until_fenced(broker, job_id)
    broker.run_for(after)
    if native.state == "stuck":
        broker.world.mend(native)
    broker.world.queue_delay = 2.0
    broker.settle()
    assert not check(broker.store, runs_of(broker), now=broker.world.now)
    assert broker.store.job(job_id).state is JobState.FINISHED


@pytest.mark.parametrize("points", [3, 9, 16])
def test_a_crash_on_the_way_changes_nothing_of_that(broker: SimBroker, points: int) -> None:
    job_id, native = _stuck(broker)
    broker.crash_after(points)
    broker.run_for(70)
    if native.state == "stuck":
        broker.world.mend(native)
    broker.world.queue_delay = 2.0
    broker.settle()
    assert not check(broker.store, runs_of(broker), now=broker.world.now)
    assert broker.store.job(job_id).state is JobState.FINISHED


def test_one_that_left_its_evidence_before_it_was_held_has_ended_as_that_says(
    broker: SimBroker,
) -> None:
    broker.world.queue_delay = 2.0
    job_id = broker.submit(100, 0)
    _until(broker, lambda: broker.store.job(job_id).state is JobState.RUNNING, "running")
    (native,) = broker.world.of_state("running")
    broker.world.advance(native.ends_at - broker.world.now + 1)
    broker.world.stick(native)
    broker.settle()
    assert broker.store.job(job_id).state is JobState.FINISHED
    assert native.state == "gone"
