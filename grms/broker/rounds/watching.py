"""When to look where: news often, batch systems seldom and never beyond their budget."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from grms.broker.edges import Edges
from grms.broker.ports.sites import Site
from grms.broker.ports.transport import TellsChanges
from grms.broker.records import ON_RESOURCE, Cluster
from grms.broker.rounds.probing import probe
from grms.broker.rounds.tracking import ask_queue, read_inbox
from grms.errors import GrmsError

log = logging.getLogger(__name__)

LOCAL_NEWS = 0.02
_RETRY = timedelta(seconds=5)


@dataclass
class Budget:
    """At most ``most`` calls in any minute."""

    most: int
    _calls: deque[datetime] = field(default_factory=deque)

    def take(self, now: datetime, calls: int = 1) -> bool:
        """True, and counted, if that many calls are still allowed."""
        while self._calls and now - self._calls[0] >= timedelta(minutes=1):
            self._calls.popleft()
        if len(self._calls) + calls > self.most:
            return False
        self._calls.extend([now] * calls)
        return True

    def spent(self, now: datetime) -> int:
        """Calls of the last minute."""
        return sum(1 for call in self._calls if now - call < timedelta(minutes=1))


@dataclass
class _Place:
    """What is remembered of a site between looks; losing it costs a look, nothing more."""

    budget: Budget
    news_at: datetime
    queue_at: datetime
    lease_until: datetime
    busy: bool = False
    failures: int = 0
    told_of: bool = False  # somebody tells us of news: there is no need to look often
    fresh: bool = False  # he has told of some since the last look began


class Watch:
    """Looks at the sites that have live jobs. One engine at a time looks at a site."""

    def __init__(self, edges: Edges, owner: str, pool: Executor, wake: Callable[[], None]) -> None:
        self._edges = edges
        self._owner = owner
        self._pool = pool
        self._wake = wake
        self._places: dict[tuple[str, str], _Place] = {}
        self._lock = threading.Lock()
        self._began = False

    def pause(self, longest: float) -> float:
        """Seconds until the next look is due, at most ``longest``."""
        now = self._edges.now()
        with self._lock:
            waits = [(p.news_at - now).total_seconds() for p in self._places.values() if not p.busy]
        return max(0.001, min([longest, *waits]))

    def look(self, sites: Collection[tuple[str, str]]) -> None:
        """Start the looks that are due at these (cluster, account) pairs: those with live jobs."""
        now = self._edges.now()
        clusters = self._edges.clusters()
        live = {key for key in sites if key[0] in clusters}
        with self._lock:
            for key in set(self._places) - live:
                if not self._places[key].busy:
                    del self._places[key]
            # What lived before we did has not been looked at for an unknown time.
            question = now + self._first_question() if self._began else now
            self._began = True
            for key in live - set(self._places):
                budget = Budget(self._edges.settings.calls_per_minute)
                self._places[key] = _Place(budget, now, question, now)
            due = [
                (key, place)
                for key, place in self._places.items()
                if key in live and not place.busy and place.news_at <= now
            ]
            for _, place in due:
                place.busy = True
        for key, place in due:
            self._pool.submit(self._visit, clusters[key[0]], key[1], place)

    def _first_question(self) -> timedelta:
        return timedelta(seconds=60 / max(1, self._edges.settings.calls_per_minute))

    def _visit(self, cluster: Cluster, account: str, place: _Place) -> None:
        try:
            if not self._mine(cluster, account, place):
                place.news_at = self._edges.now() + _RETRY
                return
            site = self._edges.sites.site(cluster, account)
            self._be_told(site, place)
            place.fresh = False
            taken, early = read_inbox(self._edges, site)
            if taken:
                self._wake()
            self._question(site, place)
            place.failures = 0
            place.news_at = self._edges.now() + self._interval(site, place, early)
        except GrmsError as error:
            place.failures += 1
            if place.failures in (1, 10) or place.failures % 100 == 0:
                log.warning("%s: %s", cluster.name, error.message)
            pause = min(60.0, 2.0 ** min(place.failures, 6))
            place.news_at = self._edges.now() + timedelta(seconds=pause)
        except Exception:
            log.exception("a defect in the look at %s", cluster.name)
            place.news_at = self._edges.now() + _RETRY
        finally:
            place.busy = False
            if place.fresh and not place.failures:
                self._news(place)

    def _be_told(self, site: Site, place: _Place) -> None:
        if not place.told_of and isinstance(site.transport, TellsChanges):
            call = partial(self._news, place)
            place.told_of = site.transport.tell_changes(site.layout.inbox, call)

    def _news(self, place: _Place) -> None:
        place.fresh = True
        if not place.busy:
            place.news_at = self._edges.now()
            self._wake()

    def _interval(self, site: Site, place: _Place, early: int) -> timedelta:
        often = site.transport.same_filesystem and (early or not place.told_of)
        return timedelta(seconds=LOCAL_NEWS if often else self._edges.settings.news_interval)

    def _mine(self, cluster: Cluster, account: str, place: _Place) -> bool:
        now, length = self._edges.now(), timedelta(seconds=self._edges.settings.lease)
        if place.lease_until - now > length / 2:
            return True
        name = f"site:{cluster.name}:{account}"
        if not self._edges.store.lease(name, self._owner, now, now + length):
            return False
        place.lease_until = now + length
        return True

    def _question(self, site: Site, place: _Place) -> None:
        """Ask the batch system, if it is time and the budget allows a question and its sequel."""
        now = self._edges.now()
        if now < place.queue_at or not place.budget.take(now, 2):
            return
        place.queue_at = now + timedelta(seconds=120 / max(2, place.budget.most))
        attempts = [
            attempt
            for attempt in self._edges.store.attempts_in(ON_RESOURCE, cluster=site.cluster.name)
            if attempt.account == site.account
        ]
        ask_queue(self._edges, site, attempts)
        self._wake()

    # -- probes -------------------------------------------------------------------------------

    def probe_all(self) -> None:
        """Measure every cluster that is not drained; a failure is a measurement too."""
        for cluster in self._edges.clusters().values():
            if not cluster.drained:
                self._edges.store.put_measured(probe(self._edges, cluster))
        self._wake()

    def probe_lost(self) -> None:
        """Look again, soon, at the clusters that did not answer: they get no jobs meanwhile."""
        lost = {item.cluster for item in self._edges.store.measured() if not item.ok}
        found = [
            probe(self._edges, cluster)
            for name, cluster in self._edges.clusters().items()
            if name in lost and not cluster.drained
        ]
        for measured in found:
            self._edges.store.put_measured(measured)
        if any(measured.ok for measured in found):
            self._wake()
