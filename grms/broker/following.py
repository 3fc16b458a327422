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
from grms.broker.records import ON_RESOURCE, Attempt, Exit, Job, Json, Phase, Usage, Wish
from grms.errors import ErrorCode, GrmsError

#: In place of the batch system's word for a job that its wrapper stopped on the broker's request.
BY_WRAPPER = "stopped by its wrapper"
#: In its place for a started job that its system holds in an error.
IN_ERROR = "held in an error"
_BEFORE_END = (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED)
#: The status of a wrapper that refused a start (EX_PROTOCOL, see ``grms.jobside``): it says
#: nothing of the program, which may have run in an earlier start of the same attempt.
REFUSED = 76


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
        return Draft(job, now).proof("wrapper", f"a start was refused: {news.reason}")
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
        if job.state is JobState.PENDING and attempt.phase is not Phase.RUNNING:
            draft.note("the end was seen before the start")
        draft.go(Trigger.ENDED, RequestStatus.TASK_EXEC_DONE, f"the program ended: {exit}").due()
    elif _corrects(job, attempt, exit):
        text = f"the verdict was wrong, {name} proves: {exit}"
        draft.clear_error().go(Trigger.CORRECTED, RequestStatus.TASK_EXEC_DONE, text).due()
    return draft


def _corrects(job: Job, attempt: Attempt, exit: Exit) -> bool:
    """True when a failure rests on less than what is proven now, and its files are still there."""
    verdicts = (ErrorCode.JOB_LOST, ErrorCode.JOB_FAILED, ErrorCode.LIMIT_EXCEEDED)
    told = job.state is JobState.FAILED and job.error_code in verdicts
    return told and attempt.phase is Phase.ENDED and attempt.exit != exit


def _exit_data(exit: Exit, usage: Usage | None) -> dict[str, Json]:
    data: dict[str, Json] = {"code": exit.code, "signal": exit.signal, "limit": exit.limit}
    if usage is not None:
        data |= {"wall": usage.wall, "cpu": usage.cpu, "max_rss": usage.max_rss}
    return data


def on_status(job: Job, attempt: Attempt, status: NativeStatus, now: datetime) -> Draft | None:
    """The batch system's own word on a job that it still knows."""
    if attempt.number != job.attempt or attempt.phase not in ON_RESOURCE:
        return None
    over = status.state is NativeState.ENDED
    since = attempt.missing_since if over else None  # how it ended is yet to be found
    word = BY_WRAPPER if attempt.native_state == BY_WRAPPER else status.word
    seen = replace(attempt, native_state=word, missing_since=since)
    draft = Draft(job, now).attempt(seen)
    changed = seen != attempt
    if word != attempt.native_state:
        because = f" ({status.reason})" if status.reason else ""
        draft.note(f"the batch system says {status.word}{because}", state=status.state.value)
    if status.state is NativeState.FAULTY:
        return _faulty(job, seen, status, now)
    if status.state is NativeState.ENDED and status.exit is not None:
        return None if status.exit.code == REFUSED else ended(
            job, seen, now,
            source=Source.QUEUE, exit=status.exit, usage=status.usage, at=status.ended_at or now,
        )  # fmt: skip
    if word != BY_WRAPPER:  # else the system calls running what its wrapper stopped
        _follow_system(draft, job, seen, status)
    return draft if changed or draft.state is not job.state else None


def _follow_system(draft: Draft, job: Job, attempt: Attempt, status: NativeStatus) -> None:
    """Holds, releases and restarts that somebody made with the system's own tools."""
    if status.state is NativeState.RUNNING and job.state is JobState.SUSPENDED and not attempt.held:
        draft.go(
            Trigger.STARTED, RequestStatus.TASK_EXEC_ACTIVE, "goes on by the system's own tool"
        )
    elif (
        status.state is NativeState.RUNNING
        and job.state is JobState.PENDING
        and attempt.phase is Phase.RUNNING
    ):
        draft.go(Trigger.STARTED, RequestStatus.TASK_EXEC_ACTIVE, "the batch system runs it again")
    elif status.state is NativeState.WAITING and job.state is JobState.RUNNING:
        draft.go(Trigger.REQUEUED, RequestStatus.TASK_EXEC_PENDING, "the batch system put it back")
    elif status.state is NativeState.SUSPENDED and job.state is JobState.RUNNING:
        draft.go(Trigger.HELD, RequestStatus.TASK_EXEC, "suspended with the system's own tool")
    elif status.state is NativeState.HELD and job.state is JobState.PENDING:
        draft.attempt(replace(attempt, held=True))
        draft.go(Trigger.HELD, RequestStatus.TASK_EXEC_PENDING, "held with the system's own tool")
    elif status.state is NativeState.WAITING and job.state is JobState.SUSPENDED and attempt.held:
        draft.attempt(replace(attempt, held=False))
        draft.go(Trigger.RELEASED, RequestStatus.TASK_EXEC_PENDING, "released in the queue")


