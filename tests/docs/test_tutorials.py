"""The commands of the tutorials are run as they stand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.usefixtures("examples")
@pytest.mark.timeout(600)
def test_the_first_job_runs_as_the_tutorial_says(
    root: Path, script: Callable[[Path], str], surroundings: dict[str, str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        ["sh", "-c", script(root / "docs/tutorial/first-job.md")],
        cwd=work,
        env=surroundings,
        text=True,
        capture_output=True,
        timeout=550,
    )
    told = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told
    assert "3 poem.txt" in done.stdout, told
    assert "refused, with exit code" in done.stdout, told
    assert "sinlge" in done.stderr, told
    assert "it failed, and that is exit code 8" in done.stdout, told
    assert "prose.txt" not in done.stdout.split("3 poem.txt")[0], told
    assert "canceled is exit code 9" in done.stdout, told
