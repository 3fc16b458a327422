"""The registry of clusters and what was measured of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, or_, select

from grms.broker.lifecycle import LIVE
from grms.broker.records import ON_RESOURCE, Cluster, Measured, Phase
from grms.errors import StateError
from grms.store import rows
from grms.store.database import Database, upsert
from grms.store.schema import attempts, clusters, jobs, measured

#: Phases that need the cluster as long as the job is not at its end.
_UNFINISHED = frozenset({Phase.PLACED, Phase.STAGED, Phase.ENDED})


class Clusters:
    """The part of the store that holds clusters."""

    _database: Database

    def clusters(self) -> Sequence[Cluster]:
        """All clusters, by name."""
        statement = select(clusters.c.facts).order_by(clusters.c.name)
        return self._database.read(
            lambda connection: [rows.cluster(facts) for facts in connection.scalars(statement)]
        )

    def put_cluster(self, cluster: Cluster) -> None:
        """Insert or replace by name."""
        row = {"name": cluster.name, "facts": rows.plain(cluster)}
        self._database.write(lambda connection: upsert(connection, clusters, row, ("name",)))

    def remove_cluster(self, name: str) -> bool:
        """False when unknown. Raises StateError when live attempts hold it."""

        def work(connection: Connection) -> bool:
            holders = _holders(connection, name)
            if holders:
                shown = ", ".join(holders[:5]) + (", ..." if len(holders) > 5 else "")
                raise StateError(
                    f"the cluster {name!r} still has {len(holders)} live job(s): {shown}; "
                    "drain it and wait for them, or migrate or cancel them"
                )
            connection.execute(delete(measured).where(measured.c.cluster == name))
            gone = connection.execute(delete(clusters).where(clusters.c.name == name))
            return bool(gone.rowcount)

        return self._database.write(work)

    def measured(self) -> Sequence[Measured]:
        """The newest measurement of each cluster, by name."""
        statement = select(measured).order_by(measured.c.cluster)
        return self._database.read(
            lambda connection: [rows.measured(row) for row in connection.execute(statement)]
        )

    def put_measured(self, measurement: Measured) -> None:
        """Insert or replace by cluster."""
        row = rows.values(measurement)
        self._database.write(lambda connection: upsert(connection, measured, row, ("cluster",)))


def _holders(connection: Connection, name: str) -> list[str]:
    """Ids of the jobs that need this cluster."""
    needed = or_(
        attempts.c.phase.in_(ON_RESOURCE),
        and_(attempts.c.phase.in_(_UNFINISHED), jobs.c.state.in_(LIVE)),
    )
    statement = (
        select(jobs.c.id)
        .join_from(attempts, jobs, attempts.c.job_id == jobs.c.id)
        .where(attempts.c.cluster == name, needed)
        .distinct()
        .order_by(jobs.c.id)
    )
    return list(connection.scalars(statement))
