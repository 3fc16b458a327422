"""The shipped policies. Others come as plug-ins: entry points of group ``grms.policies``. Pure."""

from __future__ import annotations

from grms.broker.ranking import Candidate, free, load, processors, running, start

__all__ = ["Balanced", "Fastest", "FillFirst", "NearestData"]

#: Seconds that one live job for each processor counts.
_LOAD_WEIGHT = 60.0


class Balanced:
    """The earliest expected end: moving the files, waiting, running; busier clusters lose a tie."""

    name = "balanced"

    def score(self, candidate: Candidate) -> tuple[float, ...]:
        """Seconds until the expected end, and a minute for each live job per processor."""
        ready = candidate.moving + start(candidate)
        return (ready + running(candidate) + _LOAD_WEIGHT * load(candidate),)

    def reason(self, candidate: Candidate) -> str:
        """The parts of the estimate."""
        return f"earliest expected end: {_start(candidate)}{_speed(candidate)}{_files(candidate)}"


class Fastest:
    """The fastest processors, however long the wait; among equals the earliest start."""

    name = "fastest"

    def score(self, candidate: Candidate) -> tuple[float, ...]:
        """Declared speed, then expected start, then load."""
        return (-float(candidate.cluster.cpu_speed or 0), start(candidate), load(candidate))

    def reason(self, candidate: Candidate) -> str:
        """The speed."""
        speed = candidate.cluster.cpu_speed
        told = f"{speed} MHz" if speed else "no cluster that fits declares its speed"
        return f"fastest processors: {told}, {_start(candidate)}"


class NearestData:
    """Where the input files are moved quickest; among equals the earliest start."""

    name = "nearest-data"

    def score(self, candidate: Candidate) -> tuple[float, ...]:
        """Seconds of moving, then expected start, then load."""
        return (candidate.moving, start(candidate), load(candidate))

    def reason(self, candidate: Candidate) -> str:
        """The time of moving."""
        seconds = f"{candidate.moving:.1f} s" if candidate.moving else "no time at all"
        return f"nearest to its files: {seconds} to move them, {_start(candidate)}"


class FillFirst:
    """The fullest cluster that still has a free processor: others stay empty for wide jobs."""

    name = "fill-first"

    def score(self, candidate: Candidate) -> tuple[float, ...]:
        """Clusters with room first, among them the one with most live jobs before this pass."""
        left = free(candidate)
        if left is None:
            left = processors(candidate) - candidate.live - candidate.placed * candidate.count
        room = left >= candidate.count
        return (0.0 if room else 1.0, -float(candidate.live) if room else load(candidate))

    def reason(self, candidate: Candidate) -> str:
        """How full it is."""
        jobs = candidate.live + candidate.placed
        return f"fullest cluster with room: {jobs} live jobs, {_start(candidate)}"


def _start(candidate: Candidate) -> str:
    left = free(candidate)
    wait = start(candidate)
    if left is not None and not wait:
        return f"starts at once, {left} of {processors(candidate)} processors free"
    waiting = candidate.measured.waiting if candidate.measured is not None else None
    if left is None and not waiting:
        return (
            f"{candidate.live + candidate.placed} live jobs on {processors(candidate)} processors"
        )
    return f"starts in about {wait:.0f} s, {waiting or 0} jobs waiting"


def _speed(candidate: Candidate) -> str:
    speed = candidate.cluster.cpu_speed
    return f", {speed} MHz" if speed else ""


def _files(candidate: Candidate) -> str:
    return f", {candidate.moving:.1f} s to move its files" if candidate.moving >= 0.05 else ""
