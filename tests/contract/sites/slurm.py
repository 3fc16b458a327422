"""The Slurm adapter on a real Slurm, as an ordinary user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sites.debian import workdir
from sites.site import Site, make_site
from testbed_systems import bring_up

from grms.adapters.slurm import Slurm
from grms.broker.ports.batch import CommandResult
from grms.transport.account import AccountTransport


@contextmanager
def site(scratch: Path) -> Iterator[Site]:
    """``testbed/slurm-up``; user grid."""
    bring_up("slurm")
    row = "\x1f".join(("4711", "LEVITATING", "None", "1795174187", "N/A", "N/A", "gstrange"))
    with workdir("grid") as place:
        yield make_site(
            "slurm",
            Slurm,
            AccountTransport("grid"),
            place,
            python="/usr/bin/python3",
            unknown_id="999999",
            strange=CommandResult(0, row.encode() + b"\n"),
            strange_id="4711",
        )
