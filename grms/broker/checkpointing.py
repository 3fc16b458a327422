"""How a job is checkpointed, what belongs to a checkpoint, and where a job is better off. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, unique
from typing import Any

from grms.broker.records import ApplicationAccess, Attempt, Cluster, FileDir, Json, Measured, Phase
from grms.broker.shelf import Checkpoint, Item
from grms.gjd.model import JobDescription

#: Exit code of a checkpointable program for "checkpointed, run me again"; HTCondor's own.
EXIT_CODE = 85
SIGNAL = "USR1"
STREAMS = ("stdout", "stderr")

MIN_GAIN = 0.2
COST_OF_MOVING = timedelta(seconds=90)


@unique
class Way(Enum):
    """How a checkpoint is asked for."""

    SERVICE = "its registered web service is called"
    WRAPPER = "its wrapper asks it by a signal or a command"


def declared(description: JobDescription) -> dict[str, Json] | None:
    """The way that ``checkpointable="true"`` stands for, for the wrapper; None without it."""
    if not description.executable.checkpointable:
        return None
    return {"signal": SIGNAL, "exit_code": EXIT_CODE}


def way(
    description: JobDescription, said: bytes | None, access: ApplicationAccess | None
) -> Way | None:
    """The first way that applies; ``said`` is what the job wrote with ``grms-job``."""
    if access is not None:
        return Way.SERVICE
    if said is not None:
        return Way.WRAPPER if _object(said) else None
    return Way.WRAPPER if declared(description) else None


def goes_on_without(said: bytes | None, policy: str) -> bool:
    """True if a job that wrote no checkpoint in time is to leave all the same, from an earlier one.

    What the job ``said`` wins over the site's ``policy``.
    """
    return (_object(said or b"").get("overdue") or policy) == "last-checkpoint"


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request to a wrapper. ``overdue``: it was not carried out in time."""

    ok: bool
    reason: str = ""
    overdue: bool = False


def read_answer(raw: bytes) -> Answer:
    """The wrapper's answer; rubbish counts as a refusal."""
    found = _object(raw)
    reason = str(found.get("reason") or "no reason was given")
    return Answer(found.get("ok") is True, reason, found.get("overdue") is True)


def items(description: JobDescription, registered: Sequence[FileDir]) -> tuple[Item, ...]:
    """What belongs to a checkpoint: what was named, else the whole working directory."""
    found = [Item(ref.name, ref.is_directory) for ref in description.executable.checkpoint]
    found += [Item(item.name, item.directory) for item in registered if not item.logical]
    if any(item.name in (".", "./") for item in found):
        found = []
    return tuple(dict.fromkeys(found)) or (Item(".", directory=True),)


def deliveries(
    description: JobDescription, registered: Sequence[FileDir]
) -> tuple[tuple[Item, str], ...]:
    """Items that the user wants at a URL as well."""
    found = [
        (Item(ref.name, ref.is_directory), ref.url)
        for ref in description.executable.checkpoint
        if ref.url and ref.direction.stages_out
    ]
    found += [
        (Item(item.name, item.directory), item.path)
        for item in registered
        if item.path and not item.logical
    ]
    return tuple(dict.fromkeys(found))


def covers(checkpoint: Checkpoint, name: str) -> bool:
    """True when the checkpoint holds the file or directory ``name`` of the working directory."""
    named = any(item.name == name for item in checkpoint.items if not item.stream)
    return named or any(file == name or file.startswith(f"{name}/") for file in checkpoint.files)


def why_not_again(
    kept: Checkpoint, attempts: Sequence[Attempt], most_unchanged: int, most_runs: int
) -> str:
    """Why a job that ends with 85 unasked is not run once more, "" if it may.

    A run whose checkpoint was not whole, so that an earlier one is ``kept``, changed nothing.
    """
    ended = [a for a in attempts if a.exit is not None and a.exit.checkpointed]
    unchanged = kept.same + sum(a.number > kept.number for a in ended)
    if unchanged >= most_unchanged:
        return (
            f"its last {unchanged} runs ended as checkpointed and changed nothing of the "
            "checkpoint; see why it does not go on, then release it"
        )
    if len(ended) >= most_runs:
        return (
            f"it was run {len(ended)} times and ended as checkpointed each time; release it for "
            "one run more, or raise max_reruns"
        )
    return ""


