"""The port of the store: durable truth. Every method is one transaction.

All raise StoreError when the store cannot be reached or is damaged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from grms.broker.lifecycle import JobState
from grms.broker.records import (
    ApplicationAccess,
    Attempt,
    Change,
    Cluster,
    FileDir,
    FileRole,
    Job,
    JobEvent,
    Measured,
    NewEvent,
    Notification,
    Phase,
    Principal,
    Wish,
)


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list; None and empty mean "any". Newest first, ``after`` an id to page on."""

    owner: str | None = None
    project: str | None = None
    states: Collection[JobState] = ()
    parked: bool | None = None
    after: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A job as accepted; ``repeated`` when the idempotency key had already brought it."""

    job: Job
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many jobs are in ``state``, and when the oldest of them was submitted."""

    state: JobState
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a named lease, and until when without a sign of life."""

    name: str
    owner: str
    until: datetime


class JobStore(Protocol):
    """Jobs, attempts, events and wishes."""

    def accept(
        self, job: Job, events: Sequence[NewEvent], *, key: str = "", digest: str = ""
    ) -> Acceptance:
        """Store a new job durably; when this returns, it is on disk.

        With ``key`` (unique for each owner): the same key and ``digest`` give the job that was
        accepted before; another digest raises RequestError(KEY_REUSED). A taken job id raises
        ConflictError.
        """
        ...

    def job(self, job_id: str) -> Job:
        """Raises RequestError(UNKNOWN_JOB)."""
        ...

    def jobs_of(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        """These jobs by id; unknown ones are absent."""
        ...

    def jobs(self, query: JobQuery) -> Sequence[Job]: ...
    def job_ids(self, query: JobQuery) -> Sequence[str]: ...

    def state_counts(self) -> Sequence[StateCount]:
        """One entry for each state that some job is in."""
        ...

    def attempts(self, job_id: str) -> Sequence[Attempt]:
        """All attempts of a job, oldest first."""
        ...

    def newest_attempts(self, job_ids: Sequence[str]) -> Mapping[str, Attempt]:
        """The newest attempt of each of these jobs that has one."""
        ...

    def attempts_in(
        self, phases: Collection[Phase], *, cluster: str | None = None
    ) -> Sequence[Attempt]:
        """Attempts in these phases, over all jobs, oldest first."""
        ...

    def live_counts(self) -> Mapping[tuple[str, str], int]:
        """How many attempts, from PLACED to RUNNING, each (cluster, owner) has."""
        ...

    def attempt_by_tag(self, tag: str) -> Attempt | None: ...

    def apply(self, changes: Sequence[Change]) -> Sequence[Job | None]:
        """Apply changes in one transaction; each whole, or None where its version was stale.

        For each applied one: version + 1, events numbered without gap, the lease given back.
        """
        ...

    def live_sites(self) -> Collection[tuple[str, str]]:
        """The (cluster, account) pairs that have attempts from SUBMITTING to RUNNING."""
        ...

    def claim(
        self,
        owner: str,
        states: Collection[JobState],
        now: datetime,
        until: datetime,
        limit: int,
        *,
        wished: bool = False,
        in_turn: bool = False,
    ) -> Sequence[Job]:
        """Lease jobs that nobody holds and that are due, or have a new wish; longest due first.

        ``wished``: only those with an open wish. ``in_turn``: their owners take turns, whoever has
        the fewest live attempts first. Nothing is written when nothing is found.
        """
        ...

    def renew(self, owner: str, job_ids: Sequence[str], until: datetime) -> None:
        """Prolong leases that ``owner`` still holds."""
        ...

    def next_due(self, states: Collection[JobState]) -> datetime | None:
        """When the next job that nobody holds becomes due; None if there is none."""
        ...

    def events(
        self, job_id: str, *, after: int = 0, limit: int | None = None
    ) -> Sequence[JobEvent]:
        """A job's events, numbers above ``after``, in order."""
        ...

    def stream(self, *, after: int, limit: int) -> Sequence[JobEvent]:
        """Events of all jobs with cursors above ``after``, in order."""
        ...

    def note(self, job_id: str, event: NewEvent) -> None:
        """Add an event without touching the job's version (progress, files, late news)."""
        ...

    def wish(self, wish: Wish, event: NewEvent) -> Wish:
        """Write a wish down and make the job due; the version is not touched.

        An open wish of the same kind and description is returned instead of doubled.
        """
        ...

    def wishes(
        self, job_ids: Sequence[str] | None = None, *, open_only: bool = True
    ) -> Sequence[Wish]:
        """Wishes of these jobs (None: of all), oldest first."""
        ...


class RegistrationStore(Protocol):
    """What is registered beside a job while it lives."""

    def add_files(self, job_id: str, role: FileRole, files: Sequence[FileDir]) -> Sequence[bool]:
        """Register; False for an item that was registered already."""
        ...

    def files(self, job_id: str, role: FileRole) -> Sequence[FileDir]: ...

    def delete_files(self, job_id: str, role: FileRole, files: Sequence[FileDir]) -> Sequence[bool]:
        """Delete; False for an item that was not registered."""
        ...

    def set_access(self, job_id: str, access: ApplicationAccess | None) -> bool:
        """Register, replace, or (None) delete; False when there was nothing to delete."""
        ...

    def access(self, job_id: str) -> ApplicationAccess | None: ...

    def add_notification(self, notification: Notification) -> None: ...

    def notifications(self, job_id: str) -> Sequence[Notification]: ...

    def notification(self, notification_id: str) -> Notification | None: ...

    def delete_notification(self, notification_id: str) -> bool: ...


class ClusterStore(Protocol):
    """The registry of clusters and what was measured of them."""

    def clusters(self) -> Sequence[Cluster]: ...

    def put_cluster(self, cluster: Cluster) -> None:
        """Insert or replace by name."""
        ...

    def remove_cluster(self, name: str) -> bool:
        """False when unknown. Raises StateError when live attempts hold it."""
        ...

    def measured(self) -> Sequence[Measured]: ...
    def put_measured(self, measured: Measured) -> None: ...


class PrincipalStore(Protocol):
    """Who may call. Tokens are stored as SHA-256 of 256 random bits."""

    def principal_by_token(self, token_sha256: str) -> Principal | None: ...
    def principal(self, name: str) -> Principal | None: ...
    def principals(self) -> Sequence[Principal]: ...
    def put_principal(self, principal: Principal, token_sha256: str | None) -> None: ...
    def remove_principal(self, name: str) -> bool: ...


class LeaseStore(Protocol):
    """Named leases: which engine does a round (a cluster, the placement, a sweep)."""

    def lease(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or prolong; False when another owner holds it beyond ``now``."""
        ...

    def release(self, name: str, owner: str) -> None: ...

    def leases(self) -> Sequence[Lease]:
        """All named leases by name, run out or not."""
        ...

    def lease_owners(self) -> Collection[str]:
        """Whoever holds a lease on a job or a name, expired ones included."""
        ...

    def disown(self, owner: str) -> None:
        """Free all that an owner held who is known to be dead; its work is due at once."""
        ...


class Store(JobStore, RegistrationStore, ClusterStore, PrincipalStore, LeaseStore, Protocol):
    """Everything a store provides."""

    def close(self) -> None: ...
