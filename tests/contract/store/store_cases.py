"""Records and workers that the store tests share."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grms
from grms.broker.records import Attempt, EventKind, Job, NewEvent

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def make_job(job_id="j1", **more):
    facts = {"owner": "/CN=Ann", "appid": "app", "description": "<grmsjob/>", "due_at": NOW}
    return Job(id=job_id, submitted_at=NOW, **facts | more)


def make_event(text="told", kind=EventKind.NOTE, **data):
    return NewEvent(kind, NOW, text, data)


def make_attempt(job_id="j1", number=1, **more):
    facts = {"cluster": "c1", "tag": f"g{job_id}{number}", "directory": "/w", "description": "<x/>"}
    return Attempt(job_id=job_id, number=number, created_at=NOW, **facts | more)


def start_worker(*arguments):
    """Start store_worker.py, which finds the same grms as this process."""
    return subprocess.Popen(
        [sys.executable, Path(__file__).parent / "store_worker.py", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(grms.__file__).parents[1])},
    )
