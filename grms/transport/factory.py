"""Which transport leads to a cluster."""

from __future__ import annotations

from grms.broker.ports.transport import Transport
from grms.broker.records import Cluster
from grms.errors import ConfigError
from grms.transport.local import LocalTransport
from grms.transport.target import parse_target


def make_transport(cluster: Cluster, account: str = "") -> Transport:
    """The way to ``account`` on ``cluster``; "" is the account that its ``transport`` implies.

    Opens nothing yet. Raises ConfigError for a ``transport`` that is none.
    """
    # Paramiko takes 15 MB: a broker that reaches nobody by it does without.
    way = cluster.transport
    if way == "local":
        return LocalTransport()
    if way == "local+sudo":
        from grms.transport.account import AccountTransport

        python = cluster.options.get("python", "python3")
        return AccountTransport(account, python=python) if account else LocalTransport()
    if way.startswith("ssh:"):
        from grms.transport.ssh import SshTransport

        return SshTransport(parse_target(way, account, cluster.options))
    raise ConfigError(
        f"cluster {cluster.name}: there is no transport {way!r}; "
        "known: local, local+sudo, ssh://[user@]host[:port]"
    )
