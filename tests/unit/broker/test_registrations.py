"""What is registered beside a live job, item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grms.broker.lifecycle import JobState
from grms.broker.records import Change, FileDir, FileRole, Job, Principal
from grms.broker.service import Service
from grms.config import Settings
from grms.errors import ErrorCode, StateError
from grms.server.wiring import make_stager, make_store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALICE, ID = Principal("alice"), "1_a_0001"


class Noon:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def service(tmp_path: Path, job: Callable[..., Job]) -> Iterator[Service]:
    """A service with one queued job of alice's."""
    store = make_store(Settings(data_dir=tmp_path))
    store.accept(job(JobState.QUEUED, attempt=0), [])
    yield Service(store, make_stager(Settings(file_roots=(tmp_path,))), Noon(), lambda: None)
    store.close()


@pytest.mark.parametrize("role", FileRole)
def test_each_file_has_its_own_result_and_the_good_ones_count(
    service: Service, tmp_path: Path, role: FileRole
) -> None:
    url = f"file://{tmp_path}/out"
    items = [
        FileDir("out", url),
        FileDir("dir", url, directory=True),
        FileDir("logical", "id-7", logical=True),
        FileDir("../out", url),
        FileDir("elsewhere", "file:///etc/shadow"),
        FileDir("out", url),
    ]
    results = service.add_files(ALICE, ID, role, items)
    assert [error and error.code for error in results] == [
        None,
        None,
        ErrorCode.NOT_CARRIED_OUT,
        ErrorCode.UNKNOWN_FILE,
        ErrorCode.FILE_NOT_ALLOWED,
        ErrorCode.UNKNOWN_FILE,
    ]
    assert service.files(ALICE, ID, role) == items[:2]
    gone = service.delete_files(ALICE, ID, role, [items[0], items[4]])
    assert [error and error.code for error in gone] == [None, ErrorCode.UNKNOWN_FILE]
    assert service.files(ALICE, ID, role) == [items[1]]


def test_nothing_is_registered_after_the_end(service: Service) -> None:
    job = service._store.job(ID)
    service._store.apply([Change(replace(job, state=JobState.CANCELED))])
    with pytest.raises(StateError):
        service.add_files(ALICE, ID, FileRole.OUTPUT, [])
