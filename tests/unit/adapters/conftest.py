"""What the tests of the adapters share."""

from __future__ import annotations

import pytest

from grms.broker.ports.batch import Submission


@pytest.fixture
def submission() -> Submission:
    """A submission that asks for everything."""
    return Submission(
        tag="gabcdefghijklmn",
        wrapper=("/usr/bin/python3", "/w/bin/run it's.py", "/w/jobs/j/1/control/spec.json"),
        directory="/w/jobs/j/1/control",
        workdir="/w/jobs/j/1/work",
        count=4,
        queue="short",
        project="astro",
        wall=3661,
        memory=2048,
    )
