"""Which clusters fit a job, and if one does not, why. Pure.

Equal requirements are matched once: what a pass costs grows with the number of distinct
requirements, not with the number of jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from grms.broker.allowance import Load, is_open, room, standing
from grms.broker.needs import Needs, asked_of_queue, checks, choose_queue, needs_of
from grms.broker.records import Cluster, Measured
from grms.broker.verdicts import Refusal, Verdict, distance
from grms.gjd.model import JobDescription

__all__ = ["Matcher", "Refusal", "Verdict", "examine"]

Verdicts = tuple[Verdict, ...]


def examine(
    description: JobDescription,
    cluster: Cluster,
    measured: Measured | None,
    *,
    owner: str,
    now: datetime,
    load: Load | None = None,
) -> Verdict:
    """Look at one cluster for one job; with ``load`` at its owner's caps as well."""
    known = {} if measured is None else {cluster.name: measured}
    found = next(_match_all(needs_of(description), [cluster], known))
    extra = list(standing(cluster, measured, owner, description.project or "", now))
    if load is not None:
        extra += room(cluster, owner, load)
    return found._replace(refusals=(*extra, *found.refusals)) if extra else found


def _match_all(
    needs: Needs, clusters: Iterable[Cluster], measured: Mapping[str, Measured]
) -> Iterator[Verdict]:
    """For each cluster the first alternative that fits, else the nearest one."""
    alternatives = [
        (number, wanted.queue, asked_of_queue(needs, wanted), checks(needs, wanted))
        for number, wanted in enumerate(needs.alternatives)
    ]
    for cluster in clusters:
        known = measured.get(cluster.name)
        best: tuple[int, str, tuple[Refusal, ...]] = (0, "", ())
        for number, wanted, asked, asking in alternatives:
            queue, refused = choose_queue(wanted, asked, cluster)
            found = (*[no for check in asking if (no := check(cluster, known))], *refused)
            if not found:
                best = number, queue, ()
                break
            if number == 0 or distance(found) < distance(best[2]):
                best = number, queue, found
        yield Verdict(cluster.name, cluster.contact, *best)


class Matcher:
    """One pass over many jobs; the answer to equal questions is the same tuple.

    The owner's caps on numbers of jobs are left out: they change with every assignment, so they
    are ``scheduling``'s.
    """

    def __init__(
        self, clusters: Mapping[str, Cluster], measured: Iterable[Measured], now: datetime
    ) -> None:
        self._clusters = clusters
        self._measured = {item.cluster: item for item in measured}
        self._now = now
        limits = [cluster.limits for cluster in clusters.values()]
        self._by_owner = any(item.users or item.denied_users for item in limits)
        self._by_project = any(item.projects for item in limits)
        self._needs: dict[Needs, Verdicts] = {}
        self._answers: dict[tuple[Needs, str, str], Verdicts] = {}

    def verdicts(self, description: JobDescription, owner: str) -> Verdicts:
        """What each cluster says, in the order of the registry."""
        needs = needs_of(description)
        owner = owner if self._by_owner else ""
        project = (description.project or "") if self._by_project else ""
        key = needs, owner, project
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = self._standing(self._match(needs), owner, project)
        return found

    def _match(self, needs: Needs) -> Verdicts:
        found = self._needs.get(needs)
        if found is None:
            found = self._needs[needs] = tuple(
                _match_all(needs, self._clusters.values(), self._measured)
            )
        return found

    def _standing(self, matched: Verdicts, owner: str, project: str) -> Verdicts:
        verdicts = list(matched)
        for place, verdict in enumerate(matched):
            cluster = self._clusters[verdict.cluster]
            measured = self._measured.get(verdict.cluster)
            if is_open(cluster, measured):
                continue
            extra = tuple(standing(cluster, measured, owner, project, self._now))
            verdicts[place] = verdict._replace(refusals=extra + verdict.refusals)
        return tuple(verdicts)
