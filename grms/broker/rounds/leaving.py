"""A job leaves its resource by a checkpoint, and gets a new place: suspend, migrate, go on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from grms.broker import checkpointing, matching, scheduling
from grms.broker.checkpointing import Way
from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.layout import control
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Job, Json, Wish, WishKind
from grms.broker.rounds.asking import LOOK, ask, was_asked
from grms.broker.rounds.placing import place_at
from grms.broker.rounds.weighing import Scales
from grms.broker.shelf import Checkpoint
from grms.broker.steps.save import OVERDUE, save
from grms.errors import ErrorCode, GrmsError


@dataclass(frozen=True, slots=True)
class Refused:
    """The job cannot leave by a checkpoint now; it goes on as it was.

    ``overdue``: only because it did not write one in time.
    """

    reason: str
    overdue: bool = False


def way_of(edges: Edges, site: Site, attempt: Attempt) -> Way | None:
    """How this running attempt can be checkpointed; None: not at all."""
    description = edges.description(attempt.description)
    access = edges.store.access(attempt.job_id)
    return checkpointing.way(description, _said(site, attempt), access)


def _said(site: Site, attempt: Attempt) -> bytes | None:
    said_in = f"{control(attempt.directory)}/ways.json"
    return site.transport.read([said_in]).get(said_in)


def leave(edges: Edges, site: Site, job: Job, attempt: Attempt, wish: Wish) -> Draft | Refused:
    """One step towards the end of a running attempt by a checkpoint; its end comes as news."""
    way = way_of(edges, site, attempt)
    if way is None:
        return Refused("NOT_CHECKPOINTABLE: the job neither declares nor registers a way")
    draft = Draft(job, edges.now())
    if job.status is not RequestStatus.MIGRATE_EXEC_SUSPEND:
        draft.step(RequestStatus.MIGRATE_QUEUED).step(RequestStatus.MIGRATE_EXEC_SUSPEND)
        return draft.note(f"asked for a checkpoint: {way.value}").due()
    refused = None
    if not was_asked(site, attempt, OVERDUE):
        refused = _ask_for_checkpoint(edges, site, job, attempt, wish, way)
        if refused is None or not refused.overdue:
            return refused or draft.due(LOOK)
    return _leave_without(edges, site, draft, attempt, refused)


def _ask_for_checkpoint(
    edges: Edges, site: Site, job: Job, attempt: Attempt, wish: Wish, way: Way
) -> Refused | None:
    name, what = f"checkpoint-{wish.number}", dict[str, Json](do="checkpoint")
    if way is Way.SERVICE:
        name, what = f"{name}-end", {"do": "end", "checkpointed": True}
        if not was_asked(site, attempt, name) and (refused := _call(edges, job)):
            return refused
    answer = ask(edges, site, attempt, name, what)
    return None if answer is None or answer.ok else Refused(answer.reason, answer.overdue)


def _leave_without(
    edges: Edges, site: Site, draft: Draft, attempt: Attempt, refused: Refused | None
) -> Draft | Refused:
    """Its time is over: by the policy it goes on where it is, or leaves without a new checkpoint.

    ``refused`` is None when it was told to end already.
    """
    if refused is not None:
        policy = edges.settings.checkpoint_overdue
        kept = edges.shelf.numbers(attempt.job_id)
        if not kept or not checkpointing.goes_on_without(_said(site, attempt), policy):
            return refused
        draft.note(f"{refused.reason}: it is ended, to go on from checkpoint {kept[0]}")
    answer = ask(edges, site, attempt, OVERDUE, {"do": "end", "checkpointed": True})
    return draft.due(LOOK) if answer is None or answer.ok else Refused(answer.reason)


def _call(edges: Edges, job: Job) -> Refused | None:
    """Call the application itself; the wrapper ends what is checkpointed by then."""
    access = edges.store.access(job.id)
    if access is None or edges.applications is None:
        return Refused("this broker calls no applications")
    try:
        edges.applications.checkpoint(access, job.id, edges.settings.checkpoint_deadline)
    except GrmsError as error:
        return Refused(error.message, overdue=error.transient)
    return None


# -- another place ----------------------------------------------------------------------------


def better_place(
    edges: Edges, job: Job, attempt: Attempt | None, text: str = ""
) -> scheduling.Assignment | str:
    """Where the job is better off than where it is, or why it is not.

    A new description that its present place does not meet, or that names another, decides alone.
    """
    clusters, now = edges.clusters(), edges.now()
    measured = {item.cluster: item for item in edges.store.measured()}
    wanted = replace(job, description=text or job.description)
    description = edges.description(wanted.description)
    here = attempt.cluster if attempt else ""
    verdicts = tuple(
        verdict
        for verdict in matching.Matcher(clusters, measured.values(), now).verdicts(
            description, job.owner
        )
        if verdict.cluster != here
    )
    counts, live = edges.store.live_counts(), dict[str, int]()
    for (name, _owner), count in counts.items():
        live[name] = live.get(name, 0) + count
    if not text and here in clusters:
        loads = checkpointing.standing(clusters, measured, live)
        with_it = checkpointing.standing(clusters, measured, {n: live.get(n, 0) + 1 for n in loads})
        present = clusters[here], loads[here]
        verdicts = tuple(
            verdict
            for verdict in verdicts
            if checkpointing.is_better(
                present, (clusters[verdict.cluster], with_it[verdict.cluster])
            )
        )
    waiting = [Scales(edges.stager, clusters, edges.now).weigh(wanted, description, verdicts)]
    chosen = scheduling.assign(waiting, clusters, counts, measured, edges.policy)
    if chosen:
        return chosen[0]
    reasons = "; ".join(
        f"{v.contact}: {', '.join(map(str, v.refusals)) or 'is full'}" for v in verdicts
    )
    return reasons or "no other cluster is faster or less busy"


# -- after the checkpoint ---------------------------------------------------------------------


def go_on(edges: Edges, job: Job, attempt: Attempt, wishes: tuple[Wish, ...]) -> None:
    """A job that ended by a checkpoint: saved, then suspended, moved, or simply run again."""
    kept = save(edges, job, attempt)
    if kept is None:
        return
    job = edges.store.job(job.id)
    if job.state is not JobState.STOPPED:
        return
    wish = next((w for w in wishes if w.kind in (WishKind.SUSPEND, WishKind.MIGRATE)), None)
    draft = Draft(job, edges.now())
    if wish is not None and wish.description:
        draft.set(description=wish.description)
    if wish is not None and wish.kind is WishKind.SUSPEND:
        text = "checkpointed, its files are safe, off its resource"
        draft.go(Trigger.OFF_RESOURCE, RequestStatus.MIGRATE_STAGE_OUT_DONE, text)
        edges.apply([draft.done(wish, text).due(None)])
        return
    if wish is None and (why := _why_not_again(edges, job, kept)):
        edges.apply([draft.fail(GrmsError(why, code=ErrorCode.PARKED), parked=True)])
        return
    text = "it left a checkpoint and goes on from it"
    draft.go(Trigger.REPLACE, RequestStatus.MIGRATE_QUEUED, text).due()
    if wish is not None:
        _move(edges, draft, attempt, wish)
    edges.apply([draft])


def _why_not_again(edges: Edges, job: Job, kept: Checkpoint) -> str:
    settings = edges.settings
    return checkpointing.why_not_again(
        kept, edges.store.attempts(job.id), settings.max_unchanged, settings.max_reruns
    )


def _move(edges: Edges, draft: Draft, attempt: Attempt, wish: Wish) -> None:
    chosen = better_place(edges, draft.job, attempt, wish.description)
    if isinstance(chosen, str):
        draft.done(wish, f"its new place is gone meanwhile ({chosen}): placed at the next best")
        return
    cluster = edges.clusters()[chosen.verdict.cluster]
    draft.done(wish, f"checkpointed on {attempt.cluster}, goes on on {cluster.name}")
    place_at(edges, draft, chosen, cluster)
