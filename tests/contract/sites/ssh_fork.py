"""The fork adapter on a host that is reached over a real sshd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sshd_server
from sites.site import Site, make_site

from grms.adapters.fork import Fork
from grms.broker.ports.batch import Command, CommandResult
from grms.transport.ssh import SshTransport


@contextmanager
def site(scratch: Path) -> Iterator[Site]:
    """Start a server; jobs run as the account that logs in."""
    server = sshd_server.start()
    transport = SshTransport(server.target())
    place = transport.run(Command(("mktemp", "-d"))).stdout.decode().strip()
    strange_id = "17.4711.00000000.gstrange"
    answer = {"answers": [{"id": strange_id, "state": "levitating", "tag": "gstrange"}]}

    def vanish(native_id: str) -> None:
        transport.run(Command(("kill", "-KILL", native_id.partition(".")[0])))

    try:
        yield make_site(
            "ssh_fork",
            Fork,
            transport,
            place,
            python="python3",
            unknown_id="1.2.abcdef01.gnobody",
            strange=CommandResult(0, json.dumps(answer).encode()),
            strange_id=strange_id,
            vanish=vanish,
        )
    finally:
        transport.remove([place])
        transport.close()
        server.close()
