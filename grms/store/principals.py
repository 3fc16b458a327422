"""Who may call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, delete, select

from grms.broker.records import Principal
from grms.errors import ConflictError
from grms.store import rows
from grms.store.database import Database, upsert
from grms.store.schema import principals

# Built once: every call asks for its caller.
_BY_TOKEN = select(principals).where(principals.c.token_sha256 == bindparam("wanted"))
_BY_NAME = select(principals).where(principals.c.name == bindparam("wanted"))


class Principals:
    """The part of the store that holds principals."""

    _database: Database

    def principal_by_token(self, token_sha256: str) -> Principal | None:
        """Whose token this is; None for nobody's."""
        return self._principal(_BY_TOKEN, token_sha256)

    def principal(self, name: str) -> Principal | None:
        """The principal of this name, if there is one."""
        return self._principal(_BY_NAME, name)

    def principals(self) -> Sequence[Principal]:
        """All principals, by name."""
        statement = select(principals).order_by(principals.c.name)
        return self._database.read(
            lambda connection: [rows.principal(row) for row in connection.execute(statement)]
        )

    def put_principal(self, principal: Principal, token_sha256: str | None) -> None:
        """Insert or replace by name; without a token, the one there was stays valid."""
        row = rows.values(principal) | {"projects": sorted(principal.projects)}
        if token_sha256 is not None:
            row["token_sha256"] = token_sha256
        try:
            self._database.write(lambda connection: upsert(connection, principals, row, ("name",)))
        except ConflictError as error:
            raise ConflictError("this token belongs to another principal") from error

    def remove_principal(self, name: str) -> bool:
        """False when unknown."""
        statement = delete(principals).where(principals.c.name == name)
        return self._database.write(lambda connection: bool(connection.execute(statement).rowcount))

    def _principal(self, statement: Select[Any], wanted: str) -> Principal | None:
        row = self._database.read(
            lambda connection: connection.execute(statement, {"wanted": wanted}).first()
        )
        return None if row is None else rows.principal(row)
