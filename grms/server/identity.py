"""The names of engines, by which a survivor can tell that another one is dead."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from grms.broker.ports.store import Store


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _start_of(pid: int) -> str:
    """When a process started, in ticks since boot (proc(5), field 22); "" if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return ""
    after_name = stat.rpartition(")")[2].split()
    return "" if after_name[0] == "Z" else after_name[19]


def engine_name() -> str:
    """A name for this process that no other engine ever has: host, boot, pid, start, chance."""
    pid = os.getpid()
    host = os.uname().nodename
    return f"{host}/{_boot_id()}/{pid}/{_start_of(pid)}/{uuid.uuid4().hex[:8]}"


def is_dead(name: str) -> bool:
    """True if the engine of that name ran on this host and is gone; False if nobody can tell."""
    parts = name.split("/")
    if len(parts) != 5 or parts[0] != os.uname().nodename or not parts[2].isdigit():
        return False
    return parts[1] != _boot_id() or _start_of(int(parts[2])) != parts[3]


def disown_the_dead(store: Store) -> None:
    """Free what dead engines of this host held, so that nothing waits for their leases."""
    for owner in store.lease_owners():
        if is_dead(owner):
            store.disown(owner)
