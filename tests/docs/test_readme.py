"""The first command of the README does what the README says, in a clone of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """The committed state of this checkout, as a stranger gets it."""
    place = tmp_path / "clone"
    safe = ["-c", "safe.directory=*"]
    done = subprocess.run(
        ["git", *safe, "clone", "-q", "--no-hardlinks", str(root), str(place)],
        text=True,
        capture_output=True,
    )
    if done.returncode != 0:
        pytest.skip(f"this is no git checkout: {done.stderr.strip()}")
    return place


@pytest.fixture
def demo(clone: Path, programs: Path) -> Iterator[Run]:
    """Runs ``./demo`` of the clone with the environment that runs this test."""
    python = programs / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', "utf-8")
    python.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRMS_")}
    env = kept | {
        "GRMS_VENV": str(programs.parent),
        "GRMS_VENV_READY": "1",
        "PYTHONPATH": str(clone),
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["./demo", *words], cwd=clone, env=env, text=True, capture_output=True, timeout=250
        )

    yield run
    run("stop")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.usefixtures("examples")
@pytest.mark.timeout(600)
def test_the_demo_runs_a_job_and_leaves_no_broker_behind(clone: Path, demo: Run) -> None:
    shown = demo()
    assert shown.returncode == 0, shown.stderr
    assert "FINISHED" in shown.stderr
    assert "Hello World!" in shown.stdout.splitlines()
    pid = int((clone / ".demo/server.pid").read_text())
    assert _alive(pid)

    again = demo()
    assert again.returncode == 0, again.stderr
    assert "is running already" in again.stderr
    assert int((clone / ".demo/server.pid").read_text()) == pid

    stopped = demo("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert not _alive(pid)
    assert "no broker is running" in demo("stop").stderr


def test_an_unknown_word_is_answered_with_the_usage(demo: Run) -> None:
    done = demo("dance")
    assert done.returncode == 2
    assert "usage: ./demo" in done.stderr


def test_a_python_that_is_none_is_named(clone: Path) -> None:
    env = os.environ | {"PYTHON": "/bin/false", "GRMS_VENV": str(clone / "nowhere")}
    env.pop("GRMS_VENV_READY", None)
    done = subprocess.run(["./demo"], cwd=clone, env=env, text=True, capture_output=True)
    assert done.returncode == 1
    assert "PYTHON=/bin/false is not a Python 3.11 or newer" in done.stderr
