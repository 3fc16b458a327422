"""After the program ended: its outputs are delivered, and the job gets its end state."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.layout import control
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Exit, FileDir, FileRole, Job, Wish, WishKind
from grms.broker.work import Transfer, transfers_out
from grms.errors import ErrorCode, GrmsError, StagingError


def outputs(edges: Edges, attempt: Attempt, registered: Sequence[FileDir]) -> tuple[Transfer, ...]:
    """What is to be delivered, with what is ``registered`` by now."""
    return transfers_out(edges.description(attempt.description), attempt.directory, registered)


def settle_at_once(edges: Edges, drafts: Sequence[Draft]) -> None:
    """Of jobs whose end was just drafted, settle those that nothing more is to be done for."""
    ended = {draft.job.id: draft for draft in drafts if draft.state is JobState.STOPPED}
    if not ended:
        return
    wished = {wish.job_id for wish in edges.store.wishes(list(ended))}
    registered = edges.store.files_of(ended, FileRole.OUTPUT)
    for job_id, draft in ended.items():
        attempt = draft.newest
        if job_id in wished or attempt is None or attempt.exit is None:
            continue  # left to the next turn
        if not (attempt.exit.checkpointed or outputs(edges, attempt, registered.get(job_id, ()))):
            draft.join(settle(edges, draft.job, attempt, ()))


def settle(edges: Edges, job: Job, attempt: Attempt, wishes: Sequence[Wish]) -> Draft:
    """End a job that has nothing to deliver."""
    draft = Draft(job, edges.now())
    if job.state is JobState.STOPPED:
        draft.go(Trigger.COLLECTING, RequestStatus.TASK_STAGE_OUT)
    return conclude(draft, attempt, wishes)


def collect(edges: Edges, job: Job, attempt: Attempt, wishes: Sequence[Wish]) -> None:
    """Deliver what the job produced. A failed program's streams and files are delivered as well."""
    if job.state is JobState.STOPPED:
        draft = Draft(job, edges.now()).go(Trigger.COLLECTING, RequestStatus.TASK_STAGE_OUT)
        moved = edges.apply([draft.keep()])[0]
        if moved is None:
            return
        job = moved
    succeeded = attempt.exit is not None and attempt.exit.ok
    size = 0
    plan = outputs(edges, attempt, edges.store.files(job.id, FileRole.OUTPUT))
    draft = Draft(job, edges.now())
    try:
        site = edges.site_of(attempt)
        for transfer in plan:
            try:
                size += take_away(edges, site, transfer)
            except StagingError as error:
                if succeeded or error.transient:
                    raise
                draft.note(f"not delivered: {error.message}")
    except GrmsError as error:
        edges.apply([Draft(job, edges.now()).retry(error, edges.settings.max_tries)])
        return
    draft.now = edges.now()
    draft.note(f"delivered: {len(plan)} items, {size} bytes", bytes=size, items=len(plan))
    edges.apply([conclude(draft, attempt, wishes)])


def take_away(edges: Edges, site: Site, transfer: Transfer) -> int:
    """Deliver one file or directory; the answer is its size in bytes."""
    if site.transport.same_filesystem:
        source = Path(transfer.path)
        if not source.exists():
            raise _not_produced(transfer)
        return edges.stager.deliver(source, transfer.url, directory=transfer.directory).size
    edges.settings.spool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=edges.settings.spool, prefix="out-") as spool:
        local = Path(spool) / "item"
        site.transport.get(transfer.path, local)
        return edges.stager.deliver(local, transfer.url, directory=transfer.directory).size


def _not_produced(transfer: Transfer) -> StagingError:
    name = transfer.path.rsplit("/work/", 1)[-1]
    return StagingError(
        f"the job did not produce {name}, which was to be delivered to {transfer.url}",
        code=ErrorCode.FILE_NOT_FOUND,
        transient=False,
    )


def conclude(draft: Draft, attempt: Attempt, wishes: Sequence[Wish]) -> Draft:
    """FINISHED, CANCELED or FAILED, by the evidence of the attempt."""
    exit_ = attempt.exit or Exit(reason="the batch system gave no exit code")
    cancel = next((wish for wish in wishes if wish.kind is WishKind.CANCEL), None)
    for wish in wishes:
        outcome = "canceled" if wish is cancel and not exit_.ok else "the program had ended"
        draft.done(wish, outcome)
    draft.step(RequestStatus.TASK_STAGE_OUT_DONE)
    if exit_.ok:
        draft.go(Trigger.COLLECTED, RequestStatus.TASK_DONE, "finished with exit code 0")
    elif cancel is not None:
        draft.go(Trigger.CANCEL, RequestStatus.TASK_CANCEL_DONE, f"canceled: {exit_}")
    else:
        draft.fail(why_failed(exit_))
    return draft.due(None)


def why_failed(exit_: Exit) -> GrmsError:
    """The reason of a failure, in words for the job's owner."""
    code = ErrorCode.LIMIT_EXCEEDED if exit_.limit else ErrorCode.JOB_FAILED
    told = f": {exit_.reason}" if exit_.reason and exit_.reason not in str(exit_) else ""
    return GrmsError(f"the program {_past(exit_)}{told}", code=code)


def _past(exit_: Exit) -> str:
    if exit_.limit or exit_.signal is not None:
        return f"was {exit_}"
    return f"ended with {exit_}"


def streams(attempt: Attempt) -> tuple[str, str]:
    """Where the streams of an attempt lie."""
    place = control(attempt.directory)
    return f"{place}/stdout", f"{place}/stderr"
