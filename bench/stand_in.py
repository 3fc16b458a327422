#!/usr/bin/env python3
"""A stand-in of Slurm or PBS with scripted bad days, for ``peers.py``: every broker gets the same.

It really runs the jobs (testbed/simulators/core.py does). PBS is the test bed's simulator, and
Slurm's commands are here: as many of their words as PSI/J, Parsl, AiiDA and GRMS use. A file
``day`` in the state directory names what goes wrong:

``good``       nothing
``empty``      while a job waits or runs, the queue answers without it; accounting knows it
``failing``    the first three questions about living jobs fail, the queue's and accounting's
``lost``       the first submission of each job is carried out, its answer is lost
``forgotten``  the first submission of each job is acknowledged, and forgotten
``vanishing``  a job that ends is gone from the queue at once; accounting knows it

PBS keeps no accounting but the history of its queue. ``slurm-bare`` is a Slurm without accounting.
"""

from __future__ import annotations

import contextlib
import getopt
import io
import json
import os
import re
import shlex
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "testbed" / "simulators"))

import core
import pbs_sim
from core import Job, State

DAYS = ("good", "empty", "failing", "lost", "forgotten", "vanishing")
#: By these words in its script, path or argument, a job is known again when it is submitted again.
NAME = re.compile(rb"peers-job-\d+")
FAILURES = 3

# -- Slurm ------------------------------------------------------------------------------------

_WORDS = {"queued": ("PENDING", "PD"), "running": ("RUNNING", "R"), "ending": ("COMPLETING", "CG")}
_SHORT = "HJ:D:o:e:N:n:t:p:A:"
_SBATCH = [
    *("parsable", "no-requeue", "requeue", "hold", "exclusive", "get-user-env"),
    *("job-name=", "comment=", "chdir=", "output=", "error=", "open-mode=", "nice=", "export="),
    *("nodes=", "ntasks=", "ntasks-per-node=", "cpus-per-task=", "mem=", "mem-per-cpu="),
    *("time=", "partition=", "account="),
]


def command(state: State, job: Job) -> list[str]:
    """By its first line, as Slurm."""
    first, _, _ = state.script(job).read_text().partition("\n")
    return [*shlex.split(first.removeprefix("#!")), str(state.script(job))]


def working_directory(job: Job) -> str:
    return str(job["workdir"])


def environment(job: Job) -> dict[str, str]:
    """The submitter's own, with the job's id."""
    mine: dict[str, str] = job["environment"]
    return {**mine, "SLURM_JOB_ID": str(job["id"]), "SLURM_JOBID": str(job["id"])}


def deliver(state: State, job: Job) -> None:
    target = Path(job["workdir"]) / job["output"].replace("%j", str(job["id"])).replace("%%", "%")
    if target.parent.is_dir() and str(target) != os.devnull:
        shutil.copyfile(state.spool(job), target)


def sbatch(state: State, arguments: list[str]) -> int:
    """Options of the script come first, those of the command line outrank them."""
    options, rest = getopt.gnu_getopt(arguments, _SHORT, _SBATCH)
    script = Path(rest[0]).read_bytes() if rest else sys.stdin.buffer.read()
    found: dict[str, str] = {}
    for line in script.decode().splitlines():
        if line.startswith("#SBATCH"):
            words = shlex.split(line.removeprefix("#SBATCH"), comments=True)
            found |= dict(getopt.gnu_getopt(words, _SHORT, _SBATCH)[0])
    found |= dict(options)
    job = core.submit(
        state,
        script,
        slots=1,
        wall=None,
        name=found.get("--job-name") or found.get("-J") or Path(rest[0] if rest else "sbatch").name,
        workdir=found.get("--chdir") or found.get("-D") or str(Path.cwd()),
        output=found.get("--output") or found.get("-o") or "slurm-%j.out",
        environment=dict(os.environ),
    )
    job["held"] = "--hold" in found
    state.put(job)
    print(job["id"] if "--parsable" in found else f"Submitted batch job {job['id']}")
    return 0


def squeue(state: State, arguments: list[str]) -> int:
    found, _ = getopt.gnu_getopt(
        arguments,
        "hro:O:t:j:u:n:",
        ["noheader", "me", "name=", "job=", "jobs=", "user=", "format=", "Format=", "states="],
    )
    options = dict(found)
    ids = _ids(options)
    jobs = [job for job in state.all() if not ids or str(job["id"]) in ids]
    if len(_named(options)) == 1 and not jobs:  # an id that is named twice is no error
        print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
        return 1
    states = options.get("-t") or options.get("--states") or ""
    if states != "all":
        wanted = states.replace(",", " ").split()
        jobs = [
            job for job in jobs if (set(_word(job)) & set(wanted) if wanted else _lives(job))
        ]  # fmt: skip
    if name := options.get("--name") or options.get("-n"):
        jobs = [job for job in jobs if job["name"] in name.split(",")]
    bare = "-h" in options or "--noheader" in options
    if columns := options.get("-O") or options.get("--Format"):
        names = columns.split(",")
        lines = [names] if not bare else []
        lines += [[_fields(job)[name.lower()] for name in names] for job in jobs]
        print("".join("".join(f"{word:<20}" for word in line) + "\n" for line in lines), end="")
        return 0
    form = options.get("-o") or options.get("--format") or "%i %P %j %u %t %M %D %R"
    for line in ([{}] if not bare else []) + [_fields(job) for job in jobs]:
        print(re.sub(r"%[.\d]*(\w)", lambda m, line=line: line.get(m[1], m[1].upper()), form))  # type: ignore[misc]
    return 0


