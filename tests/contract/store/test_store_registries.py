"""What every store must do with registrations, clusters, principals and leases."""

from dataclasses import replace

import pytest
from store_cases import NOW, later, make_attempt, make_job

from grms.broker.lifecycle import JobState
from grms.broker.ports.store import Lease
from grms.broker.records import (
    ApplicationAccess,
    Change,
    Cluster,
    FileDir,
    FileRole,
    Installed,
    Link,
    Measured,
    Notification,
    OwnerLimits,
    Phase,
    Principal,
    Queue,
)
from grms.errors import ConflictError, ErrorCode, RequestError, StateError


class TestRegistrations:
    @pytest.fixture(autouse=True)
    def _job(self, store):
        store.accept(make_job(), [])

    def test_files_are_registered_once_for_each_role(self, store):
        one, two = FileDir("a", "file:///a"), FileDir("b", "x" * 9000, True, True)
        assert store.add_files("j1", FileRole.OUTPUT, [one, two, one]) == [True, True, False]
        assert store.add_files("j1", FileRole.CHECKPOINT, [one]) == [True]
        assert store.files("j1", FileRole.OUTPUT) == [one, two]
        assert store.delete_files("j1", FileRole.OUTPUT, [one, one]) == [True, False]
        assert store.files("j1", FileRole.OUTPUT) == [two]
        assert store.files("j1", FileRole.CHECKPOINT) == [one]

    def test_access_is_set_replaced_and_deleted(self, store):
        assert store.access("j1") is None
        for pid in (7, 8):
            assert store.set_access("j1", ApplicationAccess("http://h/", pid))
        assert store.access("j1") == ApplicationAccess("http://h/", 8)
        assert store.set_access("j1", None)
        assert not store.set_access("j1", None)

    def test_notifications(self, store):
        listener = Notification(
            "n1", "j1", "/CN=Ann", "STATUS", "SOAP", "http://h/", True, "f", ("a", "b"), NOW
        )
        store.add_notification(listener)
        with pytest.raises(ConflictError):
            store.add_notification(listener)
        assert store.notifications("j1") == [listener]
        assert store.notification("n1") == listener
        assert store.delete_notification("n1")
        assert not store.delete_notification("n1")
        assert store.notification("n1") is None

    def test_nothing_is_registered_for_an_unknown_job(self, store):
        listener = Notification("n1", "nope", "o", "STATUS", "SOAP", "http://h/")
        for act in (
            lambda: store.add_files("nope", FileRole.OUTPUT, [FileDir("a", "b")]),
            lambda: store.set_access("nope", ApplicationAccess("http://h/", 1)),
            lambda: store.add_notification(listener),
        ):
            with pytest.raises(RequestError) as caught:
                act()
            assert caught.value.code is ErrorCode.UNKNOWN_JOB


class TestClusters:
    FULL = Cluster(
        "c1",
        "pbs",
        queues=(Queue("q", True, 60, 4, 100),),
        applications=(Installed("gauss", "09", "/opt/g", 2),),
        links=(Link("h", 1, 2, 3),),
        limits=OwnerLimits(frozenset({"a", "b"}), projects=frozenset({"p"}), hours=(8, 18)),
        options={"qsub": "/opt/qsub"},
    )

    def test_clusters_are_put_replaced_and_removed(self, store):
        store.put_cluster(Cluster("c2", "fork"))
        store.put_cluster(Cluster("c1", "fork"))
        store.put_cluster(self.FULL)
        store.put_measured(Measured("c1", NOW, free_cpus=3))
        store.put_measured(Measured("c1", later(1), ok=False, error="down"))
        assert store.clusters() == [self.FULL, Cluster("c2", "fork")]
        assert store.measured() == [Measured("c1", later(1), ok=False, error="down")]
        assert store.remove_cluster("c1")
        assert not store.remove_cluster("c1")
        assert store.measured() == []

    @pytest.mark.parametrize(
        ("state", "phase", "held"),
        [
            (JobState.PREPROCESSING, Phase.PLACED, True),
            (JobState.RUNNING, Phase.RUNNING, True),
            (JobState.POSTPROCESSING, Phase.ENDED, True),
            (JobState.FAILED, Phase.SUBMITTING, True),
            (JobState.FAILED, Phase.ENDED, False),
            (JobState.FINISHED, Phase.OVER, False),
            (JobState.QUEUED, Phase.REVOKED, False),
        ],
    )
    def test_a_cluster_with_live_attempts_stays(self, store, state, phase, held):
        store.put_cluster(self.FULL)
        job = store.accept(make_job(), []).job
        store.apply([Change(replace(job, state=state), (make_attempt(phase=phase),))])
        if held:
            with pytest.raises(StateError, match="j1"):
                store.remove_cluster("c1")
        assert store.remove_cluster("c1") if not held else store.clusters()


class TestPrincipals:
    def test_principals_and_their_tokens(self, store):
        ann = Principal("/CN=Ann", "ann", True, frozenset({"p", "q"}))
        store.put_principal(ann, "t1")
        store.put_principal(Principal("/CN=Bob"), None)
        assert store.principal_by_token("t1") == ann
        assert store.principal_by_token("t2") is None
        assert store.principal("/CN=Ann") == ann
        assert store.principals() == [ann, Principal("/CN=Bob")]

    def test_without_a_new_token_the_old_one_stays(self, store):
        store.put_principal(Principal("/CN=Ann"), "t1")
        store.put_principal(Principal("/CN=Ann", admin=True), None)
        assert store.principal_by_token("t1") == Principal("/CN=Ann", admin=True)
        store.put_principal(Principal("/CN=Ann"), "t2")
        assert store.principal_by_token("t1") is None

    def test_a_token_has_one_owner_and_a_removed_principal_none(self, store):
        store.put_principal(Principal("/CN=Ann"), "t1")
        with pytest.raises(ConflictError):
            store.put_principal(Principal("/CN=Bob"), "t1")
        assert store.remove_principal("/CN=Ann")
        assert not store.remove_principal("/CN=Ann")
        assert store.principal_by_token("t1") is None


class TestLeases:
    def test_one_owner_at_a_time(self, store):
        assert store.lease("round", "e1", NOW, later(10))
        assert store.lease("round", "e1", later(1), later(20))
        assert not store.lease("round", "e2", later(19), later(99))

    def test_all_holders_are_listed_by_name(self, store):
        store.lease("b", "e2", NOW, later(5))
        store.lease("a", "e1", NOW, later(10))
        assert store.leases() == [Lease("a", "e1", later(10)), Lease("b", "e2", later(5))]
        assert store.lease("other", "e2", later(19), later(99))
        assert store.lease("round", "e2", later(20), later(99))

    def test_only_the_owner_releases(self, store):
        store.lease("round", "e1", NOW, later(10))
        store.release("round", "e2")
        assert not store.lease("round", "e2", NOW, later(10))
        store.release("round", "e1")
        assert store.lease("round", "e2", NOW, later(10))
