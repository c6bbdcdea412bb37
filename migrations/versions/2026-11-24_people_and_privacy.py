"""people and privacy"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_people"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "privacy_report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column(
            "content",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_privacy_report_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_report")),
    )
    with op.batch_alter_table("privacy_report", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_report_subject_id"), ["subject_id"], unique=False)
        batch_op.create_index("ix_privacy_report_town", ["town_id", "made_at"], unique=False)

    op.create_table(
        "record_access",
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_record_access_town_id_town")),
        sa.PrimaryKeyConstraint("pupil_id", "actor_id", "kind", "day", name=op.f("pk_record_access")),
    )
    with op.batch_alter_table("record_access", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_record_access_day"), ["day"], unique=False)
        batch_op.create_index(batch_op.f("ix_record_access_town_id"), ["town_id"], unique=False)

    op.create_table(
        "retention_choice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_retention_choice_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_choice")),
    )
    with op.batch_alter_table("retention_choice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_retention_choice_town_id"), ["town_id"], unique=False)
        batch_op.create_index("uq_retention_choice_rule", ["town_id", "rule"], unique=True)

    op.create_table(
        "roster_export",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "class_ids",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "counts",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_roster_export_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_export")),
    )
    with op.batch_alter_table("roster_export", schema=None) as batch_op:
        batch_op.create_index("ix_roster_export_town", ["town_id", "format", "made_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_roster_export_town_id"), ["town_id"], unique=False)

    op.create_table(
        "staff_member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("last_name", sa.LargeBinary(), nullable=False),
        sa.Column("first_name", sa.LargeBinary(), nullable=False),
        sa.Column("email", sa.LargeBinary(), nullable=True),
        sa.Column("name_hash", sa.String(length=64), nullable=False),
        sa.Column("email_hash", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("absent_since", sa.Date(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_staff_member_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_member")),
    )
    with op.batch_alter_table("staff_member", schema=None) as batch_op:
        batch_op.create_index("ix_staff_member_email", ["town_id", "email_hash"], unique=False)
        batch_op.create_index("ix_staff_member_name", ["town_id", "name_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_staff_member_town_id"), ["town_id"], unique=False)

    op.create_table(
        "column_mapping",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column(
            "columns",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("written_by", sa.Uuid(), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_column_mapping_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_column_mapping_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_column_mapping")),
        sa.UniqueConstraint("school_id", "kind", name=op.f("uq_column_mapping_school_id_kind")),
    )
    with op.batch_alter_table("column_mapping", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_column_mapping_town_id"), ["town_id"], unique=False)

    op.create_table(
        "guardian",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("last_name", sa.LargeBinary(), nullable=False),
        sa.Column("first_name", sa.LargeBinary(), nullable=False),
        sa.Column("email", sa.LargeBinary(), nullable=True),
        sa.Column("mobile", sa.LargeBinary(), nullable=True),
        sa.Column("name_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("absent_since", sa.Date(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_guardian_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_guardian_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardian")),
    )
    with op.batch_alter_table("guardian", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_guardian_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_guardian_town_id"), ["town_id"], unique=False)

    op.create_table(
        "roster_import_school",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["roster_import.id"], name=op.f("fk_roster_import_school_import_id_roster_import"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_roster_import_school_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_roster_import_school_town_id_town")),
        sa.PrimaryKeyConstraint("import_id", "school_id", name=op.f("pk_roster_import_school")),
    )
    with op.batch_alter_table("roster_import_school", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_import_school_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_roster_import_school_town_id"), ["town_id"], unique=False)

    op.create_table(
        "teacher_assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_teacher_assignment_class_id_school_class")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_teacher_assignment_school_id_school")),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_teacher_assignment_staff_id_staff_member"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_teacher_assignment_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teacher_assignment")),
    )
    with op.batch_alter_table("teacher_assignment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_teacher_assignment_class_id"), ["class_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_teacher_assignment_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_teacher_assignment_staff_id"), ["staff_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_teacher_assignment_town_id"), ["town_id"], unique=False)

    op.create_table(
        "guardian_link",
        sa.Column("guardian_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardian.id"], name=op.f("fk_guardian_link_guardian_id_guardian"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["pupil_id"], ["pupil.id"], name=op.f("fk_guardian_link_pupil_id_pupil"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_guardian_link_town_id_town")),
        sa.PrimaryKeyConstraint("guardian_id", "pupil_id", name=op.f("pk_guardian_link")),
    )
    with op.batch_alter_table("guardian_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_guardian_link_pupil_id"), ["pupil_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_guardian_link_town_id"), ["town_id"], unique=False)

    with op.batch_alter_table("roster_import", schema=None) as batch_op:
        batch_op.add_column(sa.Column("undo", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("undone_by", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("roster_import", schema=None) as batch_op:
        batch_op.drop_column("undone_at")
        batch_op.drop_column("undone_by")
        batch_op.drop_column("undo")

    with op.batch_alter_table("guardian_link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_guardian_link_town_id"))
        batch_op.drop_index(batch_op.f("ix_guardian_link_pupil_id"))

    op.drop_table("guardian_link")
    with op.batch_alter_table("teacher_assignment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_teacher_assignment_town_id"))
        batch_op.drop_index(batch_op.f("ix_teacher_assignment_staff_id"))
        batch_op.drop_index(batch_op.f("ix_teacher_assignment_school_id"))
        batch_op.drop_index(batch_op.f("ix_teacher_assignment_class_id"))

    op.drop_table("teacher_assignment")
    with op.batch_alter_table("roster_import_school", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_import_school_town_id"))
        batch_op.drop_index(batch_op.f("ix_roster_import_school_school_id"))

    op.drop_table("roster_import_school")
    with op.batch_alter_table("guardian", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_guardian_town_id"))
        batch_op.drop_index(batch_op.f("ix_guardian_school_id"))

    op.drop_table("guardian")
    with op.batch_alter_table("column_mapping", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_column_mapping_town_id"))

    op.drop_table("column_mapping")
    with op.batch_alter_table("staff_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_staff_member_town_id"))
        batch_op.drop_index("ix_staff_member_name")
        batch_op.drop_index("ix_staff_member_email")

    op.drop_table("staff_member")
    with op.batch_alter_table("roster_export", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_export_town_id"))
        batch_op.drop_index("ix_roster_export_town")

    op.drop_table("roster_export")
    with op.batch_alter_table("retention_choice", schema=None) as batch_op:
        batch_op.drop_index("uq_retention_choice_rule")
        batch_op.drop_index(batch_op.f("ix_retention_choice_town_id"))

    op.drop_table("retention_choice")
    with op.batch_alter_table("record_access", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_record_access_town_id"))
        batch_op.drop_index(batch_op.f("ix_record_access_day"))

    op.drop_table("record_access")
    with op.batch_alter_table("privacy_report", schema=None) as batch_op:
        batch_op.drop_index("ix_privacy_report_town")
        batch_op.drop_index(batch_op.f("ix_privacy_report_subject_id"))

    op.drop_table("privacy_report")
