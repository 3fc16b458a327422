"""Which waiting job goes to which cluster now. Pure.

Users take turns: the next is the one with the fewest live jobs, whoever waits longest among
equals. A job that finds no room is passed over and charges nobody, so it never blocks others.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from grms.broker.policies import Balanced
from grms.broker.ranking import USUAL_RUN, Candidate, Input, Policy, moving
from grms.broker.records import Cluster, Job, Measured
from grms.broker.verdicts import Verdict

__all__ = ["Assignment", "Waiting", "Weighed", "assign", "rank"]


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the clusters say to a kind of job, and what ranking must know of it.

    ``count`` and ``run`` (seconds) are its processors and expected run time, ``inputs`` its files.
    """

    verdicts: tuple[Verdict, ...]
    count: int = 1
    run: float = USUAL_RUN
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job with its weight; jobs of one kind share their verdicts."""

    job: Job
    weighed: Weighed

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What the clusters say to it."""
        return self.weighed.verdicts


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job and the verdict of the cluster it goes to, with the reason in words."""

    job: Job
    verdict: Verdict
    reason: str


@dataclass(slots=True)
class _Tally:
    """What each cluster and each user holds, as the pass goes on."""

    clusters: Mapping[str, Cluster]
    live: Mapping[tuple[str, str], int]
    total: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    placed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    of_user: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    by_user: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        for (name, owner), count in self.live.items():
            self.total[name] += count
            self.of_user[name, owner] += count
            self.by_user[owner] += count

    def has_room(self, cluster: Cluster, owner: str) -> bool:
        limits = cluster.limits
        if limits.max_jobs is not None:
            held = self.total[cluster.name] + self.placed[cluster.name]
            if held >= limits.max_jobs:
                return False
        most = limits.max_jobs_per_user
        return most is None or self.of_user[cluster.name, owner] < most

    def take(self, cluster: str, owner: str) -> None:
        self.placed[cluster] += 1
        self.of_user[cluster, owner] += 1
        self.by_user[owner] += 1


def assign(
    waiting: Sequence[Waiting],
    clusters: Mapping[str, Cluster],
    live: Mapping[tuple[str, str], int],
    measured: Mapping[str, Measured] | None = None,
    policy: Policy | None = None,
) -> Sequence[Assignment]:
    """Assign as many jobs as there is room for, users in turns, each to the policy's best cluster.

    ``live`` counts the live attempts of each (cluster, owner).
    """
    tally = _Tally(clusters, live)
    lists = _Lists(tally, measured or {}, policy or Balanced())
    queues: dict[str, deque[Waiting]] = defaultdict(deque)
    for item in sorted(waiting, key=_age):
        queues[item.job.owner].append(item)
    turns = [(tally.by_user[owner], *_age(queue[0]), owner) for owner, queue in queues.items()]
    heapq.heapify(turns)
    chosen = []
    while turns:
        owner = heapq.heappop(turns)[-1]
        queue = queues[owner]
        while queue:
            found = lists.place(queue.popleft())
            if found is not None:
                chosen.append(found)
                break
        if queue:
            heapq.heappush(turns, (tally.by_user[owner], *_age(queue[0]), owner))
    return chosen


def rank(
    item: Weighed,
    clusters: Mapping[str, Cluster],
    live: Mapping[tuple[str, str], int],
    measured: Mapping[str, Measured] | None = None,
    policy: Policy | None = None,
) -> Sequence[Verdict]:
    """The verdicts that fit, best first."""
    policy = policy or Balanced()
    tally = _Tally(clusters, live)
    candidates = _candidates(item, tally, measured or {})
    return [
        c.verdict for c in sorted(candidates, key=lambda c: (policy.score(c), c.verdict.cluster))
    ]


def _age(item: Waiting) -> tuple[datetime, str]:
    return item.job.submitted_at, item.job.id


def _candidates(item: Weighed, tally: _Tally, measured: Mapping[str, Measured]) -> list[Candidate]:
    found = []
    for verdict in item.verdicts:
        if verdict.refusals:
            continue
        name = verdict.cluster
        cluster = tally.clusters[name]
        found.append(
            Candidate(
                verdict,
                cluster,
                measured.get(name),
                tally.total[name],
                tally.placed[name],
                item.count,
                item.run,
                moving(cluster, item.inputs) if item.inputs else 0.0,
            )
        )
    return found


_Entry = tuple[tuple[float, ...], str, Candidate]


class _Lists:
    """For each kind of job its clusters in order. Jobs of one kind share a list.

    Within a pass clusters only fill up, so scores only rise: a heap whose first entry is scored
    anew is enough, and a cluster without room leaves the list for good.
    """

    def __init__(self, tally: _Tally, measured: Mapping[str, Measured], policy: Policy) -> None:
        self._tally = tally
        self._measured = measured
        self._policy = policy
        self._lists: dict[object, list[_Entry]] = {}
        self._sizes: dict[object, int] = {}
        limits = (cluster.limits for cluster in tally.clusters.values())
        self._per_user = any(item.max_jobs_per_user is not None for item in limits)

    def place(self, item: Waiting) -> Assignment | None:
        """Take the best cluster with room; None when there is none."""
        owner = item.job.owner
        weighed = item.weighed
        kind = (id(weighed.verdicts), weighed.count, weighed.run, weighed.inputs)
        key = (kind, owner) if self._per_user else kind
        heap = self._lists.get(key)
        if heap is None:
            heap = self._lists[key] = self._make(weighed)
            self._sizes[key] = len(heap)
        while heap:
            score, name, candidate = heap[0]
            if not self._tally.has_room(candidate.cluster, owner):
                heapq.heappop(heap)
                continue
            candidate.placed = self._tally.placed[name]
            now = self._policy.score(candidate)
            if now > score:
                heapq.heapreplace(heap, (now, name, candidate))
                continue
            self._tally.take(name, owner)
            return Assignment(item.job, candidate.verdict, self._reason(candidate, key))
        return None

    def _make(self, item: Weighed) -> list[_Entry]:
        heap = [
            (self._policy.score(candidate), candidate.cluster.name, candidate)
            for candidate in _candidates(item, self._tally, self._measured)
        ]
        heapq.heapify(heap)
        return heap

    def _reason(self, candidate: Candidate, key: object) -> str:
        fitting = self._sizes[key]
        if fitting == 1:
            return "the only cluster that fits"
        return f"{self._policy.reason(candidate)} ({self._policy.name}, of {fitting} that fit)"
