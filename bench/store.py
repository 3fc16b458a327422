"""How fast jobs are accepted: 8 threads, as a ratio to bare one-row commits on the same disk.

Run as ``python bench/store.py [SECONDS]`` in a checkout; the database is made under the current
directory. A ratio says the same on a fast and on a slow disk; the rates are for the curious.
"""

import itertools
import sqlite3
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from grms.broker.records import EventKind, Job, NewEvent
from grms.store import open_store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DESCRIPTION = "<grmsjob/>" + "x" * 1700


def bare(file, seconds):
    """One-row commits a second with nothing around them: WAL, synchronous FULL, one thread."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT)")
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        connection.execute("INSERT INTO t (x) VALUES (?)", (DESCRIPTION,))
        count += 1
    connection.close()
    return count / seconds


def accepts(url, threads, seconds):
    """Jobs accepted a second, and the median wait of a caller in milliseconds."""
    store = open_store(url)
    names, waits = itertools.count(), []
    end = time.monotonic() + seconds

    def run():
        while time.monotonic() < end:
            start = time.monotonic()
            job = Job(f"{threads}-{next(names)}", "/CN=Ann", "app", DESCRIPTION, NOW, due_at=NOW)
            store.accept(job, [NewEvent(EventKind.ACCEPTED, NOW, "accepted")])
            waits.append(time.monotonic() - start)

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store.close()
    return len(waits) / seconds, sorted(waits)[len(waits) // 2] * 1000


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    with tempfile.TemporaryDirectory(dir=".") as directory:
        base = bare(Path(directory) / "bare.db", seconds)
        print(f"bare one-row commits: {base:.0f}/s")
        for threads in (1, 8):
            url = f"sqlite:///{directory}/grms.db"
            rate, wait = accepts(url, threads, seconds)
            print(
                f"accept, {threads} thread(s): {rate:.0f}/s, ratio {rate / base:.2f}, "
                f"median wait {wait:.1f} ms"
            )


if __name__ == "__main__":
    main()
