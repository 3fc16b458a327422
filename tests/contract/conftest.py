"""Finds the sites of the adapter suite: every module of ``sites`` that has a ``site``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sites.site import Site, Unavailable


def _sites() -> list[str]:
    files = sorted((Path(__file__).parent / "sites").glob("*.py"))
    return [file.stem for file in files if "\ndef site(" in file.read_text("utf-8")]


@pytest.fixture(scope="session", params=_sites())
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A running batch system; skipped aloud where the machine cannot have it."""
    module = importlib.import_module(f"sites.{request.param}")
    try:
        manager = module.site(tmp_path_factory.mktemp(request.param))
        entered = manager.__enter__()
    except Unavailable as reason:
        pytest.skip(f"no {request.param} here: {reason}")
    try:
        yield entered
    finally:
        manager.__exit__(None, None, None)
        entered.transport.close()
