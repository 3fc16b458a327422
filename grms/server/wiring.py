"""The composition: explicit arguments, in one place. Nothing is started here."""

from __future__ import annotations

import logging
import os
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path

from grms.broker.edges import Edges
from grms.broker.layout import Layout
from grms.broker.policies import Balanced
from grms.broker.ports.batch import BatchAdapter
from grms.broker.ports.sites import Site
from grms.broker.ports.store import Store
from grms.broker.ranking import Policy
from grms.broker.records import Cluster, OwnerLimits
from grms.callbacks import HttpApplications
from grms.config import Settings
from grms.errors import ConfigError, StateError
from grms.jobside.bundle import program
from grms.server.clusters import read_clusters
from grms.staging import Staging
from grms.store import open_store
from grms.transport import make_transport
from grms.transport.counting import Calls, CountingTransport

log = logging.getLogger(__name__)
LOCAL = "localhost"


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The time now."""
        return datetime.now(UTC)


class SiteBook:
    """Builds sites on first use and keeps them, with their connections."""

    def __init__(self) -> None:
        self._sites: dict[tuple[str, str], Site] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()
        self._program = program()
        self.calls = Calls()

    def site(self, cluster: Cluster, account: str) -> Site:
        """The site; its directories and the wrapper are there when this returns."""
        key = cluster.name, account
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            found = self._sites.get(key)
            if found is None or found.cluster != cluster:
                if found is not None:
                    found.transport.close()
                found = self._build(cluster, account)
                self._sites[key] = found
        return found

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for site in self._sites.values():
                site.transport.close()
            self._sites.clear()

    def _build(self, cluster: Cluster, account: str) -> Site:
        layout = Layout.of(cluster.workdir, account)
        wrapper = layout.wrapper(self._program)
        python = cluster.options.get("python", sys.executable if _is_here(cluster) else "python3")
        options = {**cluster.options, "wrapper": wrapper, "python": python}
        adapter = make_adapter(replace(cluster, workdir=layout.workdir, options=options))
        way = make_transport(cluster, account)
        transport = CountingTransport(way, cluster.name, self.calls)
        transport.make_directories([layout.inbox, layout.tags, f"{layout.workdir}/jobs"])
        if wrapper not in transport.read([wrapper]):
            transport.write({wrapper: self._program}, mode=0o644)
        return Site(cluster, account, adapter, transport, layout, wrapper, python)


def _is_here(cluster: Cluster) -> bool:
    return cluster.transport == "local" and cluster.batch == "fork"


def make_adapter(cluster: Cluster) -> BatchAdapter:
    """The adapter that entry point group ``grms.adapters`` has for the cluster's batch system."""
    known = entry_points(group="grms.adapters")
    for entry in known:
        if entry.name == cluster.batch:
            adapter: BatchAdapter = entry.load()(cluster)
            return adapter
    names = ", ".join(sorted(entry.name for entry in known)) or "none"
    raise ConfigError(
        f"cluster {cluster.name}: there is no adapter for batch system {cluster.batch!r}; "
        f"installed: {names}"
    )


def make_policy(settings: Settings) -> Policy:
    """The ranking that setting ``policy`` names in entry point group ``grms.policies``."""
    if settings.policy == Balanced.name:  # the default works without the package's metadata
        return Balanced()
    known = entry_points(group="grms.policies")
    for entry in known:
        if entry.name == settings.policy:
            policy: Policy = entry.load()()
            return policy
    names = ", ".join(sorted({entry.name for entry in known})) or "none"
    raise ConfigError(f"policy = {settings.policy!r}: there is no such policy; installed: {names}")


def embedded_cluster(settings: Settings) -> Cluster:
    """The machine itself, with the fork adapter: what a fresh broker has."""
    system = os.uname()
    cpus = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    return Cluster(
        name=LOCAL,
        batch="fork",
        transport="local",
        workdir=str(settings.data_dir / LOCAL),
        host=system.nodename,
        osname=system.sysname,
        ostype=system.machine,
        osversion=system.release.split("-")[0],
        osrelease=system.release,
        cpus=cpus,
        memory=memory,
        limits=OwnerLimits(max_jobs=settings.local_jobs or 2 * cpus),
        declared=True,
    )


def declare_clusters(store: Store, settings: Settings) -> Mapping[str, Cluster]:
    """Bring the registry in line with the declarative file; what was added by hand stays.

    Without a file, and with an empty registry, the embedded cluster is declared. What the file
    does not declare any more is removed, or drained while it has live jobs. ``drained`` of the
    file holds for a new cluster; later the operator's drain and resume count.
    """
    known = {cluster.name: cluster for cluster in store.clusters()}
    if settings.clusters_file:
        declared = read_clusters(_read_toml(Path(settings.clusters_file)), settings.clusters_file)
        _retire(store, known, {cluster.name for cluster in declared})
    elif not any(not cluster.declared for cluster in known.values()):
        declared = [embedded_cluster(settings)]
    else:
        declared = [c for c in known.values() if c.declared]
    for cluster in declared:
        before = known.get(cluster.name)
        if before is not None:
            cluster = replace(cluster, drained=before.drained)
        if before != cluster:
            store.put_cluster(cluster)
    return {cluster.name: cluster for cluster in store.clusters()}


def _retire(store: Store, known: Mapping[str, Cluster], declared: set[str]) -> None:
    for name, cluster in known.items():
        if not cluster.declared or name in declared:
            continue
        try:
            store.remove_cluster(name)
            log.info("cluster %s is not declared any more: removed", name)
        except StateError as error:
            store.put_cluster(replace(cluster, drained=True))
            log.warning("cluster %s is not declared any more: drained; %s", name, error.message)


def _read_toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read clusters_file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"clusters_file {path} is not TOML: {error}") from error


def make_stager(settings: Settings) -> Staging:
    """The stager for the site's file roots."""
    return Staging(settings.file_roots)


def make_store(settings: Settings) -> Store:
    """The store, brought to the newest revision. Raises ConfigError, StoreError."""
    make_data_dir(settings)
    store: Store = open_store(settings.database_url)
    return store


def make_data_dir(settings: Settings) -> None:
    """Make the data directory, private, if it is missing. Raises ConfigError."""
    place = settings.data_dir
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"cannot make the data directory {place}: {error.strerror}; make it and give it to "
            "the service's account, or name another with --data-dir"
        ) from error
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(
            f"the data directory {place} cannot be written by this account (uid {os.geteuid()}); "
            "give it to the service's account, or run as that account"
        )


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The store, brought to the newest revision, closed at the end."""
    store = make_store(settings)
    try:
        yield store
    finally:
        store.close()


def make_edges(settings: Settings, store: Store, sites: SiteBook) -> Edges:
    """Everything the engine works with."""
    stager, policy = make_stager(settings), make_policy(settings)
    return Edges(store, sites, stager, SystemClock(), settings, policy, HttpApplications())
