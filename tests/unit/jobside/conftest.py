"""Execution hosts, with this Python and with the oldest that may be there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from execution_host import Host, oldest_python


def _python(which: str) -> str:
    if which == "here":
        return sys.executable
    oldest = oldest_python()
    if oldest is None:
        pytest.skip("no Python 3.6, the oldest that execution hosts may have, on this machine")
    return oldest


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """An execution host with the Python that runs the tests."""
    host = Host(tmp_path / "host", _python("here"))
    yield host
    host.end()


@pytest.fixture(params=["here", "3.6"])
def any_host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """The same, and with the oldest Python too."""
    host = Host(tmp_path / "host", _python(request.param))
    yield host
    host.end()
