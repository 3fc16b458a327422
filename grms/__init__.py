"""GRMS: a small, durable grid resource broker."""

__version__ = "0.1.0"
