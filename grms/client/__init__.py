"""The client: ``Client`` for programs, ``grms-client`` for people and scripts."""

from __future__ import annotations

from grms.client.api import Client
from grms.client.errors import RefusedError, UnreachableError
from grms.client.model import (
    STATES,
    ApplicationAccess,
    FileDir,
    HistoryEntry,
    ItemResult,
    JobInfo,
    Listener,
)

__all__ = [
    "STATES",
    "ApplicationAccess",
    "Client",
    "FileDir",
    "HistoryEntry",
    "ItemResult",
    "JobInfo",
    "Listener",
    "RefusedError",
    "UnreachableError",
]
