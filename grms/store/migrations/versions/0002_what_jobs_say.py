"""What a job needs to speak over HTTP: its token, and which of its messages were heard.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    token = sa.Column("token_sha256", sa.Text(), nullable=False, server_default="")
    op.add_column("attempts", token)
    op.add_column("attempts", sa.Column("heard", sa.Text(), nullable=False, server_default="[]"))
