"""What the attributes of a PBS job say, in the broker's words."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from grms.adapters import answers
from grms.adapters.pbs import states
from grms.adapters.pbs.listing import SYSTEM, Attributes
from grms.broker.ports.batch import Account, NativeState, NativeStatus
from grms.broker.records import Usage

_MEMORY = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}


def status(native_id: str, job: Attributes) -> NativeStatus:
    """The state of a job, be it waiting or in the history."""
    word = _word(job)
    state, reason = _state(word, job)
    ended = state is NativeState.ENDED
    return NativeStatus(
        native_id=native_id,
        state=state,
        word=word,
        reason=reason,
        tag=job.get("Job_Name", ""),
        exit=states.exit_of(_exit_status(job), reason) if ended else None,
        usage=usage(job),
        submitted_at=time(job.get("ctime", "")),
        started_at=time(job.get("stime", "") or job.get("start_time", "")),
        ended_at=_ended_at(job) if ended else None,
    )


def account(native_id: str, job: Attributes) -> Account | None:
    """The last word on a job; None while it has not ended."""
    seen = status(native_id, job)
    if seen.exit is None:
        return None
    return Account(
        native_id=native_id,
        exit=seen.exit,
        tag=seen.tag,
        usage=seen.usage,
        submitted_at=seen.submitted_at,
        started_at=seen.started_at,
        ended_at=seen.ended_at,
        by_user=job.get("substate") == str(states.TERMINATED),
        raw=json.dumps(job, sort_keys=True),
    )


def usage(job: Attributes) -> Usage:
    """Wall and CPU seconds, memory in KiB."""
    return Usage(
        wall=answers.seconds(job.get("resources_used.walltime", "")),
        cpu=answers.seconds(job.get("resources_used.cput", "")),
        max_rss=memory(job.get("resources_used.mem", "")) >> 10,
    )


def memory(size: str) -> int:
    """``1200kb`` in bytes; 0 where it is no size."""
    digits = size.rstrip("bkmgtBKMGT")
    factor = _MEMORY.get(size[len(digits) :].lower(), 0)
    return int(digits) * factor if digits.isascii() and digits.isdigit() and factor else 0


def time(text: str) -> datetime | None:
    """Seconds since the epoch (TORQUE's XML); the text form has no zone and is left out."""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:15]) < 1 << 36:
        return None
    return datetime.fromtimestamp(int(text[:15]), UTC)


def _word(job: Attributes) -> str:
    word = job.get("job_state", "")
    if not word:
        raise answers.rubbish(SYSTEM, "a job without job_state", str(job))
    return word


def _state(word: str, job: Attributes) -> tuple[NativeState, str]:
    state = states.STATES.get(word, NativeState.UNKNOWN)
    comment = job.get("comment", "")
    if word == "Q" and comment.startswith(states.NEVER):
        return NativeState.FAULTY, comment
    if word == "H" and "s" in job.get("Hold_Types", ""):
        return NativeState.FAULTY, comment or "held by the system"
    return state, comment


def _exit_status(job: Attributes) -> int | None:
    text = job.get("Exit_status", job.get("exit_status", ""))
    try:
        return int(text[:12]) if text else None
    except ValueError:
        raise answers.rubbish(SYSTEM, f"Exit_status is {text!r:.40}") from None


def _ended_at(job: Attributes) -> datetime | None:
    return time(job.get("history_timestamp", "") or job.get("comp_time", ""))
