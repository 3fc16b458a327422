"""Calls to running applications that take checkpoint calls: SOAP, or its REST twin."""

from grms.callbacks.application import HttpApplications

__all__ = ["HttpApplications"]
