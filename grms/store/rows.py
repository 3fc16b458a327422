"""Rows to records and back. A column has the name of the record's field it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from sqlalchemy import Row

from grms.broker.records import (
    ApplicationAccess,
    Attempt,
    Cluster,
    Exit,
    FileDir,
    Installed,
    Job,
    JobEvent,
    Link,
    Measured,
    Notification,
    OwnerLimits,
    Principal,
    Queue,
    Usage,
    Wish,
)


def plain(value: Any) -> Any:
    """A record as a JSON value: dataclasses are objects, sets are sorted lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def values(record: Any, *leave_out: str) -> dict[str, Any]:
    """The columns of a record, by field name, as the types of the schema take them."""
    names = _names(record.__class__)
    return {name: getattr(record, name) for name in names if name not in leave_out}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _fields_of(kind: type, row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _names(kind)}


def job(row: Row[Any]) -> Job:
    """A row of ``jobs``."""
    return Job(**_fields_of(Job, row))


_STRUCTURED = ("exit", "usage", "heard")


def attempt_values(attempt: Attempt) -> dict[str, Any]:
    """The columns of ``attempts``."""
    return values(attempt) | {name: plain(getattr(attempt, name)) for name in _STRUCTURED}


def attempt(row: Row[Any]) -> Attempt:
    """A row of ``attempts``."""
    found = _fields_of(Attempt, row)
    found["exit"] = None if found["exit"] is None else Exit(**found["exit"])
    found["usage"] = None if found["usage"] is None else Usage(**found["usage"])
    found["heard"] = tuple(found["heard"])
    return Attempt(**found)


def event(row: Row[Any]) -> JobEvent:
    """A row of ``events``."""
    return JobEvent(**_fields_of(JobEvent, row))


def wish(row: Row[Any]) -> Wish:
    """A row of ``wishes``."""
    return Wish(**_fields_of(Wish, row))


def file(row: Row[Any]) -> FileDir:
    """A row of ``files``."""
    return FileDir(**_fields_of(FileDir, row))


def access(row: Row[Any]) -> ApplicationAccess:
    """A row of ``application_access``."""
    return ApplicationAccess(**_fields_of(ApplicationAccess, row))


def notification(row: Row[Any]) -> Notification:
    """A row of ``notifications``."""
    found = _fields_of(Notification, row)
    return Notification(**found | {"users": tuple(found["users"])})


def measured(row: Row[Any]) -> Measured:
    """A row of ``measured``."""
    return Measured(**_fields_of(Measured, row))


def principal(row: Row[Any]) -> Principal:
    """A row of ``principals``."""
    found = _fields_of(Principal, row)
    return Principal(**found | {"projects": frozenset(found["projects"])})


def cluster(facts: dict[str, Any]) -> Cluster:
    """The JSON in ``clusters.facts``. Facts that an older GRMS did not write take their default."""
    limits = dict(facts.get("limits", {}))
    for name in ("users", "denied_users", "projects"):
        limits[name] = frozenset(limits.get(name, ()))
    hours = limits.get("hours")
    limits["hours"] = None if hours is None else (hours[0], hours[1])
    nested = {
        "queues": tuple(Queue(**item) for item in facts.get("queues", ())),
        "applications": tuple(Installed(**item) for item in facts.get("applications", ())),
        "links": tuple(Link(**item) for item in facts.get("links", ())),
        "limits": OwnerLimits(**limits),
    }
    return Cluster(**facts | nested)
