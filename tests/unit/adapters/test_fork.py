"""The fork adapter reads the answers of its verbs, and refuses those that are none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grms.adapters.fork import Fork
from grms.broker.ports.batch import CommandResult, NativeState, Submission
from grms.broker.records import Cluster, Exit, Usage
from grms.errors import ErrorCode, SiteError

ID = "17.4711.885c6c73.gtag"
CLUSTER = Cluster("here", "fork", workdir="/w", options={"python": "py", "wrapper": "/w/bin/run"})
FORK = Fork(CLUSTER)


def said(answers: object) -> CommandResult:
    return CommandResult(0, json.dumps({"answers": answers}).encode())


def test_a_submission_launches_its_control_directory() -> None:
    submission = Submission("gtag", (), "/w/jobs/j/1/control", "/w/jobs/j/1/work")
    command = FORK.submit_command(submission)
    assert command.argv == ("py", "-I", "-S", "/w/bin/run", "launch", "/w/jobs/j/1/control")


def test_without_the_wrapper_option_the_error_names_it() -> None:
    with pytest.raises(SiteError, match="'wrapper' is not set") as caught:
        Fork(Cluster("here", "fork", workdir="/w")).status_command([ID])
    assert caught.value.transient is False


def test_the_native_id_is_the_answer_of_a_submission() -> None:
    assert FORK.parse_submit(said([{"dir": "/d", "native_id": ID}])) == ID


def test_a_wrapper_that_could_not_start_is_a_refusal_with_its_reason() -> None:
    with pytest.raises(SiteError, match="No space left") as caught:
        FORK.parse_submit(said([{"dir": "/d", "error": "OSError: No space left on device"}]))
    assert caught.value.code is ErrorCode.REFUSED_BY_BATCH_SYSTEM


def test_an_ended_job_has_its_exit_usage_and_times() -> None:
    end = {"code": None, "signal": 15, "reason": "told to end by SIGTERM", "limit": ""}
    item = {"id": ID, "state": "ended", "tag": "gtag", "started": 10.0, "ended": 12.5, "exit": end}
    item["usage"] = {"wall": 2.5, "cpu": 0.5, "max_rss": 9000}
    result = said([item])
    status = FORK.parse_status(result)[ID]
    account = FORK.parse_account(result)[ID]
    assert status.state is NativeState.ENDED
    assert status.exit == account.exit == Exit(signal=15, reason="told to end by SIGTERM")
    assert status.usage == account.usage == Usage(2.5, 0.5, 9000)
    assert account.ended_at is not None
    assert account.ended_at.timestamp() == 12.5


def test_a_running_job_has_no_account() -> None:
    result = said([{"id": ID, "state": "running", "tag": "gtag", "started": None}])
    assert FORK.parse_status(result)[ID].state is NativeState.RUNNING
    assert FORK.parse_account(result) == {}


def test_an_outcome_that_is_missing_is_an_error() -> None:
    result = said([{"id": ID, "ok": True, "message": "", "gone": False}])
    assert FORK.parse_outcome("cancel", [ID], result)[ID].ok
    with pytest.raises(SiteError, match=r"1\.2\.3"):
        FORK.parse_outcome("cancel", [ID, "1.2.3"], result)


def test_a_failed_verb_tells_its_reason() -> None:
    with pytest.raises(SiteError, match="disk on fire"):
        FORK.parse_status(CommandResult(70, b"", b"disk on fire"))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_error_or_nothing(noise: bytes) -> None:
    with pytest.raises(SiteError):
        FORK.parse_status(CommandResult(0, noise))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "state", "exit", "usage", "started", "ended", "ok", "ids", "tag"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_an_error_of_the_site_or_an_answer(answers: object) -> None:
    result = said(answers)
    for parse in (
        FORK.parse_submit,
        FORK.parse_status,
        FORK.parse_account,
        lambda it: FORK.parse_find([it]),
        lambda it: FORK.parse_outcome("cancel", [ID], it),
        lambda it: FORK.parse_probe([it]),
    ):
        try:
            parse(result)
        except SiteError:
            continue
