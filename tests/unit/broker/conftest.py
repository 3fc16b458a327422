"""A job and an attempt to decide about, and a clock that stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from grms.broker.lifecycle import JobState
from grms.broker.records import Attempt, Job, Phase

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def job() -> Callable[..., Job]:
    """Makes a job in a state, with one attempt placed."""

    def make(state: JobState = JobState.PENDING, **more: Any) -> Job:
        plain = Job("1_a_0001", "alice", "a", "<x/>", NOW, state, attempt=1)
        return replace(plain, **more)

    return make


@pytest.fixture
def attempt() -> Callable[..., Attempt]:
    """Makes its attempt in a phase."""

    def make(phase: Phase = Phase.SUBMITTED, **more: Any) -> Attempt:
        plain = Attempt("1_a_0001", 1, "c", "gtag", "/w/1", "<x/>", NOW, phase, native_id="7")
        return replace(plain, **more)

    return make
