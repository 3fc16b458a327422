"""The durable store: SQLite or PostgreSQL, by URL. See ``docs/reference/store.md``."""

from __future__ import annotations

from grms.store.care import Finding, backup, check, restore
from grms.store.database import Database, database_url
from grms.store.revisions import migrate
from grms.store.sql import SqlStore


def open_store(url: str, *, create: bool = True) -> SqlStore:
    """Open the store at ``url``; with ``create``, make it or bring it up to date first.

    Raises ConfigError (the URL, a missing directory or file) and StoreError (unreachable, locked,
    damaged, of a newer GRMS, or not up to date without ``create``). Nothing is overwritten.
    """
    migrate(url, create=create)
    return SqlStore(Database(database_url(url)))


__all__ = ["Finding", "SqlStore", "backup", "check", "migrate", "open_store", "restore"]
