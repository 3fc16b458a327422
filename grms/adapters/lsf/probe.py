"""Whose programs these are, what the cluster has and how busy it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from grms.adapters import answers
from grms.adapters.lsf.rows import SYSTEM
from grms.broker.ports.batch import CommandResult, ProbeFacts, QueueFacts
from grms.errors import ErrorCode, SiteError

COMMANDS = (("lsid",), ("bhosts",), ("bqueues",))

_VERSION = re.compile(r"^(OpenLava|(?:IBM )?(?:Spectrum |Platform )?LSF)\b[^\d\n]*([\w.]+)", re.M)

#: Host states in which jobs run or can run.
_UP = ("ok", "closed", "closed_Full", "closed_Excl")


def facts(results: Sequence[CommandResult], openlava: bool) -> ProbeFacts:
    """Raises SiteError: transient when LSF is down, final when these are not its programs."""
    if len(results) != len(COMMANDS):
        raise answers.rubbish(SYSTEM, f"{len(results)} answers to {len(COMMANDS)} commands")
    version = check_version(results[0], openlava)
    hosts = [host for host in _table(results[1], "HOST_NAME") if host["STATUS"] in _UP]
    queues = list(_table(results[2], "QUEUE_NAME"))
    total = sum(_whole(host, "MAX") for host in hosts)
    return ProbeFacts(
        version=version,
        total_cpus=total or None,
        free_cpus=max(0, total - sum(_whole(host, "NJOBS") for host in hosts)) if total else None,
        waiting=sum(_whole(queue, "PEND") for queue in queues),
        running=sum(_whole(queue, "RUN") for queue in queues),
        queues=tuple(QueueFacts(name=queue["QUEUE_NAME"]) for queue in queues),
    )


def check_version(result: CommandResult, openlava: bool) -> str:
    """The version. Raises SiteError(transient=False) for another system or dialect."""
    answer = answers.text(result, SYSTEM)
    found = _VERSION.search(answer)
    if not found and result.exit != 0:
        raise answers.down(SYSTEM, result)
    if not found:
        raise _wrong(f"lsid is not of LSF: set the option 'bin'; it said: {answer[:200]!r}")
    if (found.group(1) == "OpenLava") != openlava:
        right = "lsf" if openlava else "openlava"
        raise _wrong(f"lsid names {found.group(1)}: set the option dialect = {right!r}")
    return f"{found.group(1)} {found.group(2)}"


def _wrong(message: str) -> SiteError:
    return SiteError(message, code=ErrorCode.CONFIGURATION, transient=False)


def _table(result: CommandResult, first: str) -> Iterator[Mapping[str, str]]:
    answer = answers.text(result, SYSTEM)
    head, *lines = answer.splitlines() or [""]
    names = head.split()
    if result.exit != 0 or names[:1] != [first]:
        raise answers.down(SYSTEM, result)
    for line in filter(str.strip, lines):
        cells = line.split()
        if len(cells) != len(names):
            raise answers.rubbish(SYSTEM, f"row {line!r:.100}", answer)
        yield dict(zip(names, cells, strict=True))


def _whole(row: Mapping[str, str], name: str) -> int:
    text = row.get(name, "")
    return int(text[:9]) if text.isascii() and text.isdigit() else 0
