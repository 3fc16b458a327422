"""``grms-job``: what a job says from inside, through files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from execution_host import Host


def _say(host: Host, *lines: str) -> str:
    """Run a job of these shell lines; what it printed."""
    status = host.run(["sh", "-c", "\n".join(lines)])
    assert status == 0, (host.work / "err").read_text()
    return (host.work / "out").read_text()


def _told(host: Host) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(Path(host.layout.inbox).iterdir())]
    return [item for item in found if item["what"] == "told"]


def test_a_job_asks_for_its_id(any_host: Host) -> None:
    assert _say(any_host, "grms-job id") == "job\n"


def test_files_are_added_listed_and_deleted(any_host: Host) -> None:
    printed = _say(
        any_host,
        "grms-job add-output out.dat file:///files/out",
        "grms-job add-checkpoint state DIRECTORY",
        "grms-job delete out.dat",
        "grms-job list",
    )
    assert printed == "checkpoint\tstate\tDIRECTORY\t\n"
    said = [(item["verb"], item["role"], item["name"], item["url"]) for item in _told(any_host)]
    assert said == [
        ("add", "output", "out.dat", "file:///files/out"),
        ("add", "checkpoint", "state", ""),
        ("delete", "output", "out.dat", "file:///files/out"),
    ]


def test_progress_and_the_application_are_told_with_the_tag_of_the_attempt(host: Host) -> None:
    _say(host, "grms-job progress 40%", "grms-job register http://127.0.0.1:9/ 17")
    progress, register = _told(host)
    assert (progress["verb"], progress["text"], progress["tag"]) == ("progress", "40%", host.tag)
    assert (register["url"], register["pid"]) == ("http://127.0.0.1:9/", 17)


def test_a_job_says_that_it_is_checkpointable_no_more(host: Host) -> None:
    _say(host, "grms-job checkpointable --command ./save", "grms-job not-checkpointable")
    assert host.json("ways.json") == {}


@pytest.mark.parametrize(
    "line",
    [
        "dance",
        "register ftp://x",
        "add-output only-a-name",
        "add-output a file:///b SOMETHING",
        "delete nothing",
        "checkpointable --exit-code 0",
        "checkpointable --sing USR1",
        "checkpointable --overdue never",
    ],
)
def test_a_wrong_call_is_refused_with_the_usage_and_tells_nothing(host: Host, line: str) -> None:
    assert host.run(["sh", "-c", f"grms-job {line}"]) == 64
    assert "usage: grms-job" in (host.work / "err").read_text()
    assert _told(host) == []
