"""How long a broker with 10,000 live jobs takes, killed with -9 and started again, to be right.

    python bench/restart.py [JOBS]

The jobs are written to the store directly, as accepted and submitted: two in three wait in a
Slurm, the others run there. Slurm is a stand-in whose ``squeue`` prints a prepared table, so its
own time for it does not count. The broker runs until it has the queue's word on all of
them; then it is killed. While it is dead things happen to 1 in 10 of the jobs:

- some start and some end, and their wrappers leave messages;
- some end whose message is lost: they leave the queue, and only their exit file tells;
- some end without even that: only ``sacct`` knows.

Then it is started. *Consistent* is when the store says of each of the jobs what is true, and the
queue's answer on all of them has been taken in. The jobs that only ``sacct`` knows come after all
others, so when they are right, every job has been looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from broker import Broker, eventually
from jobs import shell_job

from grms.broker.layout import Layout, control, tag
from grms.broker.lifecycle import JobState, RequestStatus
from grms.broker.records import Attempt, Change, EventKind, Job, NewEvent, Phase
from grms.store import open_store

#: What happens meanwhile, of 100 jobs each: started, ended with a message, without, unseen.
STARTED, ENDED, QUIET, UNSEEN = 4, 4, 1, 1
QUEUE = """\
#!/bin/sh
[ "$1" = -h ] && case "$*" in *--me*%r*) echo x >> {place}/asked; exec cat {place}/queue;; esac
"""
ACCOUNTING = "#!/bin/sh\nexec cat {place}/accounting\n"


def stand_in(place: Path) -> None:
    """Commands of a Slurm that only prints what we write down."""
    folder = place / "bin"
    folder.mkdir()
    for name, text in {"squeue": QUEUE, "sacct": ACCOUNTING, "sinfo": "", "scontrol": ""}.items():
        (folder / name).write_text(text.format(place=place) or "#!/bin/sh\n")
        (folder / name).chmod(0o755)
    (place / "accounting").touch()
    (place / "clusters.toml").write_text(
        f'[cluster.slurm]\nbatch = "slurm"\nworkdir = "{place}/work"\n'
        f'[cluster.slurm.options]\nbin = "{folder}"\npython = "{sys.executable}"\n'
    )


def fill(place: Path, data: Path, jobs: int) -> list[Attempt]:
    """Live jobs of alice, one in three running."""
    now, text, layout = datetime.now(UTC), shell_job("true"), Layout(f"{place}/work")
    event = NewEvent(EventKind.ACCEPTED, now, "accepted")
    attempts = []
    with closing(open_store(f"sqlite:///{data / 'grms.db'}")) as store:
        fresh = [Job(f"{n}_bench_0000", "alice", "bench", text, now) for n in range(jobs)]
        with ThreadPoolExecutor(32) as pool:  # what comes together is committed together
            accepted = [a.job for a in pool.map(lambda job: store.accept(job, [event]), fresh)]
        changes = []
        for number, job in enumerate(accepted):
            runs = number % 3 == 0
            attempt = Attempt(
                job.id, 1, "slurm", tag(job.id, 1), layout.attempt(job.id, 1), text, now,
                phase=Phase.RUNNING if runs else Phase.SUBMITTED, native_id=str(1000 + number),
                submitted_at=now, started_at=now if runs else None,
            )  # fmt: skip
            state = JobState.RUNNING if runs else JobState.PENDING
            status = RequestStatus.TASK_EXEC_ACTIVE if runs else RequestStatus.TASK_EXEC_PENDING
            job = replace(job, state=state, status=status, attempt=1, due_at=None)
            changes.append(Change(job, (attempt,)))
            attempts.append(attempt)
        for start in range(0, jobs, 500):
            store.apply(changes[start : start + 500])
    for attempt in attempts:
        Path(control(attempt.directory)).mkdir(parents=True)
    Path(layout.inbox).mkdir()
    return attempts


def list_queue(place: Path, attempts: Sequence[Attempt]) -> None:
    """What ``squeue`` prints, in the adapter's columns."""
    now = str(int(time.time()))
    rows = [
        "\x1f".join((
            a.native_id, "RUNNING" if a.phase is Phase.RUNNING else "PENDING", "None",
            now, now if a.phase is Phase.RUNNING else "N/A", "N/A", a.tag,
        ))
        for a in attempts
    ]  # fmt: skip
    (place / "queue").write_text("".join(f"{row}\n" for row in rows))


