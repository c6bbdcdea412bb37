"""custody"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "done_once",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("asked", sa.String(length=64), nullable=False),
        sa.Column(
            "answer",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_done_once_town_id_town")),
        sa.PrimaryKeyConstraint("request_id", "account_id", name=op.f("pk_done_once")),
    )
    with op.batch_alter_table("done_once", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_done_once_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_done_once_town_id"), ["town_id"], unique=False)

    op.create_table(
        "pair_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_pair_request_tablet_id_tablet")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_pair_request_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pair_request")),
    )
    with op.batch_alter_table("pair_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pair_request_tablet_id"), ["tablet_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_pair_request_town_id"), ["town_id"], unique=False)

    op.create_table(
        "incident",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=True),
        sa.Column("intentional", sa.Boolean(), nullable=True),
        sa.Column("account", sa.LargeBinary(), nullable=False),
        sa.Column("reported_by", sa.Uuid(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("receipt_number", sa.String(length=40), nullable=True),
        sa.Column("receipt_on", sa.Date(), nullable=True),
        sa.Column("insured_on", sa.Date(), nullable=True),
        sa.Column("loaner_id", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["loan_id"], ["loan.id"], name=op.f("fk_incident_loan_id_loan"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["loaner_id"], ["tablet.id"], name=op.f("fk_incident_loaner_id_tablet")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_incident_school_id_school")),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_incident_tablet_id_tablet")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_incident_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    with op.batch_alter_table("incident", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incident_loan_id"), ["loan_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_incident_tablet_id"), ["tablet_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_incident_town_id"), ["town_id"], unique=False)
        batch_op.create_index(
            "uq_incident_open",
            ["tablet_id"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "loan_accessory",
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["loan_id"], ["loan.id"], name=op.f("fk_loan_accessory_loan_id_loan"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_loan_accessory_town_id_town")),
        sa.PrimaryKeyConstraint("loan_id", "kind", name=op.f("pk_loan_accessory")),
    )
    with op.batch_alter_table("loan_accessory", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_loan_accessory_town_id"), ["town_id"], unique=False)

    with op.batch_alter_table("loan", schema=None) as batch_op:
        batch_op.add_column(sa.Column("agreement", sa.String(length=32), server_default="wanted", nullable=False))
        batch_op.add_column(sa.Column("agreed_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("signed_by", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("handed_over_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("condition_out", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("condition_in", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("to_confirm", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("loan", schema=None) as batch_op:
        batch_op.drop_column("to_confirm")
        batch_op.drop_column("condition_in")
        batch_op.drop_column("condition_out")
        batch_op.drop_column("handed_over_at")
        batch_op.drop_column("signed_by")
        batch_op.drop_column("agreed_on")
        batch_op.drop_column("agreement")

    with op.batch_alter_table("loan_accessory", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_loan_accessory_town_id"))

    op.drop_table("loan_accessory")
    with op.batch_alter_table("incident", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_incident_open", sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_incident_town_id"))
        batch_op.drop_index(batch_op.f("ix_incident_tablet_id"))
        batch_op.drop_index(batch_op.f("ix_incident_loan_id"))

    op.drop_table("incident")
    with op.batch_alter_table("pair_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pair_request_town_id"))
        batch_op.drop_index(batch_op.f("ix_pair_request_tablet_id"))

    op.drop_table("pair_request")
    with op.batch_alter_table("done_once", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_done_once_town_id"))
        batch_op.drop_index(batch_op.f("ix_done_once_at"))

    op.drop_table("done_once")
