"""Job manager contacts: how a job names the resource it wants. Pure.

The forms are those of GRAM: ``host``, ``host:port``, ``host/service``, ``host:port/service``,
``host:/service``, each with ``:subject`` behind it, and ``host::subject``. Here the host and the
service choose. Port and subject told a client how to reach and to trust a gatekeeper; a broker
reaches a cluster by its registered transport, so they are read and play no part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from grms.broker.records import Cluster

_FORM = re.compile(
    r"(?P<host>[^\s:/]+)"
    r"(?:(?::\d*)?(?:/(?P<service>[^\s:]*))?"  # no subject
    r"|:\d*(?:/(?P<before_subject>[^\s:]*))?:.*"  # host:[port][/service]:subject
    r"|/(?P<only_service>[^\s:]*):.*)"  # host/service:subject
)
_HERE = frozenset({"localhost", "127.0.0.1"})
_SERVICE = "jobmanager"


@dataclass(frozen=True, slots=True)
class Contact:
    """The parts of a contact that choose; ``service`` is "" where none is named."""

    host: str
    service: str = ""


def read_contact(text: str) -> Contact | None:
    """The contact in ``text``; None where it has none of the forms."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        return None
    found = match["service"] or match["before_subject"] or match["only_service"]
    return Contact(match["host"].lower(), found or "")


def names(contact: Contact, cluster: Cluster) -> bool:
    """True when ``contact`` means ``cluster``.

    The host is the cluster's host, its name or the host its transport goes to, in any case of
    letters; ``localhost`` is any cluster that is reached without a network. The service is
    ``jobmanager`` for whatever batch system there is, or ``jobmanager-pbs`` for that one.
    """
    if contact.service not in ("", _SERVICE, f"{_SERVICE}-{cluster.batch}"):
        return False
    if contact.host in _HERE and cluster.transport.startswith("local"):
        return True
    return contact.host in (cluster.name.lower(), cluster.host.lower(), _far_host(cluster))


def _far_host(cluster: Cluster) -> str:
    try:
        return (urlsplit(cluster.transport).hostname or "-").lower()
    except ValueError:
        return "-"
