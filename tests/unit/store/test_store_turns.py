"""Processes that write to one SQLite file take turns, and a stuck one stops nobody for long."""

import sqlite3
import threading
import time
from datetime import UTC, datetime

import pytest

from grms.broker.records import Job
from grms.errors import StoreError
from grms.store import open_store, turns
from grms.store.turns import Turn

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "grms.db"


@pytest.fixture
def turn(file):
    made = Turn(file)
    yield made
    made.close()


def test_who_waits_for_its_beginning_holds_the_turn_until_then(file, turn):
    store = open_store(f"sqlite:///{file}")
    busy = sqlite3.connect(file)
    busy.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=store.accept, args=(Job("j", "o", "a", "<x/>", NOW), []))
    waiting.start()
    deadline = time.monotonic() + 60
    while turn._take():
        turn.__exit__()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    busy.rollback()
    waiting.join(60)
    assert turn._take()
    assert store.job("j").id == "j"
    busy.close()
    store.close()


def test_a_turn_that_is_never_given_back_is_passed_over(file, turn, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    other = Turn(file)
    with turn, other:
        pass
    other.close()


def test_a_lock_file_that_cannot_be_opened_is_named(file):
    file.with_name("grms.db-turn").mkdir()
    with pytest.raises(StoreError, match="db-turn"):
        Turn(file)