def meanwhile(place: Path, attempts: Sequence[Attempt]) -> dict[str, set[str]]:
    """What happens while the broker is dead; the answer is which states are true of whom then."""
    over = {"STOPPED", "POSTPROCESSING", "FINISHED"}
    truth, left, records = {}, [], []
    for number, attempt in enumerate(attempts):
        place_of, runs = number % 100, attempt.phase is Phase.RUNNING
        truth[attempt.job_id] = {"RUNNING" if runs else "PENDING"}
        if place_of < STARTED:
            left.append(replace(attempt, phase=Phase.RUNNING))
            if not runs:
                send(place, attempt, "started")
            truth[attempt.job_id] = {"RUNNING"}
        elif place_of < STARTED + ENDED + QUIET:
            exited = send(place, attempt, "exited", quiet=place_of == STARTED + ENDED)
            Path(control(attempt.directory), "exit.json").write_text(exited)
            truth[attempt.job_id] = over
        elif place_of < STARTED + ENDED + QUIET + UNSEEN:
            records.append(attempt)
            truth[attempt.job_id] = over
        else:
            left.append(attempt)
    list_queue(place, left)
    at = str(int(time.time()))
    (place / "accounting").write_text(
        "".join(
            "\x1f".join((a.native_id, "COMPLETED", "0:0", at, at, at, "1", "00:00:01", "1K", a.tag))
            + "\n"
            for a in records
        )
    )
    return truth


def send(place: Path, attempt: Attempt, what: str, *, quiet: bool = False) -> str:
    """What a wrapper writes; ``quiet``: without its message."""
    news = {"tag": attempt.tag, "what": what, "at": time.time(), "host": "node1"}
    if what == "exited":
        news |= {"exit": {"code": 0}, "usage": {"wall": 1, "cpu": 1, "max_rss": 1}}
    text = json.dumps(news)
    if not quiet:
        name = f"{time.time_ns()}-{attempt.tag}-{what}.json"
        (place / "work" / "inbox" / name).write_text(text)
    return text


def confirmed(data: Path) -> int:
    """On how many jobs the store has the queue's word."""
    with closing(sqlite3.connect(f"file:{data / 'grms.db'}?mode=ro", uri=True)) as store:
        (found,) = store.execute(
            "SELECT COUNT(*) FROM attempts WHERE native_state != ''"
        ).fetchone()
        return int(found)


def wrong(data: Path, truth: dict[str, set[str]]) -> int:
    """Of how many jobs the store says what is not true."""
    with closing(sqlite3.connect(f"file:{data / 'grms.db'}?mode=ro", uri=True)) as store:
        return sum(
            state not in truth[job] for job, state in store.execute("SELECT id,state FROM jobs")
        )


def processor_time(broker: Broker) -> float:
    """Seconds that the service and its engine have worked so far."""
    pids = [int((broker.data / "server.pid").read_text()), *broker.children()]
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("jobs", nargs="?", type=int, default=10_000)
    given = words.parse_args()
    place = Path(tempfile.mkdtemp(prefix="restart-"))
    stand_in(place)
    broker = Broker(place / "broker", {"GRMS_CLUSTERS_FILE": str(place / "clusters.toml")})
    attempts = fill(place, broker.data, given.jobs)
    list_queue(place, attempts)
    broker.start()
    try:
        eventually(lambda: confirmed(broker.data) == len(attempts), "the first look at all")
        broker.kill()
        truth = meanwhile(place, attempts)
        before = wrong(broker.data, truth)
        asked = (place / "asked").stat().st_size
        began = time.perf_counter()
        broker.start()
        answers = time.perf_counter() - began
        eventually(lambda: (place / "asked").stat().st_size > asked, "the queue to be asked")
        question = time.perf_counter() - began
        while left := wrong(broker.data, truth):
            if time.perf_counter() - began > 300:
                raise SystemExit(f"still wrong about {left} jobs after 300 s")
            time.sleep(0.05)
        consistent, work = time.perf_counter() - began, processor_time(broker)
    finally:
        broker.kill()
    print(f"{given.jobs} live jobs, {before} of them otherwise than the dead broker knew")
    print(f"  answers callers after        {answers:5.2f} s")
    print(f"  asks the batch system after  {question:5.2f} s")
    print(f"  is consistent after          {consistent:5.2f} s (wanted: < 10 s)")
    print(f"  took of a processor          {work:5.2f} s; load average {os.getloadavg()[0]:.1f}")
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
