"""Waiting jobs get a cluster, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence

from grms.broker import layout, matching, scheduling
from grms.broker.checkpointing import failed_places
from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.lifecycle import RequestStatus, Trigger, is_moving
from grms.broker.records import Attempt, Cluster, Job
from grms.broker.rounds.weighing import Scales
from grms.broker.work import transfers_in
from grms.errors import DescriptionError, ErrorCode, GrmsError

_LONGEST_WAIT = 30.0
#: Clusters whose reasons go into one text; ``explain`` has them all.
_MOST_TOLD = 20


def free_slots(edges: Edges, most: int) -> int:
    """How many jobs could be placed now, at most ``most``: there is no use in claiming more."""
    live = edges.store.live_counts()
    total = 0
    for cluster in edges.clusters().values():
        if cluster.drained:
            continue
        limit = cluster.limits.max_jobs
        if limit is None:
            return most
        used = sum(count for (name, _), count in live.items() if name == cluster.name)
        total += max(0, limit - used)
    return min(total, most)


def place(edges: Edges, jobs: Sequence[Job]) -> list[tuple[Job, Attempt]]:
    """Assign clusters to claimed QUEUED jobs.

    The answer is what can be submitted at once: those without inputs, still claimed.
    """
    clusters = edges.clusters()
    now = edges.now()
    measured = {item.cluster: item for item in edges.store.measured()}
    matcher = matching.Matcher(clusters, measured.values(), now)
    scales = Scales(edges.stager, clusters, edges.now)
    drafts, waiting = [], []
    for job in jobs:
        try:
            description = edges.description(job.description)
        except DescriptionError as error:
            drafts.append(Draft(job, now).fail(error))
            continue
        verdicts = matcher.verdicts(description, job.owner)
        if clusters and not any(verdict.may_fit_later for verdict in verdicts):
            drafts.append(Draft(job, now).fail(_nowhere(verdicts)))
        else:
            waiting.append(scales.weigh(job, description, _elsewhere(edges, job, verdicts)))
    live = edges.store.live_counts()
    assignments = scheduling.assign(waiting, clusters, live, measured, edges.policy)
    placed = {chosen.job.id for chosen in assignments}
    ready = {}
    for chosen in assignments:
        draft = place_at(edges, Draft(chosen.job, now), chosen, clusters[chosen.verdict.cluster])
        attempt = draft.newest
        if attempt is not None and not has_input(edges, attempt):
            ready[draft.keep().job.id] = attempt
        drafts.append(draft)
    drafts += [_later(edges, item) for item in waiting if item.job.id not in placed]
    return [(job, ready[job.id]) for job in edges.apply(drafts) if job and job.id in ready]


def has_input(edges: Edges, attempt: Attempt) -> bool:
    """True when something must be brought to the cluster before the attempt can start."""
    description = edges.description(attempt.description)
    if transfers_in(description, attempt.directory):
        return True
    return attempt.number > 1 and bool(edges.shelf.numbers(attempt.job_id))


def _elsewhere(
    edges: Edges, job: Job, verdicts: tuple[matching.Verdict, ...]
) -> tuple[matching.Verdict, ...]:
    """A moving job turns to a place that just failed it only where no other fits."""
    if not is_moving(job.status):
        return verdicts
    failed = failed_places(edges.store.attempts(job.id))
    others = tuple(verdict for verdict in verdicts if verdict.cluster not in failed)
    return others if any(verdict.fits for verdict in others) else verdicts


def place_at(edges: Edges, draft: Draft, chosen: scheduling.Assignment, cluster: Cluster) -> Draft:
    """Draft the placement of a QUEUED job as its next attempt."""
    job, now = draft.job, edges.now()
    number = job.attempt + 1
    attempt = Attempt(
        job_id=job.id,
        number=number,
        cluster=cluster.name,
        tag=layout.tag(job.id, number),
        directory=layout.Layout.of(cluster.workdir, job.account).attempt(job.id, number),
        description=job.description,
        created_at=now,
        account=job.account,
        host=cluster.host or cluster.name,
        queue=chosen.verdict.queue,
        alternative=chosen.verdict.alternative,
    )
    draft.step(RequestStatus.TASK_RESOURCE).attempt(attempt)
    text = f"placed on {chosen.verdict.contact}: {chosen.reason}"
    return draft.go(Trigger.PLACED, RequestStatus.TASK_RESOURCE_DONE, text).due()


def _later(edges: Edges, item: scheduling.Waiting) -> Draft:
    """Passed over: the story says why the first time, ``explain`` says it at any time."""
    job = item.job
    draft = Draft(job, edges.now())
    if job.tries == 0:
        draft.note(f"waits: {_why(item.verdicts)}")
    pause = min(_LONGEST_WAIT, 1.0 + job.tries)
    return draft.set(tries=job.tries + 1).due(pause)


def _why(verdicts: Sequence[matching.Verdict]) -> str:
    if not verdicts:
        return "no cluster is registered"
    if any(verdict.fits for verdict in verdicts):
        return "every cluster that fits is full"
    return _reasons([verdict for verdict in verdicts if verdict.may_fit_later])


def _reasons(verdicts: Sequence[matching.Verdict]) -> str:
    told = [f"{v.contact}: {', '.join(map(str, v.refusals))}" for v in verdicts[:_MOST_TOLD]]
    if len(verdicts) > _MOST_TOLD:
        told.append(f"and {len(verdicts) - _MOST_TOLD} more clusters")
    return "; ".join(told)


def _nowhere(verdicts: Sequence[matching.Verdict]) -> GrmsError:
    nearest = sorted(verdicts, key=lambda verdict: verdict.distance)
    return GrmsError(
        f"no cluster can ever run this job: {_reasons(nearest)}", code=ErrorCode.NO_RESOURCE
    )
