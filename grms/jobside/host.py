"""Facts of this host, and the inbox, for a broker that reaches it by commands alone."""

import base64
import os
import platform

from grms.jobside.files import raw, text

_MB = 1024 * 1024


def probe(workdir: str) -> "dict[str, object]":
    """Processors, memory and disk in MB, load, versions; None for what the host does not tell."""
    facts = {
        "host": os.uname().nodename,
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": os.uname().sysname,
        "release": os.uname().release,
        "machine": os.uname().machine,
        "disk_free": _disk_free(workdir),
        "os": _os_release(),
    }  # type: dict[str, object]
    memory = _memory()
    facts.update(memory=memory.get("MemTotal"), memory_free=memory.get("MemAvailable"))
    return facts


def _disk_free(workdir: str) -> "int | None":
    try:
        facts = os.statvfs(raw(workdir))
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize // _MB


def _memory() -> "dict[str, int]":
    """The numbers of /proc/meminfo, in MB."""
    try:
        with open("/proc/meminfo") as stream:
            pairs = [line.split(":") for line in stream if ":" in line]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) // 1024 for name, rest in pairs}


def _os_release() -> "dict[str, str]":
    """os-release(5) of this host."""
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as stream:
            pairs = [line.strip().split("=", 1) for line in stream if "=" in line]
    except OSError:
        return {}
    return {name: value.strip("\"'") for name, value in pairs}


def sweep(folder: str, limit: int) -> "dict[str, str]":
    """name -> base64 of the oldest files of an inbox; those being written have a dotted name."""
    where = raw(folder)
    try:
        names = sorted(name for name in os.listdir(where) if not name.startswith(b"."))
    except FileNotFoundError:
        return {}
    found = {}
    for name in names[:limit]:
        try:
            with open(os.path.join(where, name), "rb") as stream:
                found[text(name)] = base64.b64encode(stream.read()).decode()
        except FileNotFoundError:
            continue  # somebody else took it
    return found
