"""Listing, releasing, exporting jobs; backing up; and refusing clearly."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from grms.broker import layout
from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.lifecycle import JobState
from grms.broker.records import Attempt, EventKind, Job, NewEvent, Phase
from grms.config import Settings
from grms.errors import ErrorCode, SiteError
from grms.server import guard

Server = Callable[..., Result]
NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


def accept(edges: Edges, job_id: str, owner: str = "alice") -> Job:
    """A job in the store."""
    text = '<grmsjob appid="x"><variable name="DB_PASSWORD">hunter2</variable></grmsjob>'
    job = Job(id=job_id, owner=owner, appid="x", description=text, submitted_at=NOW)
    return edges.store.accept(job, [NewEvent(EventKind.ACCEPTED, NOW, "accepted")]).job


def park(edges: Edges, job: Job) -> None:
    """Give a job up after repeated failures."""
    error = SiteError("the disk of hpc is full", code=ErrorCode.NO_SPACE)
    edges.apply([Draft(job, NOW).fail(error, parked=True)])


def placed(edges: Edges, job: Job, phase: Phase = Phase.SUBMITTED, native_id: str = "") -> Attempt:
    """Give a job an attempt on the embedded cluster."""
    cluster = edges.clusters()["localhost"]
    attempt = Attempt(
        job_id=job.id, number=1, cluster="localhost", tag=layout.tag(job.id, 1),
        directory=layout.Layout(cluster.workdir).attempt(job.id, 1),
        description=job.description, created_at=NOW, phase=phase, native_id=native_id,
    )  # fmt: skip
    edges.apply([Draft(job, NOW).attempt(attempt)])
    return attempt


def test_jobs_are_listed_by_state_and_owner(edges: Edges, server: Server) -> None:
    accept(edges, "job-a")
    accept(edges, "job-b", owner="bob")
    park(edges, accept(edges, "job-c"))
    assert [line.split("\t")[0] for line in server("jobs").stdout.splitlines()] == [
        "job-c",
        "job-b",
        "job-a",
    ]
    assert "job-a" not in server("jobs", "--owner", "bob").stdout
    assert server("jobs", "--state", "failed").stdout.startswith("job-c\tFAILED\talice\t")


def test_parked_jobs_are_listed_with_the_reason(edges: Edges, server: Server) -> None:
    accept(edges, "job-a")
    park(edges, accept(edges, "job-b"))
    (line,) = server("parked").stdout.splitlines()
    assert line.startswith("job-b\tFAILED")
    assert line.endswith("the disk of hpc is full")
    (item,) = json.loads(server("parked", "--json").stdout)
    assert item["error"] == "the disk of hpc is full"


def test_a_released_job_is_queued_again_and_its_history_says_by_whom(
    edges: Edges, server: Server
) -> None:
    park(edges, accept(edges, "job-a"))
    assert server("release", "job-a").exit_code == 0
    assert edges.store.job("job-a").state is JobState.QUEUED
    assert "released by the administrator" in [e.text for e in edges.store.events("job-a")]


def test_of_several_jobs_those_that_can_be_are_released(edges: Edges, server: Server) -> None:
    accept(edges, "job-a")
    park(edges, accept(edges, "job-b"))
    result = server("release", "job-a", "no-such", "job-b")
    assert result.exit_code == 1
    assert "job-a is not parked" in result.stderr
    assert "no job 'no-such'" in result.stderr
    assert edges.store.job("job-b").state is JobState.QUEUED


def test_an_export_has_the_whole_story_without_secrets(
    edges: Edges, server: Server, tmp_path: Path
) -> None:
    attempt = placed(edges, accept(edges, "job-a"))
    site = edges.site_of(attempt)
    spec = json.dumps({"argv": ["x"], "env": {"API_TOKEN": "t0p"}}).encode()
    site.transport.write({f"{layout.control(attempt.directory)}/spec.json": spec})
    file = tmp_path / "story.json"
    assert server("export", "job-a", str(file)).exit_code == 0
    text = file.read_text()
    story = json.loads(text)
    assert (story["form"], story["job"]["id"]) == (1, "job-a")
    assert story["attempts"][0]["phase"] == "submitted"
    assert [event["text"] for event in story["events"]] == ["accepted"]
    assert story["control"]["1"]["spec.json"]["argv"] == ["x"]
    assert story["clusters"][0]["name"] == "localhost"
    assert story["versions"]["grms"]
    assert "hunter2" not in text
    assert "t0p" not in text
    assert file.stat().st_mode & 0o077 == 0


def test_an_export_never_overwrites_a_file(edges: Edges, server: Server, tmp_path: Path) -> None:
    accept(edges, "job-a")
    file = tmp_path / "story.json"
    file.write_text("mine")
    result = server("export", "job-a", str(file))
    assert (result.exit_code, file.read_text()) == (1, "mine")
    assert str(file) in result.stderr


def test_an_export_of_a_job_on_a_cluster_that_is_away_says_so(
    edges: Edges, server: Server, settings: Settings
) -> None:
    placed(edges, accept(edges, "job-a"))
    (settings.data_dir / "localhost").write_text("in the way")
    story = json.loads(server("export", "job-a").stdout)
    assert "localhost" in story["control"]["1"]["unreachable"]


def test_a_backup_can_be_restored_once_the_old_database_is_away(
    edges: Edges, server: Server, settings: Settings, tmp_path: Path
) -> None:
    accept(edges, "job-a")
    copy = tmp_path / "copy.db"
    assert server("backup", str(copy)).exit_code == 0
    again = server("backup", str(copy))
    assert (again.exit_code, "not overwritten" in again.stderr) == (1, True)
    there = server("restore", str(copy))
    assert (there.exit_code, "not overwritten" in there.stderr) == (1, True)
    edges.store.close()
    for file in settings.data_dir.glob("grms.db*"):
        file.rename(tmp_path / f"old-{file.name}")
    assert server("restore", str(copy)).exit_code == 0
    assert server("jobs").stdout.startswith("job-a\t")


@pytest.mark.parametrize("role", [guard.SERVER, guard.ENGINE])
def test_nothing_is_restored_while_a_broker_runs(
    edges: Edges, server: Server, settings: Settings, tmp_path: Path, role: str
) -> None:
    copy = tmp_path / "copy.db"
    server("backup", str(copy))
    with guard.held(settings.data_dir, role):
        result = server("restore", str(copy))
    assert result.exit_code == 1
    assert f"a GRMS {role}" in result.stderr
