"""How Slurm lists a job: in the queue, in full, and in the accounting."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from core import Job, State

VERSION = "slurm-wlm 22.05.8"
#: Not a signal: slurmd could not start the script.
NOT_STARTED = 64


def word(job: Job) -> str:
    """The long state word."""
    if job["state"] == "queued":
        return "PENDING"
    if job["state"] == "running":
        return "SUSPENDED" if job["suspended"] else "RUNNING"
    if job["state"] == "ending":
        return "COMPLETING"
    wish = job.get("end_wish")
    if wish == "wall":
        return "TIMEOUT"
    if wish in ("scancel", "stop"):
        return "CANCELLED"
    return "COMPLETED" if job["wait_status"] == 0 else "FAILED"


def code(job: Job) -> str:
    """``ExitCode`` as scontrol tells it."""
    if job["state"] != "ended" or "wait_status" not in job:
        return "0:0"
    if word(job) in ("TIMEOUT", "CANCELLED"):
        return "0:15"
    status = int(job["wait_status"])
    if status == -NOT_STARTED:
        return "0:53"
    return f"0:{-status}" if status < 0 else f"{status}:0"


def reason(state: State, job: Job) -> str:
    """Why it waits, or how it ended."""
    if job["state"] == "queued":
        if job["held"]:
            return "JobHeldUser"
        return "PartitionConfig" if job["slots"] > state.settings["slots"] else "None"
    ended = {"TIMEOUT": "TimeLimit"}
    if word(job) == "FAILED":
        return "NonZeroExitCode" if code(job).endswith(":0") else "JobLaunchFailure"
    return ended.get(word(job), "None")


def _time(at: float | None, missing: str) -> str:
    if at is None:
        return missing
    form = os.environ.get("SLURM_TIME_FORMAT", "")
    return str(int(at)) if form == "%s" else time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))


def _start(job: Job) -> float | None:
    return job.get("started", job.get("ended"))


def _end(job: Job) -> float | None:
    if "ended" in job and job["state"] != "queued":
        return float(job["ended"])
    return job["started"] + job["wall"] if "started" in job else None


def row(state: State, job: Job, form: str) -> str:
    """One line of squeue."""
    fields = {
        "i": str(job["id"]),
        "T": word(job),
        "r": reason(state, job),
        "V": _time(job["submitted"], "N/A"),
        "S": _time(_start(job), "N/A"),
        "e": _time(_end(job), "N/A"),
        "j": job["name"],
    }
    return re.sub("%(.)", lambda found: fields.get(found[1], ""), form)


def shown(state: State, job: Job) -> str:
    """``scontrol -o show job``."""
    held = "Unknown"
    fields: dict[str, Any] = {
        "JobId": job["id"],
        "JobName": job["name"],
        "UserId": f"{job['owner']}({os.getuid()})",
        "JobState": word(job),
        "Reason": reason(state, job),
        "Requeue": 0,
        "Restarts": 0,
        "BatchFlag": 1,
        "ExitCode": code(job),
        "SubmitTime": _time(job["submitted"], held),
        "StartTime": _time(_start(job), held),
        "EndTime": _time(job.get("ended"), held),
        "Partition": "debug",
        "NumCPUs": job["slots"],
        "Command": "(null)",
        "WorkDir": job["cwd"],
    }
    return " ".join(f"{name}={value}" for name, value in fields.items()) + " "


def records(state: State, job: Job, *, steps: bool) -> list[dict[str, str]]:
    """What sacct has: the job, then its batch step. It leaves signals out of the job's own row."""
    known, told = word(job), code(job)
    known = {"COMPLETING": "RUNNING"}.get(known, known)
    stopped = job.get("ended") if job["state"] == "ended" else None
    ran = (stopped or state.now()) - job["started"] if "started" in job else 0
    start = _time(job.get("started"), "Unknown" if stopped is None else "None")
    whole = {
        "JobIDRaw": str(job["id"]),
        "State": f"CANCELLED by {os.getuid()}" if known == "CANCELLED" else known,
        "ExitCode": "0:0" if known in ("CANCELLED", "TIMEOUT") else told,
        "Submit": _time(job["submitted"], "Unknown"),
        "Start": start,
        "End": _time(stopped, "Unknown"),
        "ElapsedRaw": str(int(ran)),
        "TotalCPU": "00:00.002" if "started" in job else "00:00:00",
        "MaxRSS": "",
        "JobName": job["name"],
    }
    if not steps or "started" not in job:
        return [whole]
    signalled = told.startswith("0:") and told != "0:0"
    step = {"JobIDRaw": f"{job['id']}.batch", "JobName": "batch", "MaxRSS": "3112K"}
    step |= {"ExitCode": told, "State": "CANCELLED" if signalled else known}
    return [whole, whole | step]


def partition(state: State, name: str) -> str:
    """``scontrol -o show partition``."""
    cpus = state.settings["slots"]
    return (
        f"PartitionName={name} Default=YES DefaultTime=00:30:00 MaxNodes=UNLIMITED "
        f"MaxTime=UNLIMITED Nodes=n1 State=UP TotalCPUs={cpus} TotalNodes=1"
    )


def node(state: State, form: str) -> str:
    """One line of sinfo -N."""
    total = state.settings["slots"]
    used = sum(job["slots"] for job in state.all() if job["state"] == "running")
    fields = {
        "N": "n1",
        "C": f"{used}/{total - used}/0/{total}",
        "m": "8000",
        "e": "21622",
        "T": "idle" if not used else "mixed",
    }
    return re.sub("%(.)", lambda found: fields.get(found[1], ""), form)
