"""bulk erase; tablets that a child has used since they were last erased"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_bulk_erase"
down_revision = "0010_rosters"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_erase",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.Uuid(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_bulk_erase_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_erase")),
    )
    with op.batch_alter_table("bulk_erase", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bulk_erase_town_id"), ["town_id"], unique=False)
    op.create_table(
        "bulk_erase_tablet",
        sa.Column("bulk_id", sa.Uuid(), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("left_out", sa.String(length=32), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bulk_id"], ["bulk_erase.id"], name=op.f("fk_bulk_erase_tablet_bulk_id_bulk_erase"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_bulk_erase_tablet_tablet_id_tablet")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_bulk_erase_tablet_town_id_town")),
        sa.PrimaryKeyConstraint("bulk_id", "tablet_id", name=op.f("pk_bulk_erase_tablet")),
    )
    with op.batch_alter_table("bulk_erase_tablet", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bulk_erase_tablet_tablet_id"), ["tablet_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_bulk_erase_tablet_town_id"), ["town_id"], unique=False)
    with op.batch_alter_table("tablet", schema=None) as batch_op:
        batch_op.add_column(sa.Column("to_wipe", sa.Boolean(), server_default=sa.false(), nullable=False))
    # Nothing tells whether a tablet was erased since a child had it: it is erased once more.
    tablet, loan = sa.table("tablet", sa.column("id"), sa.column("to_wipe")), sa.table("loan", sa.column("tablet_id"))
    op.execute(tablet.update().where(tablet.c.id.in_(sa.select(loan.c.tablet_id))).values(to_wipe=True))


def downgrade() -> None:
    with op.batch_alter_table("tablet", schema=None) as batch_op:
        batch_op.drop_column("to_wipe")
    with op.batch_alter_table("bulk_erase_tablet", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bulk_erase_tablet_town_id"))
        batch_op.drop_index(batch_op.f("ix_bulk_erase_tablet_tablet_id"))
    op.drop_table("bulk_erase_tablet")
    with op.batch_alter_table("bulk_erase", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bulk_erase_town_id"))
    op.drop_table("bulk_erase")
