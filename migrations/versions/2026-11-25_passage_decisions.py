"""what a roster of the year that ends proposes of a pupil's passage"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_passage_decisions"
down_revision = "0011_bulk_erase"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("rollover_line", schema=None) as batch_op:
        batch_op.add_column(sa.Column("proposed", sa.String(length=32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("rollover_line", schema=None) as batch_op:
        batch_op.drop_column("proposed")
