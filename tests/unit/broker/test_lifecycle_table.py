"""The ten states, the table of transitions, and the one function that applies it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grms.broker.lifecycle import ENDS, LIVE, TRANSITIONS, JobState, RequestStatus, Trigger, advance
from grms.errors import ErrorCode, StateError


def test_a_job_that_goes_well_passes_all_seven_states_of_the_historical_contract() -> None:
    way = [Trigger.PLACED, Trigger.SUBMITTED, Trigger.STARTED, Trigger.ENDED,
           Trigger.COLLECTING, Trigger.COLLECTED]  # fmt: skip
    state, seen = JobState.QUEUED, ["QUEUED"]
    for trigger in way:
        state = advance(state, trigger)
        seen.append(state.value)
    assert seen == ["QUEUED", "PREPROCESSING", "PENDING", "RUNNING", "STOPPED",
                    "POSTPROCESSING", "FINISHED"]  # fmt: skip


def test_an_illegal_move_names_the_state_the_trigger_and_what_is_possible() -> None:
    with pytest.raises(StateError) as refused:
        advance(JobState.FINISHED, Trigger.STARTED)
    assert str(refused.value) == "a job that is FINISHED cannot be started; possible: nothing"
    assert refused.value.code is ErrorCode.ILLEGAL_STATE
    with pytest.raises(StateError, match="possible: cancel, collected, fail"):
        advance(JobState.POSTPROCESSING, Trigger.SUBMITTED)


@pytest.mark.parametrize("state", sorted(LIVE, key=str))
def test_every_live_job_can_fail_and_be_canceled(state: JobState) -> None:
    assert advance(state, Trigger.FAIL) is JobState.FAILED
    assert advance(state, Trigger.CANCEL) is JobState.CANCELED


def test_only_a_failure_may_be_overruled_and_no_other_end_is_left() -> None:
    left = {(before, trigger) for before, trigger in TRANSITIONS if before in ENDS}
    assert left == {(JobState.FAILED, Trigger.CORRECTED), (JobState.FAILED, Trigger.REPLACE)}


def test_only_a_collected_job_is_finished() -> None:
    ways = {trigger for (_, trigger), after in TRANSITIONS.items() if after is JobState.FINISHED}
    assert ways == {Trigger.COLLECTED}


@given(st.lists(st.sampled_from(Trigger), max_size=30))
def test_whatever_is_tried_a_job_is_in_one_of_the_ten_states_and_moves_by_the_table(
    triggers: list[Trigger],
) -> None:
    state = JobState.QUEUED
    for trigger in triggers:
        legal = (state, trigger) in TRANSITIONS
        try:
            after = advance(state, trigger)
        except StateError:
            assert not legal
        else:
            assert legal
            state = after
    assert state in JobState


def test_finer_steps_are_single_bits_that_fit_a_signed_int_of_32_bits() -> None:
    values = [status.value for status in RequestStatus]
    assert all(value.bit_count() == 1 and value < 2**31 for value in values)
