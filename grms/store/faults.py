"""What a database driver reports becomes a StoreError that says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from grms.errors import ConflictError, GrmsError, StoreError

#: (beginning of SQLite's error name, what it means, the cure, may trying again help)
_SQLITE = (
    (
        "SQLITE_BUSY",
        "is locked by another program",
        "find out which one with 'fuser' and let it end its transaction",
        True,
    ),
    ("SQLITE_LOCKED", "is locked by another connection", "try again", True),
    ("SQLITE_FULL", "cannot grow: the disk is full", "make room on its file system", True),
    (
        "SQLITE_CORRUPT",
        "is damaged",
        "stop the service, keep the file, and restore the newest backup",
        False,
    ),
    (
        "SQLITE_NOTADB",
        "is not an SQLite database",
        "check the setting 'database'; the file was left as it is",
        False,
    ),
    (
        "SQLITE_READONLY",
        "cannot be written",
        "check the owner and mode of the file and of its directory",
        False,
    ),
    (
        "SQLITE_CANTOPEN",
        "cannot be opened",
        "check that the directory exists and that the service may use it",
        False,
    ),
    ("SQLITE_IOERR", "cannot be read or written", "check the disk and its free space", True),
)


def translated(error: BaseException, place: str) -> StoreError | ConflictError:
    """The error for what went wrong at ``place`` (a URL without its password)."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        origin: BaseException = error.orig
    else:
        origin = error
    first = str(origin).strip().partition("\n")[0]
    if isinstance(error, exc.IntegrityError):
        return ConflictError(
            f"this contradicts what the database {place} holds ({first})", detail=str(error)
        )
    if isinstance(origin, sqlite3.Error):
        name = getattr(origin, "sqlite_errorname", "")
        for start, what, cure, transient in _SQLITE:
            if name.startswith(start):
                return StoreError(
                    f"the database {place} {what} ({first}); {cure}",
                    transient=transient,
                    detail=str(error),
                )
    elif isinstance(error, exc.OperationalError | exc.InterfaceError):
        return StoreError(
            f"the database {place} cannot be reached or does not answer ({first}); "
            "check that the server runs and that the URL is right",
            detail=str(error),
        )
    return StoreError(
        f"the database {place} refused a statement ({first})", transient=False, detail=str(error)
    )


@contextmanager
def telling(place: str) -> Iterator[None]:
    """Turn every driver's error inside the block into a StoreError or a ConflictError."""
    try:
        yield
    except GrmsError:
        raise
    except (exc.SQLAlchemyError, sqlite3.Error) as error:
        raise translated(error, place) from error
