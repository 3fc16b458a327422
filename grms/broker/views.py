"""What the service answers with: read-only pictures of a job for whoever may see it."""

from __future__ import annotations

from dataclasses import dataclass

from grms.broker.records import Attempt, Job


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """One entry of a job's history; ``application`` is the registered service's location or ""."""

    attempt: Attempt
    application: str = ""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job, its newest history entry (None before the first placement) and their number."""

    job: Job
    last: AttemptInfo | None
    length: int
