"""How good a fitting cluster is for a job: the figures that policies are made of. Pure.

All times are seconds. They are estimates for comparing clusters with each other, not promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from grms.broker.needs import cpus_of, link_to
from grms.broker.records import Cluster, Measured
from grms.broker.verdicts import Verdict

#: How long a job is taken to run where nobody says.
USUAL_RUN = 600.0
#: The processor speed, in MHz, of a cluster that does not declare its own.
USUAL_SPEED = 2500
#: The bandwidth, in KiB/s, of a network that nobody declared (about 100 Mbit/s).
USUAL_BANDWIDTH = 12_000
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Input:
    """A file to move before the job starts: the host it is on ("" = the broker's), its bytes."""

    host: str
    size: int


@dataclass(slots=True)
class Candidate:
    """A cluster that fits a job, as it stands within one pass.

    ``live`` counts its live attempts before the pass, ``placed`` those that the pass has added.
    ``count`` and ``run`` are the job's processors and expected run time, ``moving`` the time to
    move its input files there.
    """

    verdict: Verdict
    cluster: Cluster
    measured: Measured | None = None
    live: int = 0
    placed: int = 0
    count: int = 1
    run: float = USUAL_RUN
    moving: float = 0.0


class Policy(Protocol):
    """A ranking, an entry point of group ``grms.policies``; built once, without arguments.

    ``score``: the lowest is the best. It must be pure, and must not fall while ``placed`` grows.
    ``reason`` says in words why the best was chosen; it ends in the job's history.
    """

    name: str

    def score(self, candidate: Candidate) -> tuple[float, ...]:
        """The place of a candidate among the others; compared item by item."""
        ...

    def reason(self, candidate: Candidate) -> str:
        """Why this one, fit for the job's owner."""
        ...


def processors(candidate: Candidate) -> int:
    """The cluster's processors; 1 where nobody tells."""
    return max(1, cpus_of(candidate.cluster, candidate.measured) or 1)


def free(candidate: Candidate) -> int | None:
    """Processors that are free now, less what this pass placed; None where nobody tells.

    The measured figure may be older than the newest attempts, so it is held against their number.
    """
    known = candidate.measured.free_cpus if candidate.measured is not None else None
    if known is None:
        return None
    total = cpus_of(candidate.cluster, candidate.measured)
    if total is not None:
        known = min(known, total - candidate.live)
    return known - candidate.placed * candidate.count


def start(candidate: Candidate) -> float:
    """Expected wait: 0 on free processors, else the queue ahead worked off by all processors."""
    left = free(candidate)
    waiting = candidate.measured.waiting or 0 if candidate.measured is not None else 0
    if left is not None and left >= candidate.count and not waiting:
        return 0.0
    short = candidate.count - left if left is not None else candidate.live + candidate.placed
    return USUAL_RUN * (waiting + max(0, short)) / processors(candidate)


def load(candidate: Candidate) -> float:
    """The broker's own live jobs for each processor."""
    return (candidate.live + candidate.placed) / processors(candidate)


def running(candidate: Candidate) -> float:
    """Expected run time on the cluster's processors."""
    return candidate.run * USUAL_SPEED / (candidate.cluster.cpu_speed or USUAL_SPEED)


def moving(cluster: Cluster, inputs: Sequence[Input]) -> float:
    """Time to move files to a cluster, one after the other.

    What lies on the broker's host costs nothing on a cluster that is reached without a network.
    The rate of a link is its bandwidth, or its capacity where that is less.
    """
    total = 0.0
    for item in inputs:
        if not item.host and cluster.transport.startswith("local"):
            continue
        link = link_to(cluster.links, item.host)
        bounds = (link.bandwidth, link.capacity) if link is not None else ()
        rates = [rate for rate in bounds if rate] or [USUAL_BANDWIDTH]
        latency = (link.latency or 0) / 1000 if link is not None else 0.0
        total += latency + item.size / _KIB / min(rates)
    return total
