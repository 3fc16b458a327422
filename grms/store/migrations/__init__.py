"""The revisions of the tables, each as Alembic runs it; ``grms.store.revisions`` starts them."""
