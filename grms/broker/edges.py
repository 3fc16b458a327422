"""What the engine's rounds and steps work with: the edges, handed in once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from grms.broker.draft import Draft
from grms.broker.policies import Balanced
from grms.broker.ports.application import Applications
from grms.broker.ports.clock import Clock
from grms.broker.ports.sites import Site, Sites
from grms.broker.ports.staging import Stager
from grms.broker.ports.store import Store
from grms.broker.ranking import Policy
from grms.broker.records import Attempt, Change, Cluster, Job
from grms.broker.shelf import Shelf
from grms.config import Settings
from grms.errors import ErrorCode, GrmsError
from grms.gjd.model import JobDescription
from grms.gjd.parse import parse

_KEPT = 256
_FRESH = timedelta(seconds=1)


@dataclass
class Edges:
    """The store, the clusters, the files, the time, the settings and the ranking of clusters."""

    store: Store
    sites: Sites
    stager: Stager
    clock: Clock
    settings: Settings
    policy: Policy = field(default_factory=Balanced)
    applications: Applications | None = None
    #: The last heartbeat of wrappers that queues do not show, and when it was first seen.
    heartbeats: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    _descriptions: dict[str, JobDescription] = field(default_factory=dict)
    _clusters: tuple[datetime | None, dict[str, Cluster]] = field(
        default_factory=lambda: (None, {})
    )
    _lock: Lock = field(default_factory=Lock)

    @property
    def shelf(self) -> Shelf:
        """The broker's own store of checkpoints."""
        return Shelf(self.settings.checkpoints)

    def now(self) -> datetime:
        """The time, in UTC."""
        return self.clock.now()

    def description(self, text: str) -> JobDescription:
        """The parsed text; the last few hundred are kept, since many jobs share theirs."""
        with self._lock:
            found = self._descriptions.get(text)
        if found is None:
            found = parse(text)
            with self._lock:
                if len(self._descriptions) >= _KEPT:
                    self._descriptions.pop(next(iter(self._descriptions)))
                self._descriptions[text] = found
        return found

    def clusters(self) -> dict[str, Cluster]:
        """The registered clusters by name, as they were at most a second ago."""
        now = self.now()
        with self._lock:
            read_at, found = self._clusters
        if read_at is None or not timedelta(0) <= now - read_at < _FRESH:
            found = {cluster.name: cluster for cluster in self.store.clusters()}
            with self._lock:
                self._clusters = now, found
        return found

    def site_of(self, attempt: Attempt) -> Site:
        """Where an attempt lives. Raises GrmsError(UNKNOWN_CLUSTER) if it was removed."""
        cluster = self.clusters().get(attempt.cluster)
        if cluster is not None:
            return self.sites.site(cluster, attempt.account)
        raise GrmsError(
            f"cluster {attempt.cluster} is not registered any more",
            code=ErrorCode.UNKNOWN_CLUSTER,
            transient=True,
        )

    def amend(self, job_id: str, decide: Callable[[Job], Draft | None]) -> Job | None:
        """Read, decide, apply; again if somebody else was quicker. None: nothing to do."""
        while True:
            draft = decide(self.store.job(job_id))
            if draft is None:
                return None
            applied = self.store.apply([draft.change()])[0]
            if applied is not None:
                return applied

    def apply(self, drafts: list[Draft]) -> list[Job | None]:
        """Apply many drafts in one transaction."""
        changes: list[Change] = [draft.change() for draft in drafts]
        return list(self.store.apply(changes)) if changes else []


def with_phase(attempt: Attempt, **fields: Any) -> Attempt:
    """The attempt with some fields changed."""
    return replace(attempt, **fields)
