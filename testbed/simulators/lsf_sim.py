#!/usr/bin/env python3
"""A simulator of LSF: no LSF, but its command lines, words, exit codes and states.

It speaks as OpenLava 4.0 was heard to speak (tests/captured/lsf) and really runs the jobs. It has
one host ``vm``, one queue ``normal`` and no priorities. What LSF 10 has beyond OpenLava is not
simulated: none was there to listen to. See core.py for the settings.
"""

from __future__ import annotations

import getopt
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import commands
import core
from core import Job, State, say

QUEUE, HOST = "normal", "vm"
FAILED = 255


def command(state: State, job: Job) -> list[str]:
    """sbatchd starts the spooled script by its first line, here always a shell."""
    return ["/bin/sh", str(state.script(job))]


def working_directory(job: Job) -> str:
    """Where bsub was run, if it is still there."""
    return job["cwd"] if Path(job["cwd"]).is_dir() else "/tmp"


def environment(job: Job) -> dict[str, str]:
    """The submitter's own, with LSF's added."""
    return {
        **job["environment"],
        "LSB_JOBID": str(job["id"]),
        "LSB_JOBINDEX": "0",
        "LSB_JOBNAME": job["name"],
        "LSB_QUEUE": job["queue"],
        "LSB_HOSTS": " ".join([HOST] * job["slots"]),
        "LSB_SUB_HOST": HOST,
        "LS_SUBCWD": job["cwd"],
    }


def deliver(state: State, job: Job) -> None:
    """The job report is appended to -o, with the output below it."""
    if not job["output"]:
        return
    target = Path(job["output"])
    if not target.parent.is_dir():
        return
    end = "Successfully completed." if _code(job) == 0 else f"{_end(job)}."
    head = f"Sender: OpenLava System <{job['owner']}@{HOST}>\nSubject: Job {job['id']}\n\n"
    body = state.spool(job).read_bytes()
    with target.open("ab") as file:
        file.write(f"{head}{end}\n\nThe output (if any) follows:\n\n".encode() + body)


def bsub(state: State, arguments: list[str]) -> int:
    """Take a script from standard input, or a command from the command line."""
    try:
        options, rest = getopt.getopt(arguments, "J:n:W:M:q:P:o:e:R:c:Hrxm:w:b:t:L:k:i:u:NB")
    except getopt.GetoptError as error:
        say(f"bsub: invalid option -- '{error.opt}'\nUsage: bsub [-h] ...")
        return FAILED
    found = dict(options)
    queue, slots = found.get("-q", QUEUE), found.get("-n", "1")
    if queue != QUEUE:
        say(f"{queue}: No such queue. Job not submitted.")
        return FAILED
    if not slots.isdigit() or not found.get("-W", "1").replace(":", "").isdigit():
        say(f"Bad argument: {slots}. Job not submitted.")
        return FAILED
    if int(slots) > state.settings["slots"]:
        say("Too many processors requested. Job not submitted.")
        return FAILED
    script = (" ".join(rest) + "\n").encode() if rest else sys.stdin.buffer.read()
    output = found.get("-o", "")
    job = core.submit(
        state,
        script,
        name=found.get("-J", " ".join(rest) or "STDIN"),
        command=" ".join(rest) or shlex.quote("#!/bin/sh"),
        queue=queue,
        slots=int(slots),
        wall=_minutes(found["-W"]) * 60 if "-W" in found else None,
        cwd=str(Path.cwd()),
        output=str(Path.cwd() / output) if output else "",
        project=found.get("-P", "default"),
        environment=dict(os.environ),
        end_signal=int(signal.SIGUSR2),
    )
    job["held"] = "-H" in found
    note(state, job, f"Submitted from host <{HOST}> to Queue <{queue}>, CWD <{job['cwd']}>;")
    state.put(job)
    print(f"Job <{job['id']}> is submitted to queue <{queue}>.")
    return 0


def _minutes(text: str) -> int:
    hours, _, minutes = text.rpartition(":")
    return int(hours or 0) * 60 + int(minutes)


def note(state: State, job: Job, text: str) -> None:
    """A line of the job's log, for bhist."""
    job["log"].append([state.now(), text])


def word(job: Job) -> str:
    """The state as bjobs prints it."""
    if job["state"] == "queued":
        return "PSUSP" if job["held"] else "PEND"
    if job["state"] in ("running", "ending"):
        return {"user": "USUSP", "resuming": "SSUSP"}.get(job["suspended"], "RUN")
    return "DONE" if _code(job) == 0 else "EXIT"


