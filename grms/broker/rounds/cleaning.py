"""Directories of ended jobs are removed, unless the job is persistent or may be found again."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.following import IN_ERROR
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Job, Phase
from grms.errors import GrmsError

#: How long the files of a lost job are kept: its program may still run and bring its proof.
LOST_KEPT = timedelta(days=7)


def clean(edges: Edges) -> int:
    """Clean up after jobs that are over. The answer is how many attempts were closed."""
    _close_wishes(edges)
    groups: dict[tuple[str, str], list[tuple[Job, Attempt]]] = defaultdict(list)
    over = edges.store.attempts_in((Phase.ENDED, Phase.REVOKED))
    jobs = edges.store.jobs_of({attempt.job_id for attempt in over})
    for attempt in over:
        job = jobs[attempt.job_id]
        if job.state.is_end and not job.parked and not _may_come_back(edges, job, attempt):
            groups[attempt.cluster, attempt.account].append((job, attempt))
    closed = 0
    for items in groups.values():
        try:
            site = edges.site_of(items[0][1])
            going = [item for item in items if not _lives(site, item[1])]
            _remove(site, going)
        except GrmsError:
            continue  # the cluster is away: the next round tries again
        closed += _close(edges, going)
        for job, _ in going:
            if not job.persistent:
                edges.shelf.forget(job.id)
    return closed


def _may_come_back(edges: Edges, job: Job, attempt: Attempt) -> bool:
    lost = attempt.phase is Phase.ENDED and attempt.evidence == "absence"
    return lost and edges.now() - (job.finished_at or job.submitted_at) < LOST_KEPT


def _close_wishes(edges: Edges) -> None:
    """A wish that came with the end, or whose job ended otherwise, has nothing left to do."""
    drafts: dict[str, Draft] = {}
    wishes = edges.store.wishes()
    jobs = edges.store.jobs_of({wish.job_id for wish in wishes})
    for wish in wishes:
        job = jobs[wish.job_id]
        if job.state.is_end:
            draft = drafts.setdefault(job.id, Draft(job, edges.now()).due(None))
            draft.done(wish, f"the job had ended {job.state.value}")
    edges.apply(list(drafts.values()))


def _close(edges: Edges, items: list[tuple[Job, Attempt]]) -> int:
    """One draft for each job, with all its attempts of this batch."""
    drafts: dict[str, Draft] = {}
    for job, attempt in items:
        draft = drafts.setdefault(job.id, Draft(job, edges.now()).due(None))
        draft.attempt(with_phase(attempt, phase=Phase.OVER))
    edges.apply(list(drafts.values()))
    return len(items)


def _lives(site: Site, attempt: Attempt) -> bool:
    """Withdraw what may still wait in a queue; True until the batch system says that it is gone."""
    left = attempt.phase is Phase.REVOKED or attempt.native_state == IN_ERROR
    if not left or not attempt.native_id:
        return False
    commands = site.adapter.find_commands([attempt.tag])
    found = site.adapter.parse_find(site.transport.run_many(list(commands)))
    ids = found.get(attempt.tag, ())  # by the tag: its id may be another job's by now
    if not ids:
        return False
    result = site.transport.run(site.adapter.cancel_command(ids))
    outcomes = site.adapter.parse_outcome("cancel", ids, result)
    return not all(native_id in outcomes and outcomes[native_id].gone for native_id in ids)


def _remove(site: Site, items: list[tuple[Job, Attempt]]) -> None:
    """Remove the directories and the marks."""
    doomed = [job.id for job, _ in items if not job.persistent]
    site.transport.remove([site.layout.job(job_id) for job_id in dict.fromkeys(doomed)])
    site.transport.remove([f"{site.layout.tags}/{attempt.tag}" for _, attempt in items])
