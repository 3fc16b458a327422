"""Clusters and descriptions for the tests of matching and scheduling."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from grms.broker.records import Cluster, Installed, Job, Link, Measured, OwnerLimits, Queue
from grms.gjd.model import Application, Executable, JobDescription, JobType, Requirements

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ANN, BOB = "/C=PL/CN=Ann", "/C=PL/CN=Bob"


def big(**facts: Any) -> Cluster:
    """A cluster of which everything is declared."""
    known: dict[str, Any] = {
        "name": "big",
        "batch": "pbs",
        "transport": "ssh://grid@login.big.example.org:2222",
        "workdir": "/scratch/grms",
        "host": "big.example.org",
        "queues": (
            Queue("short", max_wall=60, max_cpus=8),
            Queue("long", default=True, max_wall=1440, max_cpus=32, memory=64_000),
        ),
        "osname": "Linux",
        "ostype": "x86_64",
        "osversion": "5.10",
        "osrelease": "5.10.0-8",
        "cpus": 64,
        "cpu_speed": 2400,
        "memory": 128_000,
        "disk": 500_000,
        "applications": (
            Installed("blast", "2.2", "/opt/blast/bin/blastall"),
            Installed("blast", "2.6"),
            Installed("gamess", "7", instance_count=4),
            Installed("povray"),
        ),
        "links": (Link("", 5000, 30, 4000), Link("data.example.org", 50_000, 2, 40_000)),
    }
    return Cluster(**known | facts)


def bare(**facts: Any) -> Cluster:
    """A cluster of which nothing is known but how to reach it."""
    known: dict[str, Any] = {"name": "bare", "batch": "slurm", "workdir": "/w"}
    return Cluster(**known | facts)


def measured(cluster: str = "big", **figures: Any) -> Measured:
    """A measurement: 16 of 64 processors free."""
    known: dict[str, Any] = {
        "free_cpus": 16,
        "free_memory": 32_000,
        "free_disk": 100_000,
        "waiting": 0,
        "running": 3,
    }
    return Measured(cluster, NOON, **known | figures)


def description(
    *alternatives: Requirements,
    application: Application | None = None,
    count: int = 1,
    **facts: Any,
) -> JobDescription:
    """A description with these requirements."""
    executable = Executable(JobType.MULTIPLE, application=application, count=count)
    return JobDescription("demo", executable, alternatives, **facts)


def job(job_id: str, owner: str = ANN, **facts: Any) -> Job:
    """A queued job; ids in order of submission."""
    return Job(job_id, owner, "demo", "<grmsjob/>", facts.pop("submitted_at", NOON), **facts)


def limits(**facts: Any) -> OwnerLimits:
    """Limits of a cluster's owner."""
    return OwnerLimits(**facts)
