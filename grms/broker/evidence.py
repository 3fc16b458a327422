"""How proofs weigh against each other. Pure: what may end a job, and what may overrule a verdict.

Absence is no proof. A stronger proof corrects a weaker verdict, as a visible event.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, unique
from typing import Any

from grms.broker.records import Exit, Usage


@unique
class Source(IntEnum):
    """Where a proof comes from; the larger is the stronger."""

    ABSENCE = 0  # missing everywhere, long enough: JobLost, and nothing better
    QUEUE = 1  # the batch system's queue calls it ended
    ACCOUNTING = 2  # the batch system's accounting record
    WRAPPER = 3  # the exit file of our own wrapper, written whole and renamed


def source(name: str) -> Source:
    """The source of a stored name; unknown and empty names are the weakest."""
    return Source.__members__.get(name.upper(), Source.ABSENCE)


@dataclass(frozen=True, slots=True)
class News:
    """One message of a wrapper, or of the job itself (``told``); see ``grms.jobside``."""

    tag: str
    what: str
    at: datetime
    host: str = ""
    exit: Exit | None = None
    usage: Usage | None = None
    reason: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)


def read_news(raw: bytes) -> News | None:
    """A wrapper's message, or None for anything that is not one: it disturbs nobody."""
    try:
        data: Any = json.loads(raw)
        exit_, usage = data.get("exit"), data.get("usage")
        return News(
            tag=str(data["tag"]),
            what=str(data["what"]),
            at=datetime.fromtimestamp(float(data["at"]), UTC),
            host=str(data.get("host", "")),
            exit=_exit(exit_, data.get("checkpointed")) if exit_ is not None else None,
            usage=_usage(usage) if usage is not None else None,
            reason=str(data.get("reason", "")),
            told=data if data["what"] == "told" else {},
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _exit(data: Any, checkpointed: Any) -> Exit:
    code, signal = data.get("code"), data.get("signal")
    return Exit(
        code=None if code is None else int(code),
        signal=None if signal is None else int(signal),
        reason=str(data.get("reason") or ""),
        limit=str(data.get("limit") or ""),
        checkpointed=checkpointed is True,
    )


def _usage(data: Any) -> Usage:
    return Usage(
        float(data.get("wall") or 0), float(data.get("cpu") or 0), int(data.get("max_rss") or 0)
    )


def overrules(new: Source, old: str) -> bool:
    """True when a proof from ``new`` may correct a verdict that rests on ``old``."""
    return new > source(old)
