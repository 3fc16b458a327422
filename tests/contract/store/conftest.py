"""The databases that every store test runs on: SQLite, and a real PostgreSQL of its own."""

import itertools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from grms.store import open_store

TESTBED = Path(__file__).parents[3] / "testbed"


@pytest.fixture(scope="session")
def postgresql():
    """The URL of a PostgreSQL server, ended after the session."""
    base = Path(tempfile.mkdtemp(prefix="grms-pg-", dir="/tmp"))
    base.chmod(0o755)  # the server runs as another user
    up = subprocess.run(
        [sys.executable, TESTBED / "postgresql-up", base / "pg"], capture_output=True, text=True
    )
    try:
        if up.returncode == 69:
            pytest.skip(f"POSTGRESQL NOT TESTED: {up.stderr.strip()}")
        assert up.returncode == 0, up.stderr
        yield up.stdout.strip()
    finally:
        subprocess.run([sys.executable, TESTBED / "postgresql-down", base / "pg"], check=True)
        shutil.rmtree(base, ignore_errors=True)


_numbers = itertools.count()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request, tmp_path):
    """The URL of a new, empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'grms.db'}"
        return
    server = request.getfixturevalue("postgresql")
    name = f"t{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(url):
    opened = open_store(url)
    yield opened
    opened.close()
