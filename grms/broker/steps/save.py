"""A job ended by a checkpoint: its files are made safe before anything else becomes of it."""

from __future__ import annotations

from grms.broker import checkpointing
from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.layout import control, request, work
from grms.broker.lifecycle import RequestStatus
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, FileRole, Job
from grms.broker.shelf import Checkpoint, Item
from grms.errors import ErrorCode, GrmsError, StagingError

#: The request by which a job ends that wrote no checkpoint in time.
OVERDUE = "overdue"


def save(edges: Edges, job: Job, attempt: Attempt) -> Checkpoint | None:
    """Fetch the checkpoint and deliver it; None, and the job put off, where that failed.

    A checkpoint that is not complete never takes the place of an earlier one: then the job goes
    on from that, and fails if there is none.
    """
    draft = Draft(job, edges.now()).step(RequestStatus.MIGRATE_EXEC_SUSPEND_DONE)
    try:
        site = edges.site_of(attempt)
        kept = _fetch(edges, site, job, attempt)
        text = f"checkpoint {kept.number} is safe: {len(kept.files)} files, {kept.size} bytes"
        draft.note(text, checkpoint=kept.number, bytes=kept.size)
    except StagingError as error:
        if error.transient:
            return _later(edges, job, error)
        earlier = edges.shelf.newest(job.id)
        if earlier is None:
            reason = f"it ended as checkpointed, but its checkpoint is not whole: {error.message}"
            edges.apply([draft.fail(GrmsError(reason, code=ErrorCode.JOB_FAILED))])
            return None
        kept = earlier
        draft.note(
            f"the new checkpoint is not whole ({error.message}): "
            f"the job goes on from checkpoint {kept.number}"
        )
    except GrmsError as error:
        return _later(edges, job, error)
    except OSError as error:
        reason = f"cannot keep the checkpoint: {error}"
        return _later(edges, job, GrmsError(reason, code=ErrorCode.NO_SPACE, transient=True))
    draft.step(RequestStatus.MIGRATE_STAGE_OUT)
    _deliver(edges, attempt, kept, draft)
    draft.step(RequestStatus.MIGRATE_STAGE_OUT_DONE).due(edges.settings.lease)
    return kept if edges.apply([draft])[0] is not None else None


def _later(edges: Edges, job: Job, error: GrmsError) -> Checkpoint | None:
    edges.apply([Draft(job, edges.now()).retry(error, edges.settings.max_tries)])
    return None


def _fetch(edges: Edges, site: Site, job: Job, attempt: Attempt) -> Checkpoint:
    shelf = edges.shelf
    if _wrote_none(site, attempt):
        reason = "none was written in time"
        raise StagingError(reason, code=ErrorCode.FILE_NOT_FOUND, transient=False)
    if attempt.number in shelf.numbers(job.id):  # before this process was killed
        found = shelf.newest(job.id)
        if found is not None and found.number == attempt.number:
            return found
    registered = edges.store.files(job.id, FileRole.CHECKPOINT)
    items = checkpointing.items(edges.description(attempt.description), registered)
    part = shelf.begin(job.id, attempt.number)
    for item in items:
        place = work(attempt.directory)
        path = place if item.name == "." else f"{place}/{item.name}"
        site.transport.get(path, shelf.target(part, item))
    streams = [Item(name, stream=True) for name in checkpointing.STREAMS]
    for stream in streams:
        path = f"{control(attempt.directory)}/{stream.name}"
        site.transport.get(path, shelf.target(part, stream))
    return shelf.keep(job.id, attempt.number, part, [*items, *streams])


def _wrote_none(site: Site, attempt: Attempt) -> bool:
    """True for a run that was ended without a new checkpoint; its files may be half written."""
    by_itself = attempt.exit is not None and attempt.exit.code == checkpointing.EXIT_CODE
    path = request(attempt.directory, f"{OVERDUE}.json")
    return not by_itself and path in site.transport.read([path])


def _deliver(edges: Edges, attempt: Attempt, kept: Checkpoint, draft: Draft) -> None:
    """To the user's own places too; what cannot be delivered is told and stops nothing."""
    registered = edges.store.files(attempt.job_id, FileRole.CHECKPOINT)
    description = edges.description(attempt.description)
    for item, url in checkpointing.deliveries(description, registered):
        try:
            edges.stager.deliver(kept.path(item), url, directory=item.directory)
        except StagingError as error:
            draft.note(f"checkpoint {item.name} was not delivered to {url}: {error.message}")


def restore(edges: Edges, site: Site, attempt: Attempt) -> Checkpoint | None:
    """Bring the newest good checkpoint to a new attempt; None where there is none."""
    kept = edges.shelf.newest(attempt.job_id) if attempt.number > 1 else None
    if kept is None:
        return None
    for item in kept.items:
        place = control(attempt.directory) if item.stream else work(attempt.directory)
        target = place if item.name == "." else f"{place}/{item.name}"
        site.transport.put(kept.path(item), target)
    return kept
