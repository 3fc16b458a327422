"""``grms-server``: reads Settings, builds the edges, wires them, serves."""

from grms.server.cli import main

__all__ = ["main"]
