"""What the simulators share: jobs in a directory, a lock, and processes that really run.

A file ``fault`` in the state directory makes the system misbehave as real ones do, until it is
removed: ``down`` (no command gets an answer), ``empty`` (the queue answers, but knows no job) or
``lost`` (a submission is carried out, its answer never arrives).

There is no daemon. Every command looks at the state under one lock, starts what fits and goes
away; a shepherd beside each running job waits for its end, enforces its limit, writes it down and
starts what fits then. The directory holds ``settings.json``, ``lock``, ``next`` and ``jobs/``.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Settings that a test may change. Times in seconds.
DEFAULTS = {
    "slots": 16,
    "first_id": 1,
    "history": True,  # PBS: job_history_enable
    "clean_period": 3600.0,  # LSF: how long bjobs remembers a job that ended
    "kill_delay": 5.0,  # between SIGTERM and SIGKILL
    "resume_delay": 1.0,  # LSF: how long a resumed job shows SSUSP
    "operator": True,  # PBS: the caller may suspend
}

Job = dict[str, Any]


class State:
    """The state directory, held under its lock while one command works on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.jobs = directory / "jobs"
        self.jobs.mkdir(parents=True, exist_ok=True)
        settings = directory / "settings.json"
        changed = json.loads(settings.read_text()) if settings.exists() else {}
        self.settings: dict[str, Any] = {**DEFAULTS, **changed}
        fault = directory / "fault"
        self.fault = fault.read_text().strip() if fault.exists() else ""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else reads or changes jobs meanwhile."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def new_id(self) -> int:
        """The next number, which never comes again."""
        file = self.directory / "next"
        number = int(file.read_text()) if file.exists() else int(self.settings["first_id"])
        file.write_text(str(number + 1))
        return number

    def all(self) -> list[Job]:
        """All jobs, oldest first."""
        found = [json.loads(file.read_text()) for file in self.jobs.glob("*.json")]
        return sorted(found, key=lambda job: job["id"])

    def get(self, number: int) -> Job | None:
        """One job, or None."""
        file = self.jobs / f"{number}.json"
        return json.loads(file.read_text()) if file.exists() else None

    def put(self, job: Job) -> None:
        """Write a job whole."""
        file = self.jobs / f"{job['id']}.json"
        part = file.with_suffix(".part")
        part.write_text(json.dumps(job))
        part.replace(file)

    def script(self, job: Job) -> Path:
        """Where the job's script was copied to."""
        return self.jobs / f"{job['id']}.sh"

    def spool(self, job: Job) -> Path:
        """Where the job's output goes while it runs."""
        return self.jobs / f"{job['id']}.out"


def submit(state: State, script: bytes, **facts: Any) -> Job:
    """Take a job in; call under the lock."""
    job: Job = {
        "id": state.new_id(),
        "state": "queued",
        "owner": pwd.getpwuid(os.getuid()).pw_name,
        "submitted": time.time(),
        "held": False,
        "log": [],
        **facts,
    }
    state.script(job).write_bytes(script)
    state.put(job)
    return job


def schedule(state: State) -> None:
    """Start waiting jobs, oldest first, while slots are free; call under the lock."""
    jobs = state.all()
    free = state.settings["slots"] - sum(
        job["slots"] for job in jobs if job["state"] in ("running", "ending")
    )
    for job in jobs:
        if job["state"] == "queued" and not job["held"] and job["slots"] <= free:
            free -= job["slots"]
            job |= {"state": "running", "started": time.time(), "suspended": ""}
            state.put(job)
            _start_shepherd(state, job)


def _start_shepherd(state: State, job: Job) -> None:
    program = Path(sys.argv[0]).resolve()
    subprocess.Popen(
        [sys.executable, str(program), "--shepherd", str(state.directory), str(job["id"])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )


def shepherd(directory: str, number: str, system: Any) -> None:
    """Run one job to its end. ``system`` gives the argv, the environment and the report."""
    state = State(Path(directory))
    job = state.get(int(number))
    assert job is not None
    with state.spool(job).open("wb") as output:
        child = subprocess.Popen(
            system.command(state, job),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=system.working_directory(job),
            env=system.environment(job),
            start_new_session=True,
        )
    with state.locked():
        job = state.get(int(number)) or job
        job |= {"pid": child.pid, "shepherd": os.getpid()}
        state.put(job)
        if job["suspended"] in ("user", "suspend"):
            signal_family(child.pid, signal.SIGSTOP)  # it was asked for before there was a pid
    _wait(state, job, child)
    with state.locked():
        job = state.get(int(number)) or job
        job |= {"state": "ending", "ended": time.time(), "wait_status": child.returncode}
        state.put(job)
    system.deliver(state, job)
    with state.locked():
        job["state"] = "ended"
        state.put(job)
        schedule(state)


def _wait(state: State, job: Job, child: subprocess.Popen[bytes]) -> None:
    """Until the child is gone; meanwhile the wishes of commands and the time limit are met."""
    killed_at = 0.0
    number = job["id"]
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=0.2)
            signal_family(child.pid, signal.SIGKILL)
            return
        with state.locked():
            job = state.get(number) or job
            over = job.get("wall") and time.time() > job["started"] + job["wall"]
            if over and not job.get("end_wish"):
                job["end_wish"] = "wall"
                state.put(job)
            if job["suspended"] == "resuming" and time.time() >= job["resume_at"]:
                job["suspended"] = ""
                state.put(job)
                signal_family(child.pid, signal.SIGCONT)
        if job.get("end_wish"):
            if not killed_at:
                killed_at = time.monotonic()
                signal_family(child.pid, signal.SIGCONT)
                signal_family(child.pid, job.get("end_signal", signal.SIGTERM))
            elif time.monotonic() > killed_at + state.settings["kill_delay"]:
                signal_family(child.pid, signal.SIGKILL)


