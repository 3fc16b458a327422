"""Giving an attempt up for good, on file systems that show each side's files late."""

from __future__ import annotations

from datetime import datetime, timedelta

from grms.broker.layout import control
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt

#: How late one side may see the other's files: NFS keeps names for up to 60 s (nfs(5), acdirmax).
LATE = 60.0
#: How long a fence takes to be certain: a wrapper may start until it sees the fence, ``LATE`` after
#: that was written, and we may see the mark of that start as late again.
SETTLE = 2 * LATE
#: The mark of an attempt that was fenced. It is made after the fence was written: how late that may
#: be seen is counted from the mark's ``missing_since``.
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
    """True when a fence written before ``since`` holds, and whoever passed it must be visible."""
    return _passed(site, since, now, SETTLE)


def arrived(site: Site, since: datetime | None, now: datetime) -> bool:
    """True when what the cluster wrote before ``since`` must be visible by ``now``."""
    return _passed(site, since, now, LATE)


def _passed(site: Site, since: datetime | None, now: datetime, seconds: float) -> bool:
    if site.transport.same_filesystem:
        return True
    return since is not None and now - since >= timedelta(seconds=seconds)
