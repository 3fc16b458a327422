"""What news, queue answers and accounting records mean for a job. Pure decisions.

Each function gives a Draft, or None where nothing changes. Only the newest attempt moves its job;
late news about an older one is kept as a note.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from grms.broker.draft import Draft
from grms.broker.evidence import News, Source, overrules
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.ports.batch import Account, NativeState, NativeStatus
from grms.broker.records import ON_RESOURCE, Attempt, Exit, Job, Json, Phase, Usage
from grms.errors import ErrorCode, GrmsError

#: In place of the batch system's word for a job that its wrapper stopped on the broker's request.
BY_WRAPPER = "stopped by its wrapper"
_BEFORE_END = (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED)


def on_news(job: Job, attempt: Attempt, news: News, now: datetime) -> Draft | None:
    """A message of the attempt's own wrapper."""
    if attempt.number != job.attempt or attempt.phase is Phase.REVOKED:
        return _late(job, attempt, news, now)
    if news.what == "started":
        return _started(job, attempt, now, at=news.at, host=news.host, source=Source.WRAPPER)
    if news.what == "exited" and news.exit is not None:
        return ended(
            job, attempt, now,
            source=Source.WRAPPER, exit=news.exit, usage=news.usage, at=news.at, host=news.host,
        )  # fmt: skip
    if news.what == "refused":
        draft = Draft(job, now).proof("wrapper", f"a start was refused: {news.reason}")
        return draft.set(due_at=job.due_at)
    return None


def _late(job: Job, attempt: Attempt, news: News, now: datetime) -> Draft:
    text = f"late news of attempt {attempt.number}, which was given up: {news.what}"
    data: dict[str, Json] = {"attempt": attempt.number, "at": news.at.isoformat()}
    return Draft(job, now).proof("wrapper", text, **data)


def _started(
    job: Job, attempt: Attempt, now: datetime, *, at: datetime, host: str, source: Source
) -> Draft | None:
    if attempt.phase is not Phase.SUBMITTED or job.state.is_end:
        return None
    draft = Draft(job, now).attempt(
        replace(
            attempt,
            phase=Phase.RUNNING,
            started_at=at,
            host=host or attempt.host,
            evidence=source.name.lower(),
            missing_since=None,
        )
    )
    draft.proof(source.name.lower(), f"started on {host or attempt.host}", at=at.isoformat())
    if job.state is JobState.PENDING or (job.state is JobState.SUSPENDED and attempt.held):
        draft.go(Trigger.STARTED, RequestStatus.TASK_EXEC_ACTIVE, "the program started")
    return draft


def ended(
    job: Job,
    attempt: Attempt,
    now: datetime,
    *,
    source: Source,
    exit: Exit,
    usage: Usage | None,
    at: datetime,
    host: str = "",
) -> Draft | None:
    """Proof of an end. A stronger one corrects what a weaker one said before."""
    known = attempt.phase in (Phase.ENDED, Phase.OVER)
    if known and not overrules(source, attempt.evidence):
        return None
    draft = Draft(job, now)
    name = source.name.lower()
    if known and attempt.exit is not None and attempt.exit != exit:
        draft.note(f"{name} says {exit}; {attempt.evidence} had said {attempt.exit}")
    draft.proof(name, f"ended: {exit}", at=at.isoformat(), **_exit_data(exit, usage))
    draft.attempt(
        replace(
            attempt,
            phase=Phase.ENDED if attempt.phase is not Phase.OVER else Phase.OVER,
            ended_at=at,
            exit=exit,
            usage=usage or attempt.usage,
            host=host or attempt.host,
            evidence=name,
            missing_since=None,
        )
    )
    if job.state in _BEFORE_END:
        if job.state is JobState.PENDING:
            draft.note("the end was seen before the start")
        draft.go(Trigger.ENDED, RequestStatus.TASK_EXEC_DONE, f"the program ended: {exit}").due()
    elif job.state is JobState.FAILED and job.error_code is ErrorCode.JOB_LOST:
        draft.clear_error().go(
            Trigger.CORRECTED, RequestStatus.TASK_EXEC_DONE, f"was not lost: {exit}"
        ).due()
    return draft


def _exit_data(exit: Exit, usage: Usage | None) -> dict[str, Json]:
    data: dict[str, Json] = {"code": exit.code, "signal": exit.signal, "limit": exit.limit}
    if usage is not None:
        data |= {"wall": usage.wall, "cpu": usage.cpu, "max_rss": usage.max_rss}
    return data


