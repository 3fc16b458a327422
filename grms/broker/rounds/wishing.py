"""Wishes are carried out: asked of the batch system, repeated until there is proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.ports.batch import NativeState, Outcome
from grms.broker.ports.sites import Site
from grms.broker.records import ON_RESOURCE, Attempt, Job, Phase, Wish, WishKind
from grms.broker.rounds.fencing import FENCED, give_up, settled
from grms.broker.rounds.submitting import submitted
from grms.errors import GrmsError

_REPEAT = 5.0


@dataclass(frozen=True, slots=True)
class Case:
    """A claimed job with its newest attempt (None before the first) and its open wishes."""

    job: Job
    attempt: Attempt | None
    wishes: tuple[Wish, ...]

    @property
    def wish(self) -> Wish:
        """The wish to carry out now: a cancel wins over all others, else the oldest."""
        return min(self.wishes, key=lambda w: (w.kind is not WishKind.CANCEL, w.number))

    @property
    def native(self) -> bool:
        """True when the batch system may know the job."""
        return self.attempt is not None and self.attempt.phase in ON_RESOURCE


def fulfil(edges: Edges, case: Case) -> None:
    """Carry out the foremost wish of a claimed job, or one step of it."""
    action: dict[WishKind, Callable[[Edges, Case], Draft]] = {
        WishKind.CANCEL: _cancel,
        WishKind.SUSPEND: _suspend,
        WishKind.RESUME: _resume,
        WishKind.MIGRATE: _migrate,
    }
    try:
        draft = action[case.wish.kind](edges, case)
    except GrmsError as error:
        draft = Draft(case.job, edges.now()).set(tries=case.job.tries + 1).due(_REPEAT)
        if case.job.tries == 0:
            draft.note(f"{case.wish.kind.value} not done yet: {error.message}")
    edges.apply([draft])


# -- cancel -----------------------------------------------------------------------------------


def _cancel(edges: Edges, case: Case) -> Draft:
    job, attempt = case.job, case.attempt
    if attempt is None or not case.native:
        return _canceled(edges, case, "before it was submitted")
    site = edges.site_of(attempt)
    started = give_up(site, attempt)
    commands = site.adapter.find_commands([attempt.tag])
    found = site.adapter.parse_find(site.transport.run_many(list(commands)))
    ids = found.get(attempt.tag, ())  # by the tag: its id may be another job's by now
    if attempt.phase is Phase.SUBMITTING and (started or ids):
        text = "found by its tag or mark, to be canceled"
        return submitted(edges, job, attempt, ids[0] if ids else "", text).due()
    outcomes = _do(site, "cancel", ids)
    gone = all(outcome.ok or outcome.gone for outcome in outcomes.values())
    accepted = any(outcome.ok for outcome in outcomes.values())
    draft = Draft(job, edges.now()).step(RequestStatus.TASK_CANCEL)
    if gone and not started and not _still_known(site, ids):
        since = attempt.missing_since if attempt.evidence == FENCED else None
        if accepted or settled(site, since, draft.now):  # its own word, or nothing can come late
            return _canceled(edges, case, "it never started and never can")
        if attempt.evidence != FENCED:
            draft.attempt(with_phase(attempt, evidence=FENCED, missing_since=draft.now))
    for outcome in outcomes.values():
        if not outcome.ok and not outcome.gone:
            draft.note(f"cancel was refused, asked again soon: {outcome.message}")
    return draft.due(_REPEAT if started else 1.0)


def _still_known(site: Site, ids: Sequence[str]) -> bool:
    if not ids:
        return False
    adapter = site.adapter
    statuses = adapter.parse_status(site.transport.run(adapter.status_command(list(ids))))
    live = (NativeState.ENDED,)
    return any(i in statuses and statuses[i].state not in live for i in ids)


def _canceled(edges: Edges, case: Case, how: str) -> Draft:
    draft = Draft(case.job, edges.now())
    if case.attempt is not None and case.attempt.phase not in (Phase.ENDED, Phase.OVER):
        draft.attempt(with_phase(case.attempt, phase=Phase.REVOKED))
    for wish in case.wishes:
        draft.done(wish, f"canceled {how}" if wish.kind is WishKind.CANCEL else "canceled instead")
    return draft.go(Trigger.CANCEL, RequestStatus.TASK_CANCEL_DONE, f"canceled {how}").due(None)


# -- suspend and resume in place --------------------------------------------------------------


def _suspend(edges: Edges, case: Case) -> Draft:
    job, attempt, now = case.job, case.attempt, edges.now()
    if job.state is JobState.SUSPENDED:
        return Draft(job, now).done(case.wish, "it is suspended").due(None)
    if job.state in (JobState.STOPPED, JobState.POSTPROCESSING):
        return Draft(job, now).done(case.wish, "too late: the program has ended").due()
    if attempt is None or not case.native:
        draft = Draft(job, now)
        if attempt is not None:
            draft.attempt(with_phase(attempt, phase=Phase.REVOKED))
        draft.go(Trigger.HELD, RequestStatus.TASK_QUEUED, "held by the broker before submission")
        return draft.done(case.wish, "held before submission").due(None)
    if attempt.phase is Phase.SUBMITTING:
        return Draft(job, now).due(1.0)
    running = job.state is JobState.RUNNING
    site = edges.site_of(attempt)
    outcome = _one(site, "suspend" if running else "hold", attempt)
    if not outcome.ok:
        return _not_done(edges, case, outcome)
    draft = Draft(job, now).attempt(with_phase(attempt, held=not running))
    text = "stopped in place" if running else "held in the queue"
    status = RequestStatus.TASK_EXEC if running else RequestStatus.TASK_EXEC_PENDING
    return draft.go(Trigger.HELD, status, text).done(case.wish, text).due(None)


def _resume(edges: Edges, case: Case) -> Draft:
    job, attempt, now = case.job, case.attempt, edges.now()
    if job.state is not JobState.SUSPENDED:
        return Draft(job, now).done(case.wish, f"it is {job.state.value}, not suspended").due(0.5)
    if attempt is None or not case.native:
        draft = Draft(job, now).go(Trigger.REPLACE, RequestStatus.TASK_QUEUED, "back in the queue")
        return draft.done(case.wish, "queued again").due()
    site = edges.site_of(attempt)
    outcome = _one(site, "release" if attempt.held else "resume", attempt)
    if not outcome.ok:
        return _not_done(edges, case, outcome)
    draft = Draft(job, now).attempt(with_phase(attempt, held=False))
    if attempt.held:
        draft.go(Trigger.RELEASED, RequestStatus.TASK_EXEC_PENDING, "released in the queue")
    else:
        draft.go(Trigger.STARTED, RequestStatus.TASK_EXEC_ACTIVE, "goes on in place")
    return draft.done(case.wish, "it goes on").due(None)


def _migrate(edges: Edges, case: Case) -> Draft:
    return Draft(case.job, edges.now()).done(case.wish, "migration is not carried out yet")


# -- the batch system -------------------------------------------------------------------------


def _not_done(edges: Edges, case: Case, outcome: Outcome) -> Draft:
    """Refused by the system: said in the history; the wish ends there, the job goes on."""
    draft = Draft(case.job, edges.now())
    if outcome.gone:
        return draft.due(1.0)  # it may have ended just now: the news will tell
    return draft.done(case.wish, f"refused by the batch system: {outcome.message}").due(None)


def _one(site: Site, verb: str, attempt: Attempt) -> Outcome:
    return _do(site, verb, (attempt.native_id,))[attempt.native_id]


def _do(site: Site, verb: str, ids: Sequence[str]) -> dict[str, Outcome]:
    if not ids:
        return {}
    command = getattr(site.adapter, f"{verb}_command")(list(ids))
    outcomes = site.adapter.parse_outcome(verb, list(ids), site.transport.run(command))
    unknown = Outcome(False, "the batch system did not say")
    return {native_id: outcomes.get(native_id, unknown) for native_id in ids}
