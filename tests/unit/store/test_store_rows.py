"""Every record comes back from the store as it went in."""

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grms.broker.lifecycle import JobState
from grms.broker.records import (
    ApplicationAccess,
    Attempt,
    Change,
    Cluster,
    FileDir,
    FileRole,
    Installed,
    Job,
    Link,
    Measured,
    NewEvent,
    Notification,
    OwnerLimits,
    Principal,
    Queue,
    Wish,
)
from grms.store import open_store, rows

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
number = st.integers(-(2**31), 2**31 - 1)
times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
leaves = st.none() | st.booleans() | number | st.floats(allow_nan=False) | st.text(max_size=9)
json = st.dictionaries(
    st.text(max_size=9), st.recursive(leaves, lambda inner: st.lists(inner, max_size=3))
)
for kind, strategy in ((str, text), (int, number), (datetime, times)):
    st.register_type_strategy(kind, strategy)

job = {"id": st.just("j"), "version": st.just(1), "last_event": st.just(0)}
jobs = st.builds(Job, **job)
own = {"job_id": st.just("j")}
frozen = st.frozensets(text, max_size=3)
clusters = st.builds(
    Cluster,
    queues=st.lists(st.builds(Queue), max_size=2).map(tuple),
    applications=st.lists(st.builds(Installed), max_size=2).map(tuple),
    links=st.lists(st.builds(Link), max_size=2).map(tuple),
    limits=st.builds(OwnerLimits, users=frozen, denied_users=frozen, projects=frozen),
    options=st.dictionaries(text, text, max_size=3),
)


@pytest.fixture
def fresh(tmp_path):
    """Makes new stores, cheaply: one template is migrated and then copied."""
    open_store(f"sqlite:///{tmp_path / 'template'}").close()
    numbers = iter(range(10**6))

    def make():
        file = tmp_path / f"{next(numbers)}"
        file.write_bytes((tmp_path / "template").read_bytes())
        return open_store(f"sqlite:///{file}")

    return make


def examples(**strategies):
    """Some examples, however slow the machine is."""
    relaxed = settings(
        deadline=None,
        max_examples=25,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        database=None,
    )
    return lambda test: relaxed(given(**strategies)(test))


@examples(
    first=jobs,
    changed=jobs,
    attempt=st.builds(Attempt, **own),
    event=st.builds(NewEvent, data=json),
    wish=st.builds(Wish, done_at=st.none(), outcome=st.just(""), **own),
)
def test_jobs_attempts_events_and_wishes(fresh, first, changed, attempt, event, wish):
    store = fresh()
    assert store.accept(first, [event]).job == store.job("j")
    kept = {"owner": first.owner, "submitted_at": first.submitted_at}
    [stored] = store.apply([Change(dataclasses.replace(changed, **kept), (attempt,))])
    assert stored == dataclasses.replace(changed, version=2, last_event=1, **kept)
    assert stored == store.job("j")
    assert store.attempts("j") == [attempt]
    [read] = store.events("j")
    assert (read.kind, read.at, read.text, read.data) == (
        event.kind,
        event.at,
        event.text,
        event.data,
    )
    assert [store.wish(wish, event)] == store.wishes(["j"])
    assert dataclasses.replace(store.wishes()[0], number=wish.number) == wish
    store.close()


@examples(
    file=st.builds(FileDir),
    access=st.builds(ApplicationAccess),
    listener=st.builds(Notification, users=st.lists(text, max_size=2).map(tuple), **own),
)
def test_registrations(fresh, file, access, listener):
    store = fresh()
    store.accept(Job("j", "o", "a", "<x/>", datetime(2026, 1, 1, tzinfo=UTC)), [])
    store.add_files("j", FileRole.OUTPUT, [file])
    store.set_access("j", access)
    store.add_notification(listener)
    assert store.files("j", FileRole.OUTPUT) == [file]
    assert store.access("j") == access
    assert store.notifications("j") == [listener]
    store.close()


@examples(
    cluster=clusters, measured=st.builds(Measured), principal=st.builds(Principal, projects=frozen)
)
def test_clusters_measurements_and_principals(fresh, cluster, measured, principal):
    store = fresh()
    store.put_cluster(cluster)
    store.put_measured(measured)
    store.put_principal(principal, None)
    assert store.clusters() == [cluster]
    assert store.measured() == [measured]
    assert store.principals() == [principal]
    store.close()


def test_facts_of_a_cluster_that_an_older_grms_wrote_get_their_defaults():
    assert rows.cluster({"name": "c", "batch": "fork"}) == Cluster("c", "fork")


def test_a_state_is_stored_by_its_name(fresh):
    store = fresh()
    store.accept(Job("j", "o", "a", "<x/>", datetime(2026, 1, 1, tzinfo=UTC)), [])
    with store._database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT state, submitted_at FROM jobs").one()
    assert found == (JobState.QUEUED.name, 1767225600_000000)
    store.close()
