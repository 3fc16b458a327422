"""Following the jobs of one site: the wrappers' news, the queue, accounting, and absence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from grms.broker import following
from grms.broker.checkpointing import EXIT_CODE, earlier_runs
from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.evidence import News, read_news
from grms.broker.hearing import Ears
from grms.broker.layout import control
from grms.broker.lifecycle import is_moving
from grms.broker.ports.batch import Account, NativeState, NativeStatus
from grms.broker.ports.sites import Site
from grms.broker.records import ON_RESOURCE, Attempt, Exit, Job, Phase, Wish, WishKind
from grms.broker.rounds.fencing import FENCED, arrived, give_up, settled
from grms.broker.steps.collect import settle_at_once
from grms.broker.steps.moving_on import give_place_up
from grms.broker.work import HEARTBEAT
from grms.errors import GrmsError

_BATCH = 500
#: For jobs in these the wrapper may have left its evidence, which comes before the queue's word.
_NOT_GOING_ON = (NativeState.ENDED, NativeState.FAULTY)
_STALE_HEARTBEATS = 4


def read_inbox(edges: Edges, site: Site) -> tuple[int, int]:
    """Take in what the wrappers of a site reported; a message is removed once it is stored.

    The answer is how many messages were taken in, and how many came too early and are left there.
    """
    taken = 0
    while True:
        files = site.transport.sweep(site.layout.inbox, limit=_BATCH)
        handled = absorb(edges, {name: read_news(raw) for name, raw in files.items()})
        if handled:
            site.transport.remove([f"{site.layout.inbox}/{name}" for name in handled])
        taken += len(handled)
        if len(files) < _BATCH or not handled:
            return taken, len(files) - len(handled)


def absorb(edges: Edges, messages: Mapping[str, News | None]) -> list[str]:
    """Store what messages mean: all those of a job as one change, all jobs in one transaction.

    The answer names the messages that are dealt with; the others come too early: the submission
    that they belong to is still on its way.
    """
    told = {name: news for name, news in sorted(messages.items()) if news is not None}
    handled = [name for name, news in messages.items() if news is None]  # not a message
    while told:
        known = edges.store.tagged({news.tag for news in told.values()})
        stories: dict[str, Draft] = {}
        names: dict[str, list[str]] = {}
        for name, news in told.items():
            if news.tag not in known:
                handled.append(name)  # another broker's
                continue
            job, attempt = known[news.tag]
            if attempt.phase is Phase.SUBMITTING:
                continue
            story = stories.setdefault(job.id, Draft(job, edges.now()))
            names.setdefault(job.id, []).append(name)
            current = story.attempt_now(attempt)
            if (draft := decide(edges, story.job, current, news)) is not None:
                story.join(draft)
        quiet = [job_id for job_id, story in stories.items() if story.empty]
        drafts = [story for story in stories.values() if not story.empty]
        settle_at_once(edges, drafts)
        done = [job.id for job in edges.apply(drafts) if job is not None]
        handled += [name for job_id in (*quiet, *done) for name in names[job_id]]
        # Whose job somebody else changed meanwhile is decided again.
        lost = set(stories) - {*quiet, *done}
        told = {name: told[name] for job_id in lost for name in names[job_id]}
    return handled


def decide(edges: Edges, job: Job, attempt: Attempt, news: News) -> Draft | None:
    """What a message means: the job's own words are heard, the wrapper's are weighed."""
    if news.what == "told":
        return Ears(edges.store, edges.stager, edges.clock).hear(job, attempt, news).draft
    return following.on_news(job, attempt, news, edges.now())


def attempt_of(edges: Edges, job: Job, number: int) -> Attempt:
    """An attempt as it is stored now."""
    return next(a for a in edges.store.attempts(job.id) if a.number == number)


def ask_queue(edges: Edges, site: Site, attempts: Sequence[Attempt]) -> None:
    """One question to the batch system for all jobs of a site; the missing ones are looked into.

    Raises SiteError when the answer as a whole says nothing: then nothing is known.
    """
    there = [a for a in attempts if a.phase in (Phase.SUBMITTED, Phase.RUNNING)]
    missing = _nameless(edges, site, [a for a in there if not a.native_id])
    known = {a.native_id: a for a in there if a.native_id}
    statuses: Mapping[str, NativeStatus] = {}
    if known:
        command = site.adapter.status_command(list(known))
        statuses = site.adapter.parse_status(site.transport.run(command))
    ended = [known[i] for i, s in statuses.items() if i in known and s.state in _NOT_GOING_ON]
    for attempt in ended:
        if statuses[attempt.native_id].state is NativeState.FAULTY:
            _amend_by(edges, attempt, _held)
    told = _read_exits(edges, site, ended)
    living = list[tuple[Attempt, NativeStatus]]()
    for native_id, attempt in known.items():
        status = statuses.get(native_id)
        if status is None or not _same(attempt, status.tag):
            missing.append(attempt)
        elif status.state not in _NOT_GOING_ON and attempt.evidence != FENCED:
            living.append((attempt, status))
        elif attempt.tag not in told and _by_status(edges, site, attempt, status):
            missing.append(attempt)  # the queue knows it, but there it will not go on
    for start in range(0, len(living), _BATCH):
        _confirm(edges, living[start : start + _BATCH])
    if missing:
        look_for(edges, site, missing)


def _held(job: Job, attempt: Attempt, now: datetime) -> Draft | None:
    """Note that the system holds a started job in an error: it is to be withdrawn in the end."""
    if attempt.phase is not Phase.RUNNING or attempt.native_state == following.IN_ERROR:
        return None
    since = attempt.missing_since or now
    held = replace(attempt, native_state=following.IN_ERROR, missing_since=since)
    return Draft(job, now).attempt(held)


def _confirm(edges: Edges, living: Sequence[tuple[Attempt, NativeStatus]]) -> None:
    """Take in the queue's words on jobs that live: mostly nothing is new, the rest is one write."""
    jobs, now = edges.store.jobs_of([attempt.job_id for attempt, _ in living]), edges.now()
    news = [
        (attempt, status)
        for attempt, status in living
        if following.on_status(jobs[attempt.job_id], attempt, status, now)
    ]
    # Jobs are read first: what changes an attempt meanwhile makes its job's version stale.
    ids = [attempt.job_id for attempt, _ in news]
    jobs, newest = edges.store.jobs_of(ids), edges.store.newest_attempts(ids)
    drafts: dict[str, Draft] = {}
    for attempt, status in news:
        job, current = jobs[attempt.job_id], newest[attempt.job_id]
        if current.number == attempt.number and (
            draft := following.on_status(job, current, status, now)
        ):
            drafts[job.id] = draft
    applied = {job.id for job in edges.apply(list(drafts.values())) if job}
    for attempt, status in news:
        if attempt.job_id not in applied:  # somebody was quicker: decide again
            _amend_by(edges, attempt, partial(following.on_status, status=status))


