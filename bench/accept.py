"""Durable accepts a second by SOAP with 8 clients, as a ratio to bare one-row SQLite commits.

    python bench/accept.py [JOBS]

The bare figure is one thread that inserts one row and commits, in WAL mode with synchronous FULL,
on the same disk, in the same run. Accepts are measured twice: while the broker only answers, and
while its engine works on the jobs that come in (as processes of this same machine).
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from broker import Broker

JOB = (
    '<grmsjob appid="bench"><simplejob><executable type="single" count="1">'
    '<file name="true" type="in"><url>file:////bin/true</url></file>'
    "</executable></simplejob></grmsjob>"
)
CLIENTS = 8


def bare(place: Path, rows: int = 400) -> float:
    """One-row commits a second."""
    connection = sqlite3.connect(place / "bare.db", isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute("create table t (id integer primary key, body text)")
    begin = time.perf_counter()
    for number in range(rows):
        connection.execute("insert into t values (?, ?)", (number, JOB))
    took = time.perf_counter() - begin
    connection.close()
    return rows / took


def accepts(broker: Broker, jobs: int) -> tuple[float, float, float]:
    """Accepts a second, and p50 and p99 of one call in milliseconds."""

    def submit(count: int) -> list[float]:
        times = []
        with broker.client() as client:
            for _ in range(count):
                begin = time.perf_counter()
                client.submit(JOB)
                times.append(time.perf_counter() - begin)
        return times

    begin = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = list(pool.map(submit, [jobs // CLIENTS] * CLIENTS))
    took = time.perf_counter() - begin
    times = sorted(one for part in parts for one in part)
    p99 = times[int(len(times) * 0.99)] * 1000
    return len(times) / took, statistics.median(times) * 1000, p99


def main() -> None:
    """Measure and print."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 800
    for name, words in (("answering only", ("--no-engine",)), ("engine at work", ())):
        with tempfile.TemporaryDirectory() as place:
            base = bare(Path(place))
            broker = Broker(Path(place))
            broker.start(*words)
            try:
                rate, p50, p99 = accepts(broker, jobs)
            finally:
                broker.kill()
        print(
            f"{name}: {rate:.0f} accepts/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
            f"bare commits {base:.0f}/s; ratio {rate / base:.3f}"
        )


if __name__ == "__main__":
    main()
