"""Requirement by requirement: does a cluster fit a job, and if not, why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from grms.broker.records import Cluster, Measured
from grms.gjd.model import JobDescription, Requirements


@dataclass(frozen=True, slots=True)
class Refusal:
    """One requirement that a cluster does not meet.

    ``lasting`` is False where waiting can help (free processors, drained, full).
    """

    requirement: str
    wanted: str
    has: str
    change: str
    lasting: bool = True

    def __str__(self) -> str:
        return f"{self.requirement}: wants {self.wanted}, has {self.has}; {self.change}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a cluster says: the first alternative that fits, or the nearest one's refusals."""

    cluster: str
    contact: str
    alternative: int = 0
    queue: str = ""
    refusals: tuple[Refusal, ...] = ()

    @property
    def fits(self) -> bool:
        """True when nothing refuses."""
        return not self.refusals

    @property
    def may_fit_later(self) -> bool:
        """True when nothing lasting refuses."""
        return not any(refusal.lasting for refusal in self.refusals)


def examine(
    description: JobDescription,
    cluster: Cluster,
    measured: Measured | None,
    *,
    owner: str,
    now: datetime,
) -> Verdict:
    """Look at one cluster for one job."""
    del measured, owner, now
    options = description.resources or (Requirements(),)
    refused: tuple[Refusal, ...] = ()
    for number, wanted in enumerate(options):
        refused = _refusals(wanted, cluster)
        if not refused:
            return Verdict(cluster.name, cluster.contact, number, wanted.queue or "")
    return Verdict(cluster.name, cluster.contact, 0, "", refused)


def _refusals(wanted: Requirements, cluster: Cluster) -> tuple[Refusal, ...]:
    found = []
    if wanted.hostname and wanted.hostname not in (cluster.host, cluster.name, cluster.contact):
        found.append(Refusal("hostname", wanted.hostname, cluster.host, "leave hostname out"))
    if wanted.localrmname and wanted.localrmname != cluster.batch:
        found.append(
            Refusal("localrmname", wanted.localrmname, cluster.batch, "leave localrmname out")
        )
    if cluster.drained:
        found.append(Refusal("state", "open", "drained", "wait until it is resumed", False))
    return tuple(found)
