"""Why a job goes where, and its whole story: the JSON side of the broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fake_broker import FakeBroker, job_info

from grms.client import Client, RefusedError
from grms.client.errors import BadAnswerError
from grms.client.exits import Exit
from grms.client.wire import base
from grms.errors import AccessError, ErrorCode

REFUSAL = {
    "requirement": "cpucount",
    "wanted": "at least 8 processors",
    "has": "2 processors",
    "change": "lower cpucount to 2",
    "lasting": True,
    "text": "cpucount: wants at least 8 processors, has 2 processors; lower cpucount to 2",
}
FITS = {
    "cluster": "big",
    "contact": "big/jobmanager-slurm",
    "fits": True,
    "mayFitLater": True,
    "alternative": 1,
    "queue": "long",
    "refusals": [],
}
REFUSES = FITS | {
    "cluster": "small",
    "contact": "small/jobmanager-fork",
    "fits": False,
    "mayFitLater": False,
    "alternative": 0,
    "queue": "",
    "refusals": [REFUSAL],
}
EVENT = {
    "number": 3,
    "kind": "state",
    "at": "2026-11-27T10:00:00Z",
    "text": "placed on big/jobmanager-slurm:\nthe only cluster that fits",
    "data": {"to": "PREPROCESSING"},
}
TOLD = [
    "big/jobmanager-slurm: fits (queue long, resource 2)",
    "small/jobmanager-fork: does not fit",
    "  cpucount: wants at least 8 processors, has 2 processors; lower cpucount to 2",
]


@pytest.fixture
def knowing(plain_broker: FakeBroker) -> FakeBroker:
    """A broker that explains."""
    verdicts = {"clusters": [FITS, REFUSES]}
    plain_broker.documents = {
        "/resources/explain": (200, verdicts),
        "/jobs/j%2F1/explain": (200, {"jobId": "j/1", **verdicts}),
        "/jobs/j/explain": (200, {"jobId": "j", **verdicts}),
        "/jobs/j/events?after=2": (200, {"jobId": "j", "events": [EVENT]}),
        "/jobs/j/events?after=0": (200, {"jobId": "j", "events": [EVENT]}),
    }
    return plain_broker


@pytest.fixture
def client(plain_broker: FakeBroker) -> Iterator[Client]:
    """A client of that broker."""
    with Client(plain_broker.url, sleep=lambda _seconds: None) as made:
        yield made


def test_the_client_explains_a_description(knowing: FakeBroker, client: Client) -> None:
    big, small = client.explain("<grmsjob appid='ü'/>")
    assert (big.contact, big.fits, big.alternative, big.queue) == (FITS["contact"], True, 1, "long")
    assert small.refusals[0].change == "lower cpucount to 2"
    assert knowing.asked == [("POST", "/resources/explain", "<grmsjob appid='ü'/>")]


def test_the_client_explains_a_job_whatever_its_id(knowing: FakeBroker, client: Client) -> None:
    assert [item.cluster for item in client.explain_job("j/1")] == ["big", "small"]


def test_the_client_reads_a_story_from_an_event_on(knowing: FakeBroker, client: Client) -> None:
    [event] = client.events("j", after=2)
    assert (event.number, event.kind) == (3, "state")
    assert event.at == datetime(2026, 11, 27, 10, tzinfo=UTC)
    assert event.data == {"to": "PREPROCESSING"}


def test_a_refusal_keeps_its_code(plain_broker: FakeBroker, client: Client) -> None:
    told = {"error": {"code": 22, "name": "UNKNOWN_JOB", "message": "there is no job 'j'"}}
    plain_broker.documents["/jobs/j/explain"] = (404, told)
    with pytest.raises(RefusedError, match="there is no job 'j'") as caught:
        client.explain_job("j")
    assert caught.value.code is ErrorCode.UNKNOWN_JOB


def test_a_stranger_is_told_how_to_give_a_token(plain_broker: FakeBroker, client: Client) -> None:
    told = {"error": {"code": 20, "name": "NOT_AUTHENTICATED", "message": "no"}}
    plain_broker.documents["/jobs/j/explain"] = (401, told)
    with pytest.raises(AccessError, match="GRMS_TOKEN"):
        client.explain_job("j")


@pytest.mark.parametrize("told", [{}, {"clusters": 3}, {"clusters": [{"cluster": "x"}]}, []])
def test_another_answer_than_verdicts_is_no_answer(
    plain_broker: FakeBroker, client: Client, told: object
) -> None:
    plain_broker.documents["/jobs/j/explain"] = (200, told)
    with pytest.raises(BadAnswerError):
        client.explain_job("j")


@pytest.mark.parametrize("told", [{}, {"events": [EVENT | {"at": "noon"}]}])
def test_another_answer_than_events_is_no_answer(
    plain_broker: FakeBroker, client: Client, told: object
) -> None:
    plain_broker.documents["/jobs/j/events?after=0"] = (200, told)
    with pytest.raises(BadAnswerError):
        client.events("j")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://h:8/axis/services/grms", "http://h:8"),
        ("https://h/grid/axis/services/grms/", "https://h/grid"),
        ("http://h:8/other", "http://h:8"),
    ],
)
def test_the_json_resources_lie_beside_the_soap_service(url: str, found: str) -> None:
    assert base(url) == found


def test_resources_explain_prints_every_cluster_with_its_reasons(knowing: FakeBroker, run) -> None:
    done = run(knowing, "resources", "--explain", "job.xml")
    assert (done.code, done.out.splitlines(), done.err) == (0, TOLD, "")


def test_resources_explain_gives_json(knowing: FakeBroker, run) -> None:
    done = run(knowing, "resources", "--explain", "--json", "job.xml")
    assert json.loads(done.out) == {"clusters": [FITS, REFUSES]}


def test_info_of_a_waiting_job_says_what_it_waits_for(knowing: FakeBroker, run) -> None:
    knowing.accept("getJobInfo", jobInfo=job_info("QUEUED"))
    lines = run(knowing, "info", "j").out.splitlines()
    assert lines[lines.index("Clusters:") + 1 :] == [f"  {line}" for line in TOLD]
    found = json.loads(run(knowing, "info", "--json", "j").out)
    assert (found["state"], found["clusters"]) == ("QUEUED", [FITS, REFUSES])


def test_info_of_a_running_job_asks_for_no_reasons(knowing: FakeBroker, run) -> None:
    knowing.accept("getJobInfo", jobInfo=job_info("RUNNING"))
    assert "Clusters:" not in run(knowing, "info", "j").out
    assert not any("explain" in path for _, path, _ in knowing.asked)


def test_info_does_without_reasons_where_the_broker_has_none(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobInfo", jobInfo=job_info("QUEUED"))
    done = run(plain_broker, "info", "j")
    assert (done.code, done.err) == (0, "")
    assert "Clusters:" not in done.out


def test_history_events_prints_a_line_for_all_that_happened(knowing: FakeBroker, run) -> None:
    done = run(knowing, "history", "--events", "--after", "2", "j")
    assert done.out == (
        "3  2026-11-27T10:00:00Z  state  "
        "PREPROCESSING: placed on big/jobmanager-slurm: the only cluster that fits\n"
    )
    found = json.loads(run(knowing, "history", "--events", "--json", "j").out)
    assert found == {"jobId": "j", "events": [EVENT]}


def test_events_of_an_unknown_job_end_with_its_exit_code(plain_broker: FakeBroker, run) -> None:
    told = {"error": {"code": 22, "name": "UNKNOWN_JOB", "message": "there is no job 'j'"}}
    plain_broker.documents["/jobs/j/events?after=0"] = (404, told)
    done = run(plain_broker, "history", "--events", "j")
    assert done.code == Exit.IDENTITY
    assert "UNKNOWN_JOB" in done.err


PROOF = EVENT | {
    "kind": "evidence",
    "text": "ended: exit code 3",
    "data": {"source": "wrapper", "at": "2026-11-27T09:59:58Z"},
}
PROVEN = {"source": "wrapper", "at": "2026-11-27T10:00:00Z", "text": "ended: exit code 3"}


@pytest.fixture
def proven(knowing: FakeBroker) -> FakeBroker:
    """A broker with a job that has ended, and the proof of it."""
    knowing.accept("getJobInfo", jobInfo=job_info("FAILED"))
    knowing.accept("getJobHistory", history=[])
    story = {"jobId": "j", "events": [EVENT, PROOF]}
    knowing.documents["/jobs/j/events?after=0"] = (200, story)
    return knowing


@pytest.mark.parametrize("words", [("info", "j"), ("history", "j")])
def test_the_evidence_is_shown_with_its_source_and_time(proven: FakeBroker, run, words) -> None:
    lines = run(proven, *words).out.splitlines()
    assert lines[-2:] == ["Evidence:", "  2026-11-27T10:00:00Z  wrapper: ended: exit code 3"]
    assert json.loads(run(proven, *words, "--json").out)["evidence"] == [PROVEN]


def test_in_a_whole_story_a_proof_names_its_source(proven: FakeBroker, run) -> None:
    assert "evidence  wrapper: ended: exit code 3" in run(proven, "history", "--events", "j").out


def test_a_broker_that_tells_no_events_tells_the_rest(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobInfo", jobInfo=job_info("FAILED"))
    done = run(plain_broker, "info", "--json", "j")
    assert (done.code, json.loads(done.out)["evidence"]) == (0, [])
