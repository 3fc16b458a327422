"""Batch systems of the test bed: brought up, or the reason why this machine has none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TESTBED = Path(__file__).parents[1] / "testbed"
#: Lines of a script that failed, logs of daemons among them.
_LAST_WORDS = 50
#: What each answers when it is up, to root.
_SIGNS_OF_LIFE = {
    "slurm": ["sinfo", "-h"],
    "sge": ["/usr/lib/gridengine/qstat", "-g", "c"],
    "condor": ["/opt/grms-condor/bin/condor_status", "-schedd"],
}
_ENVIRONMENT = {
    "SGE_ROOT": "/var/lib/gridengine",
    "SGE_CELL": "default",
    "CONDOR_CONFIG": "/opt/grms-condor/condor_config",
}


class Unavailable(Exception):  # noqa: N818 - reads as it is raised
    """This machine cannot have the system; the text says why."""


def bring_up(system: str) -> None:
    """Run ``testbed/<system>-up``; raises Unavailable with its words where it cannot be had.

    GRMS_TESTBED=none starts nothing: then what is up already is used.
    """
    if os.geteuid() != 0:
        raise Unavailable("its test bed needs root")
    if os.environ.get("GRMS_TESTBED") == "none":
        _must_answer(system)
        return
    done = subprocess.run(
        [TESTBED / f"{system}-up"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-_LAST_WORDS:]
        raise Unavailable("\n".join(words) or f"{system}-up ended with {done.returncode}")


def _must_answer(system: str) -> None:
    try:
        done = subprocess.run(
            _SIGNS_OF_LIFE[system],
            env=os.environ | _ENVIRONMENT,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"it does not run, and GRMS_TESTBED=none ({error})") from error
    if done.returncode != 0:
        raise Unavailable("it does not run, and GRMS_TESTBED=none")
