"""What the drill holds against a broker: the history checker's promises, and its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from checker import Broken, Ran, check
from fire import Fire
from moving import steps_done, undisturbed

from grms.broker.lifecycle import JobState
from grms.broker.records import Job
from grms.errors import ErrorCode


@dataclass(frozen=True)
class Asked:
    """What was submitted: a program that ends with ``code``, or one that counts ``steps``."""

    key: str
    code: int
    steps: int = 0


def judge(
    fire: Fire,
    asked: Mapping[str, Asked],
    canceled: set[str],
    now: float,
    *,
    mortal: bool = False,
) -> list[Broken]:
    """Every broken promise. ``asked`` is by job id; ``canceled`` those that may be canceled.

    ``mortal``: the fault may end programs, too, and what ended so may be told to be lost.
    """
    jobs = {job.id: job for job in fire.jobs()}
    runs = [_ended(fire, run, jobs[run.job_id], canceled) for run in fire.runs()]
    runs += [_counted(fire, jobs[i], one) for i, one in asked.items() if one.steps]
    broken = check(fire.store, runs, now=now)
    ran = {run.job_id: run for run in runs}
    for job_id, one in asked.items():
        job = jobs[job_id]
        if one.steps:
            broken += _steps(fire, job, one, canceled)
        elif not (mortal and _died(job, ran.get(job_id))):
            broken += _code(job, one, canceled)
    return broken + [Broken("illegal", "-", crash) for crash in fire.crashes]


def _ended(fire: Fire, run: Ran, job: Job, canceled: set[str]) -> Ran:
    """A program that was ended writes no end: it has one if it is gone."""
    if run.end is not None or not job.state.is_end or fire.is_alive(run):
        return run
    end = job.finished_at.timestamp() if job.finished_at else run.start
    return replace(run, end=end, evidence=job.id in canceled)


def _died(job: Job, run: Ran | None) -> bool:
    """True for a job that was ended with its machine, and is told to be lost."""
    return run is not None and not run.evidence and job.error_code is ErrorCode.JOB_LOST


def _code(job: Job, one: Asked, canceled: set[str]) -> Iterable[Broken]:
    """Each job that nobody canceled ended as it was written to end."""
    wanted = JobState.FINISHED if one.code == 0 else JobState.FAILED
    if job.id not in canceled and job.state.is_end and job.state is not wanted:
        text = f"{job.state.value} ({job.error}), but its program ends with {one.code}"
        yield Broken("misreported", job.id, text)


def _counted(fire: Fire, job: Job, one: Asked) -> Ran:
    """A job that counts, in how many places it may be, as one run of its last attempt."""
    done = steps_done(fire.counts / one.key)
    start = done[0][0] if done else 0.0
    code = 0 if job.state is JobState.FINISHED and len(done) == one.steps else None
    last = fire.store.attempts(job.id)[-1:]
    if last and last[0].exit and last[0].exit.checkpointed:
        code = last[0].exit.code
    return Ran(job.id, job.attempt, start, done[-1][1] if done else start, code)


def _steps(fire: Fire, job: Job, one: Asked, canceled: set[str]) -> Iterable[Broken]:
    """No step twice, none at once with another, none left out, and the undisturbed result."""
    done = steps_done(fire.counts / one.key)
    numbers = [number for _, _, number in done]
    if numbers != list(range(1, len(done) + 1)):
        yield Broken("doubled", job.id, f"counted {numbers}")
    if any(begin < end for (_, end, _), (begin, _, _) in pairwise(done)):
        yield Broken("doubled", job.id, f"two steps at once: {done}")
    if job.state is JobState.FINISHED:
        if len(done) != one.steps:
            yield Broken("lost", job.id, f"FINISHED after {len(done)} of {one.steps} steps")
        if int((fire.files / one.key).read_text()) != undisturbed(one.steps):
            yield Broken("misreported", job.id, "its result is not the undisturbed one")
    elif job.state.is_end and job.id not in canceled:
        text = f"{job.state.value} ({job.error}) after {len(done)} of {one.steps} steps"
        yield Broken("misreported", job.id, text)
