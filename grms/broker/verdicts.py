"""What a cluster says to a job: it fits, or each requirement that refuses and the nearest cure.

Named tuples, because a pass makes thousands of them and frozen dataclasses take thrice as long.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """One requirement that a cluster does not meet.

    ``has`` is the cluster's own value, "" where nobody told it. ``change`` is the smallest change
    that would make it fit. ``lasting`` is False where waiting can help (free processors, hours,
    drained, full).
    """

    requirement: str
    wanted: str
    has: str
    change: str
    lasting: bool = True

    def __str__(self) -> str:
        found = f"has {self.has}" if self.has else "which is not known"
        return f"{self.requirement}: wants {self.wanted}, {found}; {self.change}"


class Verdict(NamedTuple):
    """What a cluster says: the first alternative that fits, or the nearest one's refusals.

    ``alternative`` counts from 0. ``queue`` is where the job would go, "" for the batch system's
    own default.
    """

    cluster: str
    contact: str
    alternative: int = 0
    queue: str = ""
    refusals: tuple[Refusal, ...] = ()

    @property
    def fits(self) -> bool:
        """True when nothing refuses."""
        return not self.refusals

    @property
    def may_fit_later(self) -> bool:
        """True when nothing lasting refuses."""
        return not any(refusal.lasting for refusal in self.refusals)

    @property
    def distance(self) -> tuple[int, int]:
        """How far it is from fitting."""
        return distance(self.refusals)


def distance(refusals: tuple[Refusal, ...]) -> tuple[int, int]:
    """How far these are from none: the lasting ones, then all."""
    return sum([refusal.lasting for refusal in refusals]), len(refusals)
