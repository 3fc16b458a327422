"""Following the jobs of one site: the wrappers' news, the queue, accounting, and absence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from grms.broker import following
from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.evidence import News, read_news
from grms.broker.layout import control
from grms.broker.lifecycle import is_moving
from grms.broker.ports.batch import NativeState, NativeStatus
from grms.broker.ports.sites import Site
from grms.broker.records import ON_RESOURCE, Attempt, Job, Phase
from grms.broker.rounds.hearing import hear
from grms.broker.steps.moving_on import give_place_up
from grms.broker.work import HEARTBEAT

_BATCH = 500
_STALE_HEARTBEATS = 4


def read_inbox(edges: Edges, site: Site) -> int:
    """Take in what the wrappers of a site reported; a message is removed once it is stored.

    The answer is how many messages were taken in.
    """
    taken = 0
    while True:
        files = site.transport.sweep(site.layout.inbox, limit=_BATCH)
        handled = absorb(edges, {name: read_news(raw) for name, raw in files.items()})
        if handled:
            site.transport.remove([f"{site.layout.inbox}/{name}" for name in handled])
        taken += len(handled)
        if len(files) < _BATCH or not handled:
            return taken


def absorb(edges: Edges, messages: Mapping[str, News | None]) -> list[str]:
    """Store what messages mean, those of one job in order, all jobs in as few transactions as can.

    The answer names the messages that are dealt with; the others come too early: the submission
    that they belong to is still on its way.
    """
    handled, queues = [], dict[str, list[tuple[str, News, int]]]()
    for name, news in sorted(messages.items()):
        attempt = edges.store.attempt_by_tag(news.tag) if news else None
        if news is None or attempt is None:
            handled.append(name)  # not a message, or another broker's
        elif attempt.phase is not Phase.SUBMITTING:
            queues.setdefault(attempt.job_id, []).append((name, news, attempt.number))
    while queues:
        drafts, names = [], []
        for job_id, queue in queues.items():
            name, news, number = queue[0]
            job = edges.store.job(job_id)
            draft = decide(edges, job, attempt_of(edges, job, number), news)
            if draft is None:
                handled.append(name)
                queue.pop(0)
            else:
                drafts.append(draft)
                names.append((job_id, name))
        for (job_id, name), applied in zip(names, edges.apply(drafts), strict=True):
            if applied is not None:  # else somebody was quicker: decide again
                handled.append(name)
                queues[job_id].pop(0)
        queues = {job_id: queue for job_id, queue in queues.items() if queue}
    return handled


def decide(edges: Edges, job: Job, attempt: Attempt, news: News) -> Draft | None:
    """What a message means: the job's own words are heard, the wrapper's are weighed."""
    if news.what == "told":
        return hear(edges, job, attempt, news)
    return following.on_news(job, attempt, news, edges.now())


def attempt_of(edges: Edges, job: Job, number: int) -> Attempt:
    """An attempt as it is stored now."""
    return next(a for a in edges.store.attempts(job.id) if a.number == number)


def ask_queue(edges: Edges, site: Site, attempts: Sequence[Attempt]) -> None:
    """One question to the batch system for all jobs of a site; the missing ones are looked into.

    Raises SiteError when the answer as a whole says nothing: then nothing is known.
    """
    known = {a.native_id: a for a in attempts if a.native_id and a.phase in ON_RESOURCE}
    if not known:
        return
    adapter, transport = site.adapter, site.transport
    statuses = adapter.parse_status(transport.run(adapter.status_command(list(known))))
    ended = [known[i] for i, s in statuses.items() if i in known and s.state is NativeState.ENDED]
    told = _read_exits(edges, site, ended)
    for native_id, attempt in known.items():
        status = statuses.get(native_id)
        if status is None or not _same(attempt, status.tag) or attempt.tag in told:
            continue
        if status.state is NativeState.FAULTY and not _may_fail(edges, site, attempt):
            _amend_by(edges, attempt, partial(_leave_faulty, edges=edges, status=status))
        else:
            _amend_by(edges, attempt, partial(following.on_status, status=status))
    missing = [a for i, a in known.items() if i not in statuses or not _same(a, statuses[i].tag)]
    if missing:
        _look_for(edges, site, missing)


def _amend_by(edges: Edges, attempt: Attempt, decide: Callable[..., Draft | None]) -> None:
    def now_decide(job: Job) -> Draft | None:
        current = attempt_of(edges, job, attempt.number)
        return decide(job=job, attempt=current, now=edges.now())

    edges.amend(attempt.job_id, now_decide)


def _may_fail(edges: Edges, site: Site, attempt: Attempt) -> bool:
    """False for a moving job that has not started: fenced here, it goes on elsewhere."""
    return not is_moving(edges.store.job(attempt.job_id).status) or give_up(site, attempt)


def _leave_faulty(
    job: Job, attempt: Attempt, now: datetime, edges: Edges, status: NativeStatus
) -> Draft | None:
    if attempt.number != job.attempt or attempt.phase not in ON_RESOURCE:
        return None
    return give_place_up(edges, Draft(job, now), following.refusal(attempt, status))


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


def _look_for(edges: Edges, site: Site, missing: Sequence[Attempt]) -> None:
    """Jobs that left the queue: their exit file first, then accounting, then patience."""
    files = site.transport.read(
        [f"{control(a.directory)}/{name}" for a in missing for name in ("exit.json", "alive")]
    )
    rest = []
    for attempt in missing:
        raw = files.get(f"{control(attempt.directory)}/exit.json")
        news = read_news(raw) if raw else None
        if news is not None:
            absorb(edges, {"exit.json": news})
        else:
            rest.append(attempt)
    if not rest:
        return
    adapter = site.adapter
    ids = [a.native_id for a in rest]
    accounts = adapter.parse_account(site.transport.run(adapter.account_command(ids)))
    for attempt in rest:
        account = accounts.get(attempt.native_id)
        if account is not None and _same(attempt, account.tag):
            _amend_by(edges, attempt, partial(following.on_account, account=account))
        else:
            _absent(edges, site, attempt, files)


def _absent(edges: Edges, site: Site, attempt: Attempt, files: Mapping[str, bytes]) -> None:
    now = edges.now()
    if _alive(files.get(f"{control(attempt.directory)}/alive"), now):
        return  # the wrapper lives: the queue's answer is at fault
    since = attempt.missing_since
    patience = site.adapter.traits.absence_delay
    if patience is None:
        patience = edges.settings.lost_after
    if since is None or now - since < timedelta(seconds=patience):

        def note(job: Job) -> Draft | None:
            current = attempt_of(edges, job, attempt.number)
            changed = following.on_missing(current, now)
            return Draft(job, now).attempt(changed) if changed else None

        edges.amend(attempt.job_id, note)
        return
    started = give_up(site, attempt)

    def lose(job: Job) -> Draft | None:
        current = attempt_of(edges, job, attempt.number)
        if current.phase not in ON_RESOURCE or job.state.is_end:
            return None
        dead = site.adapter.traits.absence_is_death and bool(edges.shelf.numbers(job.id))
        return following.on_lost(job, current, now, started=started, dead=dead)

    edges.amend(attempt.job_id, lose)


def _alive(raw: bytes | None, now: datetime) -> bool:
    """True while the wrapper's heartbeat is fresh."""
    news = read_news(raw) if raw else None
    if news is None:
        return False
    return now - news.at < timedelta(seconds=HEARTBEAT * _STALE_HEARTBEATS)


def give_up(site: Site, attempt: Attempt) -> bool:
    """Fence an attempt: from now on its wrapper refuses to start. True if it had started.

    The wrapper makes its tag first and reads the fence then; we write the fence first and read
    the tag then: one of the two sees the other.
    """
    site.transport.write(
        {
            site.layout.fence(attempt.job_id): str(attempt.number + 1).encode(),
            f"{control(attempt.directory)}/revoked": b"given up\n",
        }
    )
    started = f"{control(attempt.directory)}/started"
    return bool(site.transport.read([started, f"{started}.json"]))
