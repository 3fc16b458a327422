"""The opt-in policy "better-off": a job moves by itself to where it would end clearly sooner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from grms.broker import checkpointing
from grms.broker.edges import Edges
from grms.broker.lifecycle import JobState
from grms.broker.ports.store import JobQuery
from grms.broker.records import Attempt, EventKind, Job, NewEvent, Wish, WishKind
from grms.broker.rounds.leaving import better_place, way_of
from grms.errors import GrmsError

POLICY = "better-off"


def improve(edges: Edges) -> int:
    """Wish moves for running jobs that gain by one. The answer is how many."""
    wished = 0
    for job in edges.store.jobs(JobQuery(states=(JobState.RUNNING,))):
        if not job.progress or edges.store.wishes([job.id]):
            continue
        try:
            reason = _reason(edges, job, edges.store.attempts(job.id))
        except GrmsError:
            continue  # its cluster is away: nothing is known, nothing is moved
        if reason:
            now = edges.now()
            event = NewEvent(EventKind.WISH, now, f"{POLICY} wishes: migrate: {reason}")
            edges.store.wish(Wish(job.id, WishKind.MIGRATE, now, POLICY), event)
            wished += 1
    return wished


def _reason(edges: Edges, job: Job, attempts: Sequence[Attempt]) -> str:
    """Why the job gains by a move now, in figures; "" if it stays."""
    here, now, settings = attempts[-1], edges.now(), edges.settings
    stay = timedelta(seconds=settings.migrate_min_stay)
    if checkpointing.why_stay(attempts, now, stay, settings.migrate_moves_a_day):
        return ""
    told = [e for e in edges.store.events(job.id) if e.kind is EventKind.PROGRESS]
    points = checkpointing.progress_points(here, [(e.at, e.text) for e in told])
    rest = checkpointing.remaining(points, now)
    if rest is None:
        return ""
    chosen = better_place(edges, job, here)
    if isinstance(chosen, str) or way_of(edges, edges.site_of(here), here) is None:
        return ""
    clusters = edges.clusters()
    found = checkpointing.gain(rest, clusters[here.cluster], clusters[chosen.verdict.cluster])
    return found[1] if found else ""
