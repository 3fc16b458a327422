"""What news, queue answers and records mean for a job; each test is one decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from grms.broker import following
from grms.broker.draft import Draft
from grms.broker.evidence import News
from grms.broker.lifecycle import JobState
from grms.broker.ports.batch import Account, NativeState, NativeStatus
from grms.broker.records import Attempt, EventKind, Exit, Job, Phase, Wish, WishKind
from grms.errors import ErrorCode

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MakeJob = Callable[..., Job]
MakeAttempt = Callable[..., Attempt]


def started(**more: str) -> News:
    return News("gtag", "started", NOW - timedelta(seconds=5), host="n1", **more)


def exited(code: int) -> News:
    return News("gtag", "exited", NOW, host="n1", exit=Exit(code=code))


def status(state: NativeState, **more: object) -> NativeStatus:
    return NativeStatus("7", state, state.value, **more)  # type: ignore[arg-type]


def decided(draft: Draft | None) -> tuple[Job, Attempt]:
    assert draft is not None
    change = draft.change()
    return change.job, change.attempts[-1]


# -- news of the wrapper ----------------------------------------------------------------------


def test_the_wrappers_word_starts_the_job(job: MakeJob, attempt: MakeAttempt) -> None:
    moved, known = decided(following.on_news(job(), attempt(), started(), NOW))
    assert (moved.state, known.phase, known.host) == (JobState.RUNNING, Phase.RUNNING, "n1")
    assert known.started_at == NOW - timedelta(seconds=5)


def test_the_same_news_twice_changes_nothing(job: MakeJob, attempt: MakeAttempt) -> None:
    running = attempt(Phase.RUNNING, evidence="wrapper")
    assert following.on_news(job(JobState.RUNNING), running, started(), NOW) is None
    over = attempt(Phase.ENDED, evidence="wrapper", exit=Exit(code=0))
    assert following.on_news(job(JobState.STOPPED), over, exited(0), NOW) is None


def test_an_end_seen_before_the_start_ends_a_pending_job(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    moved, known = decided(following.on_news(job(), attempt(), exited(3), NOW))
    assert (moved.state, known.phase, known.exit) == (JobState.STOPPED, Phase.ENDED, Exit(code=3))


def test_a_suspended_job_may_end(job: MakeJob, attempt: MakeAttempt) -> None:
    moved, _ = decided(
        following.on_news(job(JobState.SUSPENDED), attempt(Phase.RUNNING), exited(0), NOW)
    )
    assert moved.state is JobState.STOPPED


def test_late_news_of_a_given_up_attempt_is_kept_and_moves_nothing(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    draft = following.on_news(job(attempt=2), attempt(Phase.REVOKED), exited(0), NOW)
    assert draft is not None
    change = draft.change()
    assert (change.job.state, change.attempts) == (JobState.PENDING, ())
    assert change.events[0].kind is EventKind.EVIDENCE


def test_a_refused_start_is_kept_as_a_proof_and_moves_nothing(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    news = News("gtag", "refused", NOW, reason="this attempt was started already")
    draft = following.on_news(job(JobState.RUNNING), attempt(Phase.RUNNING), news, NOW)
    assert draft is not None
    assert draft.state is JobState.RUNNING
    assert "started already" in draft.change().events[0].text


# -- the queue --------------------------------------------------------------------------------


def test_a_running_word_alone_is_no_proof_of_the_start(job: MakeJob, attempt: MakeAttempt) -> None:
    moved, _ = decided(following.on_status(job(), attempt(), status(NativeState.RUNNING), NOW))
    assert moved.state is JobState.PENDING


def test_an_unchanged_word_writes_nothing(job: MakeJob, attempt: MakeAttempt) -> None:
    seen = attempt(native_state="waiting")
    assert following.on_status(job(), seen, status(NativeState.WAITING), NOW) is None


@pytest.mark.parametrize(
    ("before", "held", "word", "after"),
    [
        (JobState.PENDING, False, NativeState.HELD, JobState.SUSPENDED),
        (JobState.SUSPENDED, True, NativeState.WAITING, JobState.PENDING),
        (JobState.RUNNING, False, NativeState.SUSPENDED, JobState.SUSPENDED),
        (JobState.SUSPENDED, False, NativeState.RUNNING, JobState.RUNNING),
        (JobState.RUNNING, False, NativeState.WAITING, JobState.PENDING),
        (JobState.PENDING, False, NativeState.UNKNOWN, JobState.PENDING),
    ],
)
def test_what_somebody_does_with_the_systems_own_tools_is_followed(
    job: MakeJob, attempt: MakeAttempt, before: JobState, held: bool, word: NativeState,
    after: JobState,
) -> None:  # fmt: skip
    known = attempt(Phase.RUNNING if not held else Phase.SUBMITTED, held=held)
    moved, _ = decided(following.on_status(job(before), known, status(word), NOW))
    assert moved.state is after


def test_a_job_that_the_system_holds_for_good_fails_with_the_systems_reason(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    word = status(NativeState.FAULTY, reason="no such queue")
    moved, known = decided(following.on_status(job(), attempt(), word, NOW))
    assert (moved.state, known.phase) == (JobState.FAILED, Phase.REVOKED)
    assert moved.error == "the batch system of c will not run it: no such queue"


def test_the_reason_is_true_for_one_that_had_started(job: MakeJob, attempt: MakeAttempt) -> None:
    word = status(NativeState.FAULTY, reason="node lost")
    moved, _ = decided(
        following.on_status(job(JobState.RUNNING), attempt(Phase.RUNNING), word, NOW)
    )
    assert moved.error == "the batch system of c gave it up after its start: node lost"


# -- records, and which of them weighs more ---------------------------------------------------


def test_accounting_ends_a_job(job: MakeJob, attempt: MakeAttempt) -> None:
    record = Account("7", Exit(code=4))
    moved, known = decided(following.on_account(job(), attempt(), record, NOW))
    assert (moved.state, known.evidence, known.exit) == (
        JobState.STOPPED, "accounting", Exit(code=4),
    )  # fmt: skip


def test_the_status_of_a_refused_start_is_not_the_programs(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    record = Account("7", Exit(code=following.REFUSED))
    assert following.on_account(job(), attempt(), record, NOW) is None


def test_a_weaker_proof_does_not_correct_a_stronger(job: MakeJob, attempt: MakeAttempt) -> None:
    proven = attempt(Phase.ENDED, evidence="wrapper", exit=Exit(code=0))
    record = Account("7", Exit(code=4))
    assert following.on_account(job(JobState.STOPPED), proven, record, NOW) is None


@pytest.mark.parametrize("code", [ErrorCode.JOB_LOST, ErrorCode.JOB_FAILED])
def test_the_exit_file_corrects_a_verdict_that_rested_on_less(
    job: MakeJob, attempt: MakeAttempt, code: ErrorCode
) -> None:
    wrong = job(JobState.FAILED, error="lost", error_code=code)
    known = attempt(Phase.ENDED, evidence="accounting", exit=Exit(code=1))
    moved, proven = decided(following.on_news(wrong, known, exited(0), NOW))
    assert (moved.state, moved.error, proven.exit) == (JobState.STOPPED, "", Exit(code=0))


def test_a_canceled_job_is_not_revived_by_its_exit_file(job: MakeJob, attempt: MakeAttempt) -> None:
    known = attempt(Phase.ENDED, evidence="absence")
    moved, _ = decided(following.on_news(job(JobState.CANCELED), known, exited(0), NOW))
    assert moved.state is JobState.CANCELED


# -- absence ----------------------------------------------------------------------------------


def test_the_first_answer_without_the_job_starts_a_clock_and_the_second_does_not(
    attempt: MakeAttempt,
) -> None:
    first = following.on_missing(attempt(), NOW)
    assert first is not None
    assert first.missing_since == NOW
    assert following.on_missing(first, NOW + timedelta(seconds=9)) is None


def test_a_started_job_without_any_trace_is_lost_and_never_run_again(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    moved, known = decided(following.on_lost(job(JobState.RUNNING), attempt(Phase.RUNNING), NOW))
    assert (moved.state, moved.error_code) == (JobState.FAILED, ErrorCode.JOB_LOST)
    assert known.evidence == "absence"


def test_a_job_that_was_to_be_canceled_and_left_no_trace_is_canceled(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    wish = Wish("1_a_0001", WishKind.CANCEL, NOW, "alice", number=3)
    draft = following.on_lost(job(JobState.RUNNING), attempt(Phase.RUNNING), NOW, cancel=wish)
    assert draft.state is JobState.CANCELED
    assert draft.change().wishes_done[0].number == 3


def test_a_job_that_was_forgotten_before_its_start_is_placed_again(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    moved, known = decided(following.on_never_started(job(), attempt(), NOW, most=5))
    assert (moved.state, known.phase) == (JobState.QUEUED, Phase.REVOKED)


def test_a_suspended_one_stays_suspended_until_its_owner_resumes_it(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    held = job(JobState.SUSPENDED)
    moved, known = decided(following.on_never_started(held, attempt(held=True), NOW, most=5))
    assert (moved.state, known.phase) == (JobState.SUSPENDED, Phase.REVOKED)


def test_one_that_is_forgotten_again_and_again_is_parked(
    job: MakeJob, attempt: MakeAttempt
) -> None:
    fifth = attempt(number=5)
    moved, _ = decided(following.on_never_started(job(attempt=5), fifth, NOW, most=5))
    assert (moved.state, moved.parked) == (JobState.FAILED, True)
    assert "placed 5 times" in moved.error
