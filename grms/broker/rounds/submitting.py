"""Staged attempts are handed to a batch system: the intent first, then the call, then the id."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from grms.broker.access import token_digest
from grms.broker.draft import Draft
from grms.broker.edges import Edges, with_phase
from grms.broker.layout import control, work
from grms.broker.lifecycle import RequestStatus, Trigger
from grms.broker.ports.batch import (
    BatchAdapter,
    CommandResult,
    Submission,
    SubmitsTogether,
)
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Job, Phase
from grms.broker.steps.moving_on import give_place_up, put_off
from grms.broker.work import spec, submission
from grms.errors import GrmsError, SiteError


@dataclass(frozen=True, slots=True)
class Prepared:
    """An attempt with everything that its submission needs."""

    job: Job
    attempt: Attempt
    submission: Submission
    files: dict[str, bytes]


#: Attempts that are prepared together, where the adapter takes them one by one.
_PART = 25


def submit(edges: Edges, site: Site, items: Sequence[tuple[Job, Attempt]]) -> None:
    """Submit claimed attempts of one site. Each ends SUBMITTED, failed, or to be looked up.

    Many go in parts: one is prepared and written down while another is with the batch system,
    which sees only one at a time.
    """
    size = site.adapter.together if isinstance(site.adapter, SubmitsTogether) else _PART
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    turn = Lock()
    if len(parts) < 2:
        _submit_part(edges, site, turn, items)
        return
    with ThreadPoolExecutor(2, "grms-submit") as pool:
        for done in [pool.submit(_submit_part, edges, site, turn, part) for part in parts]:
            done.result()


def _submit_part(
    edges: Edges, site: Site, turn: Lock, items: Sequence[tuple[Job, Attempt]]
) -> None:
    ready = _prepare(edges, site, items)
    if not ready:
        return
    try:
        site.transport.make_directories(
            [path for item in ready for path in _directories(item.attempt)]
        )
        files: dict[str, bytes] = {}
        for item in ready:
            files |= item.files
        site.transport.write(files, durable=not site.adapter.traits.dies_with_host)
    except GrmsError as error:
        edges.apply([put_off(edges, Draft(i.job, edges.now()), error) for i in ready])
        return
    ready = _intend(edges, ready)
    try:
        with turn:
            answers = _hand_over(site, [item.submission for item in ready])
    except SiteError as error:
        edges.apply([_unsure(edges, item.job, item.attempt, error) for item in ready])
        return
    edges.apply([_outcome(edges, item, got) for item, got in zip(ready, answers, strict=True)])


def _hand_over(site: Site, submissions: Sequence[Submission]) -> list[str | SiteError]:
    """A native id for each submission, or why there is none. Raises SiteError: nothing is known."""
    adapter, transport = site.adapter, site.transport
    if isinstance(adapter, SubmitsTogether) and not any(item.hold for item in submissions):
        result = transport.run(adapter.submit_together_command(submissions))
        return list(adapter.parse_together(submissions, result))
    results = transport.run_many([adapter.submit_command(item) for item in submissions])
    return [_native_id(adapter, result) for result in results]


def _native_id(adapter: BatchAdapter, result: CommandResult) -> str | SiteError:
    try:
        return adapter.parse_submit(result)
    except SiteError as error:
        return error


def _prepare(edges: Edges, site: Site, items: Sequence[tuple[Job, Attempt]]) -> list[Prepared]:
    ready = []
    for job, attempt in items:
        try:
            description = edges.description(attempt.description)
            wanted = submission(description, attempt, site)
            place = control(attempt.directory)
            # Staging in has looked whether they are sound.
            kept = edges.shelf.numbers(job.id) if attempt.number > 1 else []
            facts = spec(description, attempt, site, kept[0] if kept else None)
            files = {f"{place}/spec.json": json.dumps(facts).encode()}
            if script := site.adapter.script(wanted):
                files[f"{place}/job.sh"] = script
            if edges.settings.job_address:
                token = secrets.token_urlsafe(32)
                attempt = with_phase(attempt, token_sha256=token_digest(token))
                files[f"{place}/broker.json"] = _way(edges.settings.job_address, token)
        except GrmsError as error:
            edges.apply([give_place_up(edges, Draft(job, edges.now()), error)])
            continue
        ready.append(Prepared(job, attempt, wanted, files))
    return ready


def _way(address: str, token: str) -> bytes:
    """How the job reaches the broker over HTTP; only its account can read the file."""
    return json.dumps({"url": address, "token": token}).encode()


def _directories(attempt: Attempt) -> tuple[str, str]:
    return control(attempt.directory), work(attempt.directory)


def _intend(edges: Edges, ready: Sequence[Prepared]) -> list[Prepared]:
    """Make the intents durable; whoever lost its claim meanwhile is dropped."""
    now = edges.now()
    drafts, attempts = [], []
    for item in ready:
        attempt = with_phase(item.attempt, phase=Phase.SUBMITTING, intent_at=now)
        attempts.append(attempt)
        # Should this process die here, the claim runs out and the tag is looked up.
        draft = Draft(item.job, now).attempt(attempt).step(RequestStatus.TASK_SUBMIT)
        drafts.append(draft.keep())
    applied = edges.apply(drafts)
    return [
        Prepared(job, attempt, item.submission, item.files)
        for job, attempt, item in zip(applied, attempts, ready, strict=True)
        if job is not None
    ]


def _outcome(edges: Edges, item: Prepared, answer: str | SiteError) -> Draft:
    if isinstance(answer, str):
        return submitted(edges, item.job, item.attempt, answer, f"submitted as {answer}")
    if answer.transient:
        return _unsure(edges, item.job, item.attempt, answer)
    draft = Draft(item.job, edges.now())
    draft.attempt(with_phase(item.attempt, phase=Phase.REVOKED))
    return give_place_up(edges, draft, answer)


def submitted(edges: Edges, job: Job, attempt: Attempt, native_id: str, text: str) -> Draft:
    """The batch system knows the attempt: its id becomes durable."""
    now = edges.now()
    draft = Draft(job, now).attempt(
        with_phase(
            attempt,
            phase=Phase.SUBMITTED,
            native_id=native_id,
            submitted_at=attempt.submitted_at or now,
            missing_since=None,
        )
    )
    draft.step(RequestStatus.TASK_SUBMIT_DONE)
    return draft.go(Trigger.SUBMITTED, RequestStatus.TASK_EXEC_PENDING, text).due(None)


def _unsure(edges: Edges, job: Job, attempt: Attempt, error: SiteError) -> Draft:
    """It may have been accepted: nothing is submitted again before the tag was looked up."""
    draft = Draft(job, edges.now()).attempt(attempt)
    draft.note(f"the submission's outcome is not known: {error.message}", code=error.code.value)
    return draft.due(1.0)
