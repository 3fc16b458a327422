"""Measuring clusters: the batch system's figures, and the free disk under the work directory."""

from __future__ import annotations

from itertools import pairwise

from grms.broker.edges import Edges
from grms.broker.ports.batch import Command, CommandResult
from grms.broker.records import Cluster, Measured
from grms.errors import GrmsError


def probe(edges: Edges, cluster: Cluster) -> Measured:
    """Measure one cluster; ``ok`` is False, with the reason, when it does not answer."""
    try:
        site = edges.sites.site(cluster, "")
        commands = list(site.adapter.probe_commands())
        *results, disk = site.transport.run_many([*commands, disk_command(cluster.workdir)])
        facts = site.adapter.parse_probe(results)
    except GrmsError as error:
        return Measured(cluster.name, edges.now(), ok=False, error=error.message)
    return Measured(
        cluster=cluster.name,
        at=edges.now(),
        free_cpus=facts.free_cpus,
        free_memory=facts.free_memory,
        free_disk=parse_disk(disk),
        waiting=facts.waiting,
        running=facts.running,
        total_cpus=facts.total_cpus,
    )


def disk_command(directory: str) -> Command:
    """``df`` in the form that POSIX fixes."""
    return Command(("df", "-P", "-k", directory), env={"LC_ALL": "C"})


def parse_disk(result: CommandResult) -> int | None:
    """MB that an ordinary user can still write; None where ``df`` does not tell.

    POSIX, df, STDOUT: file system, total, used, available (KiB), percent, mount point; a name
    with blanks can only move what is counted from the left, so the percent sign is the anchor.
    """
    if result.exit != 0:
        return None
    rows = result.stdout.decode("utf-8", "replace").splitlines()
    words = rows[-1].split() if len(rows) > 1 else []
    for before, word in pairwise(words):
        if word.endswith("%") and before.isdigit():
            return int(before) * 1024 // 1_000_000
    return None
