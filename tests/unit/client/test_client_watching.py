"""Following jobs: what is news, when it happened, and when to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from grms.client.errors import RefusedError, UnreachableError
from grms.client.exits import WaitedTooLongError
from grms.client.model import HistoryEntry, JobInfo
from grms.client.screens import summary
from grms.client.watching import News, entered, follow
from grms.errors import GrmsError

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
RUN = HistoryEntry("node7", NOON, NOON, NOON + timedelta(minutes=1), None, "", "")


def job(state: str, **changes: object) -> JobInfo:
    base = JobInfo("j", state, "", "", NOON, None, "", 0, "", RUN, 1)
    return replace(base, **changes)  # type: ignore[arg-type]


@dataclass
class Script:
    """A broker that tells these things one after the other; an error is raised."""

    told: list[JobInfo | GrmsError]

    def info(self, job_id: str) -> JobInfo:
        next_ = self.told.pop(0)
        if isinstance(next_, GrmsError):
            raise next_
        return replace(next_, job_id=job_id)


@dataclass
class Notes:
    """A screen that writes down what it is shown."""

    states: list[str] = field(default_factory=list)
    troubles: int = 0
    pauses: list[float] = field(default_factory=list)

    def news(self, news: News) -> None:
        self.states.append(news.job.state)

    def trouble(self, error: GrmsError) -> None:
        self.troubles += 1

    def wait(self, jobs: Sequence[JobInfo], seconds: float) -> None:
        self.pauses.append(seconds)


def test_each_state_is_told_once() -> None:
    notes = Notes()
    script = Script([job("QUEUED"), job("QUEUED"), job("RUNNING"), job("FINISHED")])
    (end,) = follow(script, ["j"], notes, interval=5)
    assert notes.states == ["QUEUED", "RUNNING", "FINISHED"]
    assert end.state == "FINISHED"


def test_a_second_run_in_the_same_state_is_news() -> None:
    notes = Notes()
    again = job("RUNNING", history_length=2)
    follow(Script([job("RUNNING"), again, job("FINISHED")]), ["j"], notes, interval=5)
    assert notes.states == ["RUNNING", "RUNNING", "FINISHED"]


def test_ended_jobs_are_not_asked_for_again() -> None:
    script = Script([job("FINISHED"), job("RUNNING"), job("FAILED")])
    ends = follow(script, ["a", "b"], Notes(), interval=5)
    assert [(end.job_id, end.state) for end in ends] == [("a", "FINISHED"), ("b", "FAILED")]


def test_pauses_grow_up_to_the_interval() -> None:
    notes = Notes()
    follow(Script([job("RUNNING")] * 20 + [job("FINISHED")]), ["j"], notes, interval=2)
    assert notes.pauses == sorted(notes.pauses)
    assert (notes.pauses[0], notes.pauses[-1]) == (0.25, 2)


def test_an_outage_is_told_once_and_outlived() -> None:
    down = UnreachableError("down", sent=True)
    notes = Notes()
    script = Script([job("RUNNING"), down, down, job("RUNNING"), down, job("FINISHED")])
    follow(script, ["j"], notes, interval=5)
    assert (notes.states, notes.troubles) == (["RUNNING", "FINISHED"], 2)


def test_a_refusal_ends_the_watching() -> None:
    with pytest.raises(RefusedError):
        follow(Script([RefusedError(22, "no job")]), ["j"], Notes(), interval=5)


def test_the_timeout_names_the_living() -> None:
    times = iter([0.0, 1.0, 11.0])
    script = Script([job("FINISHED"), job("RUNNING"), job("RUNNING")])
    with pytest.raises(WaitedTooLongError, match="have not ended: b"):
        follow(script, ["a", "b"], Notes(), interval=5, timeout=10, clock=lambda: next(times))


@pytest.mark.parametrize(
    ("info", "at"),
    [
        (job("QUEUED", last_history=None, history_length=0), NOON),
        (job("PENDING"), NOON),
        (job("RUNNING"), NOON + timedelta(minutes=1)),
        (job("FINISHED", finish_time=NOON + timedelta(hours=1)), NOON + timedelta(hours=1)),
    ],
)
def test_the_brokers_own_time_is_preferred(info: JobInfo, at: datetime) -> None:
    assert entered(info, NOON + timedelta(days=1), None) == News(at, True, info)


@pytest.mark.parametrize("state", ["PREPROCESSING", "STOPPED", "POSTPROCESSING", "SUSPENDED"])
def test_states_without_a_time_have_the_time_of_looking(state: str) -> None:
    info = job(state)
    assert entered(info, NOON, None) == News(NOON, False, info)


def test_the_start_of_an_earlier_stay_is_not_told_again() -> None:
    """RUNNING after SUSPENDED did not begin when the run began."""
    resumed = job("RUNNING")
    now, suspended = NOON + timedelta(hours=2), NOON + timedelta(hours=1)
    assert entered(resumed, now, suspended) == News(now, False, resumed)


def test_many_jobs_are_summed_up() -> None:
    jobs = [job("RUNNING"), job("RUNNING"), job("FINISHED")]
    assert summary(jobs) == "2 RUNNING, 1 FINISHED"
