"""The tables, and how values lie in their columns; ``docs/reference/store.md`` explains them.

Times are whole microseconds since 1970 UTC, enumerations are their names, structured values are
JSON text: the same bytes in SQLite and PostgreSQL, sortable, and free of driver conversions.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from grms.broker.lifecycle import JobState, RequestStatus
from grms.broker.records import EventKind, FileRole, Phase, WishKind
from grms.errors import ErrorCode, StoreError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime as whole microseconds since 1970 UTC. Naive times are refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To microseconds; raises ValueError for a naive time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value}")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To an aware datetime in UTC."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class Words(TypeDecorator[str]):
    """Text that every database takes.

    NUL, which PostgreSQL refuses, becomes U+FFFD and a lone surrogate ``?``: what a batch system
    prints must never keep a job's record from being written.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To text that is valid UTF-8 without NUL."""
        if value is None or value.isascii():
            return value if value is None or "\0" not in value else value.replace("\0", "\ufffd")
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class Named(TypeDecorator[Enum]):
    """A member of an enumeration by its name."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Enum | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the name."""
        return None if value is None else value.name

    def process_result_value(self, value: str | None, dialect: Dialect) -> Enum | None:  # noqa: ARG002
        """To the member; raises StoreError for a name this GRMS does not know."""
        if value is None:
            return None
        try:
            return self.kind[value]
        except KeyError:
            raise StoreError(
                f"the store holds {value!r}, which is no {self.kind.__name__}; "
                "was it written by a newer GRMS?",
                transient=False,
            ) from None


class JsonText(TypeDecorator[Any]):
    """A JSON value as text; ASCII, so that no character in it can trouble a database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To JSON text; None is NULL."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """From JSON text."""
        return None if value is None else json.loads(value)


#: A number the database gives out. SQLite counts only in columns of type INTEGER.
_Serial = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


def _text(name: str, **more: Any) -> Column[str]:
    return Column(name, Words, nullable=False, **more)


def _job(**more: Any) -> Column[str]:
    return Column("job_id", Words, ForeignKey("jobs.id", **more), nullable=False)


jobs = Table(
    "jobs",
    metadata,
    Column("seq", _Serial, primary_key=True),
    _text("id", unique=True),
    _text("owner"),
    _text("appid"),
    _text("description"),
    Column("submitted_at", UtcTime, nullable=False),
    Column("state", Named(JobState), nullable=False),
    Column("status", Named(RequestStatus), nullable=False),
    Column("version", Integer, nullable=False),
    _text("account"),
    _text("project"),
    Column("attempt", Integer, nullable=False),
    Column("finished_at", UtcTime),
    Column("error_code", Named(ErrorCode), nullable=False),
    _text("error"),
    Column("parked", Boolean, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", UtcTime),
    Column("last_event", Integer, nullable=False),
    Column("persistent", Boolean, nullable=False),
    _text("progress"),
    Column("claim_at", UtcTime),
    Column("woken", Boolean, nullable=False),
    _text("lease_owner"),
    Column("lease_until", UtcTime),
    Index(None, "state", "claim_at"),
    Index(None, "owner", "seq"),
    sqlite_autoincrement=True,
)

submission_keys = Table(
    "submission_keys",
    metadata,
    _text("owner"),
    _text("key"),
    _text("digest"),
    # Deferred: the key is taken before the job is written, so that of two callers one wins early.
    _job(deferrable=True, initially="DEFERRED"),
    PrimaryKeyConstraint("owner", "key"),
)

attempts = Table(
    "attempts",
    metadata,
    _job(),
    Column("number", Integer, nullable=False),
    _text("cluster"),
    _text("tag", unique=True),
    _text("directory"),
    _text("description"),
    Column("created_at", UtcTime, nullable=False),
    Column("phase", Named(Phase), nullable=False),
    _text("account"),
    _text("host"),
    _text("queue"),
    Column("alternative", Integer, nullable=False),
    _text("native_id"),
    _text("native_state"),
    Column("held", Boolean, nullable=False),
    Column("intent_at", UtcTime),
    Column("submitted_at", UtcTime),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("missing_since", UtcTime),
    Column("exit", JsonText),
    Column("usage", JsonText),
    _text("evidence"),
    _text("token_sha256"),
    Column("heard", JsonText, nullable=False),
    PrimaryKeyConstraint("job_id", "number"),
    Index(None, "phase", "cluster"),
)

events = Table(
    "events",
    metadata,
    Column("cursor", _Serial, primary_key=True),
    _job(),
    Column("number", Integer, nullable=False),
    Column("kind", Named(EventKind), nullable=False),
    Column("at", UtcTime, nullable=False),
    _text("text"),
    Column("data", JsonText, nullable=False),
    UniqueConstraint("job_id", "number"),
    sqlite_autoincrement=True,
)

wishes = Table(
    "wishes",
    metadata,
    Column("number", _Serial, primary_key=True),
    _job(),
    Column("kind", Named(WishKind), nullable=False),
    Column("at", UtcTime, nullable=False),
    _text("by"),
    _text("description"),
    Column("done_at", UtcTime),
    _text("outcome"),
    Index(None, "job_id"),
    sqlite_autoincrement=True,
)
Index(
    "ix_wishes_open",
    wishes.c.job_id,
    sqlite_where=wishes.c.done_at.is_(None),
    postgresql_where=wishes.c.done_at.is_(None),
)

files = Table(
    "files",
    metadata,
    Column("seq", _Serial, primary_key=True),
    _job(),
    Column("role", Named(FileRole), nullable=False),
    _text("name"),
    _text("path"),
    Column("logical", Boolean, nullable=False),
    Column("directory", Boolean, nullable=False),
    Index(None, "job_id"),
    sqlite_autoincrement=True,
)

application_access = Table(
    "application_access",
    metadata,
    _job(),
    _text("service_location"),
    Column("pid", BigInteger, nullable=False),
    PrimaryKeyConstraint("job_id"),
)

notifications = Table(
    "notifications",
    metadata,
    Column("seq", _Serial, primary_key=True),
    _text("id", unique=True),
    _job(),
    _text("owner"),
    _text("event_type"),
    _text("protocol"),
    _text("destination"),
    Column("append", Boolean, nullable=False),
    _text("format"),
    Column("users", JsonText, nullable=False),
    Column("created_at", UtcTime),
    Index(None, "job_id"),
    sqlite_autoincrement=True,
)

clusters = Table(
    "clusters",
    metadata,
    _text("name"),
    Column("facts", JsonText, nullable=False),
    PrimaryKeyConstraint("name"),
)

measured = Table(
    "measured",
    metadata,
    _text("cluster"),
    Column("at", UtcTime, nullable=False),
    Column("free_cpus", BigInteger),
    Column("free_memory", BigInteger),
    Column("free_disk", BigInteger),
    Column("waiting", BigInteger),
    Column("running", BigInteger),
    Column("total_cpus", BigInteger),
    Column("ok", Boolean, nullable=False),
    _text("error"),
    PrimaryKeyConstraint("cluster"),
)

principals = Table(
    "principals",
    metadata,
    _text("name"),
    _text("account"),
    Column("admin", Boolean, nullable=False),
    Column("projects", JsonText, nullable=False),
    Column("token_sha256", Words, unique=True),
    PrimaryKeyConstraint("name"),
)

leases = Table(
    "leases",
    metadata,
    _text("name"),
    _text("owner"),
    Column("until", UtcTime, nullable=False),
    PrimaryKeyConstraint("name"),
)
