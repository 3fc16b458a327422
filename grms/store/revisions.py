"""Bringing a database to the newest revision of its tables, or saying why that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from grms.errors import StoreError
from grms.store.database import database_url, make_engine, place_of, set_wal, sqlite_file, writing
from grms.store.faults import telling
from grms.store.migrations import HEAD

if TYPE_CHECKING:
    from alembic.config import Config


def _config() -> Config:
    """Alembic takes 11 MB; a database that is up to date, the usual case, does without it."""
    from alembic.config import Config

    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
    )
    return config


def known() -> frozenset[str]:
    """All revisions this GRMS can read or bring up to date."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def revision_of(connection: Connection) -> str | None:
    """The revision of an open database; None when it is empty.

    Raises StoreError for tables that are not GRMS's and for a revision of a newer GRMS.
    """
    tables = set(inspect(connection).get_table_names())
    place = place_of(connection.engine.url)
    if "alembic_version" not in tables:
        if tables:
            raise StoreError(
                f"the database {place} holds tables that are not GRMS's "
                f"({', '.join(sorted(tables)[:3])}); give GRMS a database of its own",
                transient=False,
            )
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if found not in (None, HEAD) and found not in known():
        raise StoreError(
            f"the database {place} is of revision {found}, which this GRMS does not know "
            f"(it knows up to {HEAD}); install the newer GRMS again, or restore the backup "
            "made before the upgrade. Nothing was changed",
            transient=False,
        )
    return None if found is None else str(found)


@contextmanager
def opened(url: str, *, create: bool) -> Iterator[Engine]:
    """An engine for ``url`` that is given up at the end. Raises ConfigError, StoreError."""
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite":
        sqlite_file(parsed, create=create)
    engine = make_engine(parsed)
    try:
        with telling(place_of(parsed)):
            yield engine
    finally:
        engine.dispose()


def migrate(url: str, *, create: bool = True) -> str:
    """Bring the database to the newest revision, which is returned; all of it, or nothing.

    Services that start together wait for each other. Raises ConfigError and StoreError.
    """
    with opened(url, create=create) as engine:
        newest = HEAD
        with engine.connect() as connection:
            found = revision_of(connection)
        if found != newest and not create:
            raise StoreError(
                f"the tables of {place_of(engine.url)} are of revision {found or 'none'}, this "
                f"GRMS needs {newest}; make a backup and run 'grms-server migrate'",
                transient=False,
            )
        if engine.dialect.name == "sqlite":
            set_wal(engine)
        if found != newest:
            with writing(engine) as connection:
                revision_of(connection)  # again, now that nobody else can change it
                from alembic import command

                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        return newest
