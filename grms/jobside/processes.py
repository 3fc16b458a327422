"""What /proc says of processes. Source: proc(5), Linux 4.18 and later."""

import os
import signal
from functools import lru_cache

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


class Process:
    """One reading of /proc/PID/stat. ``start`` in clock ticks since boot, ``cpu`` in seconds."""

    def __init__(self, pid: int, line: bytes) -> None:
        fields = line[line.rindex(b")") + 2 :].split()
        self.pid = pid
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.start = int(fields[19])
        self.cpu = sum(int(field) for field in fields[11:15]) / _TICK
        self.rss = int(fields[21]) * _PAGE // 1024

    @property
    def lives(self) -> bool:
        """False for a zombie: it has ended, only nobody asked."""
        return self.state not in "ZX"


def slurp(path: "str | bytes") -> bytes:
    """A whole small file; raises OSError.

    Python's own file objects touch twice as much memory, which a fresh fork has to copy.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        return drain(handle)
    finally:
        os.close(handle)


def drain(handle: int) -> bytes:
    """What comes from a descriptor until its end."""
    found = piece = os.read(handle, 65536)
    while piece:
        piece = os.read(handle, 65536)
        found += piece
    return found


def look(pid: int) -> "Process | None":
    """The process, or None when there is none."""
    try:
        return Process(pid, slurp("/proc/%d/stat" % pid))
    except (OSError, ValueError, IndexError):
        return None


@lru_cache(maxsize=None)
def boot_id() -> str:
    """The kernel's name for this boot; "" where it has none."""
    try:
        return slurp("/proc/sys/kernel/random/boot_id").decode().strip()
    except OSError:
        return ""


def everybody() -> "list[int]":
    """All process ids."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid: int) -> "list[int]":
    """The children of all threads of ``pid``, without looking at every process of the host."""
    found = []  # type: list[int]
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            found += map(int, slurp("/proc/%d/task/%s/children" % (pid, task)).split())
    except FileNotFoundError:
        if os.path.exists("/proc/self/task/%d/children" % os.getpid()):
            return found  # it ended meanwhile
        every = (look(other) for other in everybody())
        found = [process.pid for process in every if process and process.parent == pid]
    except OSError:
        pass
    return found


def descendants(pid: int) -> "list[Process]":
    """All living processes below ``pid``, not itself."""
    found, edge = {}, [pid]
    while edge:
        for child in children(edge.pop()):
            process = None if child in found else look(child)
            if process:
                found[child] = process
                edge.append(child)
    return [process for process in found.values() if process.lives]


def marks() -> "dict[str, list[Process]]":
    """All living processes with a GRMS_TAG in their first environment, wherever they hang."""
    found = {}  # type: dict[str, list[Process]]
    for pid in everybody():
        tag = _mark(pid)
        process = look(pid) if tag and pid != os.getpid() else None
        if process and process.lives:
            found.setdefault(tag, []).append(process)
    return found


def _mark(pid: int) -> str:
    try:
        environ = b"\0" + slurp("/proc/%d/environ" % pid)
    except OSError:
        return ""  # ended meanwhile, or another account's
    return environ.partition(b"\0GRMS_TAG=")[2].partition(b"\0")[0].decode("ascii", "replace")


def marked(tag: str) -> "list[Process]":
    """Those of ``marks`` that belong to this tag."""
    return marks().get(tag, [])


def send(number: int, targets: "list[Process]") -> None:
    """Signal processes, each only if it is still the one that was seen."""
    for target in targets:
        now = look(target.pid)
        if now and now.start == target.start:
            try:
                os.kill(target.pid, number)
            except OSError:
                pass  # ended meanwhile, or became another account's


def native_id(pid: int, start: int, boot: str, tag: str) -> str:
    """The fork adapter's id of a wrapper: unique over pid reuse and reboots."""
    return "%d.%d.%s.%s" % (pid, start, boot[:8], tag)


def become_reaper() -> bool:
    """Inherit orphaned descendants (PR_SET_CHILD_SUBREAPER); False where that cannot be had."""
    return _prctl(36, 1)


def die_with_parent() -> None:
    """Be killed when the wrapper is (PR_SET_PDEATHSIG): nothing may run that nobody watches."""
    _prctl(1, signal.SIGKILL)


def load_prctl() -> bool:
    """Load what the two above need; False where it cannot be had."""
    global _libc
    if _libc is None:
        try:
            import ctypes

            _libc = ctypes.CDLL(None)
        except (ImportError, OSError):
            return False
    return True


def _prctl(option: int, value: int) -> bool:
    return load_prctl() and bool(getattr(_libc, "prctl")(option, value, 0, 0, 0) == 0)


_libc = None  # type: object