def suspend(state: State, job: Job, word: str) -> None:
    """Stop the job's processes; ``word`` is kept as the kind of suspension."""
    job["suspended"] = word
    state.put(job)
    if job.get("pid"):
        signal_family(job["pid"], signal.SIGSTOP)


def resume(state: State, job: Job, delay: float = 0.0) -> None:
    """Let them go on, at once or after a delay in which the job shows as being resumed."""
    job |= {"suspended": "resuming" if delay else "", "resume_at": time.time() + delay}
    state.put(job)
    if not delay and job.get("pid"):
        signal_family(job["pid"], signal.SIGCONT)


def signal_family(leader: int, number: int) -> None:
    """Signal all processes of the job's session and all that descend from it."""
    for pid in family(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def family(leader: int) -> list[int]:
    """Pids of the session that ``leader`` leads, and of descendants in sessions of their own."""
    parents: dict[int, int] = {}
    members: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            pid, parents[int(entry.name)] = int(entry.name), int(fields[1])
            if int(fields[3]) == leader:
                members.add(pid)
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return sorted(members)


def install(program: Path, names: list[str], target: Path, **settings: Any) -> Path:
    """Make ``target/bin`` with a command for each name, bound to the state in ``target/state``."""
    state, folder = target / "state", target / "bin"
    state.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (state / "settings.json").write_text(json.dumps(settings))
    python = shutil.which("python3") or sys.executable
    for name in names:
        command = folder / name
        command.write_text(
            f'#!/bin/sh\nGRMS_SIM_DIR="{state}" exec {python} {program} {name} "$@"\n'
        )
        command.chmod(0o755)
    return folder


def stop(target: Path, deadline: float = 60.0) -> None:
    """End all jobs of an installation and wait for their shepherds."""
    state = State(target / "state")
    with state.locked():
        for job in state.all():
            if job["state"] == "queued":
                job |= {"state": "ended", "ended": time.time()}
            elif job["state"] == "running":
                job |= {"end_wish": "stop", "end_signal": int(signal.SIGKILL)}
            state.put(job)
    end = time.monotonic() + deadline
    while any(job["state"] != "ended" for job in state.all()):
        if time.monotonic() > end:
            raise TimeoutError(f"jobs of {target} do not end")
        time.sleep(0.05)


def forget(target: Path, number: int) -> None:
    """A job vanishes without a trace, as when a server loses its data base."""
    state = State(target / "state")
    with state.locked():
        job = state.get(number)
        if job is None:
            return
        if "shepherd" in job:
            os.kill(job["shepherd"], signal.SIGKILL)
            signal_family(job["pid"], signal.SIGKILL)
        (state.jobs / f"{number}.json").unlink()


def _run(system: Any, name: str, arguments: list[str]) -> int:
    """One command, as the system answers it or, with a fault, does not."""
    state = State(Path(os.environ["GRMS_SIM_DIR"]))
    words, code = system.DOWN
    if state.fault == "down":
        print(f"{name}: {words}", file=sys.stderr)
        return int(code)
    if state.fault == "empty":
        state.jobs = state.directory / "nothing"
        return int(system.COMMANDS[name](state, arguments))
    with state.locked():
        if state.fault == "lost" and name == system.SUBMIT:
            with contextlib.redirect_stdout(io.StringIO()):
                system.COMMANDS[name](state, arguments)
            print(f"{name}: {words}", file=sys.stderr)
            status = int(code)
        else:
            status = int(system.COMMANDS[name](state, arguments))
        schedule(state)
    return status


def main(system: Any) -> int:
    """Dispatch: a shepherd, an installation, or one of the system's commands."""
    match sys.argv[1:]:
        case ["--shepherd", directory, number]:
            shepherd(directory, number, system)
            return 0
        case ["--install", target]:
            program = Path(sys.argv[0]).resolve()
            print(install(program, list(system.COMMANDS), Path(target).resolve()))
            return 0
        case ["--stop", target]:
            stop(Path(target))
            return 0
        case [name, *arguments] if name in system.COMMANDS:
            return _run(system, name, arguments)
    print(f"usage: {sys.argv[0]} --install DIR | --stop DIR | COMMAND ...", file=sys.stderr)
    return 2
