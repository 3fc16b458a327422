"""The PBS adapter on the simulator of OpenPBS: no PBS is to be had as a package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sites.simulated import simulator
from sites.site import Site, make_site

from grms.adapters.pbs import Pbs
from grms.broker.ports.batch import CommandResult
from grms.transport.local import LocalTransport

_STRANGE = b'{"pbs_version": "23.06.06", "Jobs": {"7.pbshost": {"job_state": "Z"}}}'


@contextmanager
def site(scratch: Path) -> Iterator[Site]:
    """A simulated server of its own."""
    target = scratch / "pbs"
    with simulator("pbs", target) as core:
        yield make_site(
            "pbs",
            Pbs,
            LocalTransport(),
            str(scratch / "work"),
            python=sys.executable,
            options={"bin": str(target / "bin"), "suspend": "yes", "history": "yes"},
            unknown_id="999999.pbshost",
            queue="workq",
            many=40,
            strange=CommandResult(0, _STRANGE),
            strange_id="7.pbshost",
            vanish=lambda native_id: core.forget(target, int(native_id.partition(".")[0])),
        )
