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
        sa.Column("search_text", sa.Text(), nullable=False),
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
            "usage_type",
        ),
        sa.CheckConstraint(
            "processing_status IN ('pending', 'complete', 'failed')", "processing_status"
        ),
    )
    for name, columns in (
        ("created", ["organization_id", sa.text("created_at DESC"), "id"]),
        ("title", ["organization_id", "title", "id"]),
        ("duration", ["organization_id", "duration_seconds", "id"]),
        ("usage", ["organization_id", "usage_type", sa.text("created_at DESC")]),
    ):
        op.create_index(f"ix_library_audios_{name}", "library_audios", columns)
    for name, column in (
        ("tags", "tags"),
        ("search", sa.text("to_tsvector('simple', search_text)")),
    ):
        op.create_index(
            f"ix_library_audios_{name}", "library_audios", [column], postgresql_using="gin"
        )


def downgrade() -> None:
    op.drop_table("library_audios")
