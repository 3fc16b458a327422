"""What the simulators share: jobs in a directory, a lock, and processes that really run.

``commands.py`` has how a command is answered, also on bad days.

There is no daemon. Every command looks at the state under one lock, starts what fits and goes
away; a shepherd beside each running job waits for its end, enforces its limit, writes it down and
starts what fits then. The directory holds ``settings.json``, ``lock``, ``next`` and ``jobs/``.
"""

from __future__ import annotations

import contextlib
import fcntl
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
    "last_id": 0,  # after it comes the first again, whose old job is then known to records only
    "clock": 0.0,  # by how much the system's clock is wrong
    "accounting_delay": 0.0,  # SGE: how long after its end a job has no record
    "min_job_age": 300.0,  # Slurm: how long the controller remembers a job that ended
    "history": True,  # PBS: job_history_enable
    "clean_period": 3600.0,  # LSF: how long bjobs remembers a job that ended
    "kill_delay": 5.0,  # between SIGTERM and SIGKILL
    "resume_delay": 1.0,  # LSF: how long a resumed job shows SSUSP
    "operator": True,  # PBS, Slurm: the caller may suspend
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

    def now(self) -> float:
        """The system's own clock."""
        return time.time() + float(self.settings["clock"])

    def new_id(self) -> int:
        """The next number that no live job has; after the last one comes the first again."""
        file, first = self.directory / "next", int(self.settings["first_id"])
        last = int(self.settings["last_id"])
        number = int(file.read_text()) if file.exists() else first
        if last:
            live = {job["id"] for job in self.all() if job["state"] != "ended"}
            ring = [*range(number, last + 1), *range(first, min(number, last + 1))]
            number = next((n for n in ring if n not in live), max(live, default=0) + 1)
            self._to_the_records(number)
        file.write_text(str(number + 1))
        return number

    def _to_the_records(self, number: int) -> None:
        """The number goes to another job: only the records tell of this one from now on."""
        file = self.jobs / f"{number}.json"
        if file.exists():
            file.rename(self.jobs / f"{number}-{time.time_ns()}.record")

    def all(self) -> list[Job]:
        """All jobs, oldest first."""
        found = [json.loads(file.read_text()) for file in self.jobs.glob("*.json")]
        return sorted(found, key=lambda job: job["submitted"])

    def records(self) -> list[Job]:
        """All jobs that ever were, oldest first: those whose numbers went to others, too."""
        old = [json.loads(file.read_text()) for file in self.jobs.glob("*.record")]
        return sorted(old + self.all(), key=lambda job: job["submitted"])

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

    def forget_newest(self) -> None:
        """Lose the job that was just taken in."""
        number = int((self.directory / "next").read_text()) - 1
        (self.jobs / f"{number}.json").unlink(missing_ok=True)

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
        "submitted": state.now(),
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
            job |= {"state": "running", "started": state.now(), "suspended": ""}
            state.put(job)
            _start_shepherd(state, job)


def _start_shepherd(state: State, job: Job) -> None:
    program = Path(sys.argv[0]).resolve()
    subprocess.Popen(
        [sys.executable, "-S", str(program), "--shepherd", str(state.directory), str(job["id"])],
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
            stop_job(job)  # it was asked for before there was a pid
    _wait(state, job, child)
    with state.locked():
        job = state.get(int(number)) or job
        job |= {"state": "ending", "ended": state.now(), "wait_status": child.returncode}
        state.put(job)
    with contextlib.suppress(OSError):  # a full disk takes the output, not the job's end
        system.deliver(state, job)
    with state.locked():
        job["state"] = "ended"
        if job.get("end_wish") == "requeue":
            job |= {"state": "queued", "held": True, "end_wish": ""}
        state.put(job)
        schedule(state)


def append_output(state: State, job: Job) -> None:
    """What the script printed goes to the end of its output file; a missing directory loses it."""
    target = Path(job["output"])
    if target.parent.is_dir():
        with target.open("ab") as file:
            file.write(state.spool(job).read_bytes())


def say(text: str) -> None:
    """Complaints go to stderr."""
    print(text, file=sys.stderr)


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
            over = job.get("wall") and state.now() > job["started"] + job["wall"]
            if over and not job.get("end_wish"):
                job["end_wish"] = "wall"
                state.put(job)
            if job["suspended"] == "resuming" and state.now() >= job["resume_at"]:
                job["suspended"] = ""
                state.put(job)
                signal_family(child.pid, signal.SIGCONT)
        if job.get("end_wish"):
            if not killed_at:
                killed_at = time.monotonic()
                signal_family(child.pid, signal.SIGCONT)
                tell = signal_group if job.get("notice") else signal_family
                tell(child.pid, job.get("end_signal", signal.SIGTERM))
            elif time.monotonic() > killed_at + state.settings["kill_delay"]:
                signal_family(child.pid, signal.SIGKILL)


def suspend(state: State, job: Job, word: str) -> None:
    """Stop the job's processes; ``word`` is kept as the kind of suspension.

    A job with ``notice`` is told by SIGUSR1 to its first group, and stops by itself.
    """
    job["suspended"] = word
    state.put(job)
    if job.get("pid"):
        stop_job(job)


def stop_job(job: Job) -> None:
    """The signal of a suspension."""
    if job.get("notice"):
        signal_group(job["pid"], signal.SIGUSR1)
    else:
        signal_family(job["pid"], signal.SIGSTOP)


def resume(state: State, job: Job, delay: float = 0.0) -> None:
    """Let them go on, at once or after a delay in which the job shows as being resumed."""
    job |= {"suspended": "resuming" if delay else "", "resume_at": state.now() + delay}
    state.put(job)
    if not delay and job.get("pid"):
        signal_family(job["pid"], signal.SIGCONT)


def signal_family(leader: int, number: int) -> None:
    """Signal all processes of the job's session and all that descend from it."""
    for pid in family(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def signal_group(leader: int, number: int) -> None:
    """Signal the first process group of the job alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


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


def install(
    program: Path, names: list[str], target: Path, *, python: str = "", **settings: Any
) -> Path:
    """Make ``target/bin`` with a command for each name, bound to the state in ``target/state``."""
    state, folder = target / "state", target / "bin"
    state.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (state / "settings.json").write_text(json.dumps(settings))
    python = python or shutil.which("python3") or sys.executable
    for name in names:
        command = folder / name
        command.write_text(
            f'#!/bin/sh\nGRMS_SIM_DIR="{state}" exec {python} -S {program} {name} "$@"\n'
        )
        command.chmod(0o755)
    return folder


def stop(target: Path, deadline: float = 60.0) -> None:
    """End all jobs of an installation and wait for their shepherds."""
    state = State(target / "state")
    with state.locked():
        for job in state.all():
            if job["state"] == "queued":
                job |= {"state": "ended", "ended": state.now()}
            elif job["state"] == "running":
                job |= {"end_wish": "stop", "end_signal": int(signal.SIGKILL), "notice": False}
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