def _nameless(edges: Edges, site: Site, attempts: list[Attempt]) -> list[Attempt]:
    """Name attempts that were adopted by their own mark; the answer is whom no queue knows."""
    if not attempts:
        return []
    commands = site.adapter.find_commands([a.tag for a in attempts])
    found = site.adapter.parse_find(site.transport.run_many(list(commands)))
    for attempt in attempts:
        if ids := found.get(attempt.tag):
            named = partial(_named, native_id=min(ids))
            _amend_by(edges, attempt, named)
    return [a for a in attempts if not found.get(a.tag)]


def _named(job: Job, attempt: Attempt, now: datetime, *, native_id: str) -> Draft | None:
    if attempt.native_id:
        return None
    draft = Draft(job, now).attempt(replace(attempt, native_id=native_id, missing_since=None))
    return draft.note(f"the batch system calls it {native_id}")


def _amend_by(edges: Edges, attempt: Attempt, decide: Callable[..., Draft | None]) -> None:
    def now_decide(job: Job) -> Draft | None:
        current = attempt_of(edges, job, attempt.number)
        return decide(job=job, attempt=current, now=edges.now())

    edges.amend(attempt.job_id, now_decide)


def _by_status(edges: Edges, site: Site, attempt: Attempt, status: NativeStatus) -> bool:
    """Take in the queue's word on one job; True when its end must be looked for elsewhere."""
    if _awaits_exit_file(edges, site, attempt, status):
        _amend_by(edges, attempt, _missed)
        return False
    if status.state is NativeState.FAULTY and _leaves(edges, attempt):
        _leave_faulty(edges, site, attempt, status)
        return False
    _amend_by(edges, attempt, partial(following.on_status, status=status))
    over = status.state is NativeState.ENDED and not _tells_end(status.exit)
    return over or attempt.evidence == FENCED


