"""A PostgreSQL server that drops its connections costs an error at most, never the store."""

import psycopg
import pytest
from store_cases import make_event, make_job

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.parametrize("url", ["postgresql"], indirect=True),
]


def test_the_store_goes_on_after_all_connections_were_cut(url, store):
    store.accept(make_job("j1"), [make_event()])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert store.job("j1").id == "j1"
    assert store.accept(make_job("j2"), [make_event()]).job.id == "j2"
