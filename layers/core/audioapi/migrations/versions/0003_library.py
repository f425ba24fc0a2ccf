"""The audio library."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "library_audios",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("description", sa.String(500)),
        sa.Column("usage_type", sa.String(16), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text())),
        sa.Column("search", postgresql.TSVECTOR(), nullable=False),
        sa.Column("duration_seconds", sa.Float()),
        sa.Column("sample_rate", sa.Integer()),
        sa.Column("channels", sa.Integer()),
        sa.Column("bit_depth", sa.Integer()),
        sa.Column("original_file_name", sa.String(255)),
        sa.Column("processing_status", sa.String(8), nullable=False),
        sa.Column("processing_error", sa.Text()),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.String(64)),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.CheckConstraint(
            "usage_type IN ('welcome', 'goodbye', 'question', 'prompt', 'hold_music', "
            "'notification', 'other')",
            name="library_audios_usage_type_check",
        ),
        sa.CheckConstraint(
            "processing_status IN ('pending', 'complete', 'failed')",
            name="library_audios_processing_status_check",
        ),
    )
    for name, columns in (
        ("created", ["created_at"]),
        ("title", [sa.func.lower(sa.column("title"))]),
        ("duration", ["duration_seconds"]),
        ("usage", ["usage_type", "created_at"]),
    ):
        op.create_index(
            f"library_audios_{name}_idx", "library_audios", ["organization_id", *columns, "id"]
        )
    op.create_index(
        "library_audios_search_idx", "library_audios", ["search"], postgresql_using="gin"
    )


def downgrade() -> None:
    op.drop_table("library_audios")
