"""``GET /metrics``: the broker's figures in the Prometheus text format, version 0.0.4.

``docs/how-to/operate.md`` explains each figure. Names of users and jobs are never among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from grms.broker.lifecycle import JobState
from grms.broker.ports.store import StateCount
from grms.broker.vitals import Vitals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(
    counts: Sequence[StateCount], parked: int, vitals: Vitals | None, now: datetime
) -> str:
    """The whole text. Ages are seconds; the engine's figures are absent if it never lived."""
    return "\n".join([*_jobs(counts, parked, now), *_engine(vitals, now), ""])


def _jobs(counts: Sequence[StateCount], parked: int, now: datetime) -> Iterator[str]:
    known = {item.state: item for item in counts}
    yield from _head("grms_jobs", "gauge", "Jobs by state.")
    for state in JobState:
        count = known[state].count if state in known else 0
        yield f'grms_jobs{{state="{state.value}"}} {count}'
    yield from _head("grms_jobs_parked", "gauge", "Jobs that wait for a person's release.")
    yield f"grms_jobs_parked {parked}"
    oldest = known.get(JobState.QUEUED)
    age = max(0.0, (now - oldest.oldest).total_seconds()) if oldest else 0.0
    yield from _head(
        "grms_queued_oldest_seconds", "gauge", "Time since the oldest queued job was submitted."
    )
    yield f"grms_queued_oldest_seconds {age:.3f}"


def _engine(vitals: Vitals | None, now: datetime) -> Iterator[str]:
    if vitals is None:
        return
    yield from _head("grms_engine_age_seconds", "gauge", "Time since the engine's last turn.")
    yield f"grms_engine_age_seconds {max(0.0, (now - vitals.at).total_seconds()):.3f}"
    yield from _head(
        "grms_cluster_calls", "gauge", "Commands run on a cluster in the engine's last minute."
    )
    for cluster, count in sorted(vitals.calls.items()):
        yield f'grms_cluster_calls{{cluster="{_label(cluster)}"}} {count}'


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
