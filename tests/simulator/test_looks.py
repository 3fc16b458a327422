"""When the batch system is asked, and what a look costs: the real engine in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sim_broker import SimBroker, make_template

from grms.broker.lifecycle import JobState
from grms.broker.ports.store import JobQuery

_ALL = JobQuery()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SimBroker]:
    """A broker with two jobs that run, and on which it has the queue's word."""
    found = SimBroker(make_template(tmp_path), tmp_path / "broker")
    jobs = [found.submit(9000, 0), found.submit(9000, 0)]
    found.run_for(120)
    assert [found.store.job(job_id).state for job_id in jobs] == [JobState.RUNNING] * 2
    found.points.clear()
    yield found
    found.close()


def test_a_new_engine_asks_at_once_about_jobs_that_lived_before_it(broker: SimBroker) -> None:
    broker.restart()
    broker.turn()
    assert "status.after" in broker.points


def test_a_look_at_jobs_of_which_nothing_is_new_writes_nothing(broker: SimBroker) -> None:
    broker.run_for(60)
    assert broker.points.count("status.after") >= 2
    assert "apply.before" not in broker.points


def test_the_queues_word_is_stored_for_all_jobs_of_a_look_in_one_write(broker: SimBroker) -> None:
    for native in broker.world.of_state("running"):
        broker.world.suspend(native)
    broker.run_for(30)
    assert len(broker.world.of_state("suspended")) == 2
    assert broker.points.count("apply.before") == 1
    states = {job.state for job in broker.store.jobs_of(broker.store.job_ids(_ALL)).values()}
    assert states == {JobState.SUSPENDED}
