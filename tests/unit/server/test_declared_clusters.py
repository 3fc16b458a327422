"""The declarative file and the registry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grms.broker.lifecycle import JobState
from grms.broker.records import Attempt, Change, EventKind, Job, NewEvent, Phase
from grms.config import Settings
from grms.server.wiring import LOCAL, SystemClock, declare_clusters, make_store

NOW = SystemClock().now()


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data", clusters_file=str(tmp_path / "clusters.toml"))


@pytest.fixture
def store(settings):
    opened = make_store(settings)
    yield opened
    opened.close()


@pytest.fixture
def declare(settings, store, tmp_path):
    """Write the file with these clusters and read it; the names that are registered then."""

    def declare(*names, more=""):
        tables = [f'[cluster.{n}]\nbatch = "fork"\nworkdir = "/{n}"\n{more}' for n in names]
        (tmp_path / "clusters.toml").write_text("\n".join(tables))
        return declare_clusters(store, settings)

    return declare


def test_what_is_declared_is_registered_and_what_is_changed_is_updated(declare):
    assert set(declare("a", "b")) == {"a", "b"}
    assert declare("a", "b", more="cpus = 4\n")["a"].cpus == 4


def test_what_is_not_declared_any_more_is_removed(declare):
    declare("a", "b")
    assert set(declare("a")) == {"a"}


def test_what_is_not_declared_any_more_but_has_live_jobs_is_drained(declare, store):
    declare("a", "b")
    told = NewEvent(EventKind.NOTE, NOW, "told")
    job = Job("j1", "/CN=Ann", "demo", "<x/>", NOW, state=JobState.RUNNING)
    attempt = Attempt("j1", 1, "b", "t1", "/w", "<x/>", NOW, phase=Phase.RUNNING)
    store.apply([Change(store.accept(job, [told]).job, (attempt,), (told,))])
    found = declare("a")
    assert found["b"].drained
    assert not found["a"].drained


def test_what_was_added_by_hand_stays(declare, store):
    known = declare("a")
    store.put_cluster(replace(known["a"], name="hand", declared=False))
    assert set(declare("a")) == {"a", "hand"}


def test_drained_in_the_file_holds_for_a_new_cluster_and_later_the_operator_decides(declare, store):
    found = declare("a", more="drained = true\n")
    assert found["a"].drained
    store.put_cluster(replace(found["a"], drained=False))
    assert not declare("a", more="drained = true\n")["a"].drained


def test_without_a_file_the_machine_itself_is_the_cluster(tmp_path):
    settings = Settings(data_dir=tmp_path / "data")
    store = make_store(settings)
    assert set(declare_clusters(store, settings)) == {LOCAL}
    store.close()
