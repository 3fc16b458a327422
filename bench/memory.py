"""Memory of the broker's two processes while the store knows 10,000 jobs.

    python bench/memory.py [JOBS]

The jobs are written to the store directly, as ended ones; then the broker is started, asked for
lists and details, and the resident memory of both processes is printed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from broker import Broker

from grms.broker.lifecycle import JobState
from grms.broker.records import Change, EventKind, Job, NewEvent
from grms.store import open_store

JOB = Path(__file__).parents[1] / "examples" / "echo.xml"


def fill(broker: Broker, jobs: int) -> None:
    """Write ended jobs of alice."""
    store = open_store(f"sqlite:///{broker.data / 'grms.db'}")
    now, text = datetime.now(UTC), JOB.read_text("utf-8")
    event = NewEvent(EventKind.ACCEPTED, now, "accepted")
    accepted = [
        store.accept(Job(f"{n}_bench_0000", "alice", "bench", text, now), [event]).job
        for n in range(jobs)
    ]
    for start in range(0, jobs, 500):
        part = accepted[start : start + 500]
        store.apply([Change(replace(job, state=JobState.FINISHED)) for job in part])
    store.close()


def resident(pid: int) -> float:
    """Resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Fill, start, ask, measure."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as place:
        broker = Broker(Path(place))
        fill(broker, jobs)
        broker.start()
        try:
            with broker.client() as client:
                ids = client.list()
                assert len(ids) == jobs, len(ids)
                for job_id in ids[:200]:
                    client.info(job_id)
            time.sleep(5)
            service = int((broker.data / "server.pid").read_text())
            session = os.getsid(service)
            total = 0.0
            for entry in Path("/proc").glob("[0-9]*"):
                try:
                    if os.getsid(int(entry.name)) != session:
                        continue
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    size = resident(int(entry.name))
                except (OSError, ProcessLookupError):
                    continue
                kind = "service" if int(entry.name) == service else "engine or helper"
                print(f"{kind:>18}: {size:6.1f} MB  {words[-50:]}")
                total += size
            print(f"{'together':>18}: {total:6.1f} MB with {jobs} known jobs")
        finally:
            broker.kill()


if __name__ == "__main__":
    main()
