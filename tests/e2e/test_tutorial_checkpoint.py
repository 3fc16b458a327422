"""The checkpoint tutorial, carried out as it is written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from broker import Broker
from moving import fork_clusters

PAGE = Path(__file__).parents[2] / "docs/tutorial/checkpoint.md"
CLIENT = f'#!/bin/sh\nexec "{sys.executable}" -m grms.client "$@"\n'


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    place = tmp_path / "broker"
    clusters = fork_clusters(tmp_path / "grid", "ab")
    broker = Broker(place, {"GRMS_CLUSTERS_FILE": clusters})
    broker.start()
    try:
        _carry_out(broker)
        (job_id,) = _job_ids(broker)
        assert len(broker.attempts(job_id)) == 2
    finally:
        broker.kill()
    assert (broker.files / "result.txt").read_text() == "counted to 600\n"
    assert 0 < int((broker.files / "state.txt").read_text()) < 600


def _carry_out(broker: Broker) -> None:
    """Write the page's files and run its commands, as somebody would who reads it."""
    page = PAGE.read_text("utf-8")
    for name, text in re.findall(r"```\w+ file=(\S+)\n(.*?)```", page, re.DOTALL):
        (broker.files / name).write_text(text.replace("FILES", str(broker.files)))
    tool = broker.files / "grms-client"
    tool.write_text(CLIENT)
    tool.chmod(0o755)
    script = "".join(re.findall(r"```sh run\n(.*?)```", page, re.DOTALL))
    assert script.count("grms-client") == 5
    env = {
        **broker.env,
        "PATH": f"{broker.files}:{broker.env['PATH']}",
        "GRMS_SERVER": broker.url,
        "GRMS_TOKEN": broker.token,
        "PYTHONPATH": str(PAGE.parents[2]),
    }
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=broker.files,
        env=env,
        text=True,
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _job_ids(broker: Broker) -> list[str]:
    with broker.client() as client:
        return list(client.list())
