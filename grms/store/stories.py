"""What happened to jobs and what users want of them: events and wishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, literal, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from grms.broker.records import JobEvent, NewEvent, Wish
from grms.store import rows
from grms.store.claims import in_portions
from grms.store.database import Database
from grms.store.events import append_event
from grms.store.jobs import require_job, unknown_job
from grms.store.schema import UtcTime, events, jobs, wishes


class Stories:
    """The part of the store that holds events and wishes."""

    _database: Database

    def events(
        self, job_id: str, *, after: int = 0, limit: int | None = None
    ) -> Sequence[JobEvent]:
        """A job's events, numbers above ``after``, in order."""
        return self._events(
            (events.c.job_id == job_id) & (events.c.number > after), events.c.number, limit
        )

    def stream(self, *, after: int, limit: int) -> Sequence[JobEvent]:
        """Events of all jobs with cursors above ``after``, in order."""
        return self._events(events.c.cursor > after, events.c.cursor, limit)

    def _events(
        self, where: ColumnElement[bool], order: ColumnElement[int], limit: int | None
    ) -> list[JobEvent]:
        statement = select(events).where(where).order_by(order).limit(limit)
        return self._database.read(
            lambda connection: [rows.event(row) for row in connection.execute(statement)]
        )

    def note(self, job_id: str, event: NewEvent) -> None:
        """Add an event beside the job's version. Raises RequestError(UNKNOWN_JOB)."""

        def work(connection: Connection) -> None:
            if not append_event(connection, job_id, event):
                raise unknown_job(job_id)

        self._database.write(work)

    def wish(self, wish: Wish, event: NewEvent) -> Wish:
        """See ``grms.broker.ports.store.JobStore``. Raises RequestError(UNKNOWN_JOB)."""

        def work(connection: Connection) -> Wish:
            require_job(connection, wish.job_id)
            return _open_twin(connection, wish) or _write_wish(connection, wish, event)

        return self._database.write(work)

    def wishes(
        self, job_ids: Sequence[str] | None = None, *, open_only: bool = True
    ) -> Sequence[Wish]:
        """Wishes of these jobs (None: of all), oldest first."""
        statement = _wishes(open_only, job_ids is not None)

        def work(connection: Connection) -> list[Wish]:
            if job_ids is None:
                return [rows.wish(row) for row in connection.execute(statement)]
            found = [
                rows.wish(row)
                for portion in in_portions(job_ids)
                for row in connection.execute(statement, {"of_ids": portion})
            ]
            return sorted(found, key=lambda wish: wish.number)

        return self._database.read(work)


@cache
def _wishes(open_only: bool, of_jobs: bool) -> Select[Any]:
    statement = select(wishes).order_by(wishes.c.number)
    if open_only:
        statement = statement.where(wishes.c.done_at.is_(None))
    if of_jobs:
        statement = statement.where(wishes.c.job_id.in_(bindparam("of_ids", expanding=True)))
    return statement


def _open_twin(connection: Connection, wish: Wish) -> Wish | None:
    row = connection.execute(
        select(wishes)
        .where(
            wishes.c.job_id == wish.job_id,
            wishes.c.kind == wish.kind,
            wishes.c.description == wish.description,
            wishes.c.done_at.is_(None),
        )
        .limit(1)
    ).first()
    return None if row is None else rows.wish(row)


def _write_wish(connection: Connection, wish: Wish, event: NewEvent) -> Wish:
    result = connection.execute(wishes.insert().values(**rows.values(wish, "number")))
    append_event(connection, wish.job_id, event)
    connection.execute(
        update(jobs)
        .where(jobs.c.id == wish.job_id)
        .values(
            woken=True, due_at=_sooner(jobs.c.due_at, wish), claim_at=_sooner(jobs.c.claim_at, wish)
        )
    )
    key = result.inserted_primary_key
    return replace(wish, number=key[0] if key else 0)


def _sooner(column: ColumnElement[object], wish: Wish) -> ColumnElement[object]:
    at = literal(wish.at, UtcTime)
    return case((or_(column.is_(None), column > at), at), else_=column)