# -- better off -------------------------------------------------------------------------------


def load(cluster: Cluster, measured: Measured | None, live: int) -> float:
    """Jobs for each processor; one processor where the number is not known."""
    cpus = cluster.cpus or (measured.total_cpus if measured else None) or 1
    others = (measured.waiting or 0) if measured else 0
    return (live + others) / max(1, cpus)


def is_better(here: tuple[Cluster, float], there: tuple[Cluster, float]) -> bool:
    """True when a job of ``here`` would be better off ``there``: faster, or less crowded.

    The load of ``there`` counts the job as if it were there already.
    """
    slower = (there[0].cpu_speed or 0) < (here[0].cpu_speed or 0)
    faster = bool(here[0].cpu_speed) and (there[0].cpu_speed or 0) > (here[0].cpu_speed or 0)
    if slower or there[1] > max(1.0, here[1]):
        return False
    return faster or there[1] < here[1]


def progress_points(
    attempt: Attempt, told: Sequence[tuple[datetime, str]]
) -> list[tuple[datetime, float]]:
    """When an attempt had come how far, in percent; words that are no number tell nothing."""
    if attempt.started_at is None:
        return []
    points = [(attempt.started_at, 0.0)] if attempt.number == 1 else []
    for at, text in told:
        number = text.strip().rstrip("% ")
        if at >= attempt.started_at and number.replace(".", "", 1).isdigit():
            points.append((at, float(number)))
    return points


def remaining(points: Sequence[tuple[datetime, float]], now: datetime) -> timedelta | None:
    """The time to the end at the speed so far; None where that is not known."""
    if len(points) < 2:
        return None
    (began, first), (last, percent) = points[0], points[-1]
    if not first < percent < 100:
        return None
    left = (last - began) * ((100 - percent) / (percent - first))
    return max(timedelta(0), left - (now - last))


def why_stay(attempts: Sequence[Attempt], now: datetime, least: timedelta, moves_a_day: int) -> str:
    """Why the policy leaves a job where it is, "" if it may move: damping against flapping."""
    newest = attempts[-1]
    if newest.started_at is None or now - newest.started_at < least:
        return f"it is here for less than {least.total_seconds():.0f} s"
    recent = [a for a in attempts[1:] if now - a.created_at < timedelta(days=1)]
    if len(recent) >= moves_a_day:
        return f"it moved {len(recent)} times within a day"
    return ""


def gain(left: timedelta, here: Cluster, there: Cluster) -> tuple[timedelta, str] | None:
    """The time to the end elsewhere, moving included, with the reason; None if not clearly less."""
    if not here.cpu_speed or not there.cpu_speed:
        return None
    then = left * (here.cpu_speed / there.cpu_speed) + COST_OF_MOVING
    if then > left * (1 - MIN_GAIN):
        return None
    text = (
        f"{_minutes(left)} to go on {here.name} ({here.cpu_speed} MHz), {_minutes(then)} on "
        f"{there.name} ({there.cpu_speed} MHz), moving included"
    )
    return then, text


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:.0f} min"


def failed_places(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Clusters that gave a job up before it started, since it last ran, newest first."""
    found = []
    for attempt in reversed(attempts):
        if attempt.phase is not Phase.REVOKED or attempt.started_at is not None:
            break
        found.append(attempt.cluster)
    return tuple(found)


def earlier_runs(attempts: Sequence[Attempt]) -> int:
    """How many attempts came before those that failed in a row, the newest included."""
    return max(0, len(attempts) - 1 - len(failed_places(attempts[:-1])))


def standing(
    clusters: Mapping[str, Cluster], measured: Mapping[str, Measured], live: Mapping[str, int]
) -> dict[str, float]:
    """The load of every cluster."""
    return {
        name: load(cluster, measured.get(name), live.get(name, 0))
        for name, cluster in clusters.items()
    }
