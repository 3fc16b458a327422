"""The files of an attempt are brought to its directory before it is submitted."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grms.broker.checkpointing import covers
from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.layout import control, work
from grms.broker.lifecycle import RequestStatus
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Job, Phase
from grms.broker.shelf import Checkpoint
from grms.broker.steps.moving_on import put_off
from grms.broker.steps.save import restore
from grms.broker.work import Transfer, transfers_in
from grms.errors import GrmsError


def stage_in(edges: Edges, job: Job, attempt: Attempt) -> None:
    """Move everything in; a second run skips what is there already."""
    try:
        site = edges.site_of(attempt)
        directory = attempt.directory
        site.transport.make_directories([control(directory), work(directory)])
        moved = 0
        kept = restore(edges, site, attempt)
        plan = transfers_in(edges.description(attempt.description), directory)
        if kept is not None:
            plan = tuple(item for item in plan if not _covered(kept, item, directory))
        for transfer in plan:
            moved += bring(edges, site, transfer)
    except GrmsError as error:
        edges.apply([put_off(edges, Draft(job, edges.now()), error)])
        return
    draft = Draft(job, edges.now()).step(RequestStatus.TASK_STAGE_IN)
    draft.attempt(with_phase(attempt, phase=Phase.STAGED)).set(tries=0)
    if kept is not None:
        draft.note(f"goes on from checkpoint {kept.number}", checkpoint=kept.number)
    draft.note(f"staged in: {len(plan)} items, {moved} bytes", bytes=moved, items=len(plan))
    edges.apply([draft.step(RequestStatus.TASK_STAGE_IN_DONE).due()])


def _covered(kept: Checkpoint, item: Transfer, directory: str) -> bool:
    """True for an input that the checkpoint holds in its present form."""
    place = f"{work(directory)}/"
    return item.path.startswith(place) and covers(kept, item.path[len(place) :])


def bring(edges: Edges, site: Site, transfer: Transfer) -> int:
    """Move one file or directory to the cluster; the answer is its size in bytes."""
    mode = 0o755 if transfer.executable else None
    if site.transport.same_filesystem:
        target = Path(transfer.path)
        if target.exists():  # complete, or it would not have this name
            return 0
        target.parent.mkdir(parents=True, exist_ok=True)
        size = edges.stager.fetch(transfer.url, target, directory=transfer.directory).size
        if mode is not None:
            target.chmod(mode)
        return size
    edges.settings.spool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=edges.settings.spool, prefix="in-") as spool:
        local = Path(spool) / "item"
        size = edges.stager.fetch(transfer.url, local, directory=transfer.directory).size
        site.transport.put(local, transfer.path, mode=mode)
        return size
