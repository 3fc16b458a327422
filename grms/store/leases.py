"""Named leases: which engine does a round."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select

from grms.broker.ports.store import Lease
from grms.store.database import Database, insert, inserted
from grms.store.schema import leases


class Leases:
    """The part of the store that holds named leases."""

    _database: Database

    def lease(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or prolong; False when another owner holds it beyond ``now``."""

        def work(connection: Connection) -> bool:
            statement = insert(connection, leases).values(name=name, owner=owner, until=until)
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
