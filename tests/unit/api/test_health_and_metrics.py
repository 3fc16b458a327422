"""What a monitor sees: the health check and the figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest

from grms.api import app as face
from grms.api.metrics import exposition
from grms.broker.draft import Draft
from grms.broker.lifecycle import JobState
from grms.broker.ports.store import StateCount
from grms.broker.records import Job
from grms.broker.vitals import Vitals, read_vitals, write_vitals
from grms.config import Settings
from grms.errors import GrmsError
from grms.store import open_store
from grms.store.sql import SqlStore

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    found = open_store(f"sqlite:///{tmp_path}/grms.db")
    yield found
    found.close()


class Asker:
    """Asks the application as a monitor would, without a socket."""

    def __init__(self, store: SqlStore, data_dir: Path, with_engine: bool) -> None:
        settings = Settings(data_dir=data_dir)
        self._app = face.make_app(None, store, settings, with_engine=with_engine)  # type: ignore[arg-type]

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            way = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=way, base_url="http://grms") as client:
                return await client.get(path)

        return anyio.run(ask)


@pytest.fixture
def client(tmp_path: Path, store: SqlStore) -> Callable[[bool], Asker]:
    return lambda with_engine: Asker(store, tmp_path, with_engine)


def vitals(age: float) -> Vitals:
    return Vitals("engine-1", 7, datetime.now(UTC) - timedelta(seconds=age), {"hpc": 3})


def test_a_service_whose_engine_lives_is_well(
    tmp_path: Path, client: Callable[[bool], Asker]
) -> None:
    write_vitals(tmp_path, vitals(age=1))
    answer = client(True).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_an_engine_that_has_just_been_asked_to_start_has_time(
    tmp_path: Path, client: Callable[[bool], Asker]
) -> None:
    write_vitals(tmp_path, vitals(age=9999))
    assert client(True).get("/healthz").status_code == 200


def test_a_silent_engine_makes_the_service_ill(
    tmp_path: Path, client: Callable[[bool], Asker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "ENGINE_SILENCE", -1.0)  # as if the time had passed
    answer = client(True).get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "engine silent")
    write_vitals(tmp_path, vitals(age=-60))
    assert client(True).get("/healthz").status_code == 200


def test_a_service_without_an_engine_does_not_wait_for_one(
    client: Callable[[bool], Asker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "ENGINE_SILENCE", -1.0)
    assert client(False).get("/healthz").status_code == 200


def test_a_store_that_is_gone_is_told_by_both(
    store: SqlStore, client: Callable[[bool], Asker]
) -> None:
    asked = client(False)
    store.close()
    assert asked.get("/healthz").json()["status"] == "store unavailable"
    assert asked.get("/metrics").status_code == 503


def test_the_figures_are_those_of_the_store_and_the_engine(
    tmp_path: Path, store: SqlStore, client: Callable[[bool], Asker]
) -> None:
    waiting = datetime.now(UTC) - timedelta(seconds=100)
    for name, at in (("a", waiting), ("b", waiting + timedelta(seconds=50)), ("c", waiting)):
        store.accept(Job(name, "ann", "x", "<x/>", at), [])
    store.apply([Draft(store.job("c"), NOW).fail(GrmsError("no"), parked=True).change()])
    write_vitals(tmp_path, vitals(age=2))
    answer = client(True).get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    figures = dict(
        line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")
    )
    assert figures['grms_jobs{state="QUEUED"}'] == "2"
    assert figures['grms_jobs{state="FAILED"}'] == "1"
    assert figures['grms_jobs{state="RUNNING"}'] == "0"
    assert figures["grms_jobs_parked"] == "1"
    assert figures['grms_cluster_calls{cluster="hpc"}'] == "3"
    assert 100 <= float(figures["grms_queued_oldest_seconds"]) < 1000
    assert 2 <= float(figures["grms_engine_age_seconds"]) < 1000


def test_every_figure_is_explained_and_labels_cannot_break_the_text() -> None:
    seen = Vitals("e", 1, NOW - timedelta(seconds=5), {'a"b\\c\nd': 1})
    text = exposition([StateCount(JobState.QUEUED, 2, NOW - timedelta(seconds=9))], 0, seen, NOW)
    assert 'grms_cluster_calls{cluster="a\\"b\\\\c\\nd"} 1' in text
    names = {line.split("{")[0].split()[0] for line in text.splitlines() if line[:1] not in "#"}
    helped = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert names == helped
    assert "grms_queued_oldest_seconds 9.000" in text


def test_without_an_engine_there_are_no_figures_of_one() -> None:
    assert "engine" not in exposition([], 0, None, NOW)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"engine": 1}', '{"at": "x"}', "null"])
def test_signs_of_life_that_cannot_be_read_are_none(tmp_path: Path, content: str) -> None:
    assert read_vitals(tmp_path) is None
    (tmp_path / "engine-metrics.json").write_text(content)
    assert read_vitals(tmp_path) is None


def test_signs_of_life_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = vitals(age=0)
    write_vitals(tmp_path, written)
    assert read_vitals(tmp_path) == written
