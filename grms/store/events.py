"""Numbering and writing of events."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, update

from grms.broker.records import NewEvent
from grms.store.schema import events, jobs


def add_events(
    connection: Connection, job_id: str, last: int, new_events: Sequence[NewEvent]
) -> None:
    """Write events with the numbers after ``last``; ``jobs.last_event`` was raised already."""
    if new_events:
        connection.execute(
            events.insert(),
            [
                {
                    "job_id": job_id,
                    "number": number,
                    "kind": event.kind,
                    "at": event.at,
                    "text": event.text,
                    "data": dict(event.data),
                }
                for number, event in enumerate(new_events, last + 1)
            ],
        )


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
    add_events(connection, job_id, last - 1, [event])
    return True
