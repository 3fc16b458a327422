"""Native jobs under our tags that the store does not know, or has given up.

Two sources: the marks that wrappers leave in a cluster's ``tags`` directory, and the attempts
that were given up. What the batch system still has of them is an orphan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.lifecycle import JobState
from grms.broker.ports.batch import NativeState, NativeStatus
from grms.broker.ports.sites import Site
from grms.broker.records import ON_RESOURCE, Attempt, Cluster, Job, Phase
from grms.broker.rounds.submitting import submitted
from grms.errors import GrmsError

_MOST = 100_000
_GIVEN_UP = (Phase.REVOKED, Phase.ENDED)
_OVER = (NativeState.ENDED, NativeState.ENDING)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A native job without an owner. ``native_id`` is "" for a mark whose job is gone.

    ``attempt`` is what the store has under its tag; ``adoptable`` says that it may still be ours.
    """

    cluster: str
    account: str
    tag: str
    native_id: str
    state: str
    why: str
    attempt: Attempt | None = None
    adoptable: bool = False


def find_orphans(edges: Edges, cluster: Cluster) -> Iterator[Orphan]:
    """All orphans of a cluster, over all accounts with attempts there. Raises GrmsError."""
    attempts = edges.store.attempts_in((*ON_RESOURCE, *_GIVEN_UP), cluster=cluster.name)
    for account in sorted({"", *(attempt.account for attempt in attempts)}):
        site = edges.sites.site(cluster, account)
        marks = set(site.transport.sweep(site.layout.tags, limit=_MOST))
        ours = {a.tag for a in attempts if a.account == account and _looked_for(edges, a)}
        yield from _at(edges, site, marks, sorted(marks | ours))


def _looked_for(edges: Edges, attempt: Attempt) -> bool:
    """An attempt whose native job may be there although the engine does not follow it."""
    return attempt.phase in _GIVEN_UP or not attempt.native_id or _parted(edges, attempt)


def _parted(edges: Edges, attempt: Attempt) -> bool:
    return edges.store.job(attempt.job_id).state.is_end


def _at(edges: Edges, site: Site, marks: set[str], tags: Sequence[str]) -> Iterator[Orphan]:
    if not tags:
        return
    adapter, transport = site.adapter, site.transport
    found = adapter.parse_find(transport.run_many(list(adapter.find_commands(tags))))
    ids = [native_id for known in found.values() for native_id in known]
    states: Mapping[str, NativeStatus] = {}
    if ids:
        states = adapter.parse_status(transport.run(adapter.status_command(ids)))
    for tag in tags:
        attempt = edges.store.attempt_by_tag(tag)
        job = edges.store.job(attempt.job_id) if attempt is not None else None
        live = [i for i in found.get(tag, ()) if i in states and states[i].state not in _OVER]
        for native_id in live:
            why = judge(job, attempt, native_id)
            if why:
                yield Orphan(
                    site.cluster.name, site.account, tag, native_id,
                    states[native_id].state.value, why, attempt, adoptable(job, attempt),
                )  # fmt: skip
        if not live and tag in marks and attempt is None:
            why = "a mark without a job: the store does not know it"
            yield Orphan(site.cluster.name, site.account, tag, "", "gone", why)


def judge(job: Job | None, attempt: Attempt | None, native_id: str) -> str:
    """Why a live native job is an orphan; "" when it is not."""
    if attempt is None or job is None:
        return "the store does not know its tag"
    where = f"attempt {attempt.number} of {job.id}"
    if attempt.phase is Phase.REVOKED or attempt.number != job.attempt:
        return f"{where} was given up"
    if attempt.phase in (Phase.ENDED, Phase.OVER) or job.state.is_end:
        return f"{where} is over: the job is {job.state.value}"
    if attempt.native_id and attempt.native_id != native_id:
        return f"{where} is {attempt.native_id}: this is a twin of it"
    return "" if attempt.native_id else f"{where} has no native id yet"


def adoptable(job: Job | None, attempt: Attempt | None) -> bool:
    """True for the newest attempt of a live job that was submitted and has no native id."""
    return (
        job is not None
        and attempt is not None
        and attempt.number == job.attempt
        and attempt.phase in ON_RESOURCE
        and not attempt.native_id
        and not job.state.is_end
    )


def adopt(edges: Edges, orphan: Orphan) -> str:
    """Make the native job the attempt's own; the answer says what happened."""
    if not orphan.adoptable or orphan.attempt is None:
        return f"not adopted: {orphan.why}"
    number, native_id = orphan.attempt.number, orphan.native_id
    text = f"adopted as {native_id} by an administrator"

    def decide(job: Job) -> Draft | None:
        attempt = edges.store.attempts(job.id)[number - 1]
        if not adoptable(job, attempt):
            return None
        if attempt.phase is Phase.SUBMITTING and job.state is JobState.PREPROCESSING:
            return submitted(edges, job, attempt, native_id, text)
        draft = Draft(job, edges.now()).attempt(with_phase(attempt, native_id=native_id))
        return draft.note(text)

    applied = edges.amend(orphan.attempt.job_id, decide)
    return text if applied is not None else "not adopted: the engine was quicker"


def end(edges: Edges, orphans: Iterable[Orphan]) -> Iterator[tuple[Orphan, str]]:
    """Cancel native jobs and remove the marks of those that are gone; what happened to each."""
    clusters = edges.clusters()
    for orphan in orphans:
        site = edges.sites.site(clusters[orphan.cluster], orphan.account)
        try:
            yield orphan, _end(site, orphan)
        except GrmsError as error:
            yield orphan, f"not ended: {error.message}"


def _end(site: Site, orphan: Orphan) -> str:
    mark = f"{site.layout.tags}/{orphan.tag}"
    if not orphan.native_id:
        site.transport.remove([mark])
        return "the mark is removed"
    ids = [orphan.native_id]
    result = site.transport.run(site.adapter.cancel_command(ids))
    outcome = site.adapter.parse_outcome("cancel", ids, result).get(orphan.native_id)
    if outcome is None or not (outcome.ok or outcome.gone):
        return f"not ended: {outcome.message if outcome else 'the batch system did not say'}"
    return "it was gone" if outcome.gone else "told to end"
