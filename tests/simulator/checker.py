"""What must be true of any history: nothing lost, nothing doubled, nothing misreported.

The simulator and the drill hand over what really ran (``Ran``) and the store; ``check`` gives
every broken promise as a sentence, none if all were kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from grms.broker.lifecycle import TRANSITIONS, JobState
from grms.broker.ports.store import JobQuery, Store
from grms.broker.records import Attempt, EventKind, Job, JobEvent, WishKind
from grms.errors import ErrorCode

_LEGAL = {(before.value, after.value) for (before, _), after in TRANSITIONS.items()}


@dataclass(frozen=True)
class Ran:
    """A run of a job's program as it really happened; times in seconds on one clock.

    ``end`` is None while it runs, ``code`` None if it did not end by itself; ``evidence``: the
    wrapper lived to write its exit file.
    """

    job_id: str
    attempt: int
    start: float
    end: float | None
    code: int | None
    evidence: bool = True


@dataclass(frozen=True)
class Broken:
    """A broken promise: ``kind`` is lost, doubled, misreported or illegal."""

    kind: str
    job_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.job_id}: {self.what}"


def check(store: Store, runs: Sequence[Ran], *, now: float, settled: bool = True) -> list[Broken]:
    """Every broken promise. ``settled``: all work should have come to its end by now."""
    broken: list[Broken] = []
    for job_id in store.job_ids(JobQuery()):
        job, events = store.job(job_id), store.events(job_id)
        mine = [run for run in runs if run.job_id == job_id]
        broken += _numbers(job, events)
        broken += _moves(job, events)
        broken += _doubled(job, mine, now)
        if job.state.is_end:
            broken += _verdict(store, job, store.attempts(job_id), mine)
        elif settled:
            broken.append(Broken("lost", job_id, f"still {job.state.value}, nobody ends it"))
        if settled and store.wishes([job_id]):
            broken.append(Broken("illegal", job_id, "a wish is open after the end"))
    return broken


def _numbers(job: Job, events: Sequence[JobEvent]) -> Iterable[Broken]:
    numbers = [event.number for event in events]
    if numbers != list(range(1, job.last_event + 1)):
        yield Broken("illegal", job.id, f"event numbers {numbers[:20]}, last {job.last_event}")


def _moves(job: Job, events: Sequence[JobEvent]) -> Iterable[Broken]:
    state = "QUEUED"
    for event in events:
        if event.kind is EventKind.STATE:
            before, after = str(event.data["from"]), str(event.data["to"])
            if before != state or (before, after) not in _LEGAL:
                yield Broken("illegal", job.id, f"{state}: moved from {before} to {after}")
            state = after
    if state != job.state.value:
        yield Broken("illegal", job.id, f"history ends {state}, the job is {job.state.value}")


def _doubled(job: Job, runs: Sequence[Ran], now: float) -> Iterable[Broken]:
    """Without checkpoints a program is started once, whatever happens."""
    by_attempt: dict[int, int] = {}
    for run in runs:
        by_attempt[run.attempt] = by_attempt.get(run.attempt, 0) + 1
    for number, count in by_attempt.items():
        if count > 1:
            yield Broken("doubled", job.id, f"attempt {number} ran {count} times")
    ordered = sorted(runs, key=lambda run: run.start)
    for first, second in pairwise(ordered):
        end = first.end if first.end is not None else now
        if second.start < end:
            yield Broken("doubled", job.id, f"{first.attempt} and {second.attempt} at once")
        elif first.attempt != second.attempt:
            yield Broken("doubled", job.id, f"attempt {second.attempt} after {first.attempt} ran")


def _verdict(
    store: Store, job: Job, attempts: Sequence[Attempt], runs: Sequence[Ran]
) -> Iterable[Broken]:
    last = attempts[-1] if attempts else None
    run = next((r for r in runs if last and r.attempt == last.number), None)
    exit_ = last.exit if last else None
    if run is not None and run.end is None:
        yield Broken("misreported", job.id, f"{job.state.value}, but its program runs")
        return
    if exit_ is not None and exit_.code is not None and (run is None or run.code != exit_.code):
        real = "never ran" if run is None else f"ended with {run.code}"
        yield Broken("misreported", job.id, f"exit code {exit_.code} told, but it {real}")
    if job.state is JobState.FINISHED and (run is None or run.code != 0):
        yield Broken("misreported", job.id, f"FINISHED, but ran as {run}")
    if job.state is JobState.FINISHED and (exit_ is None or not exit_.ok):
        yield Broken("misreported", job.id, f"FINISHED on {exit_}")
    if job.state is JobState.FAILED:
        yield from _failure(job, run)
    if job.state is JobState.CANCELED:
        kinds = {wish.kind for wish in store.wishes([job.id], open_only=False)}
        if WishKind.CANCEL not in kinds:
            yield Broken("misreported", job.id, "CANCELED, but nobody wished it")
        if run is not None and run.code == 0 and run.evidence:
            yield Broken("misreported", job.id, "CANCELED, but it finished with 0")


def _failure(job: Job, run: Ran | None) -> Iterable[Broken]:
    if not job.error:
        yield Broken("misreported", job.id, "FAILED without a reason")
    if run is not None and run.code == 0 and run.evidence:
        yield Broken("misreported", job.id, f"FAILED ({job.error}), but it finished with 0")
    if job.error_code is ErrorCode.JOB_LOST:
        if run is None:
            yield Broken("misreported", job.id, f"{job.error}, but it never started")
        elif run.evidence:
            yield Broken("misreported", job.id, f"{job.error}, but its exit file is there")
