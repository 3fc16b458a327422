"""The engine's signs of life, as the process that answers callers reads them: one small file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

_FILE = "engine-metrics.json"


@dataclass(frozen=True, slots=True)
class Vitals:
    """``at``: when the engine last finished a turn. ``calls``: commands run on each cluster in
    the last minute.
    """

    engine: str
    pid: int
    at: datetime
    calls: Mapping[str, int] = field(default_factory=dict)


def write_vitals(data_dir: Path, vitals: Vitals) -> None:
    """Write the file whole, under a temporary name first. Raises OSError."""
    data = {
        "engine": vitals.engine,
        "pid": vitals.pid,
        "at": vitals.at.timestamp(),
        "calls": dict(vitals.calls),
    }
    part = data_dir / f".{_FILE}"  # one engine at a time works on a data directory
    part.write_text(json.dumps(data), "utf-8")
    part.replace(data_dir / _FILE)


def read_vitals(data_dir: Path) -> Vitals | None:
    """What the engine wrote last; None if there is nothing that can be read."""
    try:
        data = json.loads((data_dir / _FILE).read_text("utf-8"))
        return Vitals(
            engine=str(data["engine"]),
            pid=int(data["pid"]),
            at=datetime.fromtimestamp(float(data["at"]), UTC),
            calls={str(name): int(count) for name, count in data["calls"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
