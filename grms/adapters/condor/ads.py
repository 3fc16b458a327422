"""What a job's ClassAd says, in the broker's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from grms.adapters import answers
from grms.adapters.condor import states
from grms.broker.ports.batch import Account, CommandResult, NativeState, NativeStatus
from grms.broker.records import Exit, Usage

SYSTEM = "HTCondor"

#: What is asked of each job; a ClassAd has some 150 attributes.
ATTRIBUTES = (
    "ClusterId,ProcId,JobStatus,GrmsTag,QDate,JobStartDate,CompletionDate,EnteredCurrentStatus,"
    "ExitBySignal,ExitCode,ExitSignal,HoldReason,HoldReasonCode,RemoveReason,NumJobStarts,"
    "RemoteWallClockTime,RemoteUserCpu,RemoteSysCpu,ResidentSetSize"
)

Ad = Mapping[str, Any]


def read(result: CommandResult) -> list[Ad]:
    """The ClassAds of a ``-json`` answer. Nothing at all means that no job matched."""
    answer = answers.text(result, SYSTEM)
    if result.exit != 0:
        raise answers.down(SYSTEM, result)
    if not answer.strip():
        if result.stderr.strip():
            raise answers.down(SYSTEM, result)
        return []
    try:
        ads = json.loads(answer, strict=False)
    except (ValueError, RecursionError) as error:
        raise answers.rubbish(SYSTEM, str(error), answer) from error
    if not isinstance(ads, list) or not all(isinstance(ad, dict) for ad in ads):
        raise answers.rubbish(SYSTEM, "not a list of ClassAds", answer)
    return ads


def native_id(ad: Ad) -> str:
    """``cluster.proc``. Raises SiteError for an ad that names no job."""
    cluster, proc = ad.get("ClusterId"), ad.get("ProcId")
    if type(cluster) is not int or type(proc) is not int:
        raise answers.rubbish(SYSTEM, "a ClassAd without ClusterId and ProcId", str(ad))
    return f"{cluster}.{proc}"


def status(ad: Ad) -> NativeStatus:
    """The state of the job in the queue."""
    word, state, reason = _state(ad)
    return NativeStatus(
        native_id=native_id(ad),
        state=state,
        word=word,
        reason=reason,
        tag=_words(ad, "GrmsTag"),
        exit=_exit_in_queue(ad),
        usage=usage(ad),
        submitted_at=_time(ad, "QDate"),
        started_at=_time(ad, "JobStartDate"),
        ended_at=_time(ad, "CompletionDate"),
    )


def account(ad: Ad) -> Account | None:
    """The last word of the history on a job; None for an ad that is no end."""
    number = ad.get("JobStatus")
    if number not in (states.COMPLETED, states.REMOVED):
        return None
    removed = number == states.REMOVED
    reason = _words(ad, "RemoveReason")
    return Account(
        native_id=native_id(ad),
        exit=Exit(reason=f"removed: {reason or 'no reason given'}") if removed else _exit(ad),
        tag=_words(ad, "GrmsTag"),
        usage=usage(ad),
        submitted_at=_time(ad, "QDate"),
        started_at=_time(ad, "JobStartDate"),
        ended_at=_time(ad, "CompletionDate") or _time(ad, "EnteredCurrentStatus"),
        by_user=removed and "by user" in reason,
        raw=json.dumps(ad, sort_keys=True),
    )


def usage(ad: Ad) -> Usage:
    """Wall and CPU seconds and the resident set; zero where the ad says nothing."""
    return Usage(
        wall=_number(ad, "RemoteWallClockTime"),
        cpu=_number(ad, "RemoteUserCpu") + _number(ad, "RemoteSysCpu"),
        max_rss=int(_number(ad, "ResidentSetSize")),
    )


def _state(ad: Ad) -> tuple[str, NativeState, str]:
    number = ad.get("JobStatus")
    if type(number) is not int or number not in states.STATES:
        return str(number), NativeState.UNKNOWN, ""
    word, state = states.STATES[number]
    if number == states.HELD:
        return word, _held(ad), _words(ad, "HoldReason")
    if number == states.IDLE and _number(ad, "NumJobStarts") > 0:
        return (
            word,
            NativeState.FAULTY,
            "HTCondor took the job off its machine; it is not allowed a second start",
        )
    return word, state, _words(ad, "RemoveReason") if number == states.REMOVED else ""


def _held(ad: Ad) -> NativeState:
    code = ad.get("HoldReasonCode")
    if code in states.OWN_HOLDS:
        return NativeState.HELD
    return NativeState.WAITING if code == states.SPOOLING else NativeState.FAULTY


def _exit_in_queue(ad: Ad) -> Exit | None:
    number, code = ad.get("JobStatus"), ad.get("HoldReasonCode")
    if number == states.COMPLETED:
        return _exit(ad)
    if number == states.HELD and code in states.DURATION_HOLDS:
        return Exit(limit="wall", reason=_words(ad, "HoldReason"))
    if number == states.HELD and code in states.MEMORY_HOLDS:
        return Exit(limit="memory", reason=_words(ad, "HoldReason"))
    return None


def _exit(ad: Ad) -> Exit:
    signal, code = ad.get("ExitSignal"), ad.get("ExitCode")
    if ad.get("ExitBySignal") is True and type(signal) is int:
        return Exit(signal=signal)
    if ad.get("ExitBySignal") is False and type(code) is int:
        return Exit(code=code)
    return Exit(reason="HTCondor calls it completed without an exit code")


def _words(ad: Ad, name: str) -> str:
    value = ad.get(name, "")
    return value if isinstance(value, str) else ""


def _number(ad: Ad, name: str) -> float:
    value = ad.get(name, 0)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if usable else 0.0


def _time(ad: Ad, name: str) -> datetime | None:
    value = _number(ad, name)
    return datetime.fromtimestamp(value, UTC) if 0 < value < 1e11 else None
