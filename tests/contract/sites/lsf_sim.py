"""The LSF adapter on the simulator of OpenLava: no LSF is to be had as a package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sites.simulated import simulator
from sites.site import Site, make_site

from grms.adapters.lsf import Lsf
from grms.broker.ports.batch import CommandResult
from grms.transport.local import LocalTransport


@contextmanager
def site(scratch: Path) -> Iterator[Site]:
    """A simulated cluster of its own."""
    target = scratch / "lsf"
    with simulator("lsf", target, first_id=101) as core:
        yield make_site(
            "lsf",
            Lsf,
            LocalTransport(),
            str(scratch / "work"),
            python=sys.executable,
            options={"bin": str(target / "bin"), "dialect": "openlava"},
            unknown_id="999999",
            queue="normal",
            many=40,
            strange=CommandResult(0, b"7|LEVITATING||gstrange\n"),
            strange_id="7",
            vanish=lambda native_id: core.forget(target, int(native_id)),
        )
