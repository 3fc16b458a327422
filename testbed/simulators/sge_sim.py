#!/usr/bin/env python3
"""A stand-in for SGE: no SGE, but its command lines, words, exit codes and states.

It speaks as Son of Grid Engine 8.1.9 was heard to speak (tests/captured/sge) and really runs the
jobs. It has one host, one queue ``all.q`` and no priorities. It is for days on which a real SGE
cannot be made to behave badly; the adapter itself is proved on the real one. See core.py for the
settings.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import commands
import core
import sge_listing as listing
from core import Job, State, say

QUEUE = "all.q"
#: Options of qsub, and how many words follow each.
_OPTIONS = {"-terse": 0, "-notify": 0, "-h": 0, "-V": 0, "-cwd": 0, "-pe": 2}
_OPTIONS |= dict.fromkeys(("-w", "-r", "-N", "-S", "-wd", "-j", "-o", "-l", "-q", "-P", "-b"), 1)


def command(state: State, job: Job) -> list[str]:
    """The shepherd runs the spooled script by the shell of -S."""
    return [job["shell"], str(state.script(job))]


def working_directory(job: Job) -> str:
    """The one of -wd; a job whose directory is missing is not started."""
    return job["cwd"] if Path(job["cwd"]).is_dir() else "/tmp"


def environment(job: Job) -> dict[str, str]:
    """The daemon's own, nothing of the submitter's."""
    return {
        "HOME": pwd.getpwnam(job["owner"]).pw_dir,
        "USER": job["owner"],
        "LOGNAME": job["owner"],
        "SHELL": "/bin/sh",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "JOB_ID": str(job["id"]),
        "JOB_NAME": job["name"],
        "SGE_TASK_ID": "undefined",
        "NSLOTS": str(job["slots"]),
        "QUEUE": QUEUE,
        "RESTARTED": "0",
    }


#: What the script printed goes to -o.
deliver = core.append_output


def refuse(why: str) -> int:
    """The form of every refusal."""
    say(f"Unable to run job: {why}\nExiting.")
    return 1


def qsub(state: State, arguments: list[str]) -> int:
    """Take a script from a file."""
    words, found = list(arguments), dict[str, list[str]]()
    while words and words[0].startswith("-"):
        name = words.pop(0)
        if name not in _OPTIONS:
            say(f'qsub: Unknown option {name}\nUsage: type "qsub -help".')
            return 1
        found[name] = [words.pop(0) for _ in range(_OPTIONS[name])]
    queue = found.get("-q", [QUEUE])[0]
    if queue != QUEUE:
        return refuse(f'Job was rejected because job requests unknown queue "{queue}"')
    if not words or not Path(words[0]).is_file():
        return refuse(f'error: error reading job script "{" ".join(words)}"')
    slots = int(found["-pe"][1]) if "-pe" in found else 1
    if slots > state.settings["slots"]:
        return refuse("error: no suitable queues")
    limits = ",".join(found.get("-l", []))
    wall = re.search(r"\bh_rt=(\d+)", limits)
    job = core.submit(
        state,
        Path(words[0]).read_bytes(),
        name=found.get("-N", [Path(words[0]).name])[0],
        slots=slots,
        wall=int(wall[1]) if wall else None,
        limits=limits,
        cwd=found.get("-wd", [str(Path.cwd())])[0],
        output=found.get("-o", [":/dev/null"])[0].partition(":")[2],
        shell=found.get("-S", ["/bin/sh"])[0],
        notice="-notify" in found,
        end_signal=int(signal.SIGUSR2 if "-notify" in found else signal.SIGKILL),
    )
    job["held"] = "-h" in found
    state.put(job)
    print(job["id"])
    return 0


def qstat(state: State, arguments: list[str]) -> int:
    """The list as XML, the queues as XML, or jobs in full."""
    if "-help" in arguments:
        print(listing.VERSION)
    elif "-g" in arguments:
        print(listing.queues(state, QUEUE))
    elif "-j" in arguments:
        ids = arguments[arguments.index("-j") + 1].split(",")
        print("\n".join(f"job_number:                 {number}" for number in ids))
    else:
        kinds = arguments[arguments.index("-s") + 1] if "-s" in arguments else "prs"
        print(listing.jobs(state.all(), QUEUE, kinds))
    return 0


def qacct(state: State, arguments: list[str]) -> int:
    """The records of a number or a name; a job that never started has none."""
    wanted = arguments[arguments.index("-j") + 1]
    key = "id" if wanted.isdigit() else "name"
    late = state.now() - float(state.settings["accounting_delay"])
    found = [
        job
        for job in state.records()
        if str(job[key]) == wanted
        and job["state"] == "ended"
        and "started" in job
        and job["ended"] <= late
    ]
    if not found:
        say(f"error: job {key} {wanted} not found")
        return 1
    for job in found:
        print(listing.record(job, QUEUE))
    return 0


def _live(state: State, number: str) -> Job | None:
    job = state.get(int(number)) if number.isdigit() else None
    return job if job and job["state"] != "ended" else None


def qdel(state: State, ids: list[str]) -> int:
    """With -notify the job gets SIGUSR2 first."""
    status = 0
    for number in ids:
        job = _live(state, number)
        if job is None:
            print(f'denied: job "{number}" does not exist')
            status = 1
        elif job["state"] == "queued":
            state.put(job | {"state": "ended", "ended": state.now()})
            print(f"{job['owner']} has deleted job {number}")
        elif job.get("end_wish"):
            print(f"job {number} is already in deletion")
        else:
            state.put(job | {"end_wish": "qdel"})
            print(f"{job['owner']} has registered the job {number} for deletion")
    return status


def qhold(state: State, ids: list[str]) -> int:
    """Silent of a job that is held already."""
    return _set_held(state, ids, held=True)


def qrls(state: State, ids: list[str]) -> int:
    """Silent of a job that is free already."""
    return _set_held(state, ids, held=False)


def _set_held(state: State, ids: list[str], *, held: bool) -> int:
    status = 0
    for number in ids:
        job = _live(state, number)
        if job is None:
            print(f'denied: job "{number}" does not exist')
            status = 1
        elif job["held"] != held:
            state.put(job | {"held": held})
            print(f"modified hold of job {number}")
    return status


def qmod(state: State, arguments: list[str]) -> int:
    """-sj and -usj; the exit code is 0 although they were refused."""
    verb, *ids = arguments
    status = 0
    for number in ids:
        job = _live(state, number)
        if job is None:
            print(f'invalid queue or job "{number}"')
            status = 1
        elif job["state"] == "queued":
            print(
                "Modify operation can not be applied on job-array task "
                f"{number}.1 in pending/hold state"
            )
        else:
            print(f"{job['owner']} - {_MODS[verb](state, job)}")
    return status


def _suspend(state: State, job: Job) -> str:
    if job["suspended"]:
        return f"job {job['id']} is already suspended"
    core.suspend(state, job, "suspend")
    return f"suspended job {job['id']}"


def _unsuspend(state: State, job: Job) -> str:
    if not job["suspended"]:
        return f"job {job['id']} is not suspended"
    core.resume(state, job)
    return f"unsuspended job {job['id']}"


_MODS: dict[str, Callable[[State, Job], str]] = {"-sj": _suspend, "-usj": _unsuspend}


def qconf(state: State, arguments: list[str]) -> int:
    """-sq: the queue."""
    del arguments
    print(listing.queue(state, QUEUE))
    return 0


def qhost(state: State, arguments: list[str]) -> int:
    """One host."""
    del state, arguments
    print(listing.HOSTS)
    return 0


COMMANDS = {
    "qsub": qsub,
    "qstat": qstat,
    "qacct": qacct,
    "qdel": qdel,
    "qhold": qhold,
    "qrls": qrls,
    "qmod": qmod,
    "qconf": qconf,
    "qhost": qhost,
}
SUBMIT = "qsub"

#: What every command says, and its exit code, when the daemon does not answer.
DOWN = (
    "error: commlib error: got select error (Connection refused)\nerror: unable to send message to "
    'qmaster using port 6444 on host "localhost": got send error',
    1,
)

if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(commands.main(sys.modules[__name__]))
