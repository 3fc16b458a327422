"""The batch system's own limit comes after the wrapper's, which names what ended the job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from grms.broker.layout import Layout
from grms.broker.ports.batch import Submission
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Cluster, Phase, Queue
from grms.broker.work import submission
from grms.gjd.model import Executable, JobDescription, JobType, Requirements

PATIENT = Queue("patient")
STRICT = Queue("strict", max_wall=10)


@pytest.fixture
def submitted(attempt: Callable[..., Attempt]) -> Callable[..., Submission]:
    """What the adapter is told of a job with a wall limit of so many minutes."""

    def make(minutes: int | None, queue: str = "", **more: Any) -> Submission:
        cluster = Cluster("c", "slurm", queues=(PATIENT, STRICT))
        site = SimpleNamespace(
            cluster=cluster, layout=Layout("/w"), wrapper="/w/run.py", python="python3"
        )
        duration = None if minutes is None else timedelta(minutes=minutes)
        description = JobDescription("a", Executable(JobType.SINGLE), duration=duration, **more)
        return submission(description, attempt(Phase.STAGED, queue=queue), cast(Site, site))

    return make


def test_the_wall_limit_comes_a_minute_later(submitted: Callable[..., Submission]) -> None:
    assert submitted(9, "patient").wall == 600


def test_it_is_never_more_than_the_queue_takes(submitted: Callable[..., Submission]) -> None:
    assert submitted(10, "strict").wall == 600


def test_a_job_that_asks_for_more_than_the_queue_takes_asks_so(
    submitted: Callable[..., Submission],
) -> None:
    assert submitted(11, "strict").wall == 660


def test_no_limit_stays_none(submitted: Callable[..., Submission]) -> None:
    assert submitted(None).wall is None
    assert submitted(None).cpu is None


def test_the_limit_of_cpu_time_comes_a_minute_later(submitted: Callable[..., Submission]) -> None:
    assert submitted(None, resources=(Requirements(maxcputime=2),)).cpu == 180
