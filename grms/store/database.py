"""The one way to a database: engines set up for durability, reads, and shared writes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, literal, make_url, text
from sqlalchemy.dialects import postgresql, sqlite

from grms.errors import ConfigError, StoreError
from grms.store.faults import telling
from grms.store.turns import Turn
from grms.store.writer import GroupCommit

T = TypeVar("T")

#: How long a writer waits for another process's transaction, in seconds.
LOCK_WAIT = 30.0
#: Bytes that SQLite's write-ahead log is cut back to once readers let it.
WAL_LIMIT = 16 * 1024 * 1024
#: The advisory lock that puts PostgreSQL's writers in a row ("GRMS").
_ADVISORY = 0x47524D53


def database_url(url: str) -> URL:
    """The URL as SQLAlchemy has it, with psycopg 3 for PostgreSQL. Raises ConfigError."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise ConfigError(
            "the setting 'database' is no URL; expected sqlite:////path/grms.db "
            "or postgresql://user:password@host/name"
        ) from error
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigError(
            f"the setting 'database' names {backend!r}; supported: sqlite, postgresql"
        )
    if not parsed.database or parsed.database == ":memory:" or "mode=memory" in parsed.database:
        raise ConfigError(
            "the setting 'database' names an SQLite database in memory, which no restart "
            "survives; give it a file, as in sqlite:////var/lib/grms/grms.db"
        )
    return parsed.set(drivername="sqlite+pysqlite")


def place_of(url: URL) -> str:
    """How messages call a database: the file, or the URL without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql").render_as_string(hide_password=True)


def sqlite_file(url: URL, *, create: bool) -> Path:
    """The file of an SQLite URL, made empty and private if it is missing and ``create``.

    Raises ConfigError when its directory (or, without ``create``, the file) is missing.
    """
    file = Path(str(url.database))
    if not file.parent.is_dir():
        raise ConfigError(
            f"the directory {file.parent} of the database {file} does not exist; "
            "make it and give it to the service's account"
        )
    if not file.exists():
        if not create:
            raise ConfigError(
                f"there is no database {file}; make it with 'grms-server migrate', "
                "or correct the setting 'database'"
            )
        try:
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
            _sync_directory(file.parent)
        except OSError as error:
            raise ConfigError(f"cannot make the database {file}: {error.strerror}") from error
    return file


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_engine(url: URL) -> Engine:
    """An engine whose commits are on disk when they return."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    options = f"-c synchronous_commit=on -c lock_timeout={int(LOCK_WAIT * 1000)} -c timezone=UTC"
    arguments = {"connect_timeout": 10, "options": options, "application_name": "grms"}
    return create_engine(
        url,
        pool_size=8,
        max_overflow=-1,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={key: value for key, value in arguments.items() if key not in url.query},
    )


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=16,
        max_overflow=-1,
        connect_args={"timeout": LOCK_WAIT, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours: the driver would start too late
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("grms_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def set_wal(engine: Engine) -> None:
    """Put an SQLite file into WAL mode, once and for all. Raises StoreError.

    SQLite does not wait for locks here, so two services that start together would collide.
    """
    deadline = time.monotonic() + LOCK_WAIT
    connection = engine.raw_connection()
    try:
        while True:
            try:
                mode = str(connection.cursor().execute("PRAGMA journal_mode = WAL").fetchone()[0])
                break
            except Exception as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
    finally:
        connection.close()
    if mode != "wal":
        raise StoreError(
            f"the database {place_of(engine.url)} cannot use a write-ahead log (it stays in "
            f"{mode!r} mode); put it on a local file system",
            transient=False,
        )


@contextmanager
def writing(engine: Engine, turn: Turn | None = None) -> Iterator[Connection]:
    """One write transaction, committed at the end; begun when it is this process's ``turn``.

    PostgreSQL gives out event cursors before they are committed, so that a reader could see a
    later one first and skip the earlier for ever. An advisory lock held to the end of the
    transaction puts the writers in a row, as SQLite does by nature.
    """
    with engine.connect().execution_options(grms_writes=True) as connection, ExitStack() as stack:
        with turn or nullcontext():
            stack.enter_context(connection.begin())
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY})
        yield connection


class Database:
    """An open database. ``read`` and ``write`` may be called from any thread."""

    def __init__(self, url: URL) -> None:
        self.place = place_of(url)
        self.engine = make_engine(url)
        self._turn: Turn | None = None
        if url.get_backend_name() == "sqlite":
            self._turn = Turn(Path(str(url.database)))
        self._writer = GroupCommit(lambda: writing(self.engine, self._turn))
        self._closed = False

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on one consistent state of the database. Raises StoreError."""
        self._check_open()
        with telling(self.place), self.engine.connect() as connection:
            return work(connection)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction; when this returns, it is on disk. Raises StoreError."""
        self._check_open()
        with telling(self.place):
            return self._writer.run(work)

    def close(self) -> None:
        """Give up all connections; no method works afterwards."""
        self._closed = True
        self.engine.dispose()
        if self._turn:
            self._turn.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"the database {self.place} was closed", transient=False)


def upsert(
    connection: Connection, table: Any, values: dict[str, Any], key: tuple[str, ...]
) -> None:
    """Insert a row, or replace the one with the same ``key`` columns."""
    statement = insert(connection.dialect.name, table).values(**values)
    rest = {name: statement.excluded[name] for name in values if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=rest))


def insert(dialect: str, table: Any) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def inserted(connection: Connection, statement: Any) -> bool:
    """Run an INSERT with an ON CONFLICT clause; False when the clause kept the row out."""
    return connection.execute(statement.returning(literal(1))).first() is not None
