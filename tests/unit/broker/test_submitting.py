"""Many submissions go in parts, of which the batch system sees one at a time."""

from __future__ import annotations

import threading

import pytest
from clusters import ANN, NOON, bare
from test_placing import TEXT, Noon, Shelf

from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.layout import Layout
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.ports.batch import Command, CommandResult, Traits
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, EventKind, Job, NewEvent
from grms.broker.rounds.submitting import submit
from grms.config import Settings
from grms.server.wiring import make_store

MANY = 120


class Queue:
    """An adapter and a transport: takes everything, and notes how much at once."""

    traits = Traits()

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.parts: list[int] = []
        self.written = 0

    def script(self, _submission):
        return b"#!/bin/sh\n"

    def submit_command(self, submission):
        return Command((submission.tag,))

    def parse_submit(self, result):
        return result.stdout.decode()

    def make_directories(self, _paths):
        pass

    def write(self, files, *, durable):
        self.written += len(files)

    def run_many(self, commands):
        assert self.busy.acquire(blocking=False), "the batch system was asked by two at once"
        self.parts.append(len(commands))
        self.busy.release()
        return [CommandResult(0, command.argv[0].encode()) for command in commands]


@pytest.fixture
def edges(tmp_path):
    store = make_store(Settings(data_dir=tmp_path))
    yield Edges(store, None, Shelf(), Noon(), Settings(data_dir=tmp_path))
    store.close()


def placed(edges, number):
    text, job_id = TEXT.format(wanted=""), f"j{number}"
    job = Job(job_id, ANN, "a", text, NOON, due_at=NOON)
    job = edges.store.accept(job, [NewEvent(EventKind.ACCEPTED, NOON, "accepted")]).job
    attempt = Attempt(job_id, 1, "c", f"g{number}", f"/w/{number}", text, NOON)
    draft = Draft(job, NOON).attempt(attempt)
    (job,) = edges.apply([draft.go(Trigger.PLACED, RequestStatus.TASK_RESOURCE_DONE)])
    return job, attempt


def test_all_are_submitted_in_parts_and_one_part_at_a_time(edges):
    queue = Queue()
    items = [placed(edges, number) for number in range(MANY)]
    cluster = bare(name="c")
    site = Site(cluster, "", queue, queue, Layout("/w"), "/w/bin/run")  # type: ignore[arg-type]
    submit(edges, site, items)
    assert len(queue.parts) > 1
    assert sum(queue.parts) == MANY
    stored = edges.store.jobs_of([job.id for job, _ in items]).values()
    assert {job.state for job in stored} == {JobState.PENDING}
    natives = {edges.store.attempts(job.id)[0].native_id for job, _ in items}
    assert natives == {attempt.tag for _, attempt in items}
