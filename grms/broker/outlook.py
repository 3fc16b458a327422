"""Where a description would go now, and why not elsewhere; nothing is assigned by asking."""

from __future__ import annotations

from collections.abc import Sequence

from grms.broker import scheduling
from grms.broker.allowance import Load
from grms.broker.matching import examine
from grms.broker.ports.clock import Clock
from grms.broker.ports.store import Store
from grms.broker.ranking import USUAL_RUN, Policy
from grms.broker.verdicts import Verdict
from grms.broker.work import limits
from grms.gjd.model import JobDescription


class Outlook:
    """Answers from the registry and the last measurements."""

    def __init__(self, store: Store, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    def verdicts(self, description: JobDescription, owner: str) -> Sequence[Verdict]:
        """What each cluster says to ``owner``: the fitting ones best first, then the nearest.

        The caps on numbers of jobs are looked at as well. The files of the job are not weighed.
        """
        clusters = {cluster.name: cluster for cluster in self._store.clusters()}
        measured = {item.cluster: item for item in self._store.measured()}
        live = self._store.live_counts()
        now, load = self._clock.now(), Load(live)
        found = tuple(
            examine(description, cluster, measured.get(name), owner=owner, now=now, load=load)
            for name, cluster in clusters.items()
        )
        wall = limits(description, 0).wall
        count = description.executable.count
        job = scheduling.Weighed(found, count, USUAL_RUN if wall is None else float(wall))
        best = scheduling.rank(job, clusters, live, measured, self._policy)
        others = [verdict for verdict in found if not verdict.fits]
        return [*best, *sorted(others, key=lambda v: (v.distance, v.contact, v.cluster))]
