"""rosters and rights"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010_rosters"
down_revision = "0010_turn_of_the_year"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "privacy_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("audience", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "content",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_privacy_notice_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_notice")),
        sa.UniqueConstraint("town_id", "audience", "version", name=op.f("uq_privacy_notice_town_id_audience_version")),
    )
    with op.batch_alter_table("privacy_notice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_notice_town_id"), ["town_id"], unique=False)

    op.create_table(
        "privacy_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("asked_by", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("extended_because", sa.LargeBinary(), nullable=True),
        sa.Column("answered_on", sa.Date(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("opened_by", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_privacy_request_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_request")),
    )
    with op.batch_alter_table("privacy_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_request_subject_id"), ["subject_id"], unique=False)
        batch_op.create_index("ix_privacy_request_town", ["town_id", "answered_on", "due_on"], unique=False)
        batch_op.create_index(batch_op.f("ix_privacy_request_town_id"), ["town_id"], unique=False)

    op.create_table(
        "pupil_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("school_year", sa.String(length=9), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("label_key", sa.String(length=120), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_pupil_group_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_pupil_group_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pupil_group")),
        sa.UniqueConstraint(
            "school_id", "school_year", "kind", "label_key", name=op.f("uq_pupil_group_school_id_school_year_kind_label_key")
        ),
    )
    with op.batch_alter_table("pupil_group", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pupil_group_town_id"), ["town_id"], unique=False)

    op.create_table(
        "pupil_group_member",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["pupil_group.id"], name=op.f("fk_pupil_group_member_group_id_pupil_group"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["pupil_id"], ["pupil.id"], name=op.f("fk_pupil_group_member_pupil_id_pupil"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_pupil_group_member_town_id_town")),
        sa.PrimaryKeyConstraint("group_id", "pupil_id", name=op.f("pk_pupil_group_member")),
    )
    with op.batch_alter_table("pupil_group_member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pupil_group_member_pupil_id"), ["pupil_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_pupil_group_member_town_id"), ["town_id"], unique=False)

    with op.batch_alter_table("column_mapping", schema=None) as batch_op:
        batch_op.alter_column("school_id", existing_type=sa.Uuid(), nullable=True)
        batch_op.create_index("ix_column_mapping_town", ["town_id", "school_id", "kind"], unique=False)

    with op.batch_alter_table("guardian_link", schema=None) as batch_op:
        batch_op.add_column(sa.Column("court_order", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.execute("DELETE FROM column_mapping WHERE school_id IS NULL")
    with op.batch_alter_table("guardian_link", schema=None) as batch_op:
        batch_op.drop_column("court_order")

    with op.batch_alter_table("column_mapping", schema=None) as batch_op:
        batch_op.drop_index("ix_column_mapping_town")
        batch_op.alter_column("school_id", existing_type=sa.Uuid(), nullable=False)

    with op.batch_alter_table("pupil_group_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pupil_group_member_town_id"))
        batch_op.drop_index(batch_op.f("ix_pupil_group_member_pupil_id"))

    op.drop_table("pupil_group_member")
    with op.batch_alter_table("pupil_group", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pupil_group_town_id"))

    op.drop_table("pupil_group")
    with op.batch_alter_table("privacy_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_request_town_id"))
        batch_op.drop_index("ix_privacy_request_town")
        batch_op.drop_index(batch_op.f("ix_privacy_request_subject_id"))

    op.drop_table("privacy_request")
    with op.batch_alter_table("privacy_notice", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_notice_town_id"))

    op.drop_table("privacy_notice")
