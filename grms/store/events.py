"""Numbering and writing of events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, update

from grms.broker.records import NewEvent
from grms.store.schema import events, jobs

_INSERT = events.insert()


def add_events(
    connection: Connection, stories: Iterable[tuple[str, int, Sequence[NewEvent]]]
) -> None:
    """Write events of jobs, each with the numbers after ``last``: (job id, last, events).

    ``jobs.last_event`` was raised already.
    """
    new = [
        {
            "job_id": job_id,
            "number": number,
            "kind": event.kind,
            "at": event.at,
            "text": event.text,
            "data": dict(event.data),
        }
        for job_id, last, new_events in stories
        for number, event in enumerate(new_events, last + 1)
    ]
    if new:
        connection.execute(_INSERT, new)


def append_event(connection: Connection, job_id: str, event: NewEvent) -> bool:
    """Write one event beside the job's version; False for an unknown job."""
    last = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(last_event=jobs.c.last_event + 1)
        .returning(jobs.c.last_event)
    ).scalar()
    if last is None:
        return False
    add_events(connection, [(job_id, last - 1, [event])])
    return True
