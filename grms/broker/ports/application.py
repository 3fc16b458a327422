"""The port of running applications that take checkpoint calls themselves."""

from __future__ import annotations

from typing import Protocol

from grms.broker.records import ApplicationAccess


class Applications(Protocol):
    """Calls what a job registered with ``registerApplicationAccess``."""

    def checkpoint(self, access: ApplicationAccess, job_id: str, deadline: float) -> None:
        """Ask for a checkpoint; when this returns, the application says that it is written.

        Raises SiteError when it refuses, does not answer within ``deadline`` seconds, or answers
        something else; the job then goes on as before.
        """
        ...
