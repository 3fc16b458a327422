#!/usr/bin/env python3
"""A stand-in for Slurm: no Slurm, but its command lines, words, exit codes and states.

It speaks as Slurm 22.05.8 was heard to speak (tests/captured/slurm) and really runs the jobs. It
has one node ``n1``, one partition ``debug`` and no priorities. It is for days on which a real Slurm
cannot be made to behave badly; the adapter itself is proved on the real one. See core.py for the
settings.
"""

from __future__ import annotations

import getopt
import os
import sys
from collections.abc import Callable
from pathlib import Path

import commands
import core
import slurm_listing as listing
from core import Job, State, say

PARTITION = "debug"
UNKNOWN = "Invalid job id specified"


def command(state: State, job: Job) -> list[str]:
    """slurmd starts the spooled script by its first line, here always a shell."""
    if not Path(job["cwd"]).is_dir():
        return ["/bin/sh", "-c", "kill -RTMAX $$"]  # shown as 0:53, which is no signal
    return ["/bin/sh", str(state.script(job))]


def working_directory(job: Job) -> str:
    """The one of --chdir, if it is there."""
    return job["cwd"] if Path(job["cwd"]).is_dir() else "/tmp"


def environment(job: Job) -> dict[str, str]:
    """The submitter's own, with Slurm's added."""
    return {
        **job["environment"],
        "SLURM_JOB_ID": str(job["id"]),
        "SLURM_JOB_NAME": job["name"],
        "SLURM_JOB_PARTITION": PARTITION,
        "SLURM_NTASKS": str(job["slots"]),
        "SLURM_SUBMIT_DIR": job["cwd"],
    }


#: What the script printed goes to --output.
deliver = core.append_output


def sbatch(state: State, arguments: list[str]) -> int:
    """Take a script from a file."""
    long = "job-name= comment= chdir= output= open-mode= ntasks= nodes= mem= mem-per-cpu= time="
    flags = "partition= account= parsable no-requeue hold"
    try:
        options, rest = getopt.gnu_getopt(arguments, "", [*long.split(), *flags.split()])
    except getopt.GetoptError as error:
        say(f"sbatch: unrecognized option '--{error.opt}'\nTry \"sbatch --help\"")
        return 1
    found = {name.lstrip("-"): value for name, value in options}
    if found.get("partition", PARTITION) != PARTITION:
        say(f"sbatch: error: invalid partition specified: {found['partition']}")
        say("sbatch: error: Batch job submission failed: Invalid partition name specified")
        return 1
    if not rest or not Path(rest[0]).is_file():
        say(f"sbatch: error: Unable to open file {' '.join(rest)}")
        return 1
    slots = int(found.get("ntasks", "1"))
    minutes = int(found.get("time", "30"))
    job = core.submit(
        state,
        Path(rest[0]).read_bytes(),
        name=found.get("job-name", Path(rest[0]).name),
        slots=slots,
        wall=minutes * 60,
        cwd=found.get("chdir", str(Path.cwd())),
        output=found.get("output", f"{Path.cwd()}/slurm.out").replace("%%", "%"),
        environment=dict(os.environ),
    )
    job["held"] = "hold" in found
    state.put(job)
    print(job["id"])
    return 0


def squeue(state: State, arguments: list[str]) -> int:
    """Jobs of the last minutes, in any format of %-letters."""
    options, _ = getopt.gnu_getopt(arguments, "ht:o:", ["me", "name="])
    found = dict(options)
    names = found["--name"].split(",") if "--name" in found else None
    for job in state.all():
        if job["state"] == "ended" and state.now() > job["ended"] + state.settings["min_job_age"]:
            continue
        if found.get("-t") != "all" and job["state"] not in ("queued", "running"):
            continue
        if names is None or job["name"] in names:
            print(listing.row(state, job, found.get("-o", "%i %j %T")))
    return 0


