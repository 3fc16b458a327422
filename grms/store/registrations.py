"""What is registered beside a job: files, application access, listeners."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, and_, bindparam, delete, select
from sqlalchemy.sql.elements import ColumnElement

from grms.broker.records import ApplicationAccess, FileDir, FileRole, Notification
from grms.errors import ConflictError
from grms.store import rows
from grms.store.claims import in_portions
from grms.store.database import Database, insert, inserted, upsert
from grms.store.jobs import require_job
from grms.store.schema import application_access, files, notifications

_FILES = (
    select(files)
    .where(
        files.c.job_id.in_(bindparam("of_ids", expanding=True)),
        files.c.role == bindparam("of_role"),
    )
    .order_by(files.c.seq)
)


class Registrations:
    """The part of the store that holds registrations. A file is known by its name and path.

    Registering for a job that is not there raises RequestError(UNKNOWN_JOB).
    """

    _database: Database

    def add_files(
        self, job_id: str, role: FileRole, new_files: Sequence[FileDir]
    ) -> Sequence[bool]:
        """Register; False for an item that was registered already."""

        def add(connection: Connection, file: FileDir) -> bool:
            # No unique index: PostgreSQL limits the length of what it indexes, a URL has no limit.
            there = select(files.c.seq).where(_same(job_id, role, file)).limit(1)
            if connection.execute(there).first() is not None:
                return False
            row = rows.values(file) | {"job_id": job_id, "role": role}
            connection.execute(files.insert().values(**row))
            return True

        def work(connection: Connection) -> list[bool]:
            require_job(connection, job_id)
            return [add(connection, file) for file in new_files]

        return self._database.write(work)

    def files(self, job_id: str, role: FileRole) -> Sequence[FileDir]:
        """Registered files, in the order of their registration."""
        return self.files_of([job_id], role).get(job_id, [])

    def files_of(self, job_ids: Collection[str], role: FileRole) -> Mapping[str, Sequence[FileDir]]:
        """The same for many jobs; those that have none are absent."""

        def work(connection: Connection) -> dict[str, list[FileDir]]:
            found: dict[str, list[FileDir]] = defaultdict(list)
            for portion in in_portions(list(job_ids)):
                values = {"of_ids": portion, "of_role": role}
                for row in connection.execute(_FILES, values):
                    found[row.job_id].append(rows.file(row))
            return found

        return self._database.read(work)

    def delete_files(
        self, job_id: str, role: FileRole, old_files: Sequence[FileDir]
    ) -> Sequence[bool]:
        """Delete; False for an item that was not registered."""

        def remove(connection: Connection, file: FileDir) -> bool:
            gone = connection.execute(delete(files).where(_same(job_id, role, file)))
            return bool(gone.rowcount)

        return self._database.write(
            lambda connection: [remove(connection, file) for file in old_files]
        )

    def set_access(self, job_id: str, access: ApplicationAccess | None) -> bool:
        """Register, replace, or (None) delete; False when there was nothing to delete."""

        def work(connection: Connection) -> bool:
            if access is None:
                gone = connection.execute(
                    delete(application_access).where(application_access.c.job_id == job_id)
                )
                return bool(gone.rowcount)
            require_job(connection, job_id)
            row = rows.values(access) | {"job_id": job_id}
            upsert(connection, application_access, row, ("job_id",))
            return True

        return self._database.write(work)

    def access(self, job_id: str) -> ApplicationAccess | None:
        """Where the job's application listens, if it said so."""
        statement = select(application_access).where(application_access.c.job_id == job_id)
        row = self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else rows.access(row)

    def add_notification(self, notification: Notification) -> None:
        """Register a listener. A taken id raises ConflictError."""

        def work(connection: Connection) -> None:
            require_job(connection, notification.job_id)
            row = rows.values(notification) | {"users": list(notification.users)}
            statement = (
                insert(connection.dialect.name, notifications)
                .values(**row)
                .on_conflict_do_nothing()
            )
            if not inserted(connection, statement):
                raise ConflictError(f"there is a notification {notification.id!r} already")

        self._database.write(work)

    def notifications(self, job_id: str) -> Sequence[Notification]:
        """The listeners of a job, in the order of their registration."""
        statement = select(notifications).where(notifications.c.job_id == job_id)
        return self._database.read(
            lambda connection: [
                rows.notification(row)
                for row in connection.execute(statement.order_by(notifications.c.seq))
            ]
        )

    def notification(self, notification_id: str) -> Notification | None:
        """One listener, if it is registered."""
        statement = select(notifications).where(notifications.c.id == notification_id)
        row = self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else rows.notification(row)

    def delete_notification(self, notification_id: str) -> bool:
        """False when it was not registered."""
        statement = delete(notifications).where(notifications.c.id == notification_id)
        return self._database.write(lambda connection: bool(connection.execute(statement).rowcount))


def _same(job_id: str, role: FileRole, file: FileDir) -> ColumnElement[bool]:
    return and_(
        files.c.job_id == job_id,
        files.c.role == role,
        files.c.name == file.name,
        files.c.path == file.path,
    )
