"""Named leases: which engine does a round."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select, update

from grms.broker.ports.store import Lease
from grms.store.database import Database, insert, inserted
from grms.store.schema import jobs, leases


class Leases:
    """The part of the store that holds named leases."""

    _database: Database

    def lease(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or prolong; False when another owner holds it beyond ``now``."""

        def work(connection: Connection) -> bool:
            statement = insert(connection.dialect.name, leases).values(
                name=name, owner=owner, until=until
            )
            taken = statement.on_conflict_do_update(
                index_elements=["name"],
                set_={"owner": owner, "until": until},
                where=or_(leases.c.owner == owner, leases.c.until <= now),
            )
            return inserted(connection, taken)

        return self._database.write(work)

    def release(self, name: str, owner: str) -> None:
        """Give a lease back; nothing happens if ``owner`` does not hold it."""
        statement = delete(leases).where(leases.c.name == name, leases.c.owner == owner)
        self._database.write(lambda connection: connection.execute(statement) and None)

    def leases(self) -> Sequence[Lease]:
        """All named leases by name, run out or not."""
        statement = select(leases.c.name, leases.c.owner, leases.c.until).order_by(leases.c.name)
        return self._database.read(
            lambda connection: [Lease(*row) for row in connection.execute(statement)]
        )

    def lease_owners(self) -> Collection[str]:
        """Whoever holds a lease on a job or a name, expired ones included."""

        def work(connection: Connection) -> set[str]:
            of_jobs = select(jobs.c.lease_owner).where(jobs.c.lease_owner != "").distinct()
            of_names = select(leases.c.owner).distinct()
            return {*connection.scalars(of_jobs), *connection.scalars(of_names)}

        return self._database.read(work)

    def disown(self, owner: str) -> None:
        """Free all that an owner held who is known to be dead; its work is due at once."""

        def work(connection: Connection) -> None:
            connection.execute(
                update(jobs)
                .where(jobs.c.lease_owner == owner)
                .values(
                    lease_owner="",
                    lease_until=None,
                    due_at=jobs.c.submitted_at,
                    claim_at=jobs.c.submitted_at,
                )
            )
            connection.execute(delete(leases).where(leases.c.owner == owner))

        self._database.write(work)
