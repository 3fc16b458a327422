"""How HTCondor tells of a job: its ClassAd, in the queue and in the history."""

from __future__ import annotations

import json
from typing import Any

from core import Job, State

VERSION = "$CondorVersion: 23.9.6 2026-07-12 PackageID: 23.9.6+dfsg-2.1+b10 $"
IDLE, RUNNING, REMOVED, COMPLETED, HELD, SUSPENDED = 1, 2, 3, 4, 5, 7
_OVER_TIME = 46


def held_by_system(job: Job) -> bool:
    """True for a job that ran longer than ``allowed_job_duration``: it stays in the queue."""
    return job["state"] == "ended" and job.get("end_wish") == "wall"


def left(job: Job) -> bool:
    """True once only the history tells of it."""
    return job["state"] == "ended" and not held_by_system(job)


def _status(job: Job) -> int:
    if job["state"] == "queued":
        return HELD if job["held"] else IDLE
    if held_by_system(job):
        return HELD
    if job["state"] != "ended":
        return SUSPENDED if job["suspended"] else RUNNING
    return REMOVED if job.get("end_wish") in ("rm", "stop") else COMPLETED


def ad(state: State, job: Job) -> dict[str, Any]:
    """The attributes that a broker may ask for; what a job has not is absent."""
    status = _status(job)
    ran = (job.get("ended", state.now()) - job["started"]) if "started" in job else 0.0
    changed = job.get("ended") or job.get("started") or job["changed"]
    found: dict[str, Any] = {
        "ClusterId": job["id"],
        "ProcId": 0,
        "JobStatus": status,
        "GrmsTag": job["name"],
        "QDate": int(job["submitted"]),
        "EnteredCurrentStatus": int(changed),
        "ExitBySignal": False,
        "NumJobStarts": int("started" in job),
        "RemoteWallClockTime": round(float(ran), 1) if left(job) else 0.0,
        "RemoteUserCpu": 0.0,
        "RemoteSysCpu": 0.0,
    }
    if "started" in job:
        found |= {"JobStartDate": int(job["started"]), "ResidentSetSize": 4750}
    if status == HELD:
        code, why = job.get("hold") or (_OVER_TIME, "The job exceeded allowed job duration")
        found |= {"HoldReasonCode": code, "HoldReason": why}
    if status == REMOVED:
        found["RemoveReason"] = f"via condor_rm (by user {job['owner']})"
    if status == COMPLETED:
        found |= {"CompletionDate": int(job["ended"])} | _exit(int(job["wait_status"]))
    return found


def _exit(status: int) -> dict[str, Any]:
    if status < 0:
        return {"ExitBySignal": True, "ExitSignal": -status}
    return {"ExitBySignal": False, "ExitCode": status}


def document(ads: list[dict[str, Any]], attributes: list[str]) -> str:
    """A ``-json`` answer: nothing at all if there is no ad."""
    if not ads:
        return ""
    texts = []
    for one in ads:
        asked = sorted((name, one[name]) for name in attributes if name in one)
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in asked)
        texts.append("{\n" + lines + "\n}\n")
    return "[\n" + ",\n".join(texts) + "]\n"
