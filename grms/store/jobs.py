"""Jobs as a whole: accepting, reading, and applying changes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal, select

from grms.broker.ports.store import Acceptance, JobQuery, StateCount
from grms.broker.records import (
    LIVE_PHASES,
    Attempt,
    Change,
    EventKind,
    Job,
    NewEvent,
    Phase,
)
from grms.errors import ConflictError, ErrorCode, RequestError
from grms.store import rows
from grms.store.applying import apply_changes
from grms.store.claims import in_portions
from grms.store.database import Database, insert
from grms.store.events import add_events
from grms.store.schema import attempts, jobs, submission_keys

#: One line for each change of a job's state, once it is on disk: here all of them pass.
log = logging.getLogger("grms.jobs")

#: Characters of an idempotency key; PostgreSQL limits the length of what it indexes.
LONGEST_KEY = 255

# Built once: the engine asks these for every job, several times.
_JOB = select(jobs).where(jobs.c.id == bindparam("of_id"))
_OF_JOB = (
    select(attempts).where(attempts.c.job_id == bindparam("of_id")).order_by(attempts.c.number)
)
_JOBS = select(jobs).where(jobs.c.id.in_(bindparam("of_ids", expanding=True)))
_TAGGED = select(attempts).where(attempts.c.tag.in_(bindparam("of_tags", expanding=True)))
_JOBS_TAGGED = _TAGGED.with_only_columns(attempts.c.job_id).distinct()
_BY_TAG = select(attempts).where(attempts.c.tag == bindparam("of_tag"))
_LIVE = (
    select(attempts.c.cluster, jobs.c.owner, func.count())
    .join(jobs, jobs.c.id == attempts.c.job_id)
    .where(attempts.c.phase.in_(LIVE_PHASES))
    .group_by(attempts.c.cluster, jobs.c.owner)
)
_NEWEST = (
    select(attempts)
    .join(jobs, (jobs.c.id == attempts.c.job_id) & (jobs.c.attempt == attempts.c.number))
    .where(jobs.c.id.in_(bindparam("of_ids", expanding=True)))
)


def unknown_job(job_id: str) -> RequestError:
    """The error for an id that is not in the store."""
    return RequestError(f"there is no job {job_id!r}", code=ErrorCode.UNKNOWN_JOB)


def require_job(connection: Connection, job_id: str) -> None:
    """Raises RequestError(UNKNOWN_JOB)."""
    if connection.execute(select(jobs.c.seq).where(jobs.c.id == job_id)).first() is None:
        raise unknown_job(job_id)


def read_job(connection: Connection, job_id: str) -> Job:
    """Raises RequestError(UNKNOWN_JOB)."""
    row = connection.execute(_JOB, {"of_id": job_id}).first()
    if row is None:
        raise unknown_job(job_id)
    return rows.job(row)


def _jobs_of(connection: Connection, job_ids: Collection[str]) -> dict[str, Job]:
    return {
        row.id: rows.job(row)
        for portion in in_portions(list(job_ids))
        for row in connection.execute(_JOBS, {"of_ids": portion})
    }


class Jobs:
    """The part of the store that holds jobs and attempts."""

    _database: Database

    def accept(
        self, job: Job, events: Sequence[NewEvent], *, key: str = "", digest: str = ""
    ) -> Acceptance:
        """See ``grms.broker.ports.store.JobStore``."""

        if len(key) > LONGEST_KEY:
            raise RequestError(
                f"the idempotency key has {len(key)} characters; at most {LONGEST_KEY} are taken"
            )

        def work(connection: Connection) -> Acceptance:
            if key and not _take_key(connection, job, key, digest):
                return Acceptance(_accepted_before(connection, job.owner, key, digest), True)
            return Acceptance(_insert_job(connection, job, events))

        try:
            accepted = self._database.write(work)
        except ConflictError as error:
            raise ConflictError(f"there is a job {job.id!r} already") from error
        if not accepted.repeated:
            _tell(job, events)
        return accepted

    def job(self, job_id: str) -> Job:
        """Raises RequestError(UNKNOWN_JOB)."""
        return self._database.read(lambda connection: read_job(connection, job_id))

    def jobs_of(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        """These jobs by id; unknown ones are absent."""
        return self._database.read(lambda connection: _jobs_of(connection, job_ids))

    def jobs(self, query: JobQuery) -> Sequence[Job]:
        """Jobs that fit, newest first. Raises RequestError(UNKNOWN_JOB) for ``after``."""
        return self._database.read(
            lambda connection: [
                rows.job(row)
                for row in connection.execute(_listing(connection, query, select(jobs)))
            ]
        )

    def job_ids(self, query: JobQuery) -> Sequence[str]:
        """Ids of jobs that fit, newest first; nothing else of them is loaded."""
        return self._database.read(
            lambda connection: list(
                connection.scalars(_listing(connection, query, select(jobs.c.id)))
            )
        )

    def state_counts(self) -> Sequence[StateCount]:
        """One entry for each state that some job is in."""
        columns = (jobs.c.state, func.count(), func.min(jobs.c.submitted_at))
        statement = select(*columns).group_by(jobs.c.state)
        return self._database.read(
            lambda connection: [StateCount(*row) for row in connection.execute(statement)]
        )

    def attempts(self, job_id: str) -> Sequence[Attempt]:
        """All attempts of a job, oldest first."""
        return self._attempts(_OF_JOB, {"of_id": job_id})

    def newest_attempts(self, job_ids: Sequence[str]) -> Mapping[str, Attempt]:
        """The newest attempt of each of these jobs that has one."""

        def work(connection: Connection) -> dict[str, Attempt]:
            return {
                row.job_id: rows.attempt(row)
                for portion in in_portions(job_ids)
                for row in connection.execute(_NEWEST, {"of_ids": portion})
            }

        return self._database.read(work)

    def attempts_in(
        self, phases: Collection[Phase], *, cluster: str | None = None
    ) -> Sequence[Attempt]:
        """Attempts in these phases, over all jobs, oldest first."""
        statement = select(attempts).where(attempts.c.phase.in_(phases))
        if cluster is not None:
            statement = statement.where(attempts.c.cluster == cluster)
        order = (attempts.c.created_at, attempts.c.job_id, attempts.c.number)
        return self._attempts(statement.order_by(*order))

    def live_counts(self) -> Mapping[tuple[str, str], int]:
        """How many attempts, from PLACED to RUNNING, each (cluster, owner) has."""
        return self._database.read(
            lambda connection: {
                (cluster, owner): count for cluster, owner, count in connection.execute(_LIVE)
            }
        )

    def attempt_by_tag(self, tag: str) -> Attempt | None:
        """The attempt with this tag, if any."""
        found = self._attempts(_BY_TAG, {"of_tag": tag})
        return found[0] if found else None

    def tagged(self, tags: Collection[str]) -> Mapping[str, tuple[Job, Attempt]]:
        """See ``grms.broker.ports.store.JobStore``."""

        def work(connection: Connection) -> dict[str, tuple[Job, Attempt]]:
            found = {}
            for portion in in_portions(list(tags)):
                values = {"of_tags": portion}
                # Jobs come first: what changes an attempt raises its job's version.
                known = _jobs_of(connection, connection.scalars(_JOBS_TAGGED, values).all())
                for row in connection.execute(_TAGGED, values):
                    if row.job_id in known:
                        found[row.tag] = known[row.job_id], rows.attempt(row)
            return found

        return self._database.read(work)

    def apply(self, changes: Sequence[Change]) -> Sequence[Job | None]:
        """See ``grms.broker.ports.store.JobStore``."""
        if not changes:
            return []
        applied = self._database.write(lambda connection: apply_changes(connection, changes))
        for change, job in zip(changes, applied, strict=True):
            if job is not None:
                _tell(job, change.events)
        return applied

    def _attempts(
        self, statement: Select[Any], values: Mapping[str, Any] | None = None
    ) -> list[Attempt]:
        return self._database.read(
            lambda connection: [rows.attempt(row) for row in connection.execute(statement, values)]
        )


def _tell(job: Job, happened: Sequence[NewEvent]) -> None:
    for event in happened:
        if event.kind in (EventKind.ACCEPTED, EventKind.STATE):
            log.info("%s %s %s", job.id, event.data.get("to"), " ".join(event.text.split()))


def _take_key(connection: Connection, job: Job, key: str, digest: str) -> bool:
    """Take an idempotency key for a new job; False when it is taken."""
    values = {"owner": job.owner, "key": key, "digest": digest, "job_id": job.id}
    return connection.execute(_key_taken(connection.dialect.name), values).first() is not None


@cache
def _key_taken(dialect: str) -> Any:
    return insert(dialect, submission_keys).on_conflict_do_nothing().returning(literal(1))


def _accepted_before(connection: Connection, owner: str, key: str, digest: str) -> Job:
    taken = submission_keys.c
    row = connection.execute(
        select(taken.job_id, taken.digest).where(taken.owner == owner, taken.key == key)
    ).one()
    if row.digest != digest:
        raise RequestError(
            f"the key {key!r} was used before, for the other request that became job "
            f"{row.job_id}; use a new key for a new job",
            code=ErrorCode.KEY_REUSED,
        )
    return read_job(connection, row.job_id)


def _insert_job(connection: Connection, job: Job, events: Sequence[NewEvent]) -> Job:
    stored = replace(job, last_event=len(events))
    fresh = {"claim_at": job.due_at, "woken": False, "lease_owner": "", "lease_until": None}
    connection.execute(jobs.insert(), rows.values(stored) | fresh)
    add_events(connection, [(job.id, 0, events)])
    return stored


def _listing(connection: Connection, query: JobQuery, statement: Select[Any]) -> Select[Any]:
    if query.owner is not None:
        statement = statement.where(jobs.c.owner == query.owner)
    if query.project is not None:
        statement = statement.where(jobs.c.project == query.project)
    if query.states:
        statement = statement.where(jobs.c.state.in_(query.states))
    if query.parked is not None:
        statement = statement.where(jobs.c.parked == query.parked)
    if query.after is not None:
        after = connection.scalar(select(jobs.c.seq).where(jobs.c.id == query.after))
        if after is None:
            raise unknown_job(query.after)
        statement = statement.where(jobs.c.seq < after)
    return statement.order_by(jobs.c.seq.desc()).limit(query.limit)
