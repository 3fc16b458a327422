"""The tutorial with two clusters is run as it is written, on a real Slurm."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = (ROOT / "docs/tutorial/two-clusters.md").read_text("utf-8")
_CANNOT = 3


@pytest.fixture
def slurm() -> None:
    """A Slurm of the testbed, or a skip that says why not."""
    if os.geteuid() != 0:
        pytest.skip("TUTORIAL NOT RUN: the testbed's Slurm needs root")
    up = subprocess.run([ROOT / "testbed/slurm-up"], capture_output=True, text=True, timeout=900)
    if up.returncode == _CANNOT:
        pytest.skip(f"TUTORIAL NOT RUN: {up.stderr.strip()}")
    assert up.returncode == 0, up.stderr


def blocks(kind: str) -> list[tuple[str, str]]:
    """(title, text) of the fenced blocks of a kind."""
    return re.findall(rf"^```{kind} ?(\S*)\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slurm
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("slurm")
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    place, programs = tmp_path / "two-clusters", tmp_path / "bin"
    place.mkdir()
    programs.mkdir()
    for name, module in (("grms-server", "grms.server"), ("grms-client", "grms.client")):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n', "utf-8")
        script.chmod(0o755)
    port = str(free_port())

    def mine(text: str) -> str:
        return text.replace("/tmp/two-clusters", str(place)).replace("8080", port)

    for kind in ("toml", "xml"):
        for title, text in blocks(kind):
            (place / title).write_text(mine(text), "utf-8")
    script = "set -e\ntrap 'kill $(jobs -p)' EXIT\n" + "".join(text for _, text in blocks("sh"))
    env = {name: value for name, value in os.environ.items() if not name.startswith("GRMS_")}
    env["PATH"] = f"{programs}:{env['PATH']}"
    env["PYTHONPATH"] = f"{ROOT}:{env.get('PYTHONPATH', '')}"
    done = subprocess.run(
        ["bash", "-c", mine(script)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    log = place / "server.log"
    told = done.stdout + done.stderr + (log.read_text("utf-8") if log.exists() else "")
    assert done.returncode == 0, told
    for _, text in blocks("text"):
        for line in text.splitlines():
            assert line in done.stdout, told
    ends = re.findall(r"_(wide|here)_\d+ +FINISHED$", done.stdout, re.MULTILINE)
    assert ends == ["wide", "here", "wide"], told
    shutil.rmtree(place)
