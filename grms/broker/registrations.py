"""What is registered beside a live job: its application's address, files, and listeners."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from grms.broker import access
from grms.broker.names import safe_name
from grms.broker.ports.clock import Clock
from grms.broker.ports.staging import Stager
from grms.broker.ports.store import Store
from grms.broker.records import (
    ApplicationAccess,
    FileDir,
    FileRole,
    Job,
    Notification,
    Principal,
)
from grms.errors import ErrorCode, GrmsError, RequestError, StagingError, StateError

_PROTOCOLS = ("SOAP", "GASS", "SOCKET", "PROFILE", "SMS", "MAIL")


class Registrations:
    """The verbs of ``Service`` that note something beside a job; ``Service`` gives the edges."""

    _store: Store
    _stager: Stager
    _clock: Clock

    # -- application and files ----------------------------------------------------------------

    def register_application(self, caller: Principal, job_id: str, location: str, pid: int) -> None:
        """Say where the running application listens for checkpoint calls."""
        job = self._live(caller, "register_application", job_id)
        if not re.match(r"https?://\S+$", location):
            raise RequestError(f"service_location {location!r} is not an http or https URL")
        if pid < 0:
            raise RequestError(f"pid {pid} is not a process id")
        self._store.set_access(job.id, ApplicationAccess(location, pid))

    def unregister_application(self, caller: Principal, job_id: str) -> None:
        """Forget the application's address. Raises RequestError if there is none."""
        job = self._job(caller, "unregister_application", job_id)
        if not self._store.set_access(job.id, None):
            raise _no_access(job_id)

    def application(self, caller: Principal, job_id: str) -> ApplicationAccess:
        """Where the application listens. Raises RequestError if it has not said."""
        found = self._store.access(self._job(caller, "application", job_id).id)
        if found is None:
            raise _no_access(job_id)
        return found

    def add_files(
        self, caller: Principal, job_id: str, role: FileRole, files: Sequence[FileDir]
    ) -> Sequence[GrmsError | None]:
        """Register output or checkpoint files; one outcome for each, None for success."""
        job = self._live(caller, "add_files", job_id)
        outcomes = [self._refuse_file(item) for item in files]
        good = [item for item, error in zip(files, outcomes, strict=True) if error is None]
        added = iter(self._store.add_files(job.id, role, good))
        return [
            error
            if error is not None or next(added)
            else _file_error(item, "is registered already")
            for item, error in zip(files, outcomes, strict=True)
        ]

    def _refuse_file(self, item: FileDir) -> GrmsError | None:
        if not safe_name(item.name):
            return _file_error(item, "is not a name inside the job's directory")
        if item.logical:
            return RequestError(
                f"{item.name}: logical file ids are not carried out yet; give a URL",
                code=ErrorCode.NOT_CARRIED_OUT,
            )
        try:
            self._stager.check(item.path, writing=True)
        except StagingError as error:
            return error
        return None

    def files(self, caller: Principal, job_id: str, role: FileRole) -> Sequence[FileDir]:
        """The registered files of a role."""
        return self._store.files(self._job(caller, "files", job_id).id, role)

    def delete_files(
        self, caller: Principal, job_id: str, role: FileRole, files: Sequence[FileDir]
    ) -> Sequence[GrmsError | None]:
        """Take registrations back; one outcome for each, None for success."""
        job = self._live(caller, "delete_files", job_id)
        deleted = self._store.delete_files(job.id, role, files)
        return [
            None if done else _file_error(item, "is not registered")
            for item, done in zip(files, deleted, strict=True)
        ]

    # -- notification -------------------------------------------------------------------------

    def register_notification(
        self,
        caller: Principal,
        job_id: str,
        *,
        event_type: str,
        protocol: str,
        destination: str,
        append: bool = False,
        format: str = "",
        users: Sequence[str] = (),
    ) -> str:
        """Store a listener; the answer is its id."""
        job = self._live(caller, "register_notification", job_id)
        if event_type not in ("STATUS", "REQUEST"):
            raise RequestError(f"eventType {event_type!r}: expected STATUS or REQUEST")
        if protocol not in _PROTOCOLS:
            raise RequestError(f"protocol {protocol!r}: expected {', '.join(_PROTOCOLS)}")
        if not destination and not users:
            raise RequestError("a notification needs a destination, or users to tell")
        notification = Notification(
            id=f"n-{uuid.uuid4().hex}",
            job_id=job.id,
            owner=caller.name,
            event_type=event_type,
            protocol=protocol,
            destination=destination,
            append=append,
            format=format,
            users=tuple(users),
            created_at=self._clock.now(),
        )
        self._store.add_notification(notification)
        return notification.id

    def notifications(self, caller: Principal, job_id: str) -> Sequence[Notification]:
        """The listeners of a job."""
        return self._store.notifications(self._job(caller, "notifications", job_id).id)

    def notification(
        self, caller: Principal, job_id: str | None, notification_id: str
    ) -> Notification:
        """One listener. Raises RequestError(UNKNOWN_NOTIFICATION)."""
        found = self._store.notification(notification_id)
        if found is None or (job_id is not None and found.job_id != job_id):
            raise RequestError(
                f"there is no notification {notification_id!r}"
                + (f" of job {job_id}" if job_id else ""),
                code=ErrorCode.UNKNOWN_NOTIFICATION,
            )
        self._job(caller, "notification", found.job_id)
        return found

    def unregister_notification(
        self, caller: Principal, job_id: str | None, notification_id: str
    ) -> None:
        """Delete a listener."""
        found = self.notification(caller, job_id, notification_id)
        self._store.delete_notification(found.id)

    # -- inside -------------------------------------------------------------------------------

    def _job(self, caller: Principal, verb: str, job_id: str) -> Job:
        job = self._store.job(job_id)
        access.demand(caller, verb, job)
        return job

    def _live(self, caller: Principal, verb: str, job_id: str) -> Job:
        job = self._job(caller, verb, job_id)
        if job.state.is_end:
            raise StateError(
                f"job {job.id} is {job.state.value}: nothing can be registered any more"
            )
        return job


def _file_error(item: FileDir, what: str) -> RequestError:
    return RequestError(f"{item.name!r} to {item.path!r} {what}", code=ErrorCode.UNKNOWN_FILE)


def _no_access(job_id: str) -> RequestError:
    return RequestError(
        f"job {job_id} has no registered application", code=ErrorCode.NO_APPLICATION_ACCESS
    )
