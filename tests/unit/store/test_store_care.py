"""Backup and restore: complete and checked, or not at all; and never onto another file."""

from datetime import UTC, datetime

import pytest

from grms.broker.ports.store import JobQuery
from grms.broker.records import Job
from grms.errors import ConfigError, StoreError
from grms.store import backup, check, open_store, restore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'grms.db'}"


@pytest.fixture
def store(url):
    opened = open_store(url)
    opened.accept(Job("j1", "o", "a", "<x/>", NOW), [])
    yield opened
    opened.close()


def test_a_backup_of_a_store_in_use_can_be_restored(store, url, tmp_path):
    target = tmp_path / "backup.db"
    backup(url, target)
    store.accept(Job("j2", "o", "a", "<x/>", NOW), [])
    assert target.stat().st_mode & 0o777 == 0o600
    restore(f"sqlite:///{tmp_path / 'new.db'}", target)
    restored = open_store(f"sqlite:///{tmp_path / 'new.db'}")
    assert restored.job_ids(JobQuery()) == ["j1"]
    restored.close()
    assert all(finding.ok for finding in check(f"sqlite:///{tmp_path / 'new.db'}"))


def test_nothing_is_overwritten(store, url, tmp_path):
    target = tmp_path / "precious"
    target.write_text("mine")
    with pytest.raises(ConfigError, match="not overwritten"):
        backup(url, target)
    assert target.read_text() == "mine"
    backup(url, tmp_path / "backup.db")
    with pytest.raises(ConfigError, match="not overwritten"):
        restore(url, tmp_path / "backup.db")


@pytest.mark.parametrize("content", [b"", b"rubbish" * 1000])
def test_what_is_no_backup_is_not_restored(tmp_path, content):
    source = tmp_path / "source"
    source.write_bytes(content)
    with pytest.raises(StoreError):
        restore(f"sqlite:///{tmp_path / 'new.db'}", source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_a_backup_that_cannot_be_written_leaves_nothing(store, url, tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        backup(url, tmp_path / "missing" / "backup.db")


@pytest.mark.parametrize(("act", "tool"), [(backup, "pg_dump"), (restore, "pg_restore")])
def test_postgresql_has_its_own_tools(act, tool, tmp_path):
    with pytest.raises(ConfigError, match=tool):
        act("postgresql://grms@127.0.0.1:1/grms", tmp_path / "backup")
