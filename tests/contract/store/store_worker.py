"""Another process on the database: ``store_worker.py WHAT URL NAME``; prints what it did."""

import itertools
import sys
from datetime import UTC, datetime, timedelta

from grms.broker.lifecycle import LIVE
from grms.broker.records import EventKind, Job, NewEvent
from grms.store import open_store

NOW = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)


def say(line):
    print(line, flush=True)


def event():
    return NewEvent(EventKind.NOTE, NOW, "told")


def job(job_id):
    return Job(job_id, "/CN=Ann", "app", "<grmsjob/>", NOW, due_at=NOW)


def claim(store, name):
    while got := store.claim(name, LIVE, NOW, NOW + timedelta(hours=1), 2):
        for found in got:
            say(found.id)


def note(store, name):
    for _ in range(30):
        store.note("j1", event())


def accept_key(store, name):
    """Accept 20 keys that the other process accepts as well."""
    for number in range(20):
        answer = store.accept(job(f"{name}{number}"), [event()], key=f"k{number}", digest="d")
        say(answer.job.id)


def accept_for_ever(store, name):
    for number in itertools.count():
        say(store.accept(job(f"{name}{number}"), [event()]).job.id)


if __name__ == "__main__":
    what, url, name = sys.argv[1:]
    acts = {"claim": claim, "note": note, "accept-key": accept_key, "for-ever": accept_for_ever}
    store = open_store(url)
    acts[what](store, name)
    store.close()
