"""Directories of ended jobs are removed, unless the job is persistent."""

from __future__ import annotations

from collections import defaultdict

from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Job, Phase
from grms.errors import GrmsError


def clean(edges: Edges) -> int:
    """Clean up after jobs that are over. The answer is how many attempts were closed."""
    groups: dict[tuple[str, str], list[tuple[Job, Attempt]]] = defaultdict(list)
    for attempt in edges.store.attempts_in((Phase.ENDED, Phase.REVOKED)):
        job = edges.store.job(attempt.job_id)
        if job.state.is_end and not job.parked:
            groups[attempt.cluster, attempt.account].append((job, attempt))
    closed = 0
    for items in groups.values():
        try:
            site = edges.site_of(items[0][1])
            _remove(site, items)
        except GrmsError:
            continue  # the cluster is away: the next round tries again
        closed += _close(edges, items)
        for job, _ in items:
            if not job.persistent:
                edges.shelf.forget(job.id)
    return closed


def _close(edges: Edges, items: list[tuple[Job, Attempt]]) -> int:
    """One draft for each job, with all its attempts of this batch."""
    drafts: dict[str, Draft] = {}
    for job, attempt in items:
        draft = drafts.setdefault(job.id, Draft(job, edges.now()).due(None))
        draft.attempt(with_phase(attempt, phase=Phase.OVER))
    edges.apply(list(drafts.values()))
    return len(items)


def _remove(site: Site, items: list[tuple[Job, Attempt]]) -> None:
    """Withdraw what may still wait in a queue, then remove the directories."""
    withdrawn = [a.native_id for _, a in items if a.phase is Phase.REVOKED and a.native_id]
    if withdrawn:
        site.transport.run(site.adapter.cancel_command(withdrawn))
    doomed = [job.id for job, _ in items if not job.persistent]
    site.transport.remove([site.layout.job(job_id) for job_id in dict.fromkeys(doomed)])
    site.transport.remove([f"{site.layout.tags}/{attempt.tag}" for _, attempt in items])
