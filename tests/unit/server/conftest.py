"""A data directory with a registered fork cluster, as the server's commands find it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grms.broker.edges import Edges
from grms.broker.ports.sites import Site
from grms.config import Settings
from grms.server.cli import main
from grms.server.wiring import SiteBook, declare_clusters, make_edges, opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a broker that has never run."""
    return Settings(data_dir=tmp_path / "data", file_roots=(tmp_path,), port=0)


@pytest.fixture
def edges(settings: Settings) -> Iterator[Edges]:
    """The edges over a fresh store with the embedded cluster."""
    sites = SiteBook()
    with opened(settings) as store:
        declare_clusters(store, settings)
        yield make_edges(settings, store, sites)
    sites.close()


@pytest.fixture
def site(edges: Edges) -> Site:
    """The embedded cluster: real processes under the wrapper, no queue."""
    return edges.sites.site(edges.clusters()["localhost"], "")


@pytest.fixture
def server(settings: Settings) -> Callable[..., Result]:
    """Runs one command of ``grms-server`` on the data directory."""

    def run(*words: str, text: str | None = None) -> Result:
        place = ["--data-dir", str(settings.data_dir)]
        return CliRunner().invoke(main, [*place, *words], input=text)

    return run
