"""Whose programs these are, what the cluster has and how busy it is.

``qstat --version`` of OpenPBS prints ``pbs_version = 23.06.06``, of TORQUE ``Version: 6.1.2``.
SGE's qstat and the one of Slurm's TORQUE wrappers know no such option.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grms.adapters import answers
from grms.adapters.pbs import jobs, listing
from grms.adapters.pbs.listing import SYSTEM
from grms.broker.ports.batch import CommandResult, ProbeFacts, QueueFacts
from grms.errors import ErrorCode, SiteError

_OPENPBS = re.compile(r"pbs_version\s*=\s*(\S+)")
_TORQUE = re.compile(r"^Version:\s*(\S+)", re.MULTILINE | re.IGNORECASE)

#: ``state_count``: ``Transit:0 Queued:3 ... Running:1``.
_COUNT = re.compile(r"(\w+):(\d+)")

_USABLE = ("free", "job-busy", "job-exclusive", "resv-exclusive")


def commands(torque: bool) -> tuple[tuple[str, ...], ...]:
    """Version, server, queues and nodes."""
    version = ("qstat", "--version")
    if torque:
        return (version, ("qstat", "-B", "-f"), ("qstat", "-Q", "-f"), ("pbsnodes", "-a"))
    form = ("-F", "json")
    return (
        version,
        ("qstat", "-B", "-f", *form),
        ("qstat", "-Q", "-f", *form),
        ("pbsnodes", "-a", *form),
    )


def facts(results: Sequence[CommandResult], torque: bool) -> ProbeFacts:
    """Raises SiteError: transient when PBS is down, final when these are not its programs."""
    if len(results) != 4:
        raise answers.rubbish(SYSTEM, f"{len(results)} answers to 4 commands")
    version = check_version(results[0], torque)
    texts = [answers.text(result, SYSTEM) for result in results[1:]]
    for result in results[1:]:
        if result.exit != 0:
            raise answers.down(SYSTEM, result)
    read = _blocks if torque else _documents
    servers, queues, nodes = (
        read(text, key) for text, key in zip(texts, ("Server", "Queue", "nodes"), strict=True)
    )
    default = next((str(server.get("default_queue", "")) for server in servers.values()), "")
    counts = _counts(servers.values())
    return ProbeFacts(
        version=version,
        waiting=counts.get("Queued", 0),
        running=counts.get("Running", 0),
        queues=tuple(_queue(name, queue, default) for name, queue in queues.items()),
        **_capacity([node for node in nodes.values() if _usable(node)]),
    )


def check_version(result: CommandResult, torque: bool) -> str:
    """The version. Raises SiteError(transient=False) for another system or dialect."""
    said = answers.text(result, SYSTEM) + result.stderr.decode("utf-8", "replace")
    openpbs, other = _OPENPBS.search(said), _TORQUE.search(said)
    found = other if torque else openpbs
    if found:
        return found.group(1)
    if openpbs or other:
        right = "openpbs" if openpbs else "torque"
        raise _wrong(f"qstat is of another dialect: set the option dialect = {right!r}")
    raise _wrong(
        "qstat is not of PBS (SGE and Slurm have programs of this name): set the option 'bin' to "
        f"the directory of the PBS programs; it said: {answers.complaint(result)[:200]}"
    )


def _wrong(message: str) -> SiteError:
    return SiteError(message, code=ErrorCode.CONFIGURATION, transient=False)


def _documents(answer: str, key: str) -> dict[str, Mapping[str, Any]]:
    found = listing.document(answer).get(key, {})
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise answers.rubbish(SYSTEM, f"{key} is not what it should be", answer)
    return {name: dict(listing.flat(one)) for name, one in found.items()}


def _blocks(answer: str, _: str) -> dict[str, Mapping[str, Any]]:
    """Text: a name at the margin (after ``Queue:`` or ``Server:``), indented ``key = value``."""
    blocks: dict[str, Mapping[str, Any]] = {}
    current: dict[str, Any] = {}
    for line in answer.splitlines():
        if line.strip() and not line[0].isspace():
            current = blocks[line.partition(":")[2].strip() or line.strip()] = {}
        elif found := re.match(r"\s+([\w.]+) = (.*)$", line):
            current[found.group(1)] = found.group(2)
    return blocks


def _counts(servers: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    text = " ".join(str(server.get("state_count", "")) for server in servers)
    return {name: int(number[:9]) for name, number in _COUNT.findall(text)}


def _queue(name: str, queue: Mapping[str, Any], default: str) -> QueueFacts:
    wall = answers.seconds(str(queue.get("resources_max.walltime", "")))
    cpus = str(queue.get("resources_max.ncpus", ""))
    return QueueFacts(
        name=name,
        default=name == default,
        max_wall=int(wall // 60) or None,
        max_cpus=int(cpus[:9]) if cpus.isascii() and cpus.isdigit() else None,
    )


def _usable(node: Mapping[str, Any]) -> bool:
    return str(node.get("state", "")).split(",")[0] in _USABLE


def _capacity(nodes: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """Sums over the nodes; TORQUE's text tells ``np`` and its jobs only."""
    total = sum(_whole(node, "resources_available.ncpus", "np") for node in nodes)
    used = sum(_whole(node, "resources_assigned.ncpus") for node in nodes)
    memory = sum(jobs.memory(str(node.get("resources_available.mem", ""))) for node in nodes)
    taken = sum(jobs.memory(str(node.get("resources_assigned.mem", ""))) for node in nodes)
    return {
        "total_cpus": total,
        "free_cpus": max(0, total - used),
        "memory": (memory >> 20) or None,
        "free_memory": (max(0, memory - taken) >> 20) or None,
    }


def _whole(node: Mapping[str, Any], *names: str) -> int:
    for name in names:
        text = str(node.get(name, ""))
        if text.isascii() and text.isdigit():
            return int(text[:9])
    return 0
