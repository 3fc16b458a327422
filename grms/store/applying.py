"""Applying changes: compare and set, with events and attempts in the same transaction.

The statements are built once: an engine applies several changes a job, and building them anew
would cost more than running them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Update, bindparam, case, func, select, update

from grms.broker.records import Attempt, Change, Job, WishDone
from grms.store import rows
from grms.store.claims import in_portions
from grms.store.database import insert
from grms.store.events import add_events
from grms.store.schema import UtcTime, attempts, jobs, wishes

#: What an update never touches: who a job is, and what the store itself counts.
_FIXED = ("id", "owner", "submitted_at", "version", "last_event")
_SET = tuple(field.name for field in fields(Job) if field.name not in _FIXED)
_STORED = (
    select(jobs.c.id, jobs.c.version, jobs.c.last_event)
    .where(jobs.c.id.in_(bindparam("of_ids", expanding=True)))
    # All lock in the same order, so that no two wait for each other.
    .order_by(jobs.c.id)
    .with_for_update()
)


def apply_changes(connection: Connection, changes: Sequence[Change]) -> list[Job | None]:
    """Apply each change whole, or give None where its version was stale.

    Many changes cost little more than one: one question for all versions, then one statement for
    all that is written to a table. What follows on an earlier change of its job waits for that.
    """
    return [job for part in _parts(changes) for job in _apply_part(connection, part)]


def _parts(changes: Sequence[Change]) -> list[list[Change]]:
    """The changes in their order, in parts that have each job once."""
    parts: list[list[Change]] = []
    seen: set[str] = set()
    for change in changes:
        if not parts or change.job.id in seen:
            parts.append([])
            seen = set()
        parts[-1].append(change)
        seen.add(change.job.id)
    return parts


def _apply_part(connection: Connection, changes: Sequence[Change]) -> list[Job | None]:
    known = _stored(connection, [change.job.id for change in changes])
    applied: list[Job | None] = []
    groups: dict[tuple[bool, bool], list[dict[str, Any]]] = defaultdict(list)
    attempts_now: list[dict[str, Any]] = []
    stories = []
    for change in changes:
        job = change.job
        version, last = known.get(job.id, (None, 0))
        if version != job.version:
            applied.append(None)
            continue
        for wish in change.wishes_done:
            _close_wish(connection, job, wish)
        told = len(change.events)
        groups[job.due_at is not None, change.keep_claim].append(_row(job, last + told))
        stories.append((job.id, last, change.events))
        attempts_now += [rows.attempt_values(attempt) for attempt in change.attempts]
        applied.append(replace(job, version=version + 1, last_event=last + told))
    for (has_due, keep_claim), values in groups.items():
        connection.execute(_set_statement(has_due, keep_claim), values)
    add_events(connection, stories)
    if attempts_now:
        connection.execute(_put_attempts(connection.dialect.name), attempts_now)
    return applied


def _stored(connection: Connection, job_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Version and last event of each job, locked against everybody who is not in our row."""
    return {
        job_id: (version, last_event)
        for portion in in_portions(job_ids)
        for job_id, version, last_event in connection.execute(_STORED, {"of_ids": portion})
    }


def _row(job: Job, last_event: int) -> dict[str, Any]:
    values = {f"new_{name}": getattr(job, name) for name in _SET}
    return values | {"of_id": job.id, "of_version": job.version, "new_last_event": last_event}


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
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*_SET, "last_event")}
    values |= {
        "version": jobs.c.version + 1,
        # A wish that came after the claim was not seen by whoever made this change.
        "claim_at": case((jobs.c.woken, jobs.c.claim_at), else_=due),
    }
    if not keep_claim:
        values |= {"lease_owner": "", "lease_until": None}
    return (
        update(jobs)
        .where(jobs.c.id == bindparam("of_id"), jobs.c.version == bindparam("of_version"))
        .values(**values)
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
