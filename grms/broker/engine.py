"""The clockwork: claims due work under leases, hands it to rounds and steps, and sleeps.

It keeps nothing that matters in memory: killed at any line, another engine goes on from the store.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler

from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.lifecycle import LIVE, JobState
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, FileRole, Job, Phase, Wish, WishKind
from grms.broker.rounds.cleaning import clean
from grms.broker.rounds.improving import improve
from grms.broker.rounds.leaving import go_on
from grms.broker.rounds.placing import free_slots, has_input, place
from grms.broker.rounds.recovering import ask_again, recover
from grms.broker.rounds.submitting import submit
from grms.broker.rounds.watching import Watch
from grms.broker.rounds.wishing import Case, fulfil
from grms.broker.steps.collect import collect, outputs, settle
from grms.broker.steps.stage_in import stage_in
from grms.errors import GrmsError

log = logging.getLogger(__name__)

_CLAIM = 400
_TICK = 1.0
_GATHER = 0.005
_GATHER_MOST = 0.1
_COLLECT = timedelta(seconds=0.1)
_CLEAN_EVERY = 2.0
_STOP_GRACE = 7.0
_PROBE_LOST_EVERY = 10.0
_AFTER_START = frozenset({JobState.STOPPED, JobState.POSTPROCESSING})
SiteRound = Callable[[Edges, Site, Sequence[tuple[Job, Attempt]]], None]


@dataclass(frozen=True, slots=True)
class _Claimed:
    job: Job
    attempt: Attempt | None
    wishes: tuple[Wish, ...]


class Engine:
    """One engine. ``name`` must be unique among engines of one store, and new at each start.

    Its work is done in ``pool``; without one it has threads of its own.
    """

    def __init__(self, edges: Edges, name: str, pool: Executor | None = None) -> None:
        self._edges = edges
        self.name = name
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._held: Counter[str] = Counter()
        self._batch: tuple[frozenset[str], datetime] = frozenset(), edges.now()
        self._lock = threading.Lock()
        self._pool = pool or ThreadPoolExecutor(edges.settings.workers, "grms-work")
        self._watch = Watch(edges, name, self._pool, self.wake)
        self._clock = BackgroundScheduler(timezone="UTC")
        #: When it last finished a turn, for whoever watches over it.
        self.turned_at = edges.now()

    def wake(self) -> None:
        """There may be something to do. Safe from any thread, never blocks."""
        self._wake.set()

    def stop(self) -> None:
        """End after what is under way; jobs go on without us."""
        self._stopping.set()
        self.wake()

    def run(self) -> bool:
        """Work until ``stop``. Errors of the store are survived: the work waits for it.

        False when some work hung and was left in its thread: every step can be done again.
        """
        self._start_clock()
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                begun = self._edges.now()
                try:
                    self.turn()
                except GrmsError as error:
                    log.warning("the engine cannot work now: %s", error)
                self.turned_at = self._edges.now()
                self._wake.wait(self.pause(_TICK))
                # What comes together is done together; the more there is to do, the more comes.
                took = (self.turned_at - begun).total_seconds()
                self._stopping.wait(min(max(_GATHER, took), _GATHER_MOST))
        finally:
            self._clock.shutdown(wait=False)
        return self._settle_down(_STOP_GRACE)

    def _settle_down(self, patience: float) -> bool:
        """Let what is under way end; what only waits its turn is left to the next engine."""
        shutdown = partial(self._pool.shutdown, cancel_futures=True)
        ending = threading.Thread(target=shutdown, name="grms-ending", daemon=True)
        ending.start()
        ending.join(patience)
        if ending.is_alive():
            log.warning(
                "some work did not end within %.0f s and is left: it is done again", patience
            )
        return not ending.is_alive()

    def _start_clock(self) -> None:
        lease = self._edges.settings.lease
        self._clock.add_job(self._renew, "interval", seconds=lease / 3)
        self._clock.add_job(self._guard, "interval", args=[self.clean], seconds=_CLEAN_EVERY)
        self._clock.add_job(
            self._guard,
            "interval",
            args=[self._watch.probe_all],
            seconds=self._edges.settings.probe_interval,
            next_run_time=self._edges.now(),
        )
        if self._edges.settings.migrate_policy:
            seconds = self._edges.settings.migrate_interval
            self._clock.add_job(self._guard, "interval", args=[self._improve], seconds=seconds)
        self._clock.add_job(
            self._guard, "interval", args=[self._watch.probe_lost], seconds=_PROBE_LOST_EVERY
        )
        self._clock.start()

    def turn(self) -> None:
        """One pass over everything that is due."""
        agenda = self._edges.store.agenda(self._edges.now())
        self._watch.look(agenda.sites)
        claimed = self._claim(LIVE - {JobState.QUEUED}, _CLAIM) if agenda.started else []
        if agenda.wished:
            claimed += self._claim({JobState.QUEUED}, _CLAIM, wished=True)
        if claimed:
            self._sort_out(self._load(claimed))
        if agenda.waiting and not self._collecting():
            slots = free_slots(self._edges, _CLAIM)
            if queued := self._claim({JobState.QUEUED}, slots, in_turn=True):
                self._batch = frozenset(job.id for job in queued), self._edges.now()
                self._place(queued)

    def _collecting(self) -> bool:
        """True while jobs are being started: those that come meanwhile then go together.

        Not for long: a cluster that does not answer holds up nobody else's jobs.
        """
        jobs, begun = self._batch
        with self._lock:
            under_way = not jobs.isdisjoint(self._held)
        return under_way and self._edges.now() - begun < _COLLECT

    def clean(self) -> None:
        """Clean up after the jobs that are over."""
        clean(self._edges)

    def pause(self, longest: float) -> float:
        """Seconds until a cluster is to be looked at, at most ``longest``."""
        return self._watch.pause(longest)

    def idle(self) -> bool:
        """True when nothing is under way in this process."""
        with self._lock:
            return not self._held

    # -- claiming -----------------------------------------------------------------------------

    def _claim(self, states: Collection[JobState], limit: int, **which: bool) -> list[Job]:
        now = self._edges.now()
        until = now + timedelta(seconds=self._edges.settings.lease)
        jobs = list(self._edges.store.claim(self.name, states, now, until, limit, **which))
        with self._lock:
            self._held.update(job.id for job in jobs)
        return jobs

    def _load(self, jobs: Sequence[Job]) -> list[_Claimed]:
        wishes: dict[str, list[Wish]] = defaultdict(list)
        for wish in self._edges.store.wishes([job.id for job in jobs]):
            wishes[wish.job_id].append(wish)
        attempts = self._edges.store.newest_attempts([job.id for job in jobs if job.attempt])
        return [_Claimed(job, attempts.get(job.id), tuple(wishes[job.id])) for job in jobs]

    def _renew(self) -> None:
        with self._lock:
            held = list(self._held)
        if held:
            until = self._edges.now() + timedelta(seconds=self._edges.settings.lease)
            self._guard(lambda: self._edges.store.renew(self.name, held, until))

    # -- sorting out --------------------------------------------------------------------------

    def _place(self, jobs: Sequence[Job]) -> None:
        wished = {wish.job_id for wish in self._edges.store.wishes([job.id for job in jobs])}
        self._sort_out(self._load([job for job in jobs if job.id in wished]))
        free = [job for job in jobs if job.id not in wished]
        self._do([job.id for job in free], self._start, free)

    def _start(self, jobs: Sequence[Job]) -> None:
        """Place jobs; what needs no inputs is submitted without another turn."""
        sites: dict[tuple[str, str], list[tuple[Job, Attempt]]] = defaultdict(list)
        for job, attempt in place(self._edges, jobs):
            sites[attempt.cluster, attempt.account].append((job, attempt))
        for items in sites.values():
            ids = [job.id for job, _ in items]
            with self._lock:
                self._held.update(ids)
            self._do(ids, self._at_site, submit, items)

    def _sort_out(self, claimed: Sequence[_Claimed]) -> None:
        """Each claimed job goes to what is to be done for it now."""
        submits: dict[tuple[str, str], list[tuple[Job, Attempt]]] = defaultdict(list)
        lookups: dict[tuple[str, str], list[tuple[Job, Attempt]]] = defaultdict(list)
        settled: list[_Claimed] = []
        for item in claimed:
            job, attempt = item.job, item.attempt
            if item.wishes and _may_be_carried_out(item):
                self._do([job.id], fulfil, self._edges, Case(job, attempt, item.wishes))
            elif attempt is None:
                self._do([job.id], self._rest, job)
            elif job.state is JobState.PREPROCESSING and attempt.phase is Phase.SUBMITTING:
                lookups[attempt.cluster, attempt.account].append((job, attempt))
            elif job.state is JobState.PREPROCESSING:
                if attempt.phase is Phase.STAGED or not has_input(self._edges, attempt):
                    submits[attempt.cluster, attempt.account].append((job, attempt))
                else:
                    self._do([job.id], stage_in, self._edges, job, attempt)
            elif job.state in _AFTER_START:
                settled.append(item)
            else:
                self._do([job.id], self._rest, job)
        for items in submits.values():
            self._do([job.id for job, _ in items], self._at_site, submit, items)
        for items in lookups.values():
            self._do([job.id for job, _ in items], self._at_site, recover, items)
        if settled:
            self._settle(settled)

    def _settle(self, items: Sequence[_Claimed]) -> None:
        """Jobs with nothing to deliver end together, the others one by one."""
        drafts: list[Draft] = []
        registered = self._edges.store.files_of([item.job.id for item in items], FileRole.OUTPUT)
        for item in items:
            if item.attempt is None:
                continue
            if self._goes_on(item):
                self._do([item.job.id], go_on, self._edges, item.job, item.attempt, item.wishes)
            elif outputs(self._edges, item.attempt, registered.get(item.job.id, ())):
                self._do([item.job.id], collect, self._edges, item.job, item.attempt, item.wishes)
            else:
                drafts.append(settle(self._edges, item.job, item.attempt, item.wishes))
        if drafts:
            self._do([draft.job.id for draft in drafts], self._edges.apply, drafts)

    @staticmethod
    def _goes_on(item: _Claimed) -> bool:
        """True for a job that ended by a checkpoint and is not to be canceled."""
        ended = item.attempt.exit if item.attempt else None
        canceled = any(wish.kind is WishKind.CANCEL for wish in item.wishes)
        return (
            item.job.state is JobState.STOPPED
            and ended is not None
            and ended.checkpointed
            and not canceled
        )

    def _rest(self, job: Job) -> None:
        """Due, but nothing to do: it waits for news."""
        self._edges.apply([Draft(job, self._edges.now()).due(None)])

    def _at_site(self, work: SiteRound, items: Sequence[tuple[Job, Attempt]]) -> None:
        try:
            site = self._edges.site_of(items[0][1])
        except GrmsError as error:
            self._edges.apply([self._put_off(work, job, attempt, error) for job, attempt in items])
            return
        work(self._edges, site, items)

    def _put_off(self, work: SiteRound, job: Job, attempt: Attempt, error: GrmsError) -> Draft:
        if work is recover:  # it may be there: nothing is decided before it was looked up
            return ask_again(self._edges, job, attempt, error)
        return Draft(job, self._edges.now()).retry(error, self._edges.settings.max_tries)

    # -- doing --------------------------------------------------------------------------------

    def _do(self, job_ids: Sequence[str], work: Callable[..., object], *args: object) -> None:
        """Run in the pool; the claim on the jobs is ours until it is done."""
        if job_ids:
            self._pool.submit(self._work, tuple(job_ids), work, args)

    def _work(
        self, job_ids: Sequence[str], work: Callable[..., object], args: Sequence[object]
    ) -> None:
        try:
            self._guard(lambda: work(*args))
        finally:
            with self._lock:
                self._held -= Counter(job_ids)
            self.wake()

    def _improve(self) -> None:
        if improve(self._edges):
            self.wake()

    def _guard(self, work: Callable[[], object]) -> None:
        """An error in one piece of work never stops the others; its claim runs out by itself."""
        try:
            work()
        except GrmsError as error:
            log.warning("%s", error.message, extra={"detail": error.detail})
        except Exception:
            log.exception("a defect in the engine; the work is tried again when its claim runs out")


def _may_be_carried_out(item: _Claimed) -> bool:
    """Wishes wait where a submission's outcome is not known, but a cancel helps to find out."""
    if item.job.state in _AFTER_START:
        return False
    unknown = item.attempt is not None and item.attempt.phase is Phase.SUBMITTING
    return not unknown or any(wish.kind is WishKind.CANCEL for wish in item.wishes)
