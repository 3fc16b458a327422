"""Fixtures of the tests that run the whole service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import Broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A running broker that is ended, with its jobs, after the test."""
    found = Broker(tmp_path / "broker")
    found.start()
    yield found
    found.kill()
