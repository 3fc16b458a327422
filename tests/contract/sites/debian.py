"""Real batch systems on this host, brought up by the scripts of ``testbed/``."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sites.site import Unavailable

_TESTBED = Path(__file__).parents[3] / "testbed"
_CANNOT = 3


def bring_up(script: str) -> None:
    """Run ``testbed/<script>``; raises Unavailable with its words where it cannot be had."""
    if os.geteuid() != 0:
        raise Unavailable("needs root")
    done = subprocess.run(
        [_TESTBED / script], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900
    )
    if done.returncode == _CANNOT:
        raise Unavailable(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr


@contextmanager
def workdir(account: str) -> Iterator[str]:
    """A directory that ``account`` owns and may reach, unlike root's scratch."""
    path = tempfile.mkdtemp(prefix="grms-contract-")
    shutil.chown(path, account)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
