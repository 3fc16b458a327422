"""What is tried again, and what must not be."""

from __future__ import annotations

import socket

import pytest
from fake_broker import OK, FakeBroker, Hiccup, job_info

from grms.client import Client, RefusedError, UnreachableError

CUT = Hiccup(cut=True)
BUSY = Hiccup(status=503, body="<html>starting</html>")


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that the client made."""
    return []


@pytest.fixture
def patient(plain_broker: FakeBroker, pauses: list[float]):
    """A client that notes its pauses in place of making them."""
    with Client(plain_broker.url, tries=4, sleep=pauses.append) as client:
        yield client


@pytest.mark.parametrize("hiccup", [CUT, BUSY, Hiccup(status=502), Hiccup(status=504)])
def test_a_submission_is_repeated_with_the_same_key(
    plain_broker: FakeBroker, patient: Client, hiccup: Hiccup
) -> None:
    plain_broker.accept("submitJob", jobId="1")
    plain_broker.hiccups = [hiccup, hiccup]
    assert patient.submit("<grmsjob/>") == "1"
    keys = [request.headers["idempotency-key"] for request in plain_broker.requests]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_two_submissions_have_two_keys(plain_broker: FakeBroker, patient: Client) -> None:
    plain_broker.accept("submitJob", jobId="1")
    patient.submit("<grmsjob/>")
    patient.submit("<grmsjob/>")
    first, second = (request.headers["idempotency-key"] for request in plain_broker.requests)
    assert first != second


def test_the_callers_own_key_is_used(plain_broker: FakeBroker, patient: Client) -> None:
    plain_broker.accept("submitJob", jobId="1")
    patient.submit("<grmsjob/>", key="mine")
    assert plain_broker.requests[0].headers["idempotency-key"] == "mine"


def test_a_lost_submission_names_the_key_to_repeat_it_with(
    plain_broker: FakeBroker, patient: Client
) -> None:
    plain_broker.hiccups = [CUT] * 4
    with pytest.raises(UnreachableError, match=r"may have arrived.*repeat with key mine"):
        patient.submit("<grmsjob/>", key="mine")


def test_reading_is_repeated(plain_broker: FakeBroker, patient: Client) -> None:
    plain_broker.accept("getJobInfo", jobInfo=job_info())
    plain_broker.hiccups = [CUT, BUSY, CUT]
    assert patient.info("j").state == "RUNNING"


def test_pauses_grow_and_obey_retry_after(
    plain_broker: FakeBroker, patient: Client, pauses: list[float]
) -> None:
    plain_broker.accept("getJobsList", jobsList=[])
    asks = Hiccup(status=503, headers={"Retry-After": "30"})
    plain_broker.hiccups = [BUSY, asks, BUSY]
    patient.list()
    first, second, third = pauses
    assert 0.3 < first < 0.7
    assert second == 30.0
    assert 1.4 < third < 2.6


def test_trying_ends(plain_broker: FakeBroker, patient: Client) -> None:
    plain_broker.hiccups = [BUSY] * 9
    with pytest.raises(UnreachableError, match="HTTP 503"):
        patient.list()
    assert len(plain_broker.requests) == 4


@pytest.mark.parametrize("verb", ["cancel", "suspend", "resume", "migrate", "unregister"])
def test_a_wish_that_may_have_arrived_is_not_repeated(
    plain_broker: FakeBroker, patient: Client, verb: str
) -> None:
    plain_broker.hiccups = [CUT]
    with pytest.raises(UnreachableError):
        getattr(patient, verb)("j")
    assert len(plain_broker.requests) == 1


def test_a_broker_that_lost_its_store_is_asked_again(
    plain_broker: FakeBroker, patient: Client
) -> None:
    no = {"submitJobReturn": {"errorCode": 91, "errorMessage": "no store"}}
    answers = iter([no, no, {"submitJobReturn": OK, "jobId": "1"}])
    plain_broker.answers["submitJob"] = lambda _request: next(answers)
    assert patient.submit("<grmsjob/>") == "1"


def test_a_refusal_is_final(plain_broker: FakeBroker, patient: Client) -> None:
    plain_broker.refuse("submitJob", 10, "bad")
    with pytest.raises(RefusedError):
        patient.submit("<grmsjob/>")
    assert len(plain_broker.requests) == 1


def test_silence_ends_with_the_timeout(plain_broker: FakeBroker) -> None:
    plain_broker.hiccups = [Hiccup(silent=True)]
    with (
        Client(plain_broker.url, timeout=0.2, tries=1) as client,
        pytest.raises(UnreachableError, match="in time") as caught,
    ):
        client.cancel("j")
    assert caught.value.sent


def test_a_call_that_never_left_is_repeated_even_if_it_is_a_wish(pauses: list[float]) -> None:
    with socket.socket() as bound:  # bound, not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with (
            Client(url, tries=3, sleep=pauses.append) as client,
            pytest.raises(UnreachableError, match="cannot reach") as caught,
        ):
            client.cancel("j")
    assert not caught.value.sent
    assert len(pauses) == 2
