"""layers modes and declarations"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_OPEN = sa.text("state IN ('queued', 'sent', 'not_now')")


def upgrade() -> None:
    op.drop_index("ix_command_deadline", table_name="command")
    op.create_table(
        "declaration_set",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "items",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "profiles",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_declaration_set_town_id_town")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_declaration_set")),
    )
    with op.batch_alter_table("declaration_set", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_declaration_set_town_id"), ["town_id"], unique=False)

    op.create_table(
        "own_calendar",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column(
            "periods",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "public",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("known_until", sa.Date(), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_own_calendar_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_own_calendar")),
        sa.UniqueConstraint("town_id", "name", name=op.f("uq_own_calendar_town_id_name")),
    )
    with op.batch_alter_table("own_calendar", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_own_calendar_town_id"), ["town_id"], unique=False)

    op.create_table(
        "policy_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_policy_group_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_group")),
        sa.UniqueConstraint("town_id", "name", name=op.f("uq_policy_group_town_id_name")),
    )
    with op.batch_alter_table("policy_group", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_policy_group_town_id"), ["town_id"], unique=False)

    op.create_table(
        "activity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("starts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_activity_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_activity_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
    )
    with op.batch_alter_table("activity", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_activity_ends"), ["ends"], unique=False)
        batch_op.create_index(batch_op.f("ix_activity_town_id"), ["town_id"], unique=False)

    op.create_table(
        "exam_day",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("level", sa.String(length=32), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("ends", sa.Integer(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_exam_day_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_exam_day_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam_day")),
    )
    with op.batch_alter_table("exam_day", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_exam_day_town_id"), ["town_id"], unique=False)

    op.create_table(
        "policy_layer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=True),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_policy_layer_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_policy_layer_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_layer")),
        sa.UniqueConstraint("town_id", "kind", "target", name=op.f("uq_policy_layer_town_id_kind_target")),
    )
    with op.batch_alter_table("policy_layer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_policy_layer_town_id"), ["town_id"], unique=False)

    op.create_table(
        "timetable",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "week",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("calendar", sa.String(length=80), nullable=False),
        sa.Column("night_from", sa.Integer(), nullable=True),
        sa.Column("night_to", sa.Integer(), nullable=True),
        sa.Column("written_by", sa.Uuid(), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_timetable_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_timetable_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timetable")),
        sa.UniqueConstraint("town_id", "school_id", "version", name=op.f("uq_timetable_town_id_school_id_version")),
    )
    with op.batch_alter_table("timetable", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_timetable_town_id"), ["town_id"], unique=False)

    op.create_table(
        "calendar_override",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("class_id", sa.Uuid(), nullable=True),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Integer(), nullable=True),
        sa.Column("window_from", sa.Integer(), nullable=True),
        sa.Column("window_to", sa.Integer(), nullable=True),
        sa.Column("like", sa.Integer(), nullable=True),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("written_by", sa.Uuid(), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_calendar_override_class_id_school_class")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_calendar_override_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_calendar_override_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_override")),
    )
    with op.batch_alter_table("calendar_override", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_calendar_override_town_id"), ["town_id"], unique=False)

    op.create_table(
        "layer_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("layer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column(
            "settings",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "locks",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("note", sa.String(length=300), nullable=True),
        sa.Column("stage", sa.String(length=32), nullable=True),
        sa.Column("stage_target", sa.Uuid(), nullable=True),
        sa.Column("written_by", sa.Uuid(), nullable=True),
        sa.Column("written_by_name", sa.String(length=200), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rolled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_why", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["layer_id"], ["policy_layer.id"], name=op.f("fk_layer_version_layer_id_policy_layer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_layer_version")),
        sa.UniqueConstraint("layer_id", "number", name=op.f("uq_layer_version_layer_id_number")),
    )
    with op.batch_alter_table("layer_version", schema=None) as batch_op:
        batch_op.create_index(
            "uq_layer_version_in_force",
            ["layer_id", "state"],
            unique=True,
            sqlite_where=sa.text("state IN ('live', 'rolling')"),
            postgresql_where=sa.text("state IN ('live', 'rolling')"),
        )

    op.create_table(
        "lesson_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=False),
        sa.Column("starts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.Column("preset", sa.String(length=32), nullable=False),
        sa.Column(
            "apps",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "sites",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("started_by", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_lesson_session_class_id_school_class")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_lesson_session_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lesson_session")),
    )
    with op.batch_alter_table("lesson_session", schema=None) as batch_op:
        batch_op.create_index("ix_lesson_session_class", ["class_id", "ends"], unique=False)
        batch_op.create_index(batch_op.f("ix_lesson_session_town_id"), ["town_id"], unique=False)

    op.create_table(
        "activity_tablet",
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activity.id"], name=op.f("fk_activity_tablet_activity_id_activity"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tablet_id"], ["tablet.id"], name=op.f("fk_activity_tablet_tablet_id_tablet"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("activity_id", "tablet_id", name=op.f("pk_activity_tablet")),
    )
    with op.batch_alter_table("activity_tablet", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_activity_tablet_tablet_id"), ["tablet_id"], unique=False)

    op.create_table(
        "guardian_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("guardian_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=155), nullable=False),
        sa.Column("window_from", sa.Integer(), nullable=True),
        sa.Column("window_to", sa.Integer(), nullable=True),
        sa.Column("starts", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority", sa.Boolean(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["pupil_id"], ["pupil.id"], name=op.f("fk_guardian_rule_pupil_id_pupil"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_guardian_rule_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardian_rule")),
    )
    with op.batch_alter_table("guardian_rule", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_guardian_rule_pupil_id"), ["pupil_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_guardian_rule_town_id"), ["town_id"], unique=False)

    op.create_table(
        "policy_group_member",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["policy_group.id"], name=op.f("fk_policy_group_member_group_id_policy_group"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["pupil_id"], ["pupil.id"], name=op.f("fk_policy_group_member_pupil_id_pupil"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "pupil_id", name=op.f("pk_policy_group_member")),
    )
    with op.batch_alter_table("policy_group_member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_policy_group_member_pupil_id"), ["pupil_id"], unique=False)

    op.create_table(
        "pupil_rhythm",
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("after_school", sa.String(length=32), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["pupil_id"], ["pupil.id"], name=op.f("fk_pupil_rhythm_pupil_id_pupil"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_pupil_rhythm_town_id_town")),
        sa.PrimaryKeyConstraint("pupil_id", name=op.f("pk_pupil_rhythm")),
    )
    with op.batch_alter_table("pupil_rhythm", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pupil_rhythm_town_id"), ["town_id"], unique=False)

    op.create_table(
        "tablet_mode",
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.String(length=32), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_look", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_tablet_mode_tablet_id_tablet"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_tablet_mode_town_id_town")),
        sa.PrimaryKeyConstraint("tablet_id", name=op.f("pk_tablet_mode")),
    )
    with op.batch_alter_table("tablet_mode", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tablet_mode_next_look"), ["next_look"], unique=False)
        batch_op.create_index(batch_op.f("ix_tablet_mode_town_id"), ["town_id"], unique=False)

    op.create_table(
        "declarative_state",
        sa.Column("enrollment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("set_sha256", sa.String(length=64), nullable=True),
        sa.Column("mode", sa.String(length=32), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_mode", sa.String(length=32), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "items",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=True,
        ),
        sa.Column(
            "declarations",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=True,
        ),
        sa.Column(
            "errors",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=True,
        ),
        sa.Column("repairs", sa.Integer(), nullable=False),
        sa.Column("alone_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["device_enrollment.id"],
            name=op.f("fk_declarative_state_enrollment_id_device_enrollment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("enrollment_id", name=op.f("pk_declarative_state")),
    )


def downgrade() -> None:
    op.create_index("ix_command_deadline", "command", ["deadline"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.drop_table("declarative_state")
    with op.batch_alter_table("tablet_mode", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tablet_mode_town_id"))
        batch_op.drop_index(batch_op.f("ix_tablet_mode_next_look"))

    op.drop_table("tablet_mode")
    with op.batch_alter_table("pupil_rhythm", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pupil_rhythm_town_id"))

    op.drop_table("pupil_rhythm")
    with op.batch_alter_table("policy_group_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_policy_group_member_pupil_id"))

    op.drop_table("policy_group_member")
    with op.batch_alter_table("guardian_rule", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_guardian_rule_town_id"))
        batch_op.drop_index(batch_op.f("ix_guardian_rule_pupil_id"))

    op.drop_table("guardian_rule")
    with op.batch_alter_table("activity_tablet", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_activity_tablet_tablet_id"))

    op.drop_table("activity_tablet")
    with op.batch_alter_table("lesson_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_lesson_session_town_id"))
        batch_op.drop_index("ix_lesson_session_class")

    op.drop_table("lesson_session")
    with op.batch_alter_table("layer_version", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_layer_version_in_force",
            sqlite_where=sa.text("state IN ('live', 'rolling')"),
            postgresql_where=sa.text("state IN ('live', 'rolling')"),
        )

    op.drop_table("layer_version")
    with op.batch_alter_table("calendar_override", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_calendar_override_town_id"))

    op.drop_table("calendar_override")
    with op.batch_alter_table("timetable", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_timetable_town_id"))

    op.drop_table("timetable")
    with op.batch_alter_table("policy_layer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_policy_layer_town_id"))

    op.drop_table("policy_layer")
    with op.batch_alter_table("exam_day", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_exam_day_town_id"))

    op.drop_table("exam_day")
    with op.batch_alter_table("activity", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_activity_town_id"))
        batch_op.drop_index(batch_op.f("ix_activity_ends"))

    op.drop_table("activity")
    with op.batch_alter_table("policy_group", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_policy_group_town_id"))

    op.drop_table("policy_group")
    with op.batch_alter_table("own_calendar", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_own_calendar_town_id"))

    op.drop_table("own_calendar")
    with op.batch_alter_table("declaration_set", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_declaration_set_town_id"))

    op.drop_table("declaration_set")
