"""Who works on which job: leases on due jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Select, bindparam, case, exists, func, or_, select, update

from grms.broker.lifecycle import LIVE, JobState
from grms.broker.ports.store import Agenda
from grms.broker.records import LIVE_PHASES, ON_RESOURCE, Job
from grms.store import rows
from grms.store.database import Database
from grms.store.schema import UtcTime, attempts, jobs, wishes

#: Ids in one IN list: far below every database's limit of parameters.
PORTION = 500


def in_portions(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut a long list so that each part fits into one statement."""
    for start in range(0, len(items), PORTION):
        yield items[start : start + PORTION]


class Claims:
    """The part of the store that leases due jobs to engines.

    ``claim_at`` is when a job becomes claimable: its ``due_at``, or sooner for a wish. ``woken``
    marks a wish that came since the last claim, so that an engine that did not know of it cannot
    put the job off again.
    """

    _database: Database

    def agenda(self, now: datetime) -> Agenda:
        """What there is to claim now, and where jobs are."""

        def work(connection: Connection) -> Agenda:
            waiting, wished, started = connection.execute(_AGENDA, {"now": now}).one()
            sites = frozenset((row[0], row[1]) for row in connection.execute(_SITES))
            return Agenda(sites, waiting, wished, started)

        return self._database.read(work)

    def claim(
        self,
        owner: str,
        states: Collection[JobState],
        now: datetime,
        until: datetime,
        limit: int,
        *,
        wished: bool = False,
        in_turn: bool = False,
    ) -> Sequence[Job]:
        """Lease due jobs in these states that nobody holds; those longest due first.

        ``in_turn``: their owners take turns, whoever has the fewest live attempts first.
        """
        values = {"states": list(states), "now": now}
        if limit <= 0 or not self._database.read(
            lambda c: c.execute(_any_due(wished), values).first()
        ):
            return []
        several = in_turn and len(
            self._database.read(lambda c: c.execute(_two_owners(wished), values).all())
        )
        statement = _chosen(wished, several == 2)

        def work(connection: Connection) -> list[Job]:
            chosen = connection.execute(statement, values | {"most": limit})
            return _lease(connection, [row.seq for row in chosen], owner, until)

        return self._database.write(work)

    def renew(self, owner: str, job_ids: Sequence[str], until: datetime) -> None:
        """Prolong leases that ``owner`` still holds."""

        def work(connection: Connection) -> None:
            for portion in in_portions(job_ids):
                connection.execute(
                    update(jobs)
                    .where(jobs.c.id.in_(portion), jobs.c.lease_owner == owner)
                    .values(lease_until=until)
                )

        if job_ids:
            self._database.write(work)

    def next_due(self, states: Collection[JobState]) -> datetime | None:
        """When the next job can be claimed; for a leased one not before its lease ends."""
        free_at = case(
            (
                or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= jobs.c.claim_at),
                jobs.c.claim_at,
            ),
            else_=jobs.c.lease_until,
        )
        statement = select(func.min(free_at)).where(
            jobs.c.state.in_(states), jobs.c.claim_at.is_not(None)
        )
        found: datetime | None = self._database.read(
            lambda connection: connection.scalar(statement)
        )
        return found


# The statements are built once: each turn of an engine asks them several times.


def _due(wished: bool, states: Collection[JobState] | None = None) -> Select[tuple[int]]:
    now = bindparam("now", type_=UtcTime)
    found = select(jobs.c.seq).where(
        jobs.c.state.in_(states or bindparam("states", expanding=True)),
        jobs.c.claim_at <= now,
        or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now),
    )
    if wished:
        is_open = (wishes.c.job_id == jobs.c.id) & wishes.c.done_at.is_(None)
        found = found.where(exists().where(is_open))
    return found


_WAITING = (JobState.QUEUED,)
_AGENDA = select(
    exists(_due(False, _WAITING)),
    exists(_due(True, _WAITING)),
    exists(_due(False, LIVE - {JobState.QUEUED})),
)
_SITES = (
    select(attempts.c.cluster, attempts.c.account)
    .where(attempts.c.phase.in_(ON_RESOURCE))
    .distinct()
)


@cache
def _any_due(wished: bool) -> Select[tuple[int]]:
    return _due(wished).limit(1)


@cache
def _two_owners(wished: bool) -> Select[tuple[str]]:
    return _due(wished).with_only_columns(jobs.c.owner).distinct().limit(2)


@cache
def _chosen(wished: bool, several: bool) -> Select[tuple[int]]:
    """What is longest due comes first; where owners take turns, their turns do."""
    found = _in_turn(_due(wished)) if several else _due(wished)
    return (
        found.order_by(jobs.c.claim_at, jobs.c.seq)
        .limit(bindparam("most"))
        # On PostgreSQL a row that an administrator's transaction holds stops nobody; SQLite, where
        # a writer is alone, has no such clause.
        .with_for_update(skip_locked=True, of=jobs)
    )


def _lease(connection: Connection, chosen: Sequence[int], owner: str, until: datetime) -> list[Job]:
    """The chosen jobs, now the owner's, in their order."""
    if not chosen:
        return []
    leased = connection.execute(_LEASE, {"seqs": chosen, "by": owner, "until": until})
    by_seq = {row.seq: rows.job(row) for row in leased}
    return [by_seq[seq] for seq in chosen]


_LEASE = (
    update(jobs)
    .where(jobs.c.seq.in_(bindparam("seqs", expanding=True)))
    .values(lease_owner=bindparam("by"), lease_until=bindparam("until", type_=UtcTime), woken=False)
    .returning(jobs)
)


def _in_turn(found: Select[tuple[int]]) -> Select[tuple[int]]:
    """Ordered by what each owner would hold with this job: live attempts and jobs before it."""
    live = (
        select(jobs.c.owner, func.count().label("held"))
        .join(attempts, attempts.c.job_id == jobs.c.id)
        .where(attempts.c.phase.in_(LIVE_PHASES))
        .group_by(jobs.c.owner)
        .subquery()
    )
    place = func.row_number().over(
        partition_by=jobs.c.owner, order_by=(jobs.c.claim_at, jobs.c.seq)
    )
    turn = (place + func.coalesce(live.c.held, 0)).label("turn")
    turns = (
        found.outerjoin(live, live.c.owner == jobs.c.owner)
        .with_only_columns(jobs.c.seq, turn)
        .subquery()
    )
    return select(jobs.c.seq).join(turns, turns.c.seq == jobs.c.seq).order_by(turns.c.turn)
