"""Wishes are carried out: asked of the batch system, repeated until there is proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.following import BY_WRAPPER
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.ports.batch import NativeState, Outcome
from grms.broker.ports.sites import Site
from grms.broker.records import ON_RESOURCE, Attempt, Job, Phase, Wish, WishKind
from grms.broker.rounds.asking import LOOK, ask
from grms.broker.rounds.fencing import FENCED, give_up, settled
from grms.broker.rounds.leaving import better_place, leave
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
        off = job.state is JobState.SUSPENDED and job.attempt
        return _canceled(edges, case, "off its resource" if off else "before it was submitted")
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
        if case.wish.description:
            draft.set(description=case.wish.description)
        draft.go(Trigger.HELD, RequestStatus.TASK_QUEUED, "held by the broker before submission")
        return draft.done(case.wish, "held before submission").due(None)
    if attempt.phase is Phase.SUBMITTING:
        return Draft(job, now).due(1.0)
    site = edges.site_of(attempt)
    if job.state is JobState.RUNNING:
        return _suspend_running(edges, case, site, attempt)
    outcome = _one(site, "hold", attempt)
    if not outcome.ok:
        return _not_done(edges, case, outcome)
    draft = Draft(job, now).attempt(with_phase(attempt, held=True))
    text = f"held in the queue{_unused(case)}"
    draft.go(Trigger.HELD, RequestStatus.TASK_EXEC_PENDING, text)
    return draft.done(case.wish, text).due(None)


def _suspend_running(edges: Edges, case: Case, site: Site, attempt: Attempt) -> Draft:
    """Off its resource by a checkpoint; in place where that cannot be."""
    left = leave(edges, site, case.job, attempt, case.wish)
    if isinstance(left, Draft):
        return left
    name = f"stop-{case.wish.number}"
    if not site.adapter.traits.can_suspend:
        answer = ask(edges, site, attempt, name, {"do": "stop"})
        if answer is None:
            return Draft(case.job, edges.now()).due(LOOK)
        outcome, how = Outcome(answer.ok, answer.reason), "stopped in place by its wrapper"
        attempt = with_phase(attempt, native_state=BY_WRAPPER)
    else:
        outcome, how = _one(site, "suspend", attempt), "stopped in place"
    if not outcome.ok:
        return _not_done(edges, case, outcome)
    draft = Draft(case.job, edges.now()).attempt(with_phase(attempt, held=False))
    if case.job.status is RequestStatus.MIGRATE_EXEC_SUSPEND:
        draft.step(RequestStatus.MIGRATE_FAILED)
        how += f", without a checkpoint ({left.reason})"
    how += _unused(case)
    return draft.go(Trigger.HELD, RequestStatus.TASK_EXEC, how).done(case.wish, how).due(None)


def _unused(case: Case) -> str:
    unused = "; the new description is for a new placement only"
    return unused if case.wish.description else ""


def _resume(edges: Edges, case: Case) -> Draft:
    job, attempt, now = case.job, case.attempt, edges.now()
    if job.state is not JobState.SUSPENDED:
        return Draft(job, now).done(case.wish, f"it is {job.state.value}, not suspended").due(0.5)
    if attempt is None or not case.native:
        return _queue_again(edges, case, "back in the queue")
    site, now = edges.site_of(attempt), edges.now()
    if attempt.native_state == BY_WRAPPER:
        answer = ask(edges, site, attempt, f"cont-{case.wish.number}", {"do": "cont"})
        if answer is None:
            return Draft(job, now).due(LOOK)
        outcome = Outcome(answer.ok, answer.reason)
    else:
        outcome = _one(site, "release" if attempt.held else "resume", attempt)
    if not outcome.ok:
        return _not_done(edges, case, outcome)
    draft = Draft(job, now).attempt(with_phase(attempt, held=False, native_state=""))
    if attempt.held:
        draft.go(Trigger.RELEASED, RequestStatus.TASK_EXEC_PENDING, "released in the queue")
    else:
        draft.go(Trigger.STARTED, RequestStatus.TASK_EXEC_ACTIVE, "goes on in place")
    return draft.done(case.wish, f"it goes on in place{_unused(case)}").due(None)


def _queue_again(edges: Edges, case: Case, text: str) -> Draft:
    """To be placed anew, with the new description if there is one."""
    draft = Draft(case.job, edges.now())
    if case.wish.description:
        draft.set(description=case.wish.description)
    if case.job.state is not JobState.QUEUED:
        draft.go(Trigger.REPLACE, RequestStatus.TASK_QUEUED, text)
    return draft.done(case.wish, text).due()


# -- migrate ----------------------------------------------------------------------------------


def _migrate(edges: Edges, case: Case) -> Draft:
    """Leave for a better place, found before the job is touched; else it goes on as it was."""
    job, attempt, wish = case.job, case.attempt, case.wish
    if job.state is JobState.QUEUED:
        return _queue_again(edges, case, "it still waits: the best place is chosen for it")
    if job.state is JobState.SUSPENDED and not case.native:
        return _queue_again(edges, case, "goes on from its checkpoint at the best place")
    if job.state is JobState.SUSPENDED:
        text = "it is suspended where it is: resume it, then migrate it"
        return Draft(job, edges.now()).done(wish, text).due(None)
    if attempt is None or job.status is not RequestStatus.MIGRATE_EXEC_SUSPEND:
        chosen = better_place(edges, job, attempt, wish.description)
        if isinstance(chosen, str):
            # Due at once: it may be prepared for its present place just now.
            return Draft(job, edges.now()).done(wish, f"NOTHING_BETTER: {chosen}").due()
    if attempt is None or job.state is not JobState.RUNNING:
        return _withdraw(edges, case, attempt)
    left = leave(edges, edges.site_of(attempt), job, attempt, wish)
    if isinstance(left, Draft):
        return left
    draft = Draft(job, edges.now())
    if job.status is RequestStatus.MIGRATE_EXEC_SUSPEND:
        draft.step(RequestStatus.MIGRATE_FAILED).step(RequestStatus.TASK_EXEC_ACTIVE)
    return draft.done(wish, f"refused, it goes on where it is: {left.reason}").due(None)


def _withdraw(edges: Edges, case: Case, attempt: Attempt | None) -> Draft:
    """A job that has not started leaves its queue and is placed anew: nothing of it ran."""
    job = case.job
    if attempt is not None and case.native:
        if attempt.phase is Phase.SUBMITTING:
            return Draft(job, edges.now()).due(1.0)
        left = _leave_queue(edges, edges.site_of(attempt), job, attempt)
        if left is not None:
            return left
    draft = _queue_again(edges, case, "withdrawn before its start, to be placed anew")
    return draft.attempt(with_phase(attempt, phase=Phase.REVOKED)) if attempt else draft


def _leave_queue(edges: Edges, site: Site, job: Job, attempt: Attempt) -> Draft | None:
    """One step; None when it has left its queue and can never start there any more."""
    draft = Draft(job, edges.now())
    if give_up(site, attempt):
        return draft.due(1.0)  # it runs: its news is on its way
    commands = site.adapter.find_commands([attempt.tag])
    found = site.adapter.parse_find(site.transport.run_many(list(commands)))
    ids = found.get(attempt.tag, ())
    outcomes = _do(site, "cancel", ids)
    if all(o.ok or o.gone for o in outcomes.values()) and not _still_known(site, ids):
        since = attempt.missing_since if attempt.evidence == FENCED else None
        if any(o.ok for o in outcomes.values()) or settled(site, since, draft.now):
            return None
        if attempt.evidence != FENCED:
            draft.attempt(with_phase(attempt, evidence=FENCED, missing_since=draft.now))
    return draft.due(1.0)


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
