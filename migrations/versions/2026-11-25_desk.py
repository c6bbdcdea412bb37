"""desk: the order that a tablet came with"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_desk"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tablet", schema=None) as batch_op:
        batch_op.add_column(sa.Column("order_reference", sa.String(length=60), nullable=True))
        batch_op.create_index("ix_tablet_order", ["town_id", "order_reference"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("tablet", schema=None) as batch_op:
        batch_op.drop_index("ix_tablet_order")
        batch_op.drop_column("order_reference")
