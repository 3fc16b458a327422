"""The revisions of the tables, each as Alembic runs it; ``grms.store.revisions`` starts them."""

#: The newest revision, which this GRMS writes; a test compares it with the files in ``versions``.
HEAD = "0002"
