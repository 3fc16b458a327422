"""Users take turns: nobody waits behind the whole backlog of somebody else."""

from store_cases import NOW, later, make_attempt, make_event, make_job

from grms.broker.lifecycle import JobState
from grms.broker.records import Change, Phase

QUEUED = [JobState.QUEUED]


def accept(store, owner, *ids):
    for job_id in ids:
        store.accept(make_job(job_id, owner=owner), [make_event()])


def claim(store, limit, **how):
    return [job.id for job in store.claim("e", QUEUED, NOW, later(60), limit, in_turn=True, **how)]


def test_users_take_turns_in_order_of_arrival(store):
    accept(store, "/CN=Ann", "a1", "a2", "a3", "a4")
    accept(store, "/CN=Bob", "b1", "b2")
    assert claim(store, 5) == ["a1", "b1", "a2", "b2", "a3"]
    assert claim(store, 5) == ["a4"]


def test_whoever_has_live_jobs_waits_for_those_who_have_none(store):
    accept(store, "/CN=Ann", "a1", "a2", "a3")
    first = store.job("a1")
    running = make_attempt("a1", phase=Phase.RUNNING)
    store.apply([Change(first, (running,), (make_event(),))])
    accept(store, "/CN=Bob", "b1")
    assert claim(store, 2) == ["b1", "a1"]


def test_one_user_alone_is_served_in_order_of_arrival(store):
    accept(store, "/CN=Ann", "a1", "a2", "a3")
    assert claim(store, 2) == ["a1", "a2"]
