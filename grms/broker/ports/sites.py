"""The port of sites: one account on one cluster, with its batch system and the way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from grms.broker.layout import Layout
from grms.broker.ports.batch import BatchAdapter
from grms.broker.ports.transport import Transport
from grms.broker.records import Cluster


@dataclass(frozen=True, slots=True)
class Site:
    """Where attempts live. ``wrapper`` is the program's path on the cluster."""

    cluster: Cluster
    account: str
    adapter: BatchAdapter
    transport: Transport
    layout: Layout
    wrapper: str
    python: str = "python3"

    @property
    def key(self) -> tuple[str, str]:
        """What rounds, budgets and leases are counted by."""
        return self.cluster.name, self.account


class Sites(Protocol):
    """Builds sites and keeps their connections.

    Raises ConfigError for a cluster whose batch system or transport is not known.
    """

    def site(self, cluster: Cluster, account: str) -> Site:
        """The site; its directories and wrapper are in place when this returns.

        Raises SiteError when the cluster cannot be reached or prepared.
        """
        ...