def sacct(state: State, arguments: list[str]) -> int:
    if state.settings["system"] == "slurm-bare":
        print("Slurm accounting storage is disabled", file=sys.stderr)
        return 1
    long = "name= format= job= jobs= delimiter= units= noheader parsable parsable2 starttime= user="
    options = dict(getopt.gnu_getopt(arguments, "nPpXo:j:S:u:", [*long.split(), "helpformat"])[0])
    if "--helpformat" in options:
        print("JobID State ExitCode Submit Start End")
        return 0
    ids, name = _ids(options), options.get("--name")
    columns = (options.get("-o") or options.get("--format") or "JobID,State,ExitCode").split(",")
    mark = options.get("--delimiter", "|")
    parted = bool({"-P", "-p", "--parsable", "--parsable2"} & set(options))
    tail = mark if {"-p", "--parsable"} & set(options) else ""
    jobs = [
        _fields(job)
        for job in state.all()
        if (not ids or str(job["id"]) in ids) and (not name or job["name"] in name.split(","))
    ]
    head = not {"-n", "--noheader"} & set(options)
    rows = [columns] if head else []
    rows += [[job.get(column.partition("%")[0].lower(), "") for column in columns] for job in jobs]
    for row in rows:
        print(mark.join(row) + tail if parted else " ".join(f"{word:>12}" for word in row))
    return 0


def scontrol(state: State, arguments: list[str]) -> int:
    match [word for word in arguments if word != "-o"]:
        case ["show", "hostnames"]:
            print("node1")
        case ["show", "partition"]:
            print("PartitionName=batch Default=YES MaxTime=UNLIMITED State=UP TotalCPUs=64")
        case ["show", "job", number]:
            job = state.get(int(number))
            if job is None:
                print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
                return 1
            facts = _fields(job)
            print(
                f"JobId={number} JobName={job['name']} JobState={facts['state']} "
                f"ExitCode={facts['exitcode']} SubmitTime={facts['submit']} "
                f"StartTime={facts['start']} EndTime={facts['end']}"
            )
        case _:
            print("scontrol: the stand-in knows no such word", file=sys.stderr)
            return 1
    return 0


def scancel(state: State, arguments: list[str]) -> int:
    for number in (word for word in arguments if word.isdecimal()):
        job = state.get(int(number))
        if job is not None and job["state"] != "ended":
            job |= {"end_wish": "scancel"}
            if job["state"] == "queued":
                job |= {"state": "ended", "ended": time.time()}
            state.put(job)
    return 0


def sinfo(state: State, arguments: list[str]) -> int:  # noqa: ARG001 - as every command
    if "-V" in arguments:
        print("slurm 22.05.8")
    else:
        print("\x1f".join(("node1", "0/64/0/64", "16000", "12000", "idle")))
    return 0


def _ids(options: dict[str, str]) -> set[str]:
    return set(_named(options))


def _named(options: dict[str, str]) -> list[str]:
    text = options.get("-j") or options.get("--job") or options.get("--jobs") or ""
    return list(filter(None, text.split(",")))


def _lives(job: Job) -> bool:
    return bool(job["state"] != "ended")


def _word(job: Job) -> tuple[str, str]:
    if _lives(job):
        return _WORDS[job["state"]]
    if job.get("end_wish"):
        return "CANCELLED", "CA"
    return ("COMPLETED", "CD") if job["wait_status"] == 0 else ("FAILED", "F")


def _fields(job: Job) -> dict[str, str]:
    """By the letters of squeue's -o and the names of its -O and of sacct."""
    word, short = _word(job)
    seconds = int(job.get("ended", time.time()) - job.get("started", time.time()))
    status = job.get("wait_status", 0)
    code = f"{status}:0" if status >= 0 else f"0:{-status}"
    number, reason = str(job["id"]), "NonZeroExitCode" if short == "F" else "None"
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    start, end = _time(job.get("started")), _time(job.get("ended"))
    user, submitted = str(job["owner"]), _time(job["submitted"])
    return {
        "i": number, "t": short, "T": word, "r": reason, "R": "(None)", "B": "node1", "u": user,
        "D": "1", "C": "1", "P": "batch", "l": "1:00:00", "M": clock, "S": start, "e": end,
        "j": job["name"], "V": submitted,
        "jobarrayid": number, "statecompact": short, "reason": reason,
        "jobid": number, "jobidraw": number, "jobname": job["name"], "state": word,
        "exitcode": code, "submit": submitted, "start": start, "end": end, "user": user,
        "elapsedraw": str(seconds), "elapsed": clock, "totalcpu": "00:00:00", "maxrss": "0K",
    }  # fmt: skip


