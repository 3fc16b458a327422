"""Which waiting job goes to which cluster now. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grms.broker.matching import Verdict
from grms.broker.records import Cluster, Job


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job with what the clusters say to it."""

    job: Job
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job and the verdict of the cluster it goes to, with the reason in words."""

    job: Job
    verdict: Verdict
    reason: str


def assign(
    waiting: Sequence[Waiting],
    clusters: Mapping[str, Cluster],
    live: Mapping[str, int],
) -> Sequence[Assignment]:
    """Assign in order of submission, to the fitting cluster with the fewest live jobs.

    ``live`` counts the attempts that each cluster holds.
    """
    load = dict(live)
    chosen = []
    for item in sorted(waiting, key=lambda entry: entry.job.submitted_at):
        fitting = [v for v in item.verdicts if v.fits and _has_room(clusters[v.cluster], load)]
        if not fitting:
            continue
        best = min(fitting, key=lambda v: (load.get(v.cluster, 0), v.cluster))
        load[best.cluster] = load.get(best.cluster, 0) + 1
        chosen.append(Assignment(item.job, best, f"{best.contact} has the fewest live jobs"))
    return chosen


def _has_room(cluster: Cluster, load: Mapping[str, int]) -> bool:
    limit = cluster.limits.max_jobs
    return limit is None or load.get(cluster.name, 0) < limit