def _awaits_exit_file(edges: Edges, site: Site, attempt: Attempt, status: NativeStatus) -> bool:
    """Only the exit file tells a checkpoint from a failure with the same code, and what became of
    a program whose job the system then holds in an error.
    """
    code = status.exit.code if status.exit and status.state is NativeState.ENDED else None
    held = status.state is NativeState.FAULTY and attempt.phase is Phase.RUNNING
    return (held or code == EXIT_CODE) and not arrived(site, attempt.missing_since, edges.now())


def _leaves(edges: Edges, attempt: Attempt) -> bool:
    """True for a moving job that its new place has not started: it goes on elsewhere."""
    moving = is_moving(edges.store.job(attempt.job_id).status)
    return moving and attempt.phase is Phase.SUBMITTED


def _leave_faulty(edges: Edges, site: Site, attempt: Attempt, status: NativeStatus) -> None:
    """One step out of a place that holds a moving job for good.

    It is fenced, and the cluster must see the fence before the job may go elsewhere: whoever mends
    the error there would start it a second time.
    """
    refusal = following.refusal(attempt, status)
    started = give_up(site, attempt)
    if attempt.evidence != FENCED:
        text = f"{refusal.message}; its start there is forbidden from now on"
        _amend_by(edges, attempt, partial(fence, text=text))
        attempt = attempt_of(edges, edges.store.job(attempt.job_id), attempt.number)
    if not settled(site, attempt.missing_since, edges.now()):
        return
    if started:  # its news never came
        _amend_by(edges, attempt, partial(following.on_status, status=status))
        return
    site.transport.run(site.adapter.cancel_command([attempt.native_id]))
    _amend_by(edges, attempt, partial(_replace, edges=edges, error=refusal))


def _replace(
    job: Job, attempt: Attempt, now: datetime, edges: Edges, error: GrmsError
) -> Draft | None:
    if attempt.number != job.attempt or attempt.evidence != FENCED:
        return None
    return give_place_up(edges, Draft(job, now), error)


def _read_exits(edges: Edges, site: Site, ended: Sequence[Attempt]) -> set[str]:
    """Take in the exit files of ended attempts: they know more than any queue. Tags of those."""
    if not ended:
        return set()
    files = site.transport.read([f"{control(a.directory)}/exit.json" for a in ended])
    found = {path: news for path, raw in files.items() if (news := read_news(raw))}
    if found:
        absorb(edges, found)
    return {news.tag for news in found.values()}


def _same(attempt: Attempt, tag: str) -> bool:
    """A native id alone does not name a job: engines reuse ids."""
    return not tag or tag == attempt.tag


def look_for(edges: Edges, site: Site, missing: Sequence[Attempt]) -> None:
    """Jobs that left the queue: their exit file first, then accounting, then patience."""
    files = site.transport.read(
        [f"{control(a.directory)}/{name}" for a in missing for name in ("exit.json", "alive")]
    )
    rest = []
    for attempt in missing:
        raw = files.get(f"{control(attempt.directory)}/exit.json")
        news = read_news(raw) if raw else None
        if news is not None and news.tag == attempt.tag:
            absorb(edges, {"exit.json": news})
        else:
            rest.append(attempt)
    accounts: Mapping[str, Account] = {}
    if ids := [a.native_id for a in rest if a.native_id]:
        accounts = site.adapter.parse_account(site.transport.run(site.adapter.account_command(ids)))
    for attempt in rest:
        account = accounts.get(attempt.native_id)
        if _alive(edges, attempt, files.get(f"{control(attempt.directory)}/alive")):
            _amend_by(edges, attempt, _found)
        elif account is None or not _same(attempt, account.tag):
            _absent(edges, site, attempt)
        elif not _tells_end(account.exit):
            _absent(edges, site, attempt, patience=0.0)
        elif arrived(site, attempt.missing_since, edges.now()):
            _amend_by(edges, attempt, partial(following.on_account, account=account))
        else:  # its exit file may still be on its way, and says more
            _amend_by(edges, attempt, _missed)


