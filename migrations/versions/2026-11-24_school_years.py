"""school years"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollover",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_year", sa.String(length=9), nullable=False),
        sa.Column("to_year", sa.String(length=9), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_rollover_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollover")),
        sa.UniqueConstraint("town_id", "from_year", name=op.f("uq_rollover_town_id_from_year")),
    )
    with op.batch_alter_table("rollover", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rollover_town_id"), ["town_id"], unique=False)

    op.create_table(
        "school_succession",
        sa.Column("old_school_id", sa.Uuid(), nullable=False),
        sa.Column("new_school_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["new_school_id"], ["school.id"], name=op.f("fk_school_succession_new_school_id_school")),
        sa.ForeignKeyConstraint(["old_school_id"], ["school.id"], name=op.f("fk_school_succession_old_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_school_succession_town_id_town")),
        sa.PrimaryKeyConstraint("old_school_id", name=op.f("pk_school_succession")),
    )
    with op.batch_alter_table("school_succession", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_school_succession_town_id"), ["town_id"], unique=False)

    op.create_table(
        "rollover_line",
        sa.Column("rollover_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("decision", sa.String(length=32), nullable=False),
        sa.Column("ticked", sa.Boolean(), nullable=False),
        sa.Column("ulis", sa.Boolean(), nullable=False),
        sa.Column("level_before", sa.String(length=32), nullable=False),
        sa.Column("level_after", sa.String(length=32), nullable=False),
        sa.Column("class_before", sa.Uuid(), nullable=True),
        sa.Column("class_after", sa.Uuid(), nullable=True),
        sa.Column("school_after", sa.Uuid(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["class_after"], ["school_class.id"], name=op.f("fk_rollover_line_class_after_school_class")),
        sa.ForeignKeyConstraint(["class_before"], ["school_class.id"], name=op.f("fk_rollover_line_class_before_school_class")),
        sa.ForeignKeyConstraint(["pupil_id"], ["pupil.id"], name=op.f("fk_rollover_line_pupil_id_pupil"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["rollover_id"], ["rollover.id"], name=op.f("fk_rollover_line_rollover_id_rollover"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["school_after"], ["school.id"], name=op.f("fk_rollover_line_school_after_school")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_rollover_line_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_rollover_line_town_id_town")),
        sa.PrimaryKeyConstraint("rollover_id", "pupil_id", name=op.f("pk_rollover_line")),
    )
    with op.batch_alter_table("rollover_line", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rollover_line_pupil_id"), ["pupil_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_rollover_line_town_id"), ["town_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("rollover_line", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rollover_line_town_id"))
        batch_op.drop_index(batch_op.f("ix_rollover_line_pupil_id"))

    op.drop_table("rollover_line")
    with op.batch_alter_table("school_succession", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_school_succession_town_id"))

    op.drop_table("school_succession")
    with op.batch_alter_table("rollover", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rollover_town_id"))

    op.drop_table("rollover")
