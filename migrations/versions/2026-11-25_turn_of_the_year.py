"""turn of the year"""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "0010_turn_of_the_year"
down_revision = "assignment"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "return_campaign",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rollover_id", sa.Uuid(), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rollover_id"], ["rollover.id"], name=op.f("fk_return_campaign_rollover_id_rollover"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_return_campaign_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_campaign")),
        sa.UniqueConstraint("rollover_id", name=op.f("uq_return_campaign_rollover_id")),
    )
    with op.batch_alter_table("return_campaign", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_return_campaign_town_id"), ["town_id"], unique=False)

    op.create_table(
        "rollover_school",
        sa.Column("rollover_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("ticked_by", sa.Uuid(), nullable=True),
        sa.Column("ticked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("listed_by", sa.Uuid(), nullable=True),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rollover_id"], ["rollover.id"], name=op.f("fk_rollover_school_rollover_id_rollover"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_rollover_school_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_rollover_school_town_id_town")),
        sa.PrimaryKeyConstraint("rollover_id", "school_id", name=op.f("pk_rollover_school")),
    )
    with op.batch_alter_table("rollover_school", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rollover_school_town_id"), ["town_id"], unique=False)

    op.create_table(
        "return_day",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["return_campaign.id"], name=op.f("fk_return_day_campaign_id_return_campaign"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_return_day_class_id_school_class")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_return_day_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_return_day_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_day")),
    )
    with op.batch_alter_table("return_day", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_return_day_campaign_id"), ["campaign_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_return_day_town_id"), ["town_id"], unique=False)

    op.create_table(
        "return_tablet",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=True),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["return_campaign.id"], name=op.f("fk_return_tablet_campaign_id_return_campaign"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_return_tablet_class_id_school_class")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_return_tablet_school_id_school")),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_return_tablet_tablet_id_tablet"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_return_tablet_town_id_town")),
        sa.PrimaryKeyConstraint("campaign_id", "tablet_id", name=op.f("pk_return_tablet")),
    )
    with op.batch_alter_table("return_tablet", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_return_tablet_tablet_id"), ["tablet_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_return_tablet_town_id"), ["town_id"], unique=False)

    with op.batch_alter_table("rollover", schema=None) as batch_op:
        batch_op.add_column(sa.Column("freezes_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("starts_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("armed_by", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("armed_at", sa.DateTime(timezone=True), nullable=True))
    rollover = sa.table(
        "rollover",
        sa.column("id", sa.Uuid()),
        sa.column("to_year"),
        sa.column("freezes_on", sa.Date()),
        sa.column("starts_on", sa.Date()),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(rollover.c.id, rollover.c.to_year)).all():
        year = int(row.to_year[:4])
        dates = {"freezes_on": date(year, 7, 3), "starts_on": date(year, 9, 1)}
        connection.execute(sa.update(rollover).where(rollover.c.id == row.id).values(**dates))
    with op.batch_alter_table("rollover", schema=None) as batch_op:
        batch_op.alter_column("freezes_on", nullable=False)
        batch_op.alter_column("starts_on", nullable=False)

    with op.batch_alter_table("rollover_line", schema=None) as batch_op:
        batch_op.add_column(sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("moved", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_index("ix_rollover_line_school", ["rollover_id", "school_id", "class_before"], unique=False)
    # What was applied before this was noted may be undone as before: by comparing. Leavers were not changed then.
    op.execute("UPDATE rollover_line SET moved = (1 = 1) WHERE applied_at IS NOT NULL AND decision <> 'leaver'")


def downgrade() -> None:
    with op.batch_alter_table("rollover_line", schema=None) as batch_op:
        batch_op.drop_index("ix_rollover_line_school")
        batch_op.drop_column("moved")
        batch_op.drop_column("told")

    with op.batch_alter_table("rollover", schema=None) as batch_op:
        batch_op.drop_column("armed_at")
        batch_op.drop_column("armed_by")
        batch_op.drop_column("starts_on")
        batch_op.drop_column("freezes_on")

    with op.batch_alter_table("return_tablet", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_return_tablet_town_id"))
        batch_op.drop_index(batch_op.f("ix_return_tablet_tablet_id"))

    op.drop_table("return_tablet")
    with op.batch_alter_table("return_day", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_return_day_town_id"))
        batch_op.drop_index(batch_op.f("ix_return_day_campaign_id"))

    op.drop_table("return_day")
    with op.batch_alter_table("rollover_school", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rollover_school_town_id"))

    op.drop_table("rollover_school")
    with op.batch_alter_table("return_campaign", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_return_campaign_town_id"))

    op.drop_table("return_campaign")