def _code(job: Job) -> int | None:
    """bkill and the run limit have codes of their own; killed while waiting: none."""
    if "wait_status" not in job:
        return None
    status = int(job["wait_status"])
    if job.get("end_wish") == "wall":
        return 140
    if job.get("end_wish") == "bkill":
        return 130
    return 128 - status if status < 0 else status


def _end(job: Job) -> str:
    code = _code(job)
    if code == 0:
        return "Done successfully"
    return "Exited" if code is None else f"Exited with exit code {code}"


_COLUMNS: dict[str, Callable[[Job], str]] = {
    "jobid": lambda job: str(job["id"]),
    "stat": word,
    "exit_code": lambda job: "" if (code := _shown_code(job)) is None else str(code),
    "job_name": lambda job: str(job["name"]),
    "queue": lambda job: str(job["queue"]),
    "user": lambda job: str(job["owner"]),
    "exec_host": lambda job: HOST if "started" in job else "-",
    "submit_time": lambda job: _minute(job.get("submitted")),
    "start_time": lambda job: _minute(job.get("started")),
    "finish_time": lambda job: _minute(job.get("ended")),
}


def _shown_code(job: Job) -> int | None:
    return _code(job) if job["state"] == "ended" else None


def _minute(at: float | None) -> str:
    return time.strftime("%b %d %H:%M", time.localtime(at)) if at else "-"


def bjobs(state: State, arguments: list[str]) -> int:
    """Jobs; -a with those that ended within CLEAN_PERIOD."""
    if "-json" in arguments:
        say("bjobs: invalid option -- 'j'\nUsage: bjobs [-h] [-V] [-w |-l] ...")
        return FAILED
    heading = "-noheader" not in arguments
    plain = [argument for argument in arguments if argument != "-noheader"]
    options, ids = getopt.getopt(plain, "ahVwlWdpsrg:Am:q:u:P:N:J:o:")
    found = dict(options)
    wanted, status = _choose(state, found, ids)
    columns, delimiter = _format(found.get("-o", "jobid user stat queue exec_host job_name"))
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown:
        say(f"{unknown[0]}: unknown field")
        return FAILED
    if wanted and heading:
        print(delimiter.join(name.upper() for name in columns))
    for job in wanted:
        print(delimiter.join(_COLUMNS[name](job) for name in columns))
    return status


def _format(text: str) -> tuple[list[str], str]:
    columns = shlex.split(text)
    delimiter = " "
    if columns and columns[-1].startswith("delimiter="):
        delimiter = columns.pop().partition("=")[2]
    return columns, delimiter


def _choose(state: State, options: dict[str, str], ids: list[str]) -> tuple[list[Job], int]:
    jobs = [job for job in state.all() if _remembered(state, job)]
    if "-J" in options:
        jobs = [job for job in jobs if job["name"] == options["-J"]]
        jobs = [job for job in jobs if "-a" in options or job["state"] != "ended"]
        if not jobs:
            say(f"Job <{options['-J']}> is not found")
            return [], FAILED
        return jobs, 0
    if not ids:
        jobs = [job for job in jobs if "-a" in options or job["state"] != "ended"]
        if not jobs:
            say("No job found" if "-a" in options else "No unfinished job found")
        return jobs, 0 if jobs else FAILED
    known = {str(job["id"]): job for job in jobs}
    for missing in (native_id for native_id in ids if native_id not in known):
        say(f"Job <{missing}> is not found")
    wanted = [known[native_id] for native_id in ids if native_id in known]
    return wanted, 0 if len(wanted) == len(ids) else FAILED


def _remembered(state: State, job: Job) -> bool:
    kept = state.settings["clean_period"]
    return job["state"] != "ended" or state.now() < job["ended"] + kept


def bhist(state: State, arguments: list[str]) -> int:
    """The log of jobs, wrapped at 80 columns as the real one does."""
    options, ids = getopt.getopt(arguments, "n:lawJ:u:")
    name = dict(options).get("-J")
    jobs = [
        job
        for job in state.records()
        if (str(job["id"]) in ids if ids else name is None or job["name"] == name)
    ]
    if not jobs:
        say("No matching job found")
        return FAILED
    print("-".join([""] + [_history(state, job) for job in jobs]).lstrip("-"), end="")
    return 0


def _history(state: State, job: Job) -> str:
    head = (
        f"Job Id <{job['id']}>, Job Name <{job['name']}>, User <{job['owner']}>, "
        f"Project <{job['project']}>, Command <{job['command']}>"
    )
    lines = ["", _wrapped(head)]
    for at, text in [*job["log"], *_run_log(job)]:
        when = time.strftime("%a %b %d %H:%M:%S", time.localtime(at))
        lines.append(_wrapped(f"{when}: {text}"))
    ran = int(job.get("ended", state.now()) - job["started"]) if "started" in job else 0
    lines += [
        "",
        "Summary of time in seconds spent in various states by  "
        + time.strftime("%a %b %d %H:%M:%S"),
        "  PEND     PSUSP    RUN      USUSP    SSUSP    UNKWN    TOTAL",
        f"  0        0        {ran:<9}0        0        0        {ran:<9}",
        "-" * 78,
        "",
    ]
    return "\n".join(lines)