def refusal(attempt: Attempt, status: NativeStatus) -> GrmsError:
    """The error of a job that its batch system holds for good."""
    ran = attempt.phase is Phase.RUNNING
    what = "gave it up after its start" if ran else "will not run it"
    return GrmsError(
        f"the batch system of {attempt.cluster} {what}: {status.reason or status.word}",
        code=ErrorCode.REFUSED_BY_BATCH_SYSTEM,
    )


def _faulty(job: Job, attempt: Attempt, status: NativeStatus, now: datetime) -> Draft | None:
    """The system holds the job for good: it is withdrawn, and its owner gets the reason."""
    if job.state.is_end:
        return None
    reason = status.reason or status.word
    draft = Draft(job, now).proof("queue", f"will not go on there: {reason}", word=status.word)
    draft.attempt(replace(attempt, phase=Phase.REVOKED))
    return draft.fail(refusal(attempt, status))


def on_account(job: Job, attempt: Attempt, account: Account, now: datetime) -> Draft | None:
    """The accounting record of a job that left the queue."""
    if attempt.number != job.attempt or account.exit.code == REFUSED:
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
    job: Job,
    attempt: Attempt,
    now: datetime,
    *,
    cancel: Wish | None = None,
    checkpointed: bool = False,
) -> Draft:
    """It started, then was missing everywhere for too long: lost, or ended by a user's cancel.

    ``checkpointed``: it has a checkpoint to go on from, and certainly no living process.
    """
    draft = Draft(job, now)
    draft.proof("absence", f"{attempt.native_id or attempt.tag} is in no queue and no record")
    draft.attempt(replace(attempt, phase=Phase.ENDED, evidence="absence", ended_at=None))
    if cancel is not None:
        text = "canceled: ended as wished, it left no trace"
        draft.go(Trigger.CANCEL, RequestStatus.TASK_CANCEL_DONE, text)
        return draft.done(cancel, text).due(None)
    if checkpointed and job.state in (JobState.PENDING, JobState.RUNNING):
        draft.attempt(replace(attempt, phase=Phase.REVOKED, evidence="absence"))
        text = "its processes died with their host or wrapper: goes on from its checkpoint"
        draft.step(RequestStatus.MIGRATE_QUEUED)
        return draft.go(Trigger.REPLACE, RequestStatus.MIGRATE_QUEUED, text).due()
    error = GrmsError(
        f"lost on {attempt.cluster}: it started, but left no exit file, and the batch system "
        "has no record of its end",
        code=ErrorCode.JOB_LOST,
    )
    return draft.fail(error)


def on_never_started(
    job: Job,
    attempt: Attempt,
    now: datetime,
    *,
    most: int,
    cancel: Wish | None = None,
    ran: int = 0,
) -> Draft:
    """Missing everywhere, and fenced before it started: it is safe to run it elsewhere.

    ``most`` is the number of attempts after which the job is parked instead; the first ``ran``,
    of a job that has moved, do not count.
    """
    draft = Draft(job, now).attempt(replace(attempt, phase=Phase.REVOKED, evidence="absence"))
    known = attempt.native_id or attempt.tag
    draft.proof("absence", f"no queue and no record knows {known}; its start is fenced")
    if cancel is not None:
        text = "canceled: it never started and never can"
        draft.go(Trigger.CANCEL, RequestStatus.TASK_CANCEL_DONE, text)
        return draft.done(cancel, text).due(None)
    if job.state is JobState.SUSPENDED:
        return draft.note("the batch system forgot it; a resume places it again").due(None)
    if attempt.number - ran >= most:
        text = f"placed {attempt.number - ran} times and forgotten each time before it started"
        return draft.fail(GrmsError(text, code=ErrorCode.PARKED), parked=True)
    text = "the batch system forgot it before it started: placed again"
    return draft.go(Trigger.REPLACE, RequestStatus.TASK_QUEUED, text).due()