def sacct(state: State, arguments: list[str]) -> int:
    """The records of jobs and of their batch steps; of a number that came again the newest."""
    options, _ = getopt.gnu_getopt(arguments, "nPXo:j:S:", ["delimiter=", "units=", "name="])
    found = dict(options)
    wanted = {job["id"]: job for job in state.records()}.values()
    if "-j" in found:
        ids = found["-j"].split(",")
        wanted = [job for job in wanted if str(job["id"]) in ids]
    if "--name" in found:
        wanted = [job for job in state.records() if job["name"] in found["--name"].split(",")]
    columns, parting = found["-o"].split(","), found.get("--delimiter", "|")
    for job in wanted:
        for record in listing.records(state, job, steps="-X" not in found):
            print(parting.join(record[column] for column in columns))
    return 0


def _find(state: State, number: str) -> Job | None:
    job = state.get(int(number)) if number.isdigit() else None
    if job and job["state"] == "ended":
        return job if state.now() <= job["ended"] + state.settings["min_job_age"] else None
    return job


def scancel(state: State, arguments: list[str]) -> int:
    """SIGTERM, then SIGKILL; -v names each job, and those that could not be cancelled."""
    _, ids = getopt.gnu_getopt(arguments, "v")
    failed = []
    for number in ids:
        say(f"scancel: Terminating job {number}")
        job = _find(state, number)
        if job is None:
            failed.append((number, UNKNOWN))
        elif job["state"] in ("ending", "ended"):
            failed.append((number, "Job/step already completing or completed"))
        else:
            job["end_wish"] = "scancel"
            if job["state"] == "queued":
                job |= {"state": "ended", "ended": state.now()}
            state.put(job)
    for number, why in failed:
        say(f"scancel: error: Kill job error on job id {number}: {why}")
    return 0


def scontrol(state: State, arguments: list[str]) -> int:
    """show job, show partition, hold, uhold, release, suspend, resume."""
    words = [word for word in arguments if word != "-o"]
    match words:
        case ["show", "partition"]:
            print(listing.partition(state, PARTITION))
            return 0
        case ["show", "job", number]:
            job = _find(state, number)
            if job is None:
                say(f"slurm_load_jobs error: {UNKNOWN}")
                return 1
            print(listing.shown(state, job))
            return 0
        case [verb, numbers] if verb in _VERBS:
            return _each(state, verb, numbers.split(","))
    say("invalid entity")
    return 1


def _each(state: State, verb: str, numbers: list[str]) -> int:
    why = ""
    for number in numbers:
        job = _find(state, number)
        problem = _VERBS[verb](state, job) if job else UNKNOWN
        if problem:
            why = problem
            say(f"{problem} for job {number}")
    if why:
        say(f"slurm_suspend error: {why}")
    return 1 if why else 0


def _hold(state: State, job: Job) -> str:
    if job["state"] in ("ending", "ended"):
        return "Job/step already completing or completed"
    job["held"] = True
    state.put(job)
    return ""


def _release(state: State, job: Job) -> str:
    job["held"] = False
    state.put(job)
    return ""


def _suspend(state: State, job: Job) -> str:
    if not state.settings["operator"]:
        return "Access/permission denied"
    if job["state"] == "queued":
        return "Job is pending execution"
    if job["state"] != "running":
        return "Job/step already completing or completed"
    core.suspend(state, job, "user")
    return ""


def _resume(state: State, job: Job) -> str:
    if not state.settings["operator"]:
        return "Access/permission denied"
    if job["state"] == "queued":
        return "Job is pending execution"
    if job["state"] != "running":
        return "Job/step already completing or completed"
    core.resume(state, job)
    return ""


_VERBS: dict[str, Callable[[State, Job], str]] = {
    "hold": _hold,
    "uhold": _hold,
    "release": _release,
    "suspend": _suspend,
    "resume": _resume,
}


def sinfo(state: State, arguments: list[str]) -> int:
    """The version, or the one node in a format of %-letters."""
    if "-V" in arguments:
        print(listing.VERSION)
        return 0
    options, _ = getopt.gnu_getopt(arguments, "hNo:")
    print(listing.node(state, dict(options).get("-o", "%N %T")))
    return 0


COMMANDS = {
    "sbatch": sbatch,
    "squeue": squeue,
    "sacct": sacct,
    "scancel": scancel,
    "scontrol": scontrol,
    "sinfo": sinfo,
}
SUBMIT = "sbatch"

#: What every command says, and its exit code, when the daemon does not answer.
DOWN = ("error: Unable to contact slurm controller (connect failure)", 1)

if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(commands.main(sys.modules[__name__]))
