"""Giving an attempt up for good, on file systems that show each side's files late."""

from __future__ import annotations

from datetime import datetime, timedelta

from grms.broker.layout import control
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt

#: How late one side may see the other's files: NFS keeps names for up to 60 s (nfs(5), acdirmax).
SETTLE = 60.0
#: The mark of an attempt that is being given up: durable before the fence is written.
FENCED = "fenced"


def give_up(site: Site, attempt: Attempt) -> bool:
    """Fence an attempt: from now on its wrapper refuses to start. True if it had started.

    The wrapper marks its start first and reads the fence then; we write the fence first and read
    the mark then: one of the two sees the other, once files have ``settled``.
    """
    site.transport.write(
        {
            site.layout.fence(attempt.job_id): str(attempt.number + 1).encode(),
            f"{control(attempt.directory)}/revoked": b"given up\n",
        }
    )
    started = f"{control(attempt.directory)}/started"
    return bool(site.transport.read([started, f"{started}.json"]))


def settled(site: Site, since: datetime | None, now: datetime) -> bool:
    """True when what the cluster wrote before ``since`` must be visible by ``now``."""
    if site.transport.same_filesystem:
        return True
    return since is not None and now - since >= timedelta(seconds=SETTLE)
