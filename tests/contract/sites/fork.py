"""The fork adapter on this host."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sites.site import Site, make_site

from grms.adapters.fork import Fork
from grms.broker.ports.batch import CommandResult
from grms.transport.local import LocalTransport


@contextmanager
def site(scratch: Path) -> Iterator[Site]:
    """Nothing to start: the host is the system."""
    strange_id = "17.4711.00000000.gstrange"
    answer = {"answers": [{"id": strange_id, "state": "levitating", "tag": "gstrange"}]}
    yield make_site(
        "fork",
        Fork,
        LocalTransport(),
        str(scratch),
        python=sys.executable,
        unknown_id="1.2.abcdef01.gnobody",
        strange=CommandResult(0, json.dumps(answer).encode()),
        strange_id=strange_id,
        vanish=_kill,
    )


def _kill(native_id: str) -> None:
    os.kill(int(native_id.partition(".")[0]), signal.SIGKILL)
