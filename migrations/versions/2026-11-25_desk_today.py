"""desk: what a person has done today is found by index"""

from __future__ import annotations

from alembic import op

revision = "0011_desk_today"
down_revision = "0010_desk"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("done_once", schema=None) as batch_op:
        batch_op.create_index("ix_done_once_account", ["account_id", "at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("done_once", schema=None) as batch_op:
        batch_op.drop_index("ix_done_once_account")
