"""What jobs say from inside, whichever way it comes, and by whose token."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from grms.broker.access import token_digest
from grms.broker.evidence import read_news
from grms.broker.hearing import Ears
from grms.broker.lifecycle import JobState
from grms.broker.ports.store import Store
from grms.broker.records import Attempt, Change, FileRole, Job, Phase
from grms.config import Settings
from grms.errors import AccessError, ErrorCode, RequestError, StateError
from grms.server.wiring import make_stager, make_store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MakeJob = Callable[..., Job]
MakeAttempt = Callable[..., Attempt]
Put = Callable[..., None]


class Noon:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = make_store(Settings(data_dir=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def ears(store: Store, tmp_path: Path) -> Ears:
    return Ears(store, make_stager(Settings(file_roots=(tmp_path,))), Noon())


@pytest.fixture
def put(store: Store, job: MakeJob, attempt: MakeAttempt) -> Put:
    """Puts a running job with the token ``secret`` into the store."""

    def make(state: JobState = JobState.RUNNING, phase: Phase = Phase.RUNNING, **more: Any) -> None:
        plain = job(JobState.QUEUED, attempt=0)
        store.accept(plain, [])
        made = attempt(phase, token_sha256=token_digest("secret"))
        store.apply([Change(replace(plain, state=state, attempt=1, **more), (made,))])

    return make


def message(verb: str = "progress", **facts: Any) -> bytes:
    plain = {"tag": "gtag", "what": "told", "at": 1.0, "verb": verb, "id": "m1", "text": "40"}
    return json.dumps(plain | facts).encode()


def test_a_job_is_heard_by_its_token(ears: Ears, put: Put, store: Store) -> None:
    put()
    assert ears.listen("1_a_0001", "secret", message()) == "noted"
    assert store.job("1_a_0001").progress == "40"


def test_a_message_that_comes_both_ways_counts_once(ears: Ears, put: Put, store: Store) -> None:
    put()
    ears.listen("1_a_0001", "secret", message())
    news = read_news(message())
    assert news is not None
    by_file = ears.hear(store.job("1_a_0001"), store.attempts("1_a_0001")[0], news)
    assert by_file.draft is None
    assert ears.listen("1_a_0001", "secret", message()) == "it was heard already"
    assert [event.text for event in store.events("1_a_0001")] == ["40"]


@pytest.mark.parametrize(
    ("job_id", "token", "tag"),
    [
        ("1_a_0001", "wrong", "gtag"),
        ("1_a_0001", "", "gtag"),
        ("another", "secret", "gtag"),
        ("1_a_0001", "secret", "another"),
    ],
)
def test_no_other_token_job_or_run_will_do(
    ears: Ears, put: Put, store: Store, job_id: str, token: str, tag: str
) -> None:
    put()
    with pytest.raises(AccessError) as refused:
        ears.listen(job_id, token, message(tag=tag))
    assert refused.value.code is ErrorCode.NOT_AUTHENTICATED
    assert store.events("1_a_0001") == []


def test_a_job_without_a_token_is_not_heard_by_an_empty_one(
    ears: Ears, put: Put, store: Store
) -> None:
    put()
    plain = replace(store.attempts("1_a_0001")[0], token_sha256="")
    store.apply([Change(store.job("1_a_0001"), (plain,))])
    with pytest.raises(AccessError):
        ears.listen("1_a_0001", "", message())


@pytest.mark.parametrize(
    ("state", "phase", "newest"),
    [
        (JobState.STOPPED, Phase.ENDED, 1),
        (JobState.FINISHED, Phase.OVER, 1),
        (JobState.CANCELED, Phase.RUNNING, 1),
        (JobState.QUEUED, Phase.REVOKED, 1),
        (JobState.RUNNING, Phase.RUNNING, 2),
    ],
)
def test_the_token_is_good_no_more_once_the_run_is_over(
    ears: Ears, put: Put, store: Store, state: JobState, phase: Phase, newest: int
) -> None:
    put(state, phase)
    if newest == 2:
        second = replace(store.attempts("1_a_0001")[0], number=2, tag="gtag2", token_sha256="")
        store.apply([Change(replace(store.job("1_a_0001"), attempt=2), (second,))])
    with pytest.raises(AccessError, match="good no more"):
        ears.listen("1_a_0001", "secret", message())


def test_a_job_that_speaks_before_its_submission_is_known_is_put_off(ears: Ears, put: Put) -> None:
    put(JobState.PREPROCESSING, Phase.SUBMITTING)
    with pytest.raises(StateError):
        ears.listen("1_a_0001", "secret", message())


def test_a_file_is_added_and_one_that_may_not_be_written_is_refused(
    ears: Ears, put: Put, store: Store, tmp_path: Path
) -> None:
    put()
    item = {"role": "output", "name": "out", "directory": False}
    good = message("add", url=f"file://{tmp_path}/out", **item)
    assert "added out to its output files" in ears.listen("1_a_0001", "secret", good)
    bad = message("add", url="file:///etc/shadow", **item | {"id": "m2"})
    with pytest.raises(RequestError, match="out was not added"):
        ears.listen("1_a_0001", "secret", bad)
    assert [file.path for file in store.files("1_a_0001", FileRole.OUTPUT)] == [
        f"file://{tmp_path}/out"
    ]
    assert "out was not added" in store.events("1_a_0001")[-1].text


@pytest.mark.parametrize(
    "raw",
    [b"rubbish", b"{}", message(what="exited"), message("dance"), message("register", url=3)],
)
def test_what_makes_no_sense_is_refused(ears: Ears, put: Put, raw: bytes) -> None:
    put()
    with pytest.raises(RequestError):
        ears.listen("1_a_0001", "secret", raw)
