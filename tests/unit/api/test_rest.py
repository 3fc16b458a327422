"""The JSON resources: verdicts, stories, and errors that programs can read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from grms.api.app import make_app
from grms.broker.access import token_digest
from grms.broker.lifecycle import JobState
from grms.broker.records import Attempt, Change, Cluster, Phase, Principal
from grms.broker.service import Service
from grms.config import Settings
from grms.server.wiring import make_stager, make_store

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
JOB = (
    '<grmsjob appid="a"><simplejob><resource>{wanted}</resource><executable type="single">'
    '<file name="t" type="in"><url>file:////bin/true</url></file>'
    "</executable></simplejob></grmsjob>"
)


class Noon:
    def now(self):
        return NOON


@pytest.fixture
def store(tmp_path):
    opened = make_store(Settings(data_dir=tmp_path))
    opened.put_principal(Principal("/CN=Ann"), token_digest("ann"))
    opened.put_principal(Principal("/CN=Bob"), token_digest("bob"))
    opened.put_cluster(Cluster("big", "slurm", workdir="/w", host="big.example.org", cpus=64))
    opened.put_cluster(Cluster("small", "fork", workdir="/w", cpus=2))
    yield opened
    opened.close()


@pytest.fixture
def service(store, tmp_path):
    return Service(store, make_stager(Settings(data_dir=tmp_path)), Noon(), lambda: None)


class Http:
    """Asks the application as Ann, without a network."""

    def __init__(self, app):
        self._app = app

    def request(self, method, url, *, token="ann", **how):
        return asyncio.run(self._ask(method, url, token, how))

    def get(self, url, **how):
        return self.request("GET", url, **how)

    def post(self, url, **how):
        return self.request("POST", url, **how)

    async def _ask(self, method, url, token, how):
        way = httpx.ASGITransport(app=self._app)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=way, base_url="http://broker") as client:
            return await client.request(method, url, headers=headers, **how)


@pytest.fixture
def http(service, store, tmp_path):
    return Http(make_app(service, store, Settings(data_dir=tmp_path, max_body=2000)))


def submit(service, wanted=""):
    return service.submit(Principal("/CN=Ann"), JOB.format(wanted=wanted)).job.id


def test_a_description_is_explained_cluster_by_cluster_the_fitting_one_first(http):
    answer = http.post("/resources/explain", content=JOB.format(wanted="<cpucount>8</cpucount>"))
    assert answer.status_code == 200
    big, small = answer.json()["clusters"]
    assert big == {
        "cluster": "big",
        "contact": "big.example.org/jobmanager-slurm",
        "fits": True,
        "mayFitLater": True,
        "alternative": 0,
        "queue": "",
        "refusals": [],
    }
    assert not small["fits"]
    assert not small["mayFitLater"]
    assert small["refusals"] == [
        {
            "requirement": "cpucount",
            "wanted": "at least 8 processors",
            "has": "2 processors",
            "change": "lower cpucount to 2",
            "lasting": True,
            "text": "cpucount: wants at least 8 processors, has 2 processors; lower cpucount to 2",
        }
    ]


def test_a_job_is_explained_to_its_owner(http, service):
    job_id = submit(service, "<freecpus>1</freecpus>")
    answer = http.get(f"/jobs/{job_id}/explain").json()
    assert answer["jobId"] == job_id
    assert [item["mayFitLater"] for item in answer["clusters"]] == [True, True]
    assert [item["fits"] for item in answer["clusters"]] == [False, False]


def test_a_story_is_told_from_any_event_on(http, service):
    job_id = submit(service)
    story = http.get(f"/jobs/{job_id}/events").json()["events"]
    assert [(event["number"], event["kind"]) for event in story] == [(1, "accepted")]
    assert story[0]["at"] == "2026-03-04T12:00:00Z"
    assert http.get(f"/jobs/{job_id}/events?after=1").json()["events"] == []


@pytest.mark.parametrize(
    ("how", "status", "name"),
    [
        ({"url": "/jobs/nope/explain"}, 404, "UNKNOWN_JOB"),
        ({"url": "/jobs/nope/events"}, 404, "UNKNOWN_JOB"),
        ({"url": "/jobs/nope/events?after=x"}, 400, "BAD_REQUEST"),
        ({"url": "/resources/explain", "content": "<x/>"}, 400, "BAD_DESCRIPTION"),
        ({"url": "/resources/explain", "content": b"\xff"}, 400, "BAD_REQUEST"),
        ({"url": "/resources/explain", "content": " " * 2001}, 413, "TOO_LARGE"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_refusal_has_a_status_a_code_and_the_reason(http, how, status, name):
    answer = http.request("POST" if "content" in how else "GET", **how)
    error = answer.json()["error"]
    assert (answer.status_code, error["name"]) == (status, name)
    assert error["message"]


def test_another_users_job_is_not_explained(http, service):
    job_id = submit(service)
    for path in ("explain", "events"):
        answer = http.get(f"/jobs/{job_id}/{path}", token="bob")
        assert (answer.status_code, answer.json()["error"]["name"]) == (403, "NOT_ALLOWED")


def test_a_stranger_is_asked_for_credentials(http):
    answer = http.get("/jobs/nope/explain", token="wrong")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_resources_are_found_best_first(service, store):
    store.put_cluster(Cluster("quick", "pbs", workdir="/w", host="quick", cpus=64, cpu_speed=9000))
    found = service.find_resources(
        Principal("/CN=Ann"), JOB.format(wanted="<cpucount>8</cpucount>")
    )
    assert found == ["quick/jobmanager-pbs", "big.example.org/jobmanager-slurm"]


def running(service, store, token):
    job_id = submit(service)
    attempt = Attempt(
        job_id, 1, "small", f"g{job_id}", "/w/1", JOB, NOON, Phase.RUNNING,
        token_sha256=token_digest(token),
    )  # fmt: skip
    store.apply([Change(replace(store.job(job_id), state=JobState.RUNNING, attempt=1), (attempt,))])
    return job_id


def told(job_id, **facts):
    plain = {"tag": f"g{job_id}", "what": "told", "at": 1, "id": "m1", "verb": "progress"}
    return plain | {"text": "40"} | facts


def test_a_job_tells_its_progress_with_its_own_token(http, service, store):
    job_id = running(service, store, "jobs-own")
    answer = http.post(f"/jobs/{job_id}/told", token="jobs-own", json=told(job_id))
    assert (answer.status_code, answer.json()) == (200, {"text": "noted"})
    assert store.job(job_id).progress == "40"


def test_a_jobs_token_opens_nothing_else(http, service, store):
    job_id = running(service, store, "jobs-own")
    assert http.get(f"/jobs/{job_id}/events", token="jobs-own").status_code == 401


@pytest.mark.parametrize("token", ["ann", "wrong", ""])
def test_only_the_jobs_own_token_speaks_for_it(http, service, store, token):
    job_id = running(service, store, "jobs-own")
    answer = http.post(f"/jobs/{job_id}/told", token=token, json=told(job_id))
    assert (answer.status_code, store.job(job_id).progress) == (401, "")


def test_what_a_job_may_not_have_is_refused_with_the_reason(http, service, store):
    job_id = running(service, store, "jobs-own")
    item = {"role": "output", "name": "../x", "url": "file:///x", "directory": False}
    answer = http.post(
        f"/jobs/{job_id}/told", token="jobs-own", json=told(job_id, verb="add", **item)
    )
    assert answer.status_code == 400
    assert "not a name inside the job's directory" in answer.json()["error"]["message"]


def test_the_token_of_an_ended_job_is_refused(http, service, store):
    job_id = running(service, store, "jobs-own")
    store.apply([Change(replace(store.job(job_id), state=JobState.CANCELED))])
    answer = http.post(f"/jobs/{job_id}/told", token="jobs-own", json=told(job_id))
    assert answer.status_code == 403
