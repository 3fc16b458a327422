"""A control group (cgroup v2) for one job, where the host lets us make one.

With it no process of a job can hide, whatever it does to its session, its parents or its
environment, and all of them are killed at once. Source: the kernel's admin-guide/cgroup-v2;
``cgroup.kill`` exists since Linux 5.14, before that every process is signalled by itself.
"""

import os
import signal
from functools import lru_cache

from grms.jobside.processes import slurp


class Group:
    """A cgroup of ours; ``path`` is "" where none could be made: then it does nothing."""

    def __init__(self, tag: str) -> None:
        self.path = _make("grms-%s-%d" % (tag, os.getpid()))

    def join(self) -> None:
        """Put the calling process into it."""
        if self.path:
            _write(self.path + "/cgroup.procs", b"0")

    def members(self) -> "list[int]":
        """The ids of its processes."""
        if not self.path:
            return []
        try:
            return [int(line) for line in slurp(self.path + "/cgroup.procs").split()]
        except (OSError, ValueError):
            return []

    def kill(self) -> None:
        """Kill all its processes."""
        if self.path and not _write(self.path + "/cgroup.kill", b"1"):
            for pid in self.members():
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass  # ended meanwhile

    def remove(self) -> bool:
        """Give it back; False for one with processes left: it stays, and so does what they show."""
        if self.path:
            try:
                os.rmdir(self.path)
                self.path = ""
            except OSError:
                return False
        return True


def _make(name: str) -> str:
    """Make a group below our own; "" where there is no cgroup v2, or it is not ours to write."""
    path = "%s/%s" % (own(), name)
    try:
        if not own():
            return ""
        os.mkdir(path)
    except OSError:
        return ""
    if os.access(path + "/cgroup.procs", os.W_OK):
        return path
    os.rmdir(path)
    return ""


def sweep() -> None:
    """Take away the groups of wrappers that were killed; one with processes left stays."""
    try:
        names = os.listdir(own()) if own() else []
    except OSError:
        return
    for name in names:
        if name.startswith("grms-") and not os.path.exists("/proc/" + name.rpartition("-")[2]):
            try:
                os.rmdir("%s/%s" % (own(), name))
            except OSError:
                pass


@lru_cache(maxsize=None)
def own() -> str:
    """The directory of our own group; looked for once, by a launcher for all its wrappers."""
    try:
        return _own() or ""
    except OSError:
        return ""


def _own() -> "str | None":
    """The directory of our own group in the cgroup2 hierarchy."""
    mount = None
    with open("/proc/self/mounts") as stream:
        for line in stream:
            fields = line.split()
            if fields[2] == "cgroup2":
                mount = fields[1]
                break
    if mount is None:
        return None
    with open("/proc/self/cgroup") as stream:
        for line in stream:
            if line.startswith("0::"):
                return mount + line[3:].strip().rstrip("/")
    return None


def _write(path: str, data: bytes) -> bool:
    try:
        handle = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        return os.write(handle, data) == len(data)
    except OSError:
        return False
    finally:
        os.close(handle)
