"""Following jobs until they end: asks the broker, tells each change once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from grms.client.exits import WaitedTooLongError
from grms.client.model import JobInfo
from grms.errors import GrmsError

_FIRST_PAUSE = 0.25
_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class News:
    """A job entered a state. ``exact`` when ``at`` is the broker's time, else when it was seen."""

    at: datetime
    exact: bool
    job: JobInfo


class Source(Protocol):
    """Whoever can be asked about a job; the Client."""

    def info(self, job_id: str) -> JobInfo:
        """The job now."""


class Screen(Protocol):
    """Where the progress is shown."""

    def news(self, news: News) -> None:
        """A job entered a state."""

    def trouble(self, error: GrmsError) -> None:
        """The broker does not answer for now; told once per outage."""

    def wait(self, jobs: Sequence[JobInfo], seconds: float) -> None:
        """Nothing happens for ``seconds``: let them pass."""


def entered(job: JobInfo, now: datetime, before: datetime | None) -> News:
    """When ``job`` came into its state.

    The broker's own time where it has one that is not older than the change ``before`` it; an older
    one belongs to an earlier stay in the same state.
    """
    told = _told(job)
    if told is not None and (before is None or told >= before):
        return News(told, True, job)
    return News(now, False, job)


def _told(job: JobInfo) -> datetime | None:
    last = job.last_history
    if job.ended:
        return job.finish_time
    if job.state == "QUEUED" and last is None:
        return job.submission_time
    if job.state == "PENDING" and last:
        return last.local_submission_time
    return last.local_start_time if job.state == "RUNNING" and last else None


def follow(
    source: Source,
    job_ids: Sequence[str],
    screen: Screen,
    *,
    interval: float,
    timeout: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[JobInfo, ...]:
    """The jobs as they ended, in the order given.

    Asks more rarely as time goes on, at most every ``interval`` seconds. An unreachable broker is
    waited for. Raises WaitedTooLongError after ``timeout`` seconds, and what ``info`` raises when
    trying again would not help.
    """
    seen: dict[str, News] = {}
    pause, outage, start = min(_FIRST_PAUSE, interval), False, clock()
    while True:
        try:
            _ask(source, job_ids, seen, screen)
            outage = False
        except GrmsError as error:
            if not error.transient:
                raise
            if not outage:
                screen.trouble(error)
            outage = True
        jobs = [news.job for news in seen.values()]
        living = [job_id for job_id in job_ids if job_id not in seen or not seen[job_id].job.ended]
        if not living:
            return tuple(seen[job_id].job for job_id in job_ids)
        left = pause if timeout is None else start + timeout - clock()
        if left <= 0:
            raise WaitedTooLongError(
                f"{timeout:g} s passed and these jobs have not ended: {', '.join(living)}"
            )
        screen.wait(jobs, min(pause, left))
        pause = min(pause * _GROWTH, interval)


def _ask(source: Source, job_ids: Sequence[str], seen: dict[str, News], screen: Screen) -> None:
    for job_id in job_ids:
        before = seen.get(job_id)
        if before and before.job.ended:
            continue
        job = source.info(job_id)
        if before and _place(before.job) == _place(job):
            seen[job_id] = News(before.at, before.exact, job)
            continue
        news = entered(job, datetime.now(UTC), before.at if before else None)
        seen[job_id] = news
        screen.news(news)


def _place(job: JobInfo) -> tuple[str, int]:
    """A new run in the same state is news too."""
    return job.state, job.history_length
