"""When to try a host again: a circuit breaker with back-off and jitter; pure but for its random."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from grms.errors import SiteError


@dataclass(slots=True)
class Breaker:
    """Counts failures in a row. Times are seconds of a monotonic clock, given by the caller.

    After ``threshold`` failures it is open: until ``retry_at`` nothing is tried. Then one try is
    let through; if that fails too, the pause doubles, up to ``longest``. Pauses are shortened by
    up to a half at random, so that many brokers do not knock at the same moment.
    """

    threshold: int = 3
    shortest: float = 2.0
    longest: float = 300.0
    failures: int = 0
    retry_at: float = 0.0
    last: SiteError | None = None
    _random: random.Random = field(default_factory=random.Random)

    def check(self, now: float) -> None:
        """Raise SiteError while open: the last reason, and when the next try is."""
        if self.last is not None and self.failures >= self.threshold and now < self.retry_at:
            raise SiteError(
                f"{self.last.message}; failed {self.failures} times, "
                f"the next try is in {self.retry_at - now:.0f} s",
                code=self.last.code,
                fault=self.last.fault,
                transient=self.last.transient,
            )

    def failed(self, error: SiteError, now: float) -> None:
        """Note a failure."""
        self.failures += 1
        self.last = error
        doublings = min(max(0, self.failures - self.threshold), 30)
        pause = min(self.longest, self.shortest * 2**doublings)
        self.retry_at = now + pause * self._random.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """Close it."""
        self.failures = 0
        self.last = None
