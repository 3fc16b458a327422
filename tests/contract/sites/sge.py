"""The SGE adapter on a real Son of Grid Engine, as an ordinary user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sites.debian import workdir
from sites.site import Site, make_site
from testbed_systems import bring_up

from grms.adapters.sge import Sge
from grms.broker.ports.batch import CommandResult
from grms.transport.account import AccountTransport

_STRANGE = b"""<?xml version='1.0'?>
<job_info><queue_info><job_list><JB_job_number>4711</JB_job_number><JB_name>gstrange</JB_name>
<state>Lev</state></job_list></queue_info></job_info>
\x1e
"""


@contextmanager
def site(scratch: Path) -> Iterator[Site]:
    """``testbed/sge-up``; user grid."""
    bring_up("sge")
    with workdir("grid") as place:
        yield make_site(
            "sge",
            Sge,
            AccountTransport("grid"),
            place,
            python="/usr/bin/python3",
            unknown_id="999999",
            strange=CommandResult(0, _STRANGE),
            strange_id="4711",
        )
