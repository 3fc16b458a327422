"""Run by Alembic: migrates on the connection, and in the transaction, that it is given."""

from __future__ import annotations

from alembic import context

from grms.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    # The caller's transaction holds all of it, on SQLite too.
    transactional_ddl=True,
)
context.run_migrations()
