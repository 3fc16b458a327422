"""What /proc says of processes. Source: proc(5), Linux 4.18 and later."""

import os
import signal

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


def look(pid: int) -> "Process | None":
    """The process, or None when there is none."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            return Process(pid, stream.read())
    except (OSError, ValueError, IndexError):
        return None


def boot_id() -> str:
    """The kernel's name for this boot; "" where it has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as stream:
            return stream.read().strip()
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
            with open("/proc/%d/task/%s/children" % (pid, task)) as stream:
                found += [int(word) for word in stream.read().split()]
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


def marked(tag: str) -> "list[Process]":
    """All living processes whose environment began with GRMS_TAG=tag, wherever they hang."""
    mark = b"\0GRMS_TAG=" + tag.encode() + b"\0"
    found = []
    for pid in everybody():
        try:
            with open("/proc/%d/environ" % pid, "rb") as stream:
                hit = mark in b"\0" + stream.read() + b"\0"
        except OSError:
            continue  # ended meanwhile, or another account's
        process = look(pid) if hit else None
        if process and process.lives and pid != os.getpid():
            found.append(process)
    return found


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


def _prctl(option: int, value: int) -> bool:
    global _libc
    if _libc is None:
        try:
            import ctypes

            _libc = ctypes.CDLL(None)
        except (ImportError, OSError):
            return False
    return bool(getattr(_libc, "prctl")(option, value, 0, 0, 0) == 0)


_libc = None  # type: object
