#!/usr/bin/env python3
"""A simulator of OpenPBS: no PBS, but its command lines, words, exit codes and states.

It speaks as OpenPBS 23.06.06 was heard to speak (tests/captured/pbs) and really runs the jobs. It
has one host, one queue ``workq`` and no priorities. TORQUE's dialect is not simulated: none was
there to listen to. See core.py for the settings.
"""

from __future__ import annotations

import getopt
import os
import pwd
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import commands
import core
from core import Job, State, say
from pbs_listing import QUEUE, SERVER, VERSION, attributes, document, full_id, lines, retyped

UNKNOWN, FINISHED, UNAUTHORIZED, BAD_STATE, BAD_QUEUE = 153, 35, 159, 168, 170


def command(state: State, job: Job) -> list[str]:
    """The mom runs the script by the shell of -S."""
    return [job["shell"], str(state.script(job))]


def working_directory(job: Job) -> str:
    """Jobs start at home."""
    return pwd.getpwnam(job["owner"]).pw_dir


def environment(job: Job) -> dict[str, str]:
    """The mom's own, nothing of the submitter's."""
    return {
        "HOME": working_directory(job),
        "USER": job["owner"],
        "LOGNAME": job["owner"],
        "SHELL": "/bin/sh",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_JOBID": full_id(job),
        "PBS_JOBNAME": job["name"],
        "PBS_QUEUE": job["queue"],
        "PBS_O_WORKDIR": job["cwd"],
        "PBS_O_HOST": SERVER,
    }


def deliver(state: State, job: Job) -> None:
    """The output is copied to -o when the job is over; -o DIR that is missing loses it."""
    target = Path(job["output"])
    if target.parent.is_dir():
        shutil.copyfile(state.spool(job), target)


def qsub(state: State, arguments: list[str]) -> int:
    """Take a script from a file or from standard input."""
    try:
        options, rest = getopt.gnu_getopt(
            arguments, "a:A:c:C:e:fhIj:J:k:l:m:M:N:o:p:P:q:r:R:S:u:v:VW:Xz", ["version"]
        )
    except getopt.GetoptError as error:
        say(f"qsub: invalid option -- '{error.opt}'\nusage: qsub [-a date_time] ...")
        return 2
    found = dict(options)
    if "--version" in found:
        return version()
    if found.get("-q", QUEUE) != QUEUE:
        say("qsub: Unknown queue")
        return BAD_QUEUE
    requests = _requests([value for key, value in options if key == "-l"])
    if requests is None:
        say("qsub: Illegal attribute or resource value")
        return 1
    if rest and not Path(rest[0]).is_file():
        say(f"qsub: script file '{rest[0]}' cannot be loaded")
        return 1
    script = Path(rest[0]).read_bytes() if rest else sys.stdin.buffer.read()
    name = found.get("-N", Path(rest[0]).name if rest else "STDIN")
    job = core.submit(
        state,
        script,
        name=name,
        queue=QUEUE,
        account=found.get("-A", ""),
        cwd=str(Path.cwd()),
        output=str(Path.cwd() / found.get("-o", f"{name}.o")),
        shell=found.get("-S", "/bin/sh"),
        arguments=" ".join(arguments),
        rerunable=found.get("-r", "y"),
        **requests,
    )
    job["held"] = "-h" in found
    state.put(job)
    print(full_id(job))
    return 0


def _requests(values: list[str]) -> dict[str, Any] | None:
    found: dict[str, Any] = {"slots": 1, "wall": None, "select": "1:ncpus=1"}
    for value in values:
        key, _, text = value.partition("=")
        if key == "select":
            if not re.fullmatch(r"\d+(?::\w+=[\w.]+)*", text):
                return None
            cpus = re.search(r"ncpus=(\d+)", text)
            found |= {"select": text, "slots": int(cpus.group(1)) if cpus else 1}
        elif key in ("walltime", "cput") and re.fullmatch(r"(?:\d+:){0,2}\d+", text):
            if key == "walltime":
                found["wall"] = _seconds(text)
        elif key not in ("ncpus", "mem", "place"):
            return None
    return found


def _seconds(clock: str) -> int:
    total = 0
    for part in clock.split(":"):
        total = total * 60 + int(part)
    return total


def qstat(state: State, arguments: list[str]) -> int:
    """Jobs, queues or the server; in full as JSON or text, else a short list."""
    if "--version" in arguments:
        return version()
    try:
        found, ids = getopt.gnu_getopt(arguments, "fxF:BQaitTu:nsw1")
    except getopt.GetoptError as error:
        say(f"qstat: invalid option -- '{error.opt}'\nusage: qstat [-f] ...")
        return 2
    options = dict(found)
    if "-B" in options or "-Q" in options:
        return _facts(state, "-B" in options)
    wanted, status = _choose(state, ids, history="-x" in options)
    shown = {full_id(job): attributes(state, job) for job in wanted}
    if options.get("-F") == "json":
        print(document({"Jobs": retyped(shown)} if shown else {}))
    elif "-f" in options:
        for native_id, job in shown.items():
            print(f"Job Id: {native_id}\n" + "\n".join(lines(job)) + "\n")
    elif shown:
        print("Job id            Name             User              Time Use S Queue")
        print("----------------  ---------------- ----------------  -------- - -----")
        for native_id, job in shown.items():
            owner = job["Job_Owner"].partition("@")[0]
            name, word = job["Job_Name"], job["job_state"]
            print(f"{native_id:<18}{name:<17}{owner:<17} {'0':>8} {word} {QUEUE:<16}")
    return status


