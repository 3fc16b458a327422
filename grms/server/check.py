"""``grms-server check``: everything a broker needs, looked at without changing it.

The exception: a cluster's directories and wrapper are put in place, as the engine would do.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from grms import store as stores
from grms.broker.ports.store import Lease, Store
from grms.broker.vitals import read_vitals
from grms.config import Settings
from grms.errors import GrmsError
from grms.server import guard
from grms.server.check_cluster import check_cluster
from grms.server.processes import bind
from grms.server.reports import Finding, fail, ok, warn
from grms.server.wiring import SiteBook

#: Bytes of free space below which transfers through the spool may soon fail.
LOW_SPACE = 1 << 30
_LOOPBACK = ("127.", "::1", "localhost")


def check(settings: Settings) -> Iterator[Finding]:
    """Look at everything; a fault is a finding, never an exception."""
    yield from check_settings(settings)
    present = settings.data_dir.is_dir()
    yield from check_data_dir(settings.data_dir)
    if present:
        yield from check_space(settings.data_dir)
    for found in stores.check(settings.database_url):
        yield ok("database", found.what) if found.ok else fail("database", found.what, found.cure)
    yield check_port(settings)
    yield from _with_store(settings)


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Settings that are legal but seldom meant."""
    yield ok("settings", "all are known and of the right type")
    if not settings.file_roots:
        yield warn(
            "settings", "file_roots is empty: file: URLs are refused", "name directories in it"
        )
    for root in settings.file_roots:
        if not root.is_dir():
            yield warn("settings", f"file_roots: {root} is no directory", "make it, or take it out")
    if settings.anonymous and not settings.host.startswith(_LOOPBACK):
        yield warn(
            "settings",
            f"anyone who reaches {settings.host} may submit jobs as {settings.anonymous!r}",
            "set anonymous = '' or listen on the loopback",
        )


def check_data_dir(place: Path) -> Iterator[Finding]:
    """Is it there, ours, writable, and closed to others."""
    where = "data directory"
    try:
        status = place.stat()
    except OSError as error:
        yield fail(where, f"{place}: {error.strerror}", "run 'grms-server migrate', which makes it")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield fail(where, f"{place} is not a directory", "name another with --data-dir")
        return
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield fail(where, f"{place} cannot be written by uid {os.geteuid()}", f"chown it: {place}")
    elif status.st_uid != os.geteuid():
        cure = "run this command as the service's account, or chown the directory"
        yield warn(where, f"{place} belongs to uid {status.st_uid}, not {os.geteuid()}", cure)
    else:
        yield ok(where, f"{place} is ours and can be written")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        yield warn(where, f"{place} has mode {mode:o}: others may look in", f"chmod 700 {place}")


def check_space(place: Path) -> Iterator[Finding]:
    """Room for the spool and the local jobs."""
    free = shutil.disk_usage(place).free
    text = f"{free >> 20} MB are free in {place}"
    yield ok("disk", text) if free >= LOW_SPACE else warn("disk", f"only {text}", "make room")


def check_port(settings: Settings) -> Finding:
    """Free, or held by this data directory's own service."""
    pid = guard.holder(settings.data_dir, guard.SERVER)
    if pid:
        return ok("port", f"the service runs as process {pid}")
    try:
        bind(settings).close()
    except GrmsError as error:
        what, _, cure = error.message.partition("; ")
        return fail("port", what, cure)
    return ok("port", f"{settings.host} port {settings.port} is free; the service does not run")


def _with_store(settings: Settings) -> Iterator[Finding]:
    try:
        store = stores.open_store(settings.database_url, create=False)
    except GrmsError:
        return  # the findings on the database have told why
    try:
        now = datetime.now(UTC)
        yield from check_engine(settings, store.leases(), now)
        yield from _clusters(store)
    except GrmsError as error:
        yield fail("database", error.message)
    finally:
        store.close()


def check_engine(settings: Settings, leases: Sequence[Lease], now: datetime) -> Iterator[Finding]:
    """Who works, and who holds which round."""
    pid, vitals = guard.holder(settings.data_dir, guard.ENGINE), read_vitals(settings.data_dir)
    if not pid and guard.holder(settings.data_dir, guard.SERVER):
        cure = "its log says why its engine ends; with --no-engine start 'grms-server engine'"
        yield fail("engine", "the service takes jobs, but no engine works on them", cure)
    elif not pid:
        yield warn("engine", "none works on this data directory", "start 'grms-server serve'")
    elif vitals is not None:
        age = (now - vitals.at).total_seconds()
        text = f"{vitals.engine}, process {pid}, finished a turn {age:.0f} s ago"
        yield ok("engine", text) if age < 30 else fail("engine", text, "see the log, restart it")
    for lease in leases:
        left = (lease.until - now).total_seconds()
        state = f"for {left:.0f} s more" if left > 0 else f"run out {-left:.0f} s ago"
        yield ok("lease", f"{lease.name} is held by {lease.owner}, {state}")


def _clusters(store: Store) -> Iterator[Finding]:
    clusters = store.clusters()
    if not clusters:
        yield warn("clusters", "none is registered", "start the service once, or declare some")
    sites = SiteBook()
    accounts = {principal.account for principal in store.principals() if principal.account}
    try:
        for cluster in clusters:
            yield from check_cluster(sites, cluster, accounts)
    finally:
        sites.close()