def on_status(job: Job, attempt: Attempt, status: NativeStatus, now: datetime) -> Draft | None:
    """The batch system's own word on a job that it still knows."""
    if attempt.number != job.attempt or attempt.phase not in ON_RESOURCE:
        return None
    word = BY_WRAPPER if attempt.native_state == BY_WRAPPER else status.word
    seen = replace(attempt, native_state=word, missing_since=None)
    draft = Draft(job, now).attempt(seen)
    changed = seen != attempt
    if word != attempt.native_state:
        because = f" ({status.reason})" if status.reason else ""
        draft.note(f"the batch system says {status.word}{because}", state=status.state.value)
    if status.state is NativeState.FAULTY:
        return _faulty(job, seen, status, now)
    if status.state is NativeState.ENDED and status.exit is not None:
        return ended(
            job, seen, now,
            source=Source.QUEUE, exit=status.exit, usage=status.usage, at=status.ended_at or now,
        )  # fmt: skip
    if word == BY_WRAPPER:
        return draft if changed else None  # the system calls running what its wrapper stopped
    if status.state is NativeState.RUNNING and job.state is JobState.SUSPENDED and not attempt.held:
        draft.go(
            Trigger.STARTED, RequestStatus.TASK_EXEC_ACTIVE, "goes on by the system's own tool"
        )
    elif status.state is NativeState.SUSPENDED and job.state is JobState.RUNNING:
        draft.go(Trigger.HELD, RequestStatus.TASK_EXEC, "suspended with the system's own tool")
    elif status.state is NativeState.HELD and job.state is JobState.PENDING:
        draft.attempt(replace(seen, held=True))
        draft.go(Trigger.HELD, RequestStatus.TASK_EXEC_PENDING, "held with the system's own tool")
    elif status.state is NativeState.WAITING and job.state is JobState.SUSPENDED and attempt.held:
        draft.attempt(replace(seen, held=False))
        draft.go(Trigger.RELEASED, RequestStatus.TASK_EXEC_PENDING, "released in the queue")
    elif not changed:
        return None
    return draft


def refusal(attempt: Attempt, status: NativeStatus) -> GrmsError:
    """The error of a job that its batch system holds for good."""
    return GrmsError(
        f"the batch system of {attempt.cluster} will not run it: {status.reason or status.word}",
        code=ErrorCode.REFUSED_BY_BATCH_SYSTEM,
    )


def _faulty(job: Job, attempt: Attempt, status: NativeStatus, now: datetime) -> Draft | None:
    """The system holds the job for good: it is withdrawn, and its owner gets the reason."""
    if job.state.is_end:
        return None
    reason = status.reason or status.word
    draft = Draft(job, now).proof("queue", f"will never run there: {reason}", word=status.word)
    draft.attempt(replace(attempt, phase=Phase.REVOKED))
    return draft.fail(refusal(attempt, status))


def on_account(job: Job, attempt: Attempt, account: Account, now: datetime) -> Draft | None:
    """The accounting record of a job that left the queue."""
    if attempt.number != job.attempt:
        return None
    return ended(
        job, attempt, now,
        source=Source.ACCOUNTING, exit=account.exit, usage=account.usage,
        at=account.ended_at or now,
    )  # fmt: skip


def on_missing(attempt: Attempt, now: datetime) -> Attempt | None:
    """The first sound answer without the job: the clock of its absence starts."""
    return None if attempt.missing_since else replace(attempt, missing_since=now)


def on_lost(
    job: Job, attempt: Attempt, now: datetime, *, started: bool, dead: bool = False
) -> Draft:
    """Missing everywhere for too long, and fenced. Only what never started may run again.

    So may what has a checkpoint to go on from and is ``dead``: proven to have no living process.
    """
    draft = Draft(job, now).attempt(replace(attempt, phase=Phase.REVOKED, evidence="absence"))
    draft.proof("absence", f"{attempt.native_id or attempt.tag} is in no queue and no record")
    if not started and job.state in (JobState.PENDING, JobState.PREPROCESSING):
        text = "the batch system forgot it before it started: placed again"
        return draft.go(Trigger.REPLACE, RequestStatus.TASK_QUEUED, text).due()
    if dead and job.state in (JobState.PENDING, JobState.RUNNING):
        text = "its processes died with their host or wrapper: goes on from its checkpoint"
        draft.step(RequestStatus.MIGRATE_QUEUED)
        return draft.go(Trigger.REPLACE, RequestStatus.MIGRATE_QUEUED, text).due()
    ended_attempt = replace(attempt, phase=Phase.ENDED, evidence="absence", ended_at=None)
    draft.attempt(ended_attempt)
    error = GrmsError(
        f"lost on {attempt.cluster}: it started, then vanished from queue and accounting, "
        "and left no exit file",
        code=ErrorCode.JOB_LOST,
    )
    return draft.fail(error)