def _time(at: float | None) -> str:
    if at is None:
        return "Unknown"
    form = os.environ.get("SLURM_TIME_FORMAT", "%Y-%m-%dT%H:%M:%S")
    return str(int(at)) if form == "%s" else time.strftime(form, time.localtime(at))


SLURM: Any = SimpleNamespace(
    COMMANDS={
        "sbatch": sbatch,
        "squeue": squeue,
        "sacct": sacct,
        "scontrol": scontrol,
        "scancel": scancel,
        "sinfo": sinfo,
    },
    SUBMIT="sbatch",
    DOWN=("error: slurm_load_jobs: Unable to contact slurm controller (connect failure)", 1),
    LOST=("error: Batch job submission failed: Socket timed out on send/recv operation", 1),
    QUEUE=("squeue", "scontrol"),
    ASKED=("squeue", "sacct"),
    command=command,
    working_directory=working_directory,
    environment=environment,
    deliver=deliver,
)
PBS: Any = SimpleNamespace(
    **{name: getattr(pbs_sim, name) for name in ("COMMANDS", "SUBMIT", "DOWN")},
    LOST=("cannot connect to server pbshost (errno=110)", 110),
    QUEUE=("qstat", "qselect"),
    ASKED=("qstat",),
    command=pbs_sim.command,
    working_directory=pbs_sim.working_directory,
    environment=pbs_sim.environment,
    deliver=pbs_sim.deliver,
)
SYSTEMS = {"slurm": SLURM, "slurm-bare": SLURM, "pbs": PBS}

# -- days -------------------------------------------------------------------------------------


class Veiled(State):
    """A state that does not show some of its jobs."""

    def __init__(self, directory: Path, hidden: str) -> None:
        super().__init__(directory)
        self._hidden = hidden

    def _shown(self, job: Job | None) -> bool:
        if job is None or not self._hidden:
            return True
        return _lives(job) if self._hidden == "ended" else not _lives(job)

    def all(self) -> list[Job]:
        return [job for job in super().all() if self._shown(job)]

    def get(self, number: int) -> Job | None:
        job = super().get(number)
        return job if self._shown(job) else None


def install(system: str, day: str, target: Path) -> Path:
    """Make the commands of ``system`` in ``target/bin``."""
    program = Path(__file__).resolve()
    found = core.install(program, list(SYSTEMS[system].COMMANDS), target, slots=64, system=system)
    (target / "state" / "day").write_text(day)
    return found


def answer(system: Any, name: str, arguments: list[str]) -> int:
    """One command on this day."""
    directory = Path(os.environ["GRMS_SIM_DIR"])
    day = (directory / "day").read_text()
    state = State(directory)
    with state.locked():
        if name == system.SUBMIT:
            status = _submit(system, state, day, arguments)
        elif name in system.ASKED and day == "failing" and _fails(state):
            print(f"{name}: {system.DOWN[0]}", file=sys.stderr)
            status = system.DOWN[1]
        else:
            veils = {"empty": "living", "vanishing": "ended"}
            veil = veils.get(day, "") if name in system.QUEUE else ""
            status = int(system.COMMANDS[name](Veiled(directory, veil), arguments))
        core.schedule(state)
    return int(status)


def _fails(state: State) -> bool:
    """True, and counted, for the first three questions while jobs live."""
    return any(map(_lives, state.all())) and _times(state, "questions") <= FAILURES


def _times(state: State, what: str) -> int:
    """How often this was asked, with this time."""
    file = state.directory / f"count-{what}"
    count = 1 + (int(file.read_text()) if file.exists() else 0)
    file.write_text(str(count))
    return count


def _submit(system: Any, state: State, day: str, arguments: list[str]) -> int:
    if system is PBS and "-S" not in arguments:
        arguments = ["-S", "/bin/bash", *arguments]  # the login shell of most accounts
    if day not in ("lost", "forgotten"):
        return int(system.COMMANDS[system.SUBMIT](state, arguments))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = system.COMMANDS[system.SUBMIT](state, arguments)
    job = state.all()[-1]
    name = NAME.search(state.script(job).read_bytes())
    if _times(state, name[0].decode() if name else job["name"]) > 1:
        print(said.getvalue(), end="")
    elif day == "forgotten":
        (state.jobs / f"{job['id']}.json").unlink()
        print(said.getvalue(), end="")
    else:
        print(f"{system.SUBMIT}: {system.LOST[0]}", file=sys.stderr)
        status = system.LOST[1]
    return int(status)


def main() -> int:
    match sys.argv[1:]:
        case ["--shepherd", directory, number]:
            core.shepherd(directory, number, _system(Path(directory)))
            return 0
        case [name, *arguments]:
            return answer(_system(Path(os.environ["GRMS_SIM_DIR"])), name, arguments)
    print(f"usage: {sys.argv[0]} COMMAND ...", file=sys.stderr)
    return 2


def _system(directory: Path) -> Any:
    return SYSTEMS[json.loads((directory / "settings.json").read_text())["system"]]


if __name__ == "__main__":
    sys.exit(main())
