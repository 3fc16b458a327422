"""One change of one job: its moves, notes, proofs and closed wishes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from grms.broker.draft import Draft
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.records import Attempt, EventKind, Job, Wish, WishKind
from grms.errors import ErrorCode, GrmsError, SiteError, StagingError, StateError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MakeJob = Callable[..., Job]


def test_a_move_is_told_with_both_states_and_forgets_earlier_tries(job: MakeJob) -> None:
    draft = Draft(job(tries=3), NOW)
    change = draft.go(Trigger.STARTED, RequestStatus.TASK_EXEC_ACTIVE, "the program started")
    moved, told = change.change().job, change.change().events
    assert (moved.state, moved.tries, moved.finished_at) == (JobState.RUNNING, 0, None)
    assert told[0].data == {"from": "PENDING", "to": "RUNNING", "attempt": 1}
    assert [event.kind for event in told] == [EventKind.STATE, EventKind.STATUS]


def test_an_end_has_its_time(job: MakeJob) -> None:
    change = Draft(job(), NOW).go(Trigger.CANCEL, RequestStatus.TASK_CANCEL_DONE).change()
    assert change.job.finished_at == NOW


def test_an_illegal_move_leaves_the_draft_as_it_was(job: MakeJob) -> None:
    draft = Draft(job(JobState.FINISHED), NOW)
    with pytest.raises(StateError):
        draft.go(Trigger.STARTED, RequestStatus.TASK_EXEC_ACTIVE)
    assert draft.change().job == job(JobState.FINISHED)
    assert draft.change().events == ()


def test_the_same_step_is_told_once(job: MakeJob) -> None:
    draft = Draft(job(), NOW).step(RequestStatus.TASK_SUBMIT).step(RequestStatus.TASK_SUBMIT)
    assert len(draft.change().events) == 1


def test_a_new_attempt_becomes_the_newest_and_an_old_one_does_not(
    job: MakeJob, attempt: Callable[..., Attempt]
) -> None:
    assert Draft(job(attempt=0), NOW).attempt(attempt()).job.attempt == 1
    assert Draft(job(attempt=5), NOW).attempt(attempt()).job.attempt == 5


def test_a_transient_failure_is_tried_again_after_twice_the_time(job: MakeJob) -> None:
    error = StagingError("the server is busy")
    waits = [
        (Draft(job(tries=tries), NOW).retry(error, 100).job.due_at or NOW) - NOW
        for tries in (0, 1, 5, 50)
    ]
    assert waits == [timedelta(seconds=seconds) for seconds in (2, 4, 64, 300)]


def test_the_last_try_parks_the_job_with_the_reason(job: MakeJob) -> None:
    parked = Draft(job(tries=7), NOW).retry(StagingError("the server is busy"), 8).job
    assert (parked.state, parked.parked, parked.due_at) == (JobState.FAILED, True, None)
    assert parked.error == "given up after 8 tries: the server is busy"


def test_a_cluster_that_is_away_is_waited_for_however_long(job: MakeJob) -> None:
    waiting = Draft(job(tries=500), NOW).retry(SiteError("no route to host"), 8).job
    assert waiting.state is JobState.PENDING


def test_what_only_a_person_can_mend_at_a_cluster_parks_the_job(job: MakeJob) -> None:
    error = SiteError("the host key changed", transient=False)
    parked = Draft(job(), NOW).retry(error, 8).job
    assert (parked.state, parked.parked) == (JobState.FAILED, True)


def test_a_lasting_failure_ends_the_job_at_once(job: MakeJob) -> None:
    error = StagingError("no such file", code=ErrorCode.FILE_NOT_FOUND, transient=False)
    failed = Draft(job(), NOW).retry(error, 8).job
    assert (failed.state, failed.parked, failed.error) == (JobState.FAILED, False, "no such file")
    assert failed.error_code is ErrorCode.FILE_NOT_FOUND


def test_a_cleared_verdict_leaves_no_error(job: MakeJob) -> None:
    draft = Draft(job(), NOW).fail(GrmsError("lost"), parked=True).clear_error()
    assert (draft.job.error, draft.job.error_code, draft.job.parked) == ("", ErrorCode.OK, False)


def test_a_wish_is_closed_in_the_same_change(job: MakeJob) -> None:
    wish = Wish("1_a_0001", WishKind.SUSPEND, NOW, "alice", number=4)
    change = Draft(job(), NOW).done(wish, "held in the queue").change()
    assert [(done.number, done.outcome) for done in change.wishes_done] == [
        (4, "held in the queue")
    ]
    assert change.events[0].text == "suspend: held in the queue"
