"""Submissions whose outcome is not known: the tag is looked up before anything else is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from grms.broker.checkpointing import earlier_runs
from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.following import on_never_started
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Job
from grms.broker.rounds.fencing import FENCED, give_up, settled
from grms.broker.rounds.submitting import submitted
from grms.broker.rounds.tracking import fence
from grms.errors import GrmsError, SiteError

_PAUSE = 2.0
LOOKUP_GRACE = 30.0


def recover(edges: Edges, site: Site, items: Sequence[tuple[Job, Attempt]]) -> None:
    """Adopt what the batch system accepted; give up what it consistently does not know."""
    tags = [attempt.tag for _, attempt in items]
    try:
        commands = list(site.adapter.find_commands(tags))
        found = site.adapter.parse_find(site.transport.run_many(commands))
        marks = site.transport.read([f"{site.layout.tags}/{tag}" for tag in tags])
    except SiteError as error:
        edges.apply([ask_again(edges, job, attempt, error) for job, attempt in items])
        return
    for job, attempt in items:
        ids = found.get(attempt.tag, ())
        if ids:
            _adopt(edges, site, job, attempt, ids)
        elif f"{site.layout.tags}/{attempt.tag}" in marks:
            text = "found by its own mark: its wrapper has started"
            edges.apply([submitted(edges, job, attempt, "", text)])
        else:
            _absent(edges, site, job, attempt)


def ask_again(edges: Edges, job: Job, attempt: Attempt, error: GrmsError) -> Draft:
    """Nobody answers: nothing is known, so nothing changes."""
    draft = Draft(job, edges.now()).attempt(with_phase(attempt, missing_since=None))
    if job.tries == 0:
        draft.note(f"its tag cannot be looked up now: {error.message}")
    tries = job.tries + 1
    return draft.set(tries=tries).due(min(60.0, _PAUSE * tries))


def _adopt(edges: Edges, site: Site, job: Job, attempt: Attempt, ids: Sequence[str]) -> None:
    """Keep one native job. Twins cannot both run: the wrapper starts an attempt only once."""
    keep, *twins = sorted(ids)
    if twins:
        site.transport.run(site.adapter.cancel_command(twins))
    draft = submitted(edges, job, attempt, keep, f"found by its tag and adopted as {keep}")
    if twins:
        draft.note(f"submitted more than once: {', '.join(twins)} withdrawn")
    edges.apply([draft])


def _absent(edges: Edges, site: Site, job: Job, attempt: Attempt) -> None:
    """Nobody knows the tag: wait, fence the attempt, look once more, and place the job again."""
    now = edges.now()
    grace = site.adapter.traits.absence_delay
    grace = LOOKUP_GRACE if grace is None else grace
    since, fenced = attempt.missing_since, attempt.evidence == FENCED
    draft = Draft(job, now)
    if since is None:
        draft.attempt(with_phase(attempt, missing_since=now))
    elif not fenced and now - since >= timedelta(seconds=grace):
        give_up(site, attempt)
        draft = fence(job, attempt, edges.now()) or draft
    elif fenced:
        if give_up(site, attempt) or site.transport.read([f"{site.layout.tags}/{attempt.tag}"]):
            draft = submitted(edges, job, attempt, "", "found by its own mark at the last look")
            edges.apply([draft])
            return
        if settled(site, since, now):
            most = edges.settings.max_attempts
            ran = earlier_runs(edges.store.attempts(job.id))
            edges.apply([on_never_started(job, attempt, now, most=most, ran=ran)])
            return
    edges.apply([draft.due(min(_PAUSE, max(0.2, grace / 4)))])
