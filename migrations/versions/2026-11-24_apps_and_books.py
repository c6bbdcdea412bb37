"""apps and books"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "licence_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("location", sa.String(length=160), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=200), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_licence_token_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licence_token")),
        sa.UniqueConstraint("town_id", name=op.f("uq_licence_token_town_id")),
    )
    with op.batch_alter_table("licence_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_licence_token_town_id"), ["town_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("licence_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_licence_token_town_id"))

    op.drop_table("licence_token")
