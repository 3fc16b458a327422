"""The store on SQLAlchemy Core: all parts together."""

from __future__ import annotations

from grms.store.claims import Claims
from grms.store.clusters import Clusters
from grms.store.database import Database
from grms.store.jobs import Jobs
from grms.store.leases import Leases
from grms.store.principals import Principals
from grms.store.registrations import Registrations
from grms.store.stories import Stories


class SqlStore(Jobs, Claims, Stories, Registrations, Clusters, Principals, Leases):
    """``grms.broker.ports.store.Store`` in SQLite or PostgreSQL; safe to use from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Give up all connections; every later call raises StoreError."""
        self._database.close()
