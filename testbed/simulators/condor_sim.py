#!/usr/bin/env python3
"""A stand-in for HTCondor: no pool, but its command lines, words, exit codes and states.

It speaks as HTCondor 23.9.6 was heard to speak (tests/captured/condor) and really runs the jobs.
It has one machine and submits one job at a time. It is for days on which a real pool cannot be
made to behave badly; the adapter itself is proved on the real one. See core.py for the settings.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import commands
import condor_ads as ads
import core
from core import Job, State


def command(state: State, job: Job) -> list[str]:
    """The starter runs the executable of the submit description, here always a shell."""
    return ["/bin/sh", str(state.script(job))]


def working_directory(job: Job) -> str:
    """``initialdir``."""
    return job["cwd"] if Path(job["cwd"]).is_dir() else "/tmp"


def environment(job: Job) -> dict[str, str]:
    """Neither PATH nor HOME."""
    return {"_CONDOR_SLOT": "slot1_1", "BATCH_SYSTEM": "HTCondor", "GRMS_SIM_JOB": str(job["id"])}


def deliver(state: State, job: Job) -> None:
    """What the script printed goes to ``output``."""
    target = Path(job["output"])
    if target.parent.is_dir():
        target.write_bytes(state.spool(job).read_bytes())


def condor_submit(state: State, arguments: list[str]) -> int:
    """One job of a submit description on standard input; -terse prints first and last id."""
    del arguments
    lines = (line.partition(" = ") for line in sys.stdin.read().splitlines() if " = " in line)
    given = {name.lower(): value.replace("$(DOLLAR)", "$") for name, _, value in lines}
    script = Path(re.sub(r"^\"'|'\"$", "", given["arguments"]).replace("''", "'"))
    if not script.is_file():
        print(f"\nERROR: Executable file {script} does not exist", file=sys.stderr)
        return 1
    job = core.submit(
        state,
        script.read_bytes(),
        name=given.get("my.grmstag", '""').strip('"'),
        cwd=given["initialdir"],
        output=given["output"],
        slots=int(given.get("request_cpus", "1")),
        wall=int(given["allowed_job_duration"]) if "allowed_job_duration" in given else None,
        starts=0,
    )
    if given.get("hold") == "True":
        job |= {"held": True, "hold": [15, "submitted on hold at user's request"]}
    job["changed"] = job["submitted"]
    state.put(job)
    print(f"{job['id']}.0 - {job['id']}.0")
    return 0


def _asked(arguments: list[str], jobs: list[Job]) -> list[Job]:
    """The jobs that ids or a constraint on the tag name; all, if there is neither."""
    if "-constraint" in arguments:
        tags = re.findall(r'"([^"]*)"', arguments[arguments.index("-constraint") + 1])
        return [job for job in jobs if job["name"] in tags]
    ids = [word for word in arguments if re.fullmatch(r"\d+\.\d+", word)]
    return [job for job in jobs if not ids or f"{job['id']}.0" in ids]


def _attributes(arguments: list[str]) -> list[str]:
    return arguments[arguments.index("-attributes") + 1].split(",")


def condor_q(state: State, arguments: list[str]) -> int:
    """The jobs in the queue; nothing at all if there is none."""
    there = [job for job in state.all() if not ads.left(job)]
    shown = [ads.ad(state, job) for job in _asked(arguments, there)]
    print(ads.document(shown, _attributes(arguments)), end="")
    return 0


def condor_history(state: State, arguments: list[str]) -> int:
    """The jobs that left the queue, the newest first."""
    gone = [job for job in reversed(state.records()) if ads.left(job)]
    shown = [ads.ad(state, job) for job in _asked(arguments, gone)]
    print(ads.document(shown, _attributes(arguments)), end="")
    return 0


def _each(state: State, ids: list[str], act: Callable[[Job], str]) -> int:
    """``act`` on each job; one success is enough for the exit code 0."""
    done = 0
    for native_id in ids:
        number = native_id.partition(".")[0]
        job = state.get(int(number)) if number.isdigit() else None
        if job is None or ads.left(job):
            print(f"Job {native_id} not found")
            continue
        said = act(job)
        done += " not " not in said and " already " not in said
        print(f"Job {native_id} {said}")
    return 0 if done else 1


def condor_rm(state: State, ids: list[str]) -> int:
    """SIGTERM, then SIGKILL."""

    def act(job: Job) -> str:
        if job["state"] == "queued" or ads.held_by_system(job):
            job |= {"state": "ended", "ended": state.now(), "end_wish": "rm"}
        else:
            job["end_wish"] = "rm"
        state.put(job)
        return "marked for removal"

    return _each(state, ids, act)


def condor_hold(state: State, ids: list[str]) -> int:
    """A running job is killed, and waits again, held."""

    def act(job: Job) -> str:
        if job["held"] or job.get("end_wish"):
            return "already held"
        job["hold"] = [1, f"via condor_hold (by user {job['owner']})"]
        if job["state"] == "queued":
            job |= {"held": True, "changed": state.now()}
        else:
            job["end_wish"] = "requeue"
        state.put(job)
        return "held"

    return _each(state, ids, act)


def condor_release(state: State, ids: list[str]) -> int:
    """A held job waits again."""

    def act(job: Job) -> str:
        if not job["held"]:
            return "not held to be released"
        state.put(job | {"held": False, "hold": None, "changed": state.now()})
        return "released"

    return _each(state, ids, act)


def condor_suspend(state: State, ids: list[str]) -> int:
    """SIGSTOP."""

    def act(job: Job) -> str:
        if job["state"] != "running" or job["suspended"]:
            return "not running to be suspended"
        core.suspend(state, job, "user")
        return "suspended"

    return _each(state, ids, act)


def condor_continue(state: State, ids: list[str]) -> int:
    """SIGCONT."""

    def act(job: Job) -> str:
        if job["state"] != "running" or not job["suspended"]:
            return "not suspended to be continued"
        core.resume(state, job)
        return "continued"

    return _each(state, ids, act)


def condor_status(state: State, arguments: list[str]) -> int:
    """The one slot, or the schedd."""
    jobs = state.all()
    used = sum(job["slots"] for job in jobs if job["state"] == "running")
    total = state.settings["slots"]
    if "-schedd" in arguments:
        idle = sum(job["state"] == "queued" for job in jobs)
        facts = {"Name": "localhost", "CondorVersion": ads.VERSION}
        facts |= {"TotalIdleJobs": idle, "TotalRunningJobs": used}
    else:
        facts = {"Cpus": total - used, "TotalSlotCpus": total, "Memory": 8000}
        facts |= {"TotalSlotMemory": 8000, "PartitionableSlot": True, "State": "Unclaimed"}
    print(ads.document([facts], _attributes(arguments)), end="")
    return 0


COMMANDS = {
    "condor_submit": condor_submit,
    "condor_q": condor_q,
    "condor_history": condor_history,
    "condor_rm": condor_rm,
    "condor_hold": condor_hold,
    "condor_release": condor_release,
    "condor_suspend": condor_suspend,
    "condor_continue": condor_continue,
    "condor_status": condor_status,
}
SUBMIT = "condor_submit"

#: What every command says, and its exit code, when the daemon does not answer.
DOWN = (
    "Failed to fetch ads from: <127.0.0.1:9618> : localhost\n"
    "CEDAR:6001:Failed to connect to <127.0.0.1:9618>",
    1,
)

if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(commands.main(sys.modules[__name__]))
