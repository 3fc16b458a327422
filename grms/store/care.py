"""Looking after a database: check, backup, restore."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from grms.errors import ConfigError, GrmsError, StoreError
from grms.store.database import database_url, place_of, sqlite_file
from grms.store.faults import telling
from grms.store.migrations import HEAD
from grms.store.revisions import opened, revision_of

#: Below so many free bytes ``check`` warns, and SQLite may soon be unable to write.
LOW_SPACE = 256 * 1024 * 1024
#: A write-ahead log above so many bytes means that some reader never ends.
LARGE_WAL = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing ``check`` looked at. ``cure`` is empty when ``ok``."""

    ok: bool
    what: str
    cure: str = ""


def check(url: str) -> list[Finding]:
    """Look at a database without changing it; a fault is a finding, never an exception."""
    findings: list[Finding] = []
    try:
        with opened(url, create=False) as engine:
            findings.append(_revision(engine))
            if engine.dialect.name == "sqlite":
                findings += _sqlite(engine, Path(str(engine.url.database)))
            else:
                findings += _postgresql(engine)
    except GrmsError as error:
        what, _, cure = error.message.partition("; ")
        findings.append(Finding(False, what, cure))
    return findings


def _revision(engine: Engine) -> Finding:
    with engine.connect() as connection:
        found = revision_of(connection)
    if found == HEAD:
        return Finding(True, f"the tables are of the newest revision, {found}")
    return Finding(
        False,
        f"the tables are of revision {found or 'none'}, not {HEAD}",
        "make a backup and run 'grms-server migrate'",
    )


def _sqlite(engine: Engine, file: Path) -> Iterator[Finding]:
    with engine.connect() as connection:
        faults = list(connection.scalars(text("PRAGMA quick_check(5)")))
        mode = connection.scalar(text("PRAGMA journal_mode"))
    yield (
        Finding(True, f"{file} is sound (quick_check)")
        if faults == ["ok"]
        else Finding(False, f"{file} is damaged: {'; '.join(faults)}", "restore the newest backup")
    )
    yield (
        Finding(True, "the write-ahead log is in use")
        if mode == "wal"
        else Finding(False, f"{file} is in {mode} mode", "run 'grms-server migrate'")
    )
    log = Path(f"{file}-wal")
    size = log.stat().st_size if log.exists() else 0
    yield (
        Finding(True, f"the write-ahead log has {size} bytes")
        if size <= LARGE_WAL
        else Finding(
            False, f"{log} has grown to {size} bytes", "end the program that keeps reading it"
        )
    )
    free = shutil.disk_usage(file.parent).free
    yield (
        Finding(True, f"{free} bytes are free beside {file}")
        if free >= LOW_SPACE
        else Finding(False, f"only {free} bytes are free beside {file}", "make room")
    )


def _postgresql(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        version = connection.scalar(text("SHOW server_version"))
        fsync = connection.scalar(text("SHOW fsync"))
    yield Finding(True, f"PostgreSQL {version} answers")
    yield (
        Finding(True, "fsync is on")
        if fsync == "on"
        else Finding(False, "fsync is off: a crash may lose jobs", "set fsync = on")
    )


def _only_sqlite(url: str, instead: str) -> Path:
    parsed = database_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(
            f"{place_of(parsed)} is a PostgreSQL database; use {instead}, which does this"
        )
    return sqlite_file(parsed, create=False)


def backup(url: str, target: Path) -> None:
    """Copy a database that is in use to the file ``target``, complete and checked, or not at all.

    Raises ConfigError when ``target`` exists or the database is PostgreSQL, else StoreError.
    """
    _copy(_only_sqlite(url, "pg_dump"), target)


def restore(url: str, source: Path) -> None:
    """Put a backup in the place of a database that is not there (any more).

    Raises ConfigError when there is one: GRMS overwrites none. Raises StoreError when ``source``
    is damaged, not GRMS's, or of a newer revision.
    """
    parsed = database_url(url)
    if parsed.get_backend_name() != "sqlite":
        _only_sqlite(url, "pg_restore")
    with (
        opened(f"sqlite:///{source}", create=False) as engine,
        engine.connect() as connection,
    ):
        if revision_of(connection) is None:
            raise StoreError(f"{source} is empty: it is no backup of GRMS", transient=False)
    _copy(source, Path(str(parsed.database)))


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        raise ConfigError(f"{target} exists and is not overwritten; move it away first")
    if not target.parent.is_dir():
        raise ConfigError(f"the directory {target.parent} does not exist; make it first")
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with telling(str(source)):
            _copy_pages(source, part)
        os.link(part, target)  # unlike a rename, never onto another file
        handle = os.open(target.parent, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _copy_pages(source: Path, part: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source)) as origin,
        contextlib.closing(sqlite3.connect(part)) as copy,
    ):
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing left in a log
        verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StoreError(f"{source} is damaged: {verdict}", transient=False)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
