"""The broker on real batch systems beside a plain loop of the system's own submit command.

    python bench/clusters.py [SYSTEM ...] [--jobs 200] [--crowds 10,100,1000]

As root, with the test bed up (``testbed/slurm-up``, ``testbed/sge-up``). For each system, printed:

- the time of a loop of sbatch or qsub as the job account, and the time in which the broker's engine
  takes as many jobs, all queued in GRMS, to their accepted submission, and the ratio of both; on
  Slurm also with jobs that wait in a closed partition: elsewhere jobs do not start on the very
  processors that submit, where a wrapper costs more than the loop's ``true``;
- how long after a program's end the broker knew it (median and 95th percentile);
- calls that the batch system got in one minute while 10, 100 and 1000 jobs waited in it. They are
  counted by shell scripts in front of its commands.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from broker import eventually
from jobs import shell_job
from real_systems import ACCOUNT, SYSTEMS, Grid, System, grid

from grms.broker.records import EventKind, JobEvent
from grms.store import open_store

BINARIES = {
    "slurm": (Path("/usr/bin"), ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo")),
    "sge": (Path("/usr/lib/gridengine"), ("qsub", "qstat", "qacct", "qdel", "qconf", "qhost")),
}
QUESTIONS = ("squeue", "sacct", "scontrol", "qstat", "qacct")
LOOPS = {
    "slurm": "sbatch --parsable -o /dev/null --no-requeue {script}",
    "sge": "/usr/lib/gridengine/qsub -terse -o /dev/null -j y -w e -r n {script}",
}
SGE = {"SGE_ROOT": "/var/lib/gridengine", "SGE_CELL": "default"}
PATIENCE = 900.0


def plain_loop(system: str, jobs: int, scratch: Path, more: str = "") -> float:
    """Seconds that one shell of the job account takes to submit ``jobs`` jobs, one by one."""
    script = scratch / "plain.sh"
    script.write_text("#!/bin/sh\nexec true\n")
    script.chmod(0o755)
    command = LOOPS[system].format(script=f"{more} {script}")
    loop = f"cd /; i=0; while [ $i -lt {jobs} ]; do {command} >/dev/null || exit; i=$((i+1)); done"
    begin = time.perf_counter()
    subprocess.run(
        ["runuser", "-u", ACCOUNT, "--", "sh", "-c", loop], env=os.environ | SGE, check=True
    )
    return time.perf_counter() - begin


def shims(system: str, place: Path) -> Path:
    """Commands that leave their name in ``place/log`` and then become the real ones."""
    real, names = BINARIES[system]
    place.mkdir()
    log = place / "log"
    log.touch()
    log.chmod(0o666)
    for name in names:
        shim = place / name
        shim.write_text(f'#!/bin/sh\necho {name} >> {log}\nexec {real}/{name} "$@"\n')
        shim.chmod(0o755)
    return place


def submit_all(
    found: Grid, system: System, script: str, jobs: int, *, closed: bool = False
) -> tuple[list[str], float]:
    """Queue jobs in the broker while its engine stands still; when it went on (epoch seconds)."""
    text = shell_job(script, resource=system.resource(system.closed if closed else ""))
    engine = found.broker.children()
    for pid in engine:
        os.kill(pid, signal.SIGSTOP)
    try:
        with found.broker.client() as client:
            ids = [client.submit(text) for _ in range(jobs)]
    finally:
        for pid in engine:
            os.kill(pid, signal.SIGCONT)
    return ids, time.time()


def stories(found: Grid, ids: list[str]) -> list[list[JobEvent]]:
    """The events of each job."""
    store = open_store(f"sqlite:///{found.broker.data}/grms.db")
    try:
        return [list(store.events(job_id)) for job_id in ids]
    finally:
        store.close()


def until(found: Grid, ids: list[str], *states: str) -> None:
    """Wait until all jobs are in one of these states."""

    def there() -> bool:
        time.sleep(0.5)
        with found.broker.client() as client:
            reached = {job_id for state in states for job_id in client.list(state)}
        return set(ids) <= reached

    eventually(there, f"{len(ids)} jobs to be {' or '.join(states)}", PATIENCE)


def submission(found: Grid, system: System, jobs: int, scratch: Path) -> None:
    """The broker beside the loop, and how soon ends are seen."""
    loop = plain_loop(system.name, jobs, scratch)
    ids, begun = submit_all(found, system, "true", jobs)
    until(found, ids, "FINISHED")
    told = stories(found, ids)
    _compare(f"{system.name}: {jobs} jobs", loop, told, begun)
    delays = sorted(_delays(told))
    print(
        f"  end seen after             p50 {statistics.median(delays):.2f} s, "
        f"p95 {delays[int(len(delays) * 0.95)]:.2f} s (wanted: p50 <= 2)",
        flush=True,
    )


def waiting(found: Grid, system: System, jobs: int, scratch: Path) -> None:
    """The same with jobs that are accepted and wait."""
    queue = system.closed.removeprefix("<queue>").removesuffix("</queue>")
    loop = plain_loop(system.name, jobs, scratch, f"--partition={queue}")
    subprocess.run(["scancel", f"--partition={queue}"], check=True)
    ids, begun = submit_all(found, system, "true", jobs, closed=True)
    until(found, ids, "PENDING")
    _compare(f"{system.name}: {jobs} jobs that wait", loop, stories(found, ids), begun)
    _cancel(found, ids)


def _compare(what: str, loop: float, told: list[list[JobEvent]], begun: float) -> None:
    accepted = [e.at for story in told for e in story if e.data.get("to") == "PENDING"]
    ours = max(accepted).timestamp() - begun
    print(what, flush=True)
    print(f"  plain loop                 {loop:8.2f} s", flush=True)
    print(f"  broker, queued to accepted {ours:8.2f} s, ratio {ours / loop:.2f} (wanted: <= 1.2)")


def _cancel(found: Grid, ids: list[str]) -> None:
    with found.broker.client() as client:
        for job_id in ids:
            client.cancel(job_id)
    until(found, ids, "CANCELED")


def _delays(told: list[list[JobEvent]]) -> list[float]:
    return [
        (event.at - datetime.fromisoformat(str(event.data["at"]))).total_seconds()
        for story in told
        for event in story
        if event.kind is EventKind.EVIDENCE and event.text.startswith("ended")
    ]


def crowds(found: Grid, system: System, sizes: list[int], log: Path) -> None:
    """Calls of one minute, whatever the number of waiting jobs."""
    ids: list[str] = []
    for size in sizes:
        ids += submit_all(found, system, "sleep 3000", size - len(ids), closed=True)[0]
        until(found, ids, "PENDING", "RUNNING")
        time.sleep(15)  # the submissions and what follows on them are over
        before = len(log.read_text().splitlines())
        time.sleep(60)
        calls = [name for name in log.read_text().splitlines()[before:] if name in QUESTIONS]
        print(f"  {size:5d} live jobs: {len(calls):3d} questions a minute", flush=True)
    _cancel(found, ids)


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("systems", nargs="*", default=list(LOOPS))
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--crowds", default="10,100,1000")
    wanted = parser.parse_args()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} processors, load {load}", flush=True
    )
    sizes = [int(size) for size in wanted.crowds.split(",") if size]
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shimmed = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shimmed.chmod(0o755)
        options = {name: {"bin": str(shims(name, shimmed / name))} for name in wanted.systems}
        found = stack.enter_context(grid(place, wanted.systems, options))
        for name in wanted.systems:
            if name in found.missing:
                print(f"{name}: NOT MEASURED: {found.missing[name]}")
                continue
            submission(found, SYSTEMS[name], wanted.jobs, found.scratch)
            if SYSTEMS[name].closed:
                waiting(found, SYSTEMS[name], wanted.jobs, found.scratch)
            if sizes:
                crowds(found, SYSTEMS[name], sizes, shimmed / name / "log")


if __name__ == "__main__":
    main()