def _missed(job: Job, attempt: Attempt, now: datetime) -> Draft | None:
    changed = following.on_missing(attempt, now)
    return Draft(job, now).attempt(changed) if changed else None


def _found(job: Job, attempt: Attempt, now: datetime) -> Draft | None:
    """Its wrapper lives: the queue's answer is at fault."""
    if attempt.missing_since is None or attempt.phase not in ON_RESOURCE:
        return None
    return Draft(job, now).attempt(replace(attempt, missing_since=None))


def _alive(edges: Edges, attempt: Attempt, raw: bytes | None) -> bool:
    """True while the heartbeat changes, by our own clock: the host's may be wrong."""
    if raw is None:
        return False
    now = edges.now()
    before, since = edges.heartbeats.get(attempt.tag, (b"", now))
    if raw != before:
        edges.heartbeats[attempt.tag] = raw, now
        return True
    return now - since < timedelta(seconds=HEARTBEAT * _STALE_HEARTBEATS)


def _tells_end(exit: Exit | None) -> bool:
    """A refused start tells nothing of the program."""
    return exit is not None and exit.code != following.REFUSED


def _absent(edges: Edges, site: Site, attempt: Attempt, patience: float | None = None) -> None:
    """Fenced after long patience, and after another look it is lost, or placed again."""
    if patience is None:
        patience = site.adapter.traits.absence_delay
    patience = edges.settings.lost_after if patience is None else patience
    since, now = attempt.missing_since, edges.now()
    fenced = attempt.evidence == FENCED
    if since is None:
        _amend_by(edges, attempt, _missed)
    elif not fenced and now - since < timedelta(seconds=patience):
        return
    elif attempt.phase is Phase.RUNNING:
        _amend_by(edges, attempt, partial(_lose, edges=edges, site=site, started=True))
    elif not fenced:
        give_up(site, attempt)
        _amend_by(edges, attempt, fence)
    else:
        started = give_up(site, attempt)
        if settled(site, since, now):
            _amend_by(edges, attempt, partial(_lose, edges=edges, site=site, started=started))


_UNKNOWN = "no queue and no record knows it: its start is forbidden from now on"


def fence(job: Job, attempt: Attempt, now: datetime, text: str = _UNKNOWN) -> Draft | None:
    """Write down that the attempt is fenced: from now on that has to settle."""
    if attempt.phase not in (Phase.SUBMITTING, Phase.SUBMITTED) or attempt.evidence == FENCED:
        return None
    draft = Draft(job, now).attempt(replace(attempt, evidence=FENCED, missing_since=now))
    return draft.note(text)


def _lose(
    job: Job, attempt: Attempt, now: datetime, *, edges: Edges, site: Site, started: bool
) -> Draft | None:
    if attempt.phase not in ON_RESOURCE or job.state.is_end:
        return None
    cancel = cancel_wish(edges.store.wishes([job.id]))
    if started:
        dead = site.adapter.traits.absence_is_death
        kept = dead and bool(edges.shelf.numbers(job.id))
        return following.on_lost(job, attempt, now, cancel=cancel, checkpointed=kept)
    most = edges.settings.max_attempts
    ran = earlier_runs(edges.store.attempts(job.id))
    return following.on_never_started(job, attempt, now, most=most, cancel=cancel, ran=ran)


def cancel_wish(wishes: Sequence[Wish]) -> Wish | None:
    """The cancel among some wishes, if there is one."""
    return next((wish for wish in wishes if wish.kind is WishKind.CANCEL), None)
