"""Memories."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "world_mm_segments",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("source_session_id", sa.Text()),
        sa.Column("source_window_index", sa.Integer()),
        sa.Column("start_time", moment, nullable=False),
        sa.Column("end_time", moment, nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.Column("processing_status", sa.Text(), nullable=False),
        sa.Column("transcript", sa.Text()),
        sa.Column("created_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column("recorded_at", moment, nullable=False),
        sa.Column(
            "memory_id",
            sa.Text(),
            sa.Computed("coalesce(source_session_id, id)", persisted=True),
            nullable=False,
        ),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('english', nullif(transcript, ''))"
                " || array_to_tsvector(ARRAY[left(organization_id || '/' || user_id, 500)])",
                persisted=True,
            ),
        ),
        sa.CheckConstraint(
            "processing_status IN ('pending', 'complete', 'failed')",
            name="world_mm_segments_processing_status_check",
        ),
        sa.UniqueConstraint(
            "source_session_id",
            "source_window_index",
            name="world_mm_segments_session_window_key",
        ),
    )
    op.create_index(
        "world_mm_segments_lookup_idx",
        "world_mm_segments",
        ["organization_id", "user_id", "source_session_id", "start_time", "id"],
    )
    op.create_index(
        "world_mm_segments_feed_idx",
        "world_mm_segments",
        ["organization_id", "user_id", "recorded_at", "memory_id", "start_time", "id"],
        postgresql_include=["end_time", "duration_seconds", "processing_status"],
    )
    op.create_index(
        "world_mm_segments_search_idx", "world_mm_segments", ["search"], postgresql_using="gin"
    )


def downgrade() -> None:
    op.drop_table("world_mm_segments")
