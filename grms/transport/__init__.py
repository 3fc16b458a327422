"""The edge to clusters: the only place that starts processes, touches their files or opens SSH."""

from grms.transport.factory import make_transport

__all__ = ["make_transport"]