def _choose(state: State, ids: list[str], *, history: bool) -> tuple[list[Job], int]:
    """The jobs asked for; complaints about the others go to stderr."""
    if not ids:
        return [job for job in _known(state) if history or job["state"] != "ended"], 0
    wanted, status = [], 0
    for native_id in ids:
        job = _find(state, native_id)
        if job is None:
            say(f"qstat: Unknown Job Id {native_id}")
            status = UNKNOWN
        elif job["state"] == "ended" and not history:
            say(
                f"qstat: {native_id} Job has finished, "
                "use -x or -H to obtain historical job information"
            )
            status = FINISHED
        else:
            wanted.append(job)
    return wanted, status


def _known(state: State) -> list[Job]:
    keep = state.settings["history"]
    return [job for job in state.all() if keep or job["state"] != "ended"]


def _find(state: State, native_id: str) -> Job | None:
    number, _, server = native_id.partition(".")
    if not number.isdigit() or server not in ("", SERVER):
        return None
    return next((job for job in _known(state) if job["id"] == int(number)), None)


def _facts(state: State, server: bool) -> int:
    jobs = state.all()
    running = sum(job["state"] == "running" for job in jobs)
    queued = sum(job["state"] == "queued" and not job["held"] for job in jobs)
    held = sum(job["state"] == "queued" and job["held"] for job in jobs)
    count = f"Transit:0 Queued:{queued} Held:{held} Waiting:0 Running:{running} Exiting:0 Begun:0 "
    if server:
        facts = {"server_state": "Active", "default_queue": QUEUE, "state_count": count}
        facts |= {"pbs_version": VERSION, "job_history_enable": str(state.settings["history"])}
        print(document({"Server": {SERVER: facts}}))
    else:
        queue = {"queue_type": "Execution", "state_count": count, "enabled": "True"}
        print(document({"Queue": {QUEUE: queue | {"started": "True"}}}))
    return 0


def pbsnodes(state: State, arguments: list[str]) -> int:
    """One node."""
    if "--version" in arguments:
        return version()
    used = sum(job["slots"] for job in state.all() if job["state"] == "running")
    node = {
        "Mom": SERVER,
        "ntype": "PBS",
        "state": "free" if used < state.settings["slots"] else "job-busy",
        "resources_available": {"ncpus": state.settings["slots"], "mem": "24684092kb"},
        "resources_assigned": {"ncpus": used},
    }
    print(document({"nodes": {SERVER: node}}))
    return 0


def qselect(state: State, arguments: list[str]) -> int:
    """Ids, one a line; -N by name, -x with the finished ones."""
    options = dict(getopt.gnu_getopt(arguments, "N:xHs:u:q:A:")[0])
    for job in _known(state):
        named = options.get("-N", job["name"]) == job["name"]
        if named and ("-x" in options or job["state"] != "ended"):
            print(full_id(job))
    return 0


def _each(name: str, ids: list[str], state: State, act: Callable[[Job], str]) -> int:
    """``act`` on each job; what it returns is why not. The last failure is the exit code."""
    status = 0
    for native_id in ids:
        job = _find(state, native_id)
        if job is None:
            say(f"{name}: Unknown Job Id {native_id}")
            status = UNKNOWN
        elif job["state"] == "ended":
            say(f"{name}: Job has finished {native_id}")
            status = FINISHED
        elif why := act(job):
            say(f"{name}: {why} {native_id}")
            status = UNAUTHORIZED if "Unauthorized" in why else BAD_STATE
    return status


def qdel(state: State, arguments: list[str]) -> int:
    """End a job; SIGTERM, then SIGKILL."""

    def act(job: Job) -> str:
        if job["state"] == "queued":
            job |= {"state": "ended", "ended": state.now(), "end_wish": "qdel"}
        elif not job.get("end_wish"):
            job["end_wish"] = "qdel"
        state.put(job)
        return ""

    options, ids = getopt.gnu_getopt(arguments, "W:x")
    del options
    return _each("qdel", ids, state, act)


def qhold(state: State, arguments: list[str]) -> int:
    """A user's hold; a running job is only marked."""
    return _set_held("qhold", state, arguments, held=True)


def qrls(state: State, arguments: list[str]) -> int:
    """End the user's hold."""
    return _set_held("qrls", state, arguments, held=False)


def _set_held(name: str, state: State, arguments: list[str], *, held: bool) -> int:
    def act(job: Job) -> str:
        job["held"] = held
        state.put(job)
        return ""

    return _each(name, getopt.gnu_getopt(arguments, "h:")[1], state, act)


def qsig(state: State, arguments: list[str]) -> int:
    """Suspend and resume, for operators only."""
    options, ids = getopt.gnu_getopt(arguments, "s:")
    word = dict(options).get("-s", "TERM")

    def act(job: Job) -> str:
        if not state.settings["operator"]:
            return "Unauthorized Request "
        if job["state"] != "running":
            return "Request invalid for state of job"
        if word == "suspend":
            core.suspend(state, job, "suspend")
        elif word == "resume":
            core.resume(state, job)
        return ""

    return _each("qsig", ids, state, act)


def version() -> int:
    """Every command of PBS says this."""
    print(f"pbs_version = {VERSION}")
    return 0


COMMANDS = {
    "qsub": qsub,
    "qstat": qstat,
    "qselect": qselect,
    "qdel": qdel,
    "qhold": qhold,
    "qrls": qrls,
    "qsig": qsig,
    "pbsnodes": pbsnodes,
}
SUBMIT = "qsub"

#: What every command says, and its exit code, when the daemon does not answer.
DOWN = ("cannot connect to server pbshost (errno=111)", 111)

if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(commands.main(sys.modules[__name__]))
