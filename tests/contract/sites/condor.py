"""The HTCondor adapter on a real pool of one machine, which testbed/condor-up brings up.

HTCondor refuses jobs of root: root goes by way of the account ``grid``. Anybody else uses a pool
that is up already.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sites.site import Site, Unavailable, make_site
from testbed_systems import bring_up

from grms.adapters.condor import Condor
from grms.broker.ports.batch import CommandResult
from grms.broker.ports.transport import Transport
from grms.transport.account import AccountTransport
from grms.transport.local import LocalTransport

PREFIX = Path(os.environ.get("GRMS_CONDOR_PREFIX", "/opt/grms-condor"))
PYTHON = "/usr/bin/python3"

_STRANGE = b'[{"ClusterId": 7, "ProcId": 0, "JobStatus": 42}]'


@contextmanager
def site(scratch: Path) -> Iterator[Site]:
    """The pool stays up: it is quick to find and slow to make.

    ``scratch`` is not used: root's is closed to the account "grid".
    """
    transport = _transport()
    workdir = f"/tmp/grms-condor-{uuid.uuid4().hex[:12]}"
    try:
        yield make_site(
            "condor",
            Condor,
            transport,
            workdir,
            python=PYTHON,
            options={"bin": str(PREFIX / "bin"), "condor_config": str(PREFIX / "condor_config")},
            unknown_id="99999999.0",
            many=60,
            strange=CommandResult(0, _STRANGE),
            strange_id="7.0",
        )
    finally:
        transport.remove([workdir])


def _transport() -> Transport:
    if os.getuid() != 0:
        if not (PREFIX / "bin" / "condor_q").exists():
            raise Unavailable("run testbed/condor-up as root first")
        return LocalTransport()
    bring_up("condor")
    return AccountTransport("grid", python=PYTHON)
