"""What the owner of a cluster allows, and whether the cluster can be used at all now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from grms.broker.records import Cluster, Measured
from grms.broker.verdicts import Refusal


@dataclass(frozen=True, slots=True)
class Load:
    """Live attempts of each (cluster, owner)."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def of(self, cluster: str, owner: str | None = None) -> int:
        """Live attempts on a cluster, of one owner or of all."""
        if owner is not None:
            return self.counts.get((cluster, owner), 0)
        return sum(count for (name, _), count in self.counts.items() if name == cluster)


def is_open(cluster: Cluster, measured: Measured | None) -> bool:
    """True when ``standing`` has nothing to say, whoever asks."""
    limits = cluster.limits
    return not (
        cluster.drained
        or (measured is not None and not measured.ok)
        or limits.users
        or limits.denied_users
        or limits.projects
        or limits.hours
    )


def standing(
    cluster: Cluster, measured: Measured | None, owner: str, project: str, now: datetime
) -> Iterator[Refusal]:
    """Whether this cluster takes anything now, and whether it takes it from this owner."""
    if cluster.drained:
        text = "wait until its owner resumes it"
        yield Refusal("state", "an open cluster", "drained", text, lasting=False)
    elif measured is not None and not measured.ok:
        text = f"no answer: {measured.error or 'no reason given'}"
        cure = "wait until it answers"
        yield Refusal("state", "a cluster that answers", text, cure, lasting=False)
    limits = cluster.limits
    if owner in limits.denied_users:
        yield Refusal("users", owner, "this user denied", "ask the owner of the cluster")
    elif limits.users and owner not in limits.users:
        yield Refusal("users", owner, "a list without this user", "ask the owner of the cluster")
    if limits.projects and project not in limits.projects:
        listed = sorted(limits.projects)
        wanted = project or "no project"
        yield Refusal("project", wanted, ", ".join(listed), f"charge it to {' or '.join(listed)}")
    if limits.hours is not None and not _within(limits.hours, now.hour):
        begin, end = limits.hours
        has = f"open from {begin}:00 to {end}:00 UTC"
        text = f"wait until {begin}:00 UTC"
        yield Refusal("hours", f"a start at {now:%H:%M} UTC", has, text, lasting=False)


def room(cluster: Cluster, owner: str, load: Load) -> Iterator[Refusal]:
    """Whether the owner's caps leave room for one more job. A cap of 0 is for good."""
    limits = cluster.limits
    if limits.max_jobs is not None:
        yield from _cap("max_jobs", limits.max_jobs, load.of(cluster.name))
    if limits.max_jobs_per_user is not None:
        most = limits.max_jobs_per_user
        yield from _cap("max_jobs_per_user", most, load.of(cluster.name, owner))


def _cap(name: str, most: int, live: int) -> Iterator[Refusal]:
    if live >= most:
        cure = "wait until one ends" if most else "ask the owner of the cluster"
        has = f"{live} of {most}"
        yield Refusal(name, "room for one more job", has, cure, lasting=most == 0)


def _within(hours: tuple[int, int], hour: int) -> bool:
    """(18, 6) runs over midnight; two equal hours do not bind."""
    begin, end = hours
    if begin % 24 == end % 24:
        return True
    if begin < end:
        return begin <= hour < end
    return hour >= begin or hour < end
