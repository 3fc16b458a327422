"""The short form of the drill; docs/how-to/run-the-drill.md has the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = "20261201"
#: Each system once, each on another bad day; "all" mixes them.
CASES = (
    ("fork", "service"),
    ("fork", "ahead"),
    ("slurm", "all"),
    ("sge", "partial"),
    ("condor", "lost"),
    ("pbs", "reused"),
    ("lsf", "moves"),
)


def start(system: str, fault: str) -> subprocess.Popen[str]:
    """One drill, as its command."""
    sizes = ["--jobs", "8", "--bursts", "4", "--seed", SEED]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.drill", "--system", system, "--fault", fault, *sizes],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.timeout(900)
def test_a_killed_broker_on_failing_systems_loses_doubles_and_misreports_nothing() -> None:
    # They wait more than they work: side by side they take hardly longer than one.
    drills = [start(*case) for case in CASES]
    told = [drill.communicate()[0] for drill in drills]
    failed = [text for drill, text in zip(drills, told, strict=True) if drill.returncode]
    assert not failed, "\n".join(failed)
    assert all(f"| {system} | {fault} | 8 |" in told[n] for n, (system, fault) in enumerate(CASES))
