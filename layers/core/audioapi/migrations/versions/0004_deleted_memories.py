"""What was deleted of recordings that may still be worked on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "deleted_memories",
        sa.Column("organization_id", sa.Text(), primary_key=True),
        sa.Column("user_id", sa.Text(), primary_key=True),
        sa.Column("source_session_id", sa.Text(), primary_key=True),
        sa.Column("source_window_index", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column(
            "deleted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
    )


def downgrade() -> None:
    op.drop_table("deleted_memories")
