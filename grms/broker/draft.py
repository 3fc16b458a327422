"""Drafting one change of a job: moves, notes and proofs become a single atomic Change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from grms.broker.lifecycle import JobState, RequestStatus, Trigger, advance, steps_to
from grms.broker.records import (
    Attempt,
    Change,
    EventKind,
    Job,
    Json,
    NewEvent,
    Wish,
    WishDone,
)
from grms.errors import ErrorCode, GrmsError, SiteError


class Draft:
    """Collects what happens to one job at one time; nothing is stored until it is applied."""

    def __init__(self, job: Job, now: datetime) -> None:
        self.job = job
        self.now = now
        self._attempts: dict[int, Attempt] = {}
        self._events: list[NewEvent] = []
        self._wishes: list[WishDone] = []
        self._keep = False

    def go(self, trigger: Trigger, status: RequestStatus, text: str = "") -> Draft:
        """Move the job along the table of transitions. Raises StateError if that is illegal."""
        before, after = self.job.state, advance(self.job.state, trigger)
        self.job = replace(
            self.job,
            state=after,
            tries=0,
            finished_at=self.now if after.is_end else None,
        )
        data: dict[str, Json] = {"from": before.value, "to": after.value}
        if self.job.attempt:
            data["attempt"] = self.job.attempt
        self._add(EventKind.STATE, text or f"{before.value} -> {after.value}", data)
        return self.step(status)

    def step(self, status: RequestStatus) -> Draft:
        """Record a finer step inside the present state."""
        for named in steps_to(self.job.status, status):
            if named is not self.job.status:
                self.job = replace(self.job, status=named)
                data: dict[str, Json] = {"status": named.name, "number": named.value}
                self._add(EventKind.STATUS, named.name, data)
        return self

    def note(self, text: str, **data: Json) -> Draft:
        """Tell something that moves nothing."""
        return self._add(EventKind.NOTE, text, data)

    def proof(self, source: str, text: str, **data: Json) -> Draft:
        """Keep a proof with its source."""
        return self._add(EventKind.EVIDENCE, text, {"source": source, **data})

    def progress(self, text: str) -> Draft:
        """Record how far the job says that it has come."""
        self.job = replace(self.job, progress=text)
        return self._add(EventKind.PROGRESS, text, {})

    def attempt(self, attempt: Attempt) -> Draft:
        """Insert or replace an attempt; a new one becomes the job's newest."""
        self._attempts[attempt.number] = attempt
        if attempt.number > self.job.attempt:
            self.job = replace(self.job, attempt=attempt.number)
        return self

    def set(self, **fields: Any) -> Draft:
        """Set fields of the job that are not its state."""
        self.job = replace(self.job, **fields)
        return self

    def due(self, delay: float | None = 0.0) -> Draft:
        """When the engine shall look again: after ``delay`` seconds; None: when news come."""
        at = None if delay is None else self.now + timedelta(seconds=delay)
        self.job = replace(self.job, due_at=at)
        return self

    def done(self, wish: Wish, outcome: str) -> Draft:
        """Close a wish with its outcome."""
        self._wishes.append(WishDone(wish.number, self.now, outcome))
        return self._add(
            EventKind.WISH, f"{wish.kind.value}: {outcome}", {"wish": wish.kind.value, "done": True}
        )

    def attempt_now(self, stored: Attempt) -> Attempt:
        """An attempt as drafted so far."""
        return self._attempts.get(stored.number, stored)

    @property
    def newest(self) -> Attempt | None:
        """The job's newest attempt, if this draft changes it."""
        return self._attempts.get(self.job.attempt)

    def join(self, later: Draft) -> Draft:
        """Go on with what was drafted from where this one stands: both happen, or neither."""
        self.job, self.now = later.job, later.now
        self._attempts |= later._attempts
        self._events += later._events
        self._wishes += later._wishes
        self._keep = later._keep
        return self

    @property
    def empty(self) -> bool:
        """True while there is nothing to store."""
        return not (self._events or self._attempts or self._wishes)

    def keep(self) -> Draft:
        """Keep the claim on the job: the work on it goes on after this change."""
        self._keep = True
        return self

    def fail(self, error: GrmsError, *, parked: bool = False) -> Draft:
        """End the job as FAILED with the reason; a parked one waits for a person's release."""
        self.job = replace(
            self.job, error=error.message, error_code=error.code, parked=parked, due_at=None
        )
        self.go(Trigger.FAIL, RequestStatus.TASK_FAILED, error.message)
        return self.due(None)

    def retry(self, error: GrmsError, max_tries: int) -> Draft:
        """Try the present step again later with back-off, or fail or park the job.

        A cluster that is away is waited for, however long; what only a person can mend parks.
        """
        at_site = isinstance(error, SiteError)
        if not error.transient:
            return self.fail(error, parked=at_site)
        if self.job.tries + 1 >= max_tries and not at_site:
            reason = GrmsError(
                f"given up after {self.job.tries + 1} tries: {error.message}",
                code=error.code,
                detail=error.detail,
            )
            return self.fail(reason, parked=True)
        tries = self.job.tries + 1
        pause = min(300.0, 2.0 ** min(tries, 9))
        self.job = replace(self.job, tries=tries)
        self.note(
            f"try {tries} failed, next in {pause:.0f} s: {error.message}", code=error.code.value
        )
        return self.due(pause)

    def clear_error(self) -> Draft:
        """Forget an earlier verdict that no longer holds."""
        self.job = replace(self.job, error="", error_code=ErrorCode.OK, parked=False)
        return self

    def change(self) -> Change:
        """What to apply."""
        return Change(
            self.job,
            tuple(self._attempts.values()),
            tuple(self._events),
            tuple(self._wishes),
            self._keep,
        )

    @property
    def state(self) -> JobState:
        """The state as drafted so far."""
        return self.job.state

    def _add(self, kind: EventKind, text: str, data: dict[str, Json]) -> Draft:
        self._events.append(NewEvent(kind, self.now, text, data))
        return self