def _run_log(job: Job) -> list[tuple[float, str]]:
    found: list[tuple[float, str]] = []
    if "started" in job:
        found.append((job["started"], f"Dispatched to <{HOST}>;"))
        found.append((job["started"], f"Starting (Pid {job.get('pid', 0)});"))
    if job["state"] == "ended":
        if job.get("end_wish") == "bkill":
            killed = f"Signal <KILL> requested by user or administrator <{job['owner']}>;"
            found.append((job["ended"], killed))
        found.append((job["ended"], f"{_end(job)}. The CPU time used is 0.0 seconds;"))
    return found


def _wrapped(line: str) -> str:
    parts = [line[:79]] + [line[at : at + 58] for at in range(79, len(line), 58)]
    return ("\n" + " " * 21).join(parts)


def _each(state: State, ids: list[str], act: Callable[[Job], str]) -> int:
    status = 0
    for native_id in ids:
        job = state.get(int(native_id)) if native_id.isdigit() else None
        if job is None or not _remembered(state, job):
            say(f"Job <{native_id}>: No matching job found")
            status = FAILED
        elif job["state"] == "ended":
            say(f"Job <{native_id}>: Job has already finished")
            status = FAILED
        else:
            print(f"Job <{native_id}> is being {act(job)}")
    return status


def bkill(state: State, arguments: list[str]) -> int:
    """SIGINT and SIGTERM, then SIGKILL."""

    def act(job: Job) -> str:
        if job["state"] == "queued":
            job |= {"state": "ended", "ended": state.now(), "end_wish": "bkill"}
        elif not job.get("end_wish"):
            job |= {"end_wish": "bkill", "end_signal": int(signal.SIGTERM)}
        state.put(job)
        return "terminated"

    return _each(state, arguments, act)


def bstop(state: State, arguments: list[str]) -> int:
    """A waiting job is held, a running one stopped."""

    def act(job: Job) -> str:
        if job["state"] == "queued":
            job["held"] = True
            state.put(job)
        else:
            note(state, job, "Suspended by the user or administrator;")
            core.suspend(state, job, "user")
        return "stopped"

    return _each(state, arguments, act)


def bresume(state: State, arguments: list[str]) -> int:
    """A running job shows SSUSP for a while before it goes on."""

    def act(job: Job) -> str:
        if job["state"] == "queued":
            job["held"] = False
            state.put(job)
        elif job["suspended"] == "user":
            core.resume(state, job, state.settings["resume_delay"])
        return "resumed"

    return _each(state, arguments, act)


def lsid(state: State, arguments: list[str]) -> int:
    """Version and names."""
    del state, arguments
    print(f"OpenLava 4.0.0, Nov 20 2026\n\nMy cluster name is verify\nMy master name is {HOST}")
    return 0


def bhosts(state: State, arguments: list[str]) -> int:
    """One host."""
    del arguments
    used = sum(job["slots"] for job in state.all() if job["state"] == "running")
    print("HOST_NAME          STATUS       JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV ")
    print(f"{HOST:<18} ok              -  {state.settings['slots']:5} {used:6} {used:6}", end="")
    print("      0      0      0")
    return 0


def bqueues(state: State, arguments: list[str]) -> int:
    """One queue."""
    del arguments
    words = [word(job) for job in state.all()]
    pending, running = words.count("PEND"), words.count("RUN")
    suspended = sum(words.count(one) for one in ("USUSP", "SSUSP", "PSUSP"))
    total = pending + running + suspended
    print("QUEUE_NAME     PRIO      STATUS      MAX  JL/U JL/P JL/H NJOBS  PEND  RUN  SUSP")
    print(f"{QUEUE:<15} 30    Open:Active      -    -    -    - {total:5} {pending:5}", end="")
    print(f" {running:5} {suspended:5} ")
    return 0


COMMANDS = {
    "bsub": bsub,
    "bjobs": bjobs,
    "bhist": bhist,
    "bkill": bkill,
    "bstop": bstop,
    "bresume": bresume,
    "lsid": lsid,
    "bhosts": bhosts,
    "bqueues": bqueues,
}
SUBMIT = "bsub"

#: What every command says, and its exit code, when the daemon does not answer.
DOWN = ("batch daemon not responding ... still trying", 255)

if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(commands.main(sys.modules[__name__]))
