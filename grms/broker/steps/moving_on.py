"""A place that fails before a moving job starts there costs the job nothing but the place."""

from __future__ import annotations

from grms.broker.checkpointing import failed_places
from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.lifecycle import JobState, RequestStatus, Trigger, is_moving
from grms.broker.records import Phase
from grms.errors import GrmsError

_BEFORE_START = (JobState.PREPROCESSING, JobState.PENDING)


def give_place_up(edges: Edges, draft: Draft, error: GrmsError) -> Draft:
    """Fail the job; one that moves, with a checkpoint, is placed again elsewhere instead.

    After ``max_attempts`` places it fails as well. The attempt is never to start any more.
    """
    job = draft.job
    if not is_moving(job.status) or job.state not in _BEFORE_START:
        return draft.fail(error)
    attempts = edges.store.attempts(job.id)
    places = failed_places(attempts[:-1])
    if len(places) + 1 >= edges.settings.max_attempts or not edges.shelf.numbers(job.id):
        return draft.fail(error)
    draft.attempt(with_phase(attempts[-1], phase=Phase.REVOKED))
    text = f"{attempts[-1].cluster} will not do, it goes on elsewhere: {error.message}"
    return draft.go(Trigger.REPLACE, RequestStatus.TASK_QUEUED, text).due()


def put_off(edges: Edges, draft: Draft, error: GrmsError) -> Draft:
    """Try the step again later; a moving job tries a place three times, no more."""
    if is_moving(draft.job.status) and (not error.transient or draft.job.tries >= 2):
        return give_place_up(edges, draft, error)
    return draft.retry(error, edges.settings.max_tries)
