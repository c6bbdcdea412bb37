"""device assignment"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "assignment"
down_revision = "0011_desk_today"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assignment_server",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consumer_key", sa.String(length=512), nullable=True),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
        sa.Column("server_uuid", sa.String(length=80), nullable=True),
        sa.Column("server_name", sa.String(length=160), nullable=True),
        sa.Column("org_name", sa.String(length=160), nullable=True),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rest_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alarm", sa.String(length=32), nullable=True),
        sa.Column("alarm_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=200), nullable=True),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("support_phone", sa.String(length=40), nullable=False),
        sa.Column("support_email", sa.String(length=120), nullable=False),
        sa.Column(
            "skipped",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_assignment_server_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment_server")),
        sa.UniqueConstraint("consumer_key", name=op.f("uq_assignment_server_consumer_key")),
        sa.UniqueConstraint("town_id", "name", name=op.f("uq_assignment_server_town_id_name")),
    )
    with op.batch_alter_table("assignment_server", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assignment_server_town_id"), ["town_id"], unique=False)

    op.create_table(
        "organisation_device",
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=80), nullable=True),
        sa.Column("family", sa.String(length=40), nullable=True),
        sa.Column("server", sa.String(length=160), nullable=True),
        sa.Column("server_generation", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_organisation_device_town_id_town")),
        sa.PrimaryKeyConstraint("town_id", "serial", name=op.f("pk_organisation_device")),
    )
    op.create_table(
        "organisation_key",
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=120), nullable=False),
        sa.Column("key_id", sa.String(length=120), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=200), nullable=True),
        sa.Column("needs_person", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_organisation_key_town_id_town")),
        sa.PrimaryKeyConstraint("town_id", name=op.f("pk_organisation_key")),
    )
    op.create_table(
        "assigned_device",
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=80), nullable=True),
        sa.Column("description", sa.String(length=200), nullable=True),
        sa.Column("color", sa.String(length=40), nullable=True),
        sa.Column("asset_tag", sa.String(length=80), nullable=True),
        sa.Column("family", sa.String(length=40), nullable=True),
        sa.Column("os", sa.String(length=24), nullable=True),
        sa.Column("profile_status", sa.String(length=32), nullable=True),
        sa.Column("profile_uuid", sa.String(length=64), nullable=True),
        sa.Column("profile_assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("profile_pushed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("migrate_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("op_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(length=32), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lock_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lock_code", sa.LargeBinary(), nullable=True),
        sa.Column("lock_result", sa.String(length=32), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["assignment_server.id"],
            name=op.f("fk_assigned_device_server_id_assignment_server"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_assigned_device_town_id_town")),
        sa.PrimaryKeyConstraint("server_id", "serial", name=op.f("pk_assigned_device")),
    )
    with op.batch_alter_table("assigned_device", schema=None) as batch_op:
        batch_op.create_index(
            "ix_assigned_device_lock",
            ["server_id"],
            unique=False,
            sqlite_where=sa.text("lock_asked_at IS NOT NULL"),
            postgresql_where=sa.text("lock_asked_at IS NOT NULL"),
        )
        batch_op.create_index("ix_assigned_device_serial", ["serial"], unique=False)
        batch_op.create_index(batch_op.f("ix_assigned_device_town_id"), ["town_id"], unique=False)

    op.create_table(
        "assignment_profile",
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.String(length=32), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("defined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["assignment_server.id"],
            name=op.f("fk_assignment_profile_server_id_assignment_server"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_assignment_profile_town_id_town")),
        sa.PrimaryKeyConstraint("server_id", "variant", name=op.f("pk_assignment_profile")),
    )
    with op.batch_alter_table("assignment_profile", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assignment_profile_town_id"), ["town_id"], unique=False)

    op.create_table(
        "reservation",
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("class_id", sa.Uuid(), nullable=True),
        sa.Column("pupil_id", sa.Uuid(), nullable=True),
        sa.Column("cart_slot_id", sa.Uuid(), nullable=True),
        sa.Column("problem", sa.String(length=40), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cart_slot_id"], ["cart_slot.id"], name=op.f("fk_reservation_cart_slot_id_cart_slot"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["class_id"], ["school_class.id"], name=op.f("fk_reservation_class_id_school_class"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["pupil_id"], ["pupil.id"], name=op.f("fk_reservation_pupil_id_pupil"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_reservation_school_id_school")),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_reservation_tablet_id_tablet"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_reservation_town_id_town")),
        sa.PrimaryKeyConstraint("tablet_id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("cart_slot_id", name=op.f("uq_reservation_cart_slot_id")),
        sa.UniqueConstraint("pupil_id", name=op.f("uq_reservation_pupil_id")),
    )
    with op.batch_alter_table("reservation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reservation_class_id"), ["class_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_reservation_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_reservation_town_id"), ["town_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("reservation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reservation_town_id"))
        batch_op.drop_index(batch_op.f("ix_reservation_school_id"))
        batch_op.drop_index(batch_op.f("ix_reservation_class_id"))

    op.drop_table("reservation")
    with op.batch_alter_table("assignment_profile", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assignment_profile_town_id"))

    op.drop_table("assignment_profile")
    with op.batch_alter_table("assigned_device", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assigned_device_town_id"))
        batch_op.drop_index("ix_assigned_device_serial")
        batch_op.drop_index(
            "ix_assigned_device_lock",
            sqlite_where=sa.text("lock_asked_at IS NOT NULL"),
            postgresql_where=sa.text("lock_asked_at IS NOT NULL"),
        )

    op.drop_table("assigned_device")
    op.drop_table("organisation_key")
    op.drop_table("organisation_device")
    with op.batch_alter_table("assignment_server", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assignment_server_town_id"))

    op.drop_table("assignment_server")
