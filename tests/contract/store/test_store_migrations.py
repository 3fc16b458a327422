"""The revisions lead to exactly the tables of the schema; what cannot be migrated is refused."""

from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from store_cases import make_attempt, make_event, make_job

from grms.broker.ports.store import JobQuery
from grms.broker.records import Change
from grms.errors import StoreError
from grms.store import check, migrate, open_store
from grms.store.migrations import HEAD
from grms.store.schema import metadata


def execute(store, statement):
    with store._database.engine.begin() as connection:
        connection.execute(text(statement))


def test_the_migrated_tables_are_those_of_the_schema(store):
    with store._database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(url):
    assert migrate(url) == migrate(url) == HEAD


def test_a_healthy_database_has_only_good_findings(url, store):
    findings = check(url)
    assert len(findings) >= 3
    assert all(finding.ok for finding in findings), findings


def test_a_database_of_a_newer_grms_is_left_alone(url, store):
    execute(store, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"9999.*newer GRMS"):
        open_store(url)
    assert not all(finding.ok for finding in check(url))
    assert store.job_ids(JobQuery()) == []


def test_a_database_of_something_else_is_left_alone(url, store):
    execute(store, "DROP TABLE alembic_version")
    with pytest.raises(StoreError, match="not GRMS's"):
        open_store(url)


def test_an_old_database_is_not_migrated_unasked(url, store):
    execute(store, "DELETE FROM alembic_version")
    with pytest.raises(StoreError, match="grms-server migrate"):
        open_store(url, create=False)
    findings = [finding for finding in check(url) if not finding.ok]
    assert ["migrate" in finding.cure for finding in findings] == [True]


def test_the_attempts_of_the_first_revision_have_no_token_and_said_nothing(url, store):
    attempt = make_attempt(token_sha256="ab", heard=("m1",))
    store.accept(make_job(), [make_event()])
    store.apply([Change(store.job("j1"), attempts=(attempt,))])
    for column in ("token_sha256", "heard"):
        execute(store, f"ALTER TABLE attempts DROP COLUMN {column}")
    execute(store, "UPDATE alembic_version SET version_num = '0001'")
    store.close()
    migrate(url)
    with closing(open_store(url)) as migrated:
        assert migrated.attempts("j1") == [make_attempt()]
