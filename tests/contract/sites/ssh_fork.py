"""The fork adapter over a real OpenSSH server on this host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sshd_server
from sites import fork
from sites.site import Site, Unavailable, make_site

from grms.adapters.fork import Fork
from grms.broker.ports.batch import Command
from grms.broker.records import Cluster
from grms.transport import make_transport


@contextmanager
def site(scratch: Path) -> Iterator[Site]:
    """A server of our own, and the same jobs as without it."""
    try:
        server = sshd_server.start()
    except pytest.skip.Exception as reason:
        raise Unavailable(str(reason)) from reason
    target = server.target()
    cluster = Cluster(
        "there",
        "fork",
        transport=f"ssh://{target.user}@{target.host}:{target.port}",
        options={"key_file": target.key_file, "known_hosts": target.known_hosts},
    )
    transport = make_transport(cluster)
    made = transport.run(Command(("mktemp", "-d", "/tmp/grms-ssh-fork-XXXXXXXX")))
    workdir = made.stdout.decode().strip()
    try:
        with fork.site(scratch) as plain:
            yield make_site(
                "fork",
                Fork,
                transport,
                workdir,
                python="python3",
                unknown_id=plain.unknown_id,
                strange=plain.strange,
                strange_id=plain.strange_id,
                vanish=plain.vanish,
            )
    finally:
        transport.remove([workdir])
        transport.close()
        server.close()
