"""Every example that one Linux machine can run ends as its manifest says."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broker import Broker, examples_to_myself
from moving import COUNT, QUICK, SLOW, undisturbed

EXAMPLES = Path(__file__).parents[2] / "examples"
PLACE = Path("/tmp/grms-examples")
MANIFEST = tomllib.loads((EXAMPLES / "manifest.toml").read_text("utf-8"))["example"]


def _missing(needs: list[str]) -> str:
    if "slurm" in needs:
        return "needs a cluster under Slurm: see tests/e2e/test_real_systems.py"
    if "mpi" in needs and shutil.which("mpirun") is None:
        return "needs an MPI launcher (mpirun)"
    if "2 cpus" in needs and (os.cpu_count() or 1) < 2:
        return "needs 2 processors"
    return ""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all examples; their data lie where the documents say."""
    with examples_to_myself():
        shutil.rmtree(PLACE, ignore_errors=True)
        shutil.copytree(EXAMPLES / "data", PLACE)
        found = Broker(tmp_path_factory.mktemp("examples"), {"GRMS_FILE_ROOTS": str(PLACE)})
        found.start()
        yield found
        found.kill()
        shutil.rmtree(PLACE, ignore_errors=True)


@pytest.mark.parametrize("example", MANIFEST, ids=lambda example: example["file"])
def test_the_example_ends_and_delivers_as_its_manifest_says(
    machine: Broker, example: dict[str, Any]
) -> None:
    reason = _missing(example.get("needs", []))
    if reason:
        pytest.skip(reason)
    with machine.client() as client:
        job_id = client.submit((EXAMPLES / example["file"]).read_text("utf-8"))
        if example.get("wish") == "cancel":
            machine.wait(job_id, "RUNNING")
            client.cancel(job_id)
        state = machine.wait(job_id)
        info = client.info(job_id)
    assert state == example["end"], info.error_description
    if example["end"] == "FAILED":
        assert f"exit code {example['exit_code']}" in info.error_description
    for path, wanted in example.get("outputs", {}).items():
        found = Path(path).read_text("utf-8")
        if "text" in wanted:
            assert found == wanted["text"]
        if "regex" in wanted:
            assert re.fullmatch(wanted["regex"], found), found
        if "holds" in wanted:
            assert wanted["holds"] in found


def test_the_checkpoint_example_goes_on_after_a_suspension_as_if_nothing_had_been(
    machine: Broker,
) -> None:
    shutil.copy(COUNT, PLACE)  # as examples/README.md says
    text = COUNT.with_suffix(".xml").read_text("utf-8").replace(">600<", ">200<")
    with machine.client() as client:
        job_id = client.submit(text.replace(">0.1<", f">{SLOW}<"))
        machine.wait(job_id, "RUNNING")
        client.suspend(job_id)
        machine.wait(job_id, "SUSPENDED")
        assert 0 <= json.loads((PLACE / "count.state").read_text())["step"] < 200
        client.resume(job_id, text.replace(">0.1<", f">{QUICK}<"))
        assert machine.wait(job_id) == "FINISHED"
    assert int((PLACE / "count-result.txt").read_text()) == undisturbed(200)
    assert len(machine.attempts(job_id)) == 2
