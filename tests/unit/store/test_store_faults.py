"""What can be wrong with a database, and what is said about it."""

import os
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grms.broker.ports.store import JobQuery
from grms.broker.records import Job
from grms.errors import ConfigError, ConflictError, StoreError
from grms.store import check, database, open_store
from grms.store.database import database_url, place_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_job(job_id="j1", description="<x/>"):
    return Job(job_id, "o", "a", description, NOW)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "grms.db"


@pytest.fixture
def store(file):
    opened = open_store(f"sqlite:///{file}")
    yield opened
    opened.close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(database, "LOCK_WAIT", 0.2)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "no URL"),
        ("mysql://host/db", "supported: sqlite, postgresql"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////nowhere/at/all/grms.db", "directory /nowhere/at/all.* does not exist"),
    ],
)
def test_a_wrong_setting_is_explained(url, told):
    with pytest.raises(ConfigError, match=told):
        open_store(url)


def test_a_missing_file_is_not_made_unasked(file):
    with pytest.raises(ConfigError, match="grms-server migrate"):
        open_store(f"sqlite:///{file}", create=False)
    assert not file.exists()
    assert [finding.ok for finding in check(f"sqlite:///{file}")] == [False]


def test_a_new_file_is_private(store, file):
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_is_left_as_it_is(file):
    file.write_text("my thesis, the only copy " * 100)
    before = file.read_bytes()
    with pytest.raises(StoreError, match="not an SQLite database") as caught:
        open_store(f"sqlite:///{file}")
    assert not caught.value.transient
    assert file.read_bytes() == before


def test_a_damaged_database_is_found(store, file):
    for number in range(200):
        store.accept(make_job(f"j{number}", "x" * 1000), [])
    store.close()
    with file.open("rb+") as handle:
        handle.seek(file.stat().st_size // 2)
        handle.write(b"\xff" * 20_000)
    findings = [finding for finding in check(f"sqlite:///{file}") if not finding.ok]
    assert findings
    assert "damaged" in findings[0].what


def test_a_database_that_another_program_locks_is_named(impatient, file):
    open_store(f"sqlite:///{file}").close()
    store = open_store(f"sqlite:///{file}")
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another program") as caught:
        store.accept(make_job(), [])
    assert caught.value.transient
    assert store.job_ids(JobQuery()) == []  # readers go on
    other.rollback()
    other.close()
    store.accept(make_job(), [])
    store.close()


def test_a_lock_that_ends_in_time_is_waited_for(store, file):
    other = sqlite3.connect(file, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, other.rollback).start()
    assert store.accept(make_job(), []).job.id == "j1"
    other.close()


def test_a_full_disk_refuses_the_job_and_keeps_the_rest(store):
    store.accept(make_job("kept"), [])
    with store._database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk is full") as caught:
        store.accept(make_job("large", "x" * 100_000), [])
    assert caught.value.transient
    assert store.job_ids(JobQuery()) == ["kept"]


def test_a_server_that_does_not_answer_is_named_without_its_password():
    url = "postgresql://grms:secret@127.0.0.1:1/grms"
    with pytest.raises(
        StoreError, match=r"grms:\*\*\*@127.0.0.1:1/grms cannot be reached"
    ) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
    assert caught.value.transient
    assert "secret" not in place_of(database_url(url))


def test_what_contradicts_the_store_is_a_conflict(store):
    store.accept(make_job(), [])
    with pytest.raises(ConflictError, match="j1"):
        store.accept(make_job(), [])


def test_a_time_without_a_zone_is_refused(store):
    with pytest.raises(StoreError, match="without a zone"):
        store.accept(Job("j1", "o", "a", "<x/>", datetime(2026, 1, 1)), [])


def test_the_settings_that_make_commits_durable(store):
    with store._database.engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, database.LOCK_WAIT * 1000]


def test_no_connection_is_left_after_closing(store, file):
    store.accept(make_job(), [])
    store.close()
    names = {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}
    assert not {name for name in names if name.startswith(str(file))}
    assert not file.with_name("grms.db-wal").exists()
