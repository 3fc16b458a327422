"""Applying changes: compare and set, with events and attempts in the same transaction.

The statements are built once: an engine applies several changes a job, and building them anew
would cost more than running them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Update, bindparam, case, func, select, update

from grms.broker.records import Attempt, Change, Job, WishDone
from grms.store import rows
from grms.store.database import insert
from grms.store.events import add_events
from grms.store.schema import UtcTime, attempts, jobs, wishes

#: What an update never touches: who a job is, and what the store itself counts.
_FIXED = ("id", "owner", "submitted_at", "version", "last_event")
_SET = tuple(field.name for field in fields(Job) if field.name not in _FIXED)


def apply_changes(connection: Connection, changes: Sequence[Change]) -> list[Job | None]:
    """Apply each change whole, or give None where its version was stale."""
    applied: list[Job | None] = []
    attempts_now: list[dict[str, Any]] = []
    stories = []
    for change in changes:
        last_event = _set_job(connection, change)
        if last_event is None:
            applied.append(None)
            continue
        job = change.job
        first = last_event - len(change.events)
        stories += [(job.id, first, change.events)]
        attempts_now += [rows.attempt_values(attempt) for attempt in change.attempts]
        applied.append(replace(job, version=job.version + 1, last_event=last_event))
    add_events(connection, stories)
    if attempts_now:
        connection.execute(_put_attempts(connection.dialect.name), attempts_now)
    return applied


def _set_job(connection: Connection, change: Change) -> int | None:
    """The number of the job's last event, or None where the version was stale."""
    for wish in change.wishes_done:
        _close_wish(connection, change.job, wish)
    job = change.job
    values = {f"new_{name}": getattr(job, name) for name in _SET}
    values |= {"of_id": job.id, "of_version": job.version, "told": len(change.events)}
    statement = _set_statement(job.due_at is not None, change.keep_claim)
    found: int | None = connection.execute(statement, values).scalar()
    return found


@cache
def _set_statement(has_due: bool, keep_claim: bool) -> Update:
    """``claim_at`` is the job's due time; an open wish keeps one without a time claimable."""
    if has_due:
        due: Any = bindparam("new_due_at", type_=UtcTime)
    else:
        due = (
            select(func.min(wishes.c.at))
            .where(wishes.c.job_id == bindparam("of_id"), wishes.c.done_at.is_(None))
            .scalar_subquery()
        )
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _SET}
    values |= {
        "version": jobs.c.version + 1,
        "last_event": jobs.c.last_event + bindparam("told"),
        # A wish that came after the claim was not seen by whoever made this change.
        "claim_at": case((jobs.c.woken, jobs.c.claim_at), else_=due),
    }
    if not keep_claim:
        values |= {"lease_owner": "", "lease_until": None}
    return (
        update(jobs)
        .where(jobs.c.id == bindparam("of_id"), jobs.c.version == bindparam("of_version"))
        .values(**values)
        .returning(jobs.c.last_event)
    )


def _close_wish(connection: Connection, job: Job, wish: WishDone) -> None:
    """Close a wish, provided the change that closes it applies."""
    current = select(jobs.c.version).where(jobs.c.id == job.id).scalar_subquery()
    connection.execute(
        update(wishes)
        .where(
            wishes.c.number == wish.number,
            wishes.c.job_id == job.id,
            wishes.c.done_at.is_(None),
            current == job.version,
        )
        .values(done_at=wish.at, outcome=wish.outcome)
    )


@cache
def _put_attempts(dialect: str) -> Any:
    """Insert attempts, or replace those with the same job and number."""
    statement = insert(dialect, attempts)
    key = ("job_id", "number")
    names = [field.name for field in fields(Attempt) if field.name not in key]
    changed = {name: statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed)
