"""first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.String(length=200), nullable=False),
        sa.Column("display_name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("token_epoch", sa.Integer(), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("login", name=op.f("uq_account_login")),
    )
    op.create_table(
        "certificate_authority",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("issuing", sa.Boolean(), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_authority")),
    )
    op.create_table(
        "channel_note",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("udid", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("details", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_note")),
    )
    with op.batch_alter_table("channel_note", schema=None) as batch_op:
        batch_op.create_index("ix_channel_note_udid", ["udid", "id"], unique=False)

    op.create_table(
        "command_body",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("request_type", sa.String(length=64), nullable=False),
        sa.Column("args", sa.LargeBinary(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_by_name", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command_body")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_due", ["not_before", "id"], unique=False)
        batch_op.create_index(
            "uq_outbox_waiting",
            ["topic", "key"],
            unique=True,
            sqlite_where=sa.text("lease_until IS NULL"),
            postgresql_where=sa.text("lease_until IS NULL"),
        )

    op.create_table(
        "push_certificate",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(length=255), nullable=True),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_certificate")),
    )
    op.create_table(
        "town",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("zone", sa.String(length=1), nullable=False),
        sa.Column("time_zone", sa.String(length=40), nullable=False),
        sa.Column("tag_prefix", sa.String(length=8), nullable=False),
        sa.Column("support_phone", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_town")),
        sa.UniqueConstraint("slug", name=op.f("uq_town_slug")),
    )
    op.create_table(
        "app",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("bundle_identifier", sa.String(length=155), nullable=False),
        sa.Column("app_store_id", sa.BigInteger(), nullable=True),
        sa.Column("manifest_url", sa.String(length=500), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_app_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app")),
        sa.UniqueConstraint("town_id", "bundle_identifier", name=op.f("uq_app_town_id_bundle_identifier")),
    )
    with op.batch_alter_table("app", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_app_town_id"), ["town_id"], unique=False)

    op.create_table(
        "app_bundle",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_app_bundle_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_bundle")),
        sa.UniqueConstraint("town_id", "name", name=op.f("uq_app_bundle_town_id_name")),
    )
    with op.batch_alter_table("app_bundle", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_app_bundle_town_id"), ["town_id"], unique=False)

    op.create_table(
        "artefact",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("identifier", sa.String(length=155), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("plain", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_artefact_town_id_town")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_artefact")),
    )
    with op.batch_alter_table("artefact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_artefact_town_id"), ["town_id"], unique=False)

    op.create_table(
        "audit_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject_kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("details", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_audit_event_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index("ix_audit_event_subject", ["subject_kind", "subject_id", "id"], unique=False)
        batch_op.create_index("ix_audit_event_town", ["town_id", "id"], unique=False)

    op.create_table(
        "safety_switch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_by", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_safety_switch_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_switch")),
    )
    with op.batch_alter_table("safety_switch", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_safety_switch_town_id"), ["town_id"], unique=False)

    op.create_table(
        "school",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("uai", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("zone", sa.String(length=1), nullable=True),
        sa.Column("time_zone", sa.String(length=40), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_school_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_school")),
        sa.UniqueConstraint("uai", name=op.f("uq_school_uai")),
    )
    with op.batch_alter_table("school", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_school_town_id"), ["town_id"], unique=False)

    op.create_table(
        "town_floor",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("settings", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
        sa.Column("written_by", sa.Uuid(), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_town_floor_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_town_floor")),
    )
    with op.batch_alter_table("town_floor", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_town_floor_town_id"), ["town_id"], unique=False)

    op.create_table(
        "web_filter",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("auto_filter", sa.Boolean(), nullable=False),
        sa.Column("denied", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
        sa.Column("permitted", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_web_filter_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_filter")),
        sa.UniqueConstraint("town_id", name=op.f("uq_web_filter_town_id")),
    )
    with op.batch_alter_table("web_filter", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_filter_town_id"), ["town_id"], unique=False)

    op.create_table(
        "account_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_account_grant_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_account_grant_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_account_grant_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_grant")),
    )
    with op.batch_alter_table("account_grant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_grant_account_id"), ["account_id"], unique=False)
        batch_op.create_index("ix_account_grant_town", ["town_id", "account_id"], unique=False)

    op.create_table(
        "bundle_app",
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_bundle_app_app_id_app")),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["app_bundle.id"], name=op.f("fk_bundle_app_bundle_id_app_bundle"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("bundle_id", "app_id", name=op.f("pk_bundle_app")),
    )
    op.create_table(
        "bundle_assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assigned_by", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["app_bundle.id"], name=op.f("fk_bundle_assignment_bundle_id_app_bundle"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_bundle_assignment_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle_assignment")),
        sa.UniqueConstraint("town_id", "bundle_id", "level", name=op.f("uq_bundle_assignment_town_id_bundle_id_level")),
    )
    with op.batch_alter_table("bundle_assignment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_assignment_bundle_id"), ["bundle_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_bundle_assignment_town_id"), ["town_id"], unique=False)

    op.create_table(
        "cart",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_cart_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_cart_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart")),
    )
    with op.batch_alter_table("cart", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cart_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_cart_town_id"), ["town_id"], unique=False)

    op.create_table(
        "roster_import",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("counts", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
        sa.Column("needs_second", sa.Boolean(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=True),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_roster_import_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_roster_import_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_import")),
    )
    with op.batch_alter_table("roster_import", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_import_town_id"), ["town_id"], unique=False)

    op.create_table(
        "school_class",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("school_year", sa.String(length=9), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("label_key", sa.String(length=200), nullable=False),
        sa.Column("onde_id", sa.String(length=32), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_school_class_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_school_class_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_school_class")),
        sa.UniqueConstraint(
            "school_id", "school_year", "label_key", name=op.f("uq_school_class_school_id_school_year_label_key")
        ),
    )
    with op.batch_alter_table("school_class", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_school_class_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_school_class_town_id"), ["town_id"], unique=False)

    op.create_table(
        "pupil",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("class_id", sa.Uuid(), nullable=True),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("last_name", sa.LargeBinary(), nullable=False),
        sa.Column("usage_name", sa.LargeBinary(), nullable=True),
        sa.Column("first_name", sa.LargeBinary(), nullable=False),
        sa.Column("name_hash", sa.String(length=64), nullable=False),
        sa.Column("usage_name_hash", sa.String(length=64), nullable=True),
        sa.Column("ine_hash", sa.String(length=64), nullable=True),
        sa.Column("birth_hash", sa.String(length=64), nullable=True),
        sa.Column("take_home", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("absent_since", sa.Date(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_pupil_class_id_school_class")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_pupil_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_pupil_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pupil")),
    )
    with op.batch_alter_table("pupil", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pupil_class_id"), ["class_id"], unique=False)
        batch_op.create_index("ix_pupil_ine", ["school_id", "ine_hash"], unique=False)
        batch_op.create_index("ix_pupil_level", ["town_id", "level"], unique=False)
        batch_op.create_index("ix_pupil_name", ["school_id", "name_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_pupil_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_pupil_town_id"), ["town_id"], unique=False)

    op.create_table(
        "tablet",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("class_id", sa.Uuid(), nullable=True),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("tag", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("product_name", sa.String(length=40), nullable=True),
        sa.Column("model_name", sa.String(length=80), nullable=True),
        sa.Column("os_version", sa.String(length=24), nullable=True),
        sa.Column("build_version", sa.String(length=24), nullable=True),
        sa.Column("supervised", sa.Boolean(), nullable=True),
        sa.Column("battery_level", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence_hold", sa.Boolean(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_tablet_class_id_school_class")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_tablet_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_tablet_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tablet")),
        sa.UniqueConstraint("serial", name=op.f("uq_tablet_serial")),
        sa.UniqueConstraint("town_id", "tag", name=op.f("uq_tablet_town_id_tag")),
    )
    with op.batch_alter_table("tablet", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tablet_class_id"), ["class_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_tablet_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_tablet_town_id"), ["town_id"], unique=False)

    op.create_table(
        "cart_slot",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_cart_slot_cart_id_cart")),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_cart_slot_tablet_id_tablet")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_cart_slot_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart_slot")),
        sa.UniqueConstraint("cart_id", "number", name=op.f("uq_cart_slot_cart_id_number")),
        sa.UniqueConstraint("tablet_id", name=op.f("uq_cart_slot_tablet_id")),
    )
    with op.batch_alter_table("cart_slot", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cart_slot_cart_id"), ["cart_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_cart_slot_town_id"), ["town_id"], unique=False)

    op.create_table(
        "device_enrollment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("channel_key", sa.String(length=255), nullable=False),
        sa.Column("udid", sa.String(length=128), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("next_fingerprint", sa.String(length=64), nullable=True),
        sa.Column("topic", sa.String(length=255), nullable=True),
        sa.Column("awaiting_configuration", sa.Boolean(), nullable=False),
        sa.Column("unlock_token", sa.LargeBinary(), nullable=True),
        sa.Column("bootstrap_token", sa.LargeBinary(), nullable=True),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["device_enrollment.id"], name=op.f("fk_device_enrollment_parent_id_device_enrollment")
        ),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_device_enrollment_tablet_id_tablet")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_device_enrollment_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_enrollment")),
        sa.UniqueConstraint("channel_key", name=op.f("uq_device_enrollment_channel_key")),
    )
    with op.batch_alter_table("device_enrollment", schema=None) as batch_op:
        batch_op.create_index("ix_device_enrollment_fingerprint", ["fingerprint"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_enrollment_tablet_id"), ["tablet_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_enrollment_town_id"), ["town_id"], unique=False)
        batch_op.create_index("ix_device_enrollment_udid", ["udid"], unique=False)

    op.create_table(
        "loan",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["pupil_id"], ["pupil.id"], name=op.f("fk_loan_pupil_id_pupil")),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_loan_tablet_id_tablet")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_loan_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan")),
    )
    with op.batch_alter_table("loan", schema=None) as batch_op:
        batch_op.create_index("ix_loan_pupil", ["pupil_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_loan_town_id"), ["town_id"], unique=False)
        batch_op.create_index(
            "uq_loan_open_pupil",
            ["pupil_id"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index(
            "uq_loan_open_tablet",
            ["tablet_id"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "lost_case",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("message", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("footnote", sa.String(length=120), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_requested_by", sa.Uuid(), nullable=True),
        sa.Column("lift_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_reason", sa.LargeBinary(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_lost_case_school_id_school")),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_lost_case_tablet_id_tablet")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_lost_case_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lost_case")),
    )
    with op.batch_alter_table("lost_case", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lost_case_tablet_id"), ["tablet_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_lost_case_town_id"), ["town_id"], unique=False)
        batch_op.create_index(
            "uq_lost_case_open",
            ["tablet_id"],
            unique=True,
            sqlite_where=sa.text("lifted_at IS NULL"),
            postgresql_where=sa.text("lifted_at IS NULL"),
        )

    op.create_table(
        "tablet_app",
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_tablet_app_app_id_app"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_tablet_app_tablet_id_tablet"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tablet_id", "app_id", name=op.f("pk_tablet_app")),
    )
    with op.batch_alter_table("tablet_app", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tablet_app_app_id"), ["app_id"], unique=False)

    op.create_table(
        "tablet_profile",
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("wanted_sha256", sa.String(length=64), nullable=False),
        sa.Column("seen_uuid", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("why", sa.String(length=300), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tablet_id"], ["tablet.id"], name=op.f("fk_tablet_profile_tablet_id_tablet"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tablet_id", name=op.f("pk_tablet_profile")),
    )
    op.create_table(
        "command",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("body_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("dedupe_key", sa.String(length=96), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deliveries", sa.SmallInteger(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["body_id"], ["command_body.id"], name=op.f("fk_command_body_id_command_body")),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["device_enrollment.id"], name=op.f("fk_command_enrollment_id_device_enrollment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command")),
    )
    with op.batch_alter_table("command", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_command_body_id"), ["body_id"], unique=False)
        batch_op.create_index(
            "ix_command_deadline",
            ["deadline"],
            unique=False,
            sqlite_where=sa.text("state IN ('queued', 'sent', 'not_now')"),
            postgresql_where=sa.text("state IN ('queued', 'sent', 'not_now')"),
        )
        batch_op.create_index("ix_command_history", ["enrollment_id", "id"], unique=False)
        batch_op.create_index(
            "ix_command_open",
            ["enrollment_id", "lane", "id"],
            unique=False,
            sqlite_where=sa.text("state IN ('queued', 'sent', 'not_now')"),
            postgresql_where=sa.text("state IN ('queued', 'sent', 'not_now')"),
        )
        batch_op.create_index(
            "uq_command_waiting",
            ["enrollment_id", "dedupe_key"],
            unique=True,
            sqlite_where=sa.text("state IN ('queued', 'not_now') AND dedupe_key IS NOT NULL"),
            postgresql_where=sa.text("state IN ('queued', 'not_now') AND dedupe_key IS NOT NULL"),
        )

    op.create_table(
        "heartbeat",
        sa.Column("enrollment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["device_enrollment.id"],
            name=op.f("fk_heartbeat_enrollment_id_device_enrollment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("enrollment_id", name=op.f("pk_heartbeat")),
    )
    op.create_table(
        "invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=True),
        sa.Column("class_id", sa.Uuid(), nullable=True),
        sa.Column("cart_slot_id", sa.Uuid(), nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["cart_slot_id"], ["cart_slot.id"], name=op.f("fk_invitation_cart_slot_id_cart_slot")),
        sa.ForeignKeyConstraint(["class_id"], ["school_class.id"], name=op.f("fk_invitation_class_id_school_class")),
        sa.ForeignKeyConstraint(["pupil_id"], ["pupil.id"], name=op.f("fk_invitation_pupil_id_pupil")),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name=op.f("fk_invitation_school_id_school")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_invitation_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_invitation_code_hash")),
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_class_id"), ["class_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_pupil_id"), ["pupil_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_town_id"), ["town_id"], unique=False)

    op.create_table(
        "position_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("position", sa.LargeBinary(), nullable=True),
        sa.Column("failed_why", sa.String(length=200), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["lost_case.id"], name=op.f("fk_position_request_case_id_lost_case")),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_position_request_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_position_request")),
    )
    with op.batch_alter_table("position_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_position_request_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_position_request_town_id"), ["town_id"], unique=False)

    op.create_table(
        "push_target",
        sa.Column("enrollment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("magic", sa.LargeBinary(), nullable=False),
        sa.Column("topic", sa.String(length=255), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pushed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invalid_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invalid_why", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["device_enrollment.id"],
            name=op.f("fk_push_target_enrollment_id_device_enrollment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("enrollment_id", name=op.f("pk_push_target")),
    )
    op.create_table(
        "status_report",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["device_enrollment.id"],
            name=op.f("fk_status_report_enrollment_id_device_enrollment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_report")),
        sa.UniqueConstraint("enrollment_id", name=op.f("uq_status_report_enrollment_id")),
    )
    op.create_table(
        "command_answer",
        sa.Column("command_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error_chain", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["command_id"], ["command.id"], name=op.f("fk_command_answer_command_id_command"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_command_answer")),
    )
    op.create_table(
        "device_certificate",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ca_id", sa.Uuid(), nullable=False),
        sa.Column("serial_hex", sa.String(length=40), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("transaction_id", sa.String(length=128), nullable=True),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("tablet_id", sa.Uuid(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_why", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["ca_id"], ["certificate_authority.id"], name=op.f("fk_device_certificate_ca_id_certificate_authority")
        ),
        sa.ForeignKeyConstraint(
            ["invitation_id"], ["invitation.id"], name=op.f("fk_device_certificate_invitation_id_invitation")
        ),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_device_certificate_tablet_id_tablet")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_certificate")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_device_certificate_fingerprint")),
        sa.UniqueConstraint("serial_hex", name=op.f("uq_device_certificate_serial_hex")),
    )
    with op.batch_alter_table("device_certificate", schema=None) as batch_op:
        batch_op.create_index("ix_device_certificate_not_after", ["not_after"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_certificate_tablet_id"), ["tablet_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_certificate_transaction_id"), ["transaction_id"], unique=False)

    op.create_table(
        "invitation_use",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitation.id"], name=op.f("fk_invitation_use_invitation_id_invitation")),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_invitation_use_tablet_id_tablet")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation_use")),
        sa.UniqueConstraint("invitation_id", "tablet_id", name=op.f("uq_invitation_use_invitation_id_tablet_id")),
    )
    op.create_table(
        "scep_challenge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("tablet_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_key_sha256", sa.String(length=64), nullable=True),
        sa.Column("certificate_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitation.id"], name=op.f("fk_scep_challenge_invitation_id_invitation")),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_scep_challenge_tablet_id_tablet")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scep_challenge")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_scep_challenge_secret_hash")),
    )
    with op.batch_alter_table("scep_challenge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_scep_challenge_invitation_id"), ["invitation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_scep_challenge_tablet_id"), ["tablet_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("scep_challenge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_scep_challenge_tablet_id"))
        batch_op.drop_index(batch_op.f("ix_scep_challenge_invitation_id"))

    op.drop_table("scep_challenge")
    op.drop_table("invitation_use")
    with op.batch_alter_table("device_certificate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_device_certificate_transaction_id"))
        batch_op.drop_index(batch_op.f("ix_device_certificate_tablet_id"))
        batch_op.drop_index("ix_device_certificate_not_after")

    op.drop_table("device_certificate")
    op.drop_table("command_answer")
    op.drop_table("status_report")
    op.drop_table("push_target")
    with op.batch_alter_table("position_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_position_request_town_id"))
        batch_op.drop_index(batch_op.f("ix_position_request_case_id"))

    op.drop_table("position_request")
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitation_town_id"))
        batch_op.drop_index(batch_op.f("ix_invitation_school_id"))
        batch_op.drop_index(batch_op.f("ix_invitation_pupil_id"))
        batch_op.drop_index(batch_op.f("ix_invitation_class_id"))

    op.drop_table("invitation")
    op.drop_table("heartbeat")
    with op.batch_alter_table("command", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_command_waiting",
            sqlite_where=sa.text("state IN ('queued', 'not_now') AND dedupe_key IS NOT NULL"),
            postgresql_where=sa.text("state IN ('queued', 'not_now') AND dedupe_key IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_command_open",
            sqlite_where=sa.text("state IN ('queued', 'sent', 'not_now')"),
            postgresql_where=sa.text("state IN ('queued', 'sent', 'not_now')"),
        )
        batch_op.drop_index("ix_command_history")
        batch_op.drop_index(
            "ix_command_deadline",
            sqlite_where=sa.text("state IN ('queued', 'sent', 'not_now')"),
            postgresql_where=sa.text("state IN ('queued', 'sent', 'not_now')"),
        )
        batch_op.drop_index(batch_op.f("ix_command_body_id"))

    op.drop_table("command")
    op.drop_table("tablet_profile")
    with op.batch_alter_table("tablet_app", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tablet_app_app_id"))

    op.drop_table("tablet_app")
    with op.batch_alter_table("lost_case", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_lost_case_open", sqlite_where=sa.text("lifted_at IS NULL"), postgresql_where=sa.text("lifted_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_lost_case_town_id"))
        batch_op.drop_index(batch_op.f("ix_lost_case_tablet_id"))

    op.drop_table("lost_case")
    with op.batch_alter_table("loan", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_loan_open_tablet", sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        )
        batch_op.drop_index(
            "uq_loan_open_pupil", sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_loan_town_id"))
        batch_op.drop_index("ix_loan_pupil")

    op.drop_table("loan")
    with op.batch_alter_table("device_enrollment", schema=None) as batch_op:
        batch_op.drop_index("ix_device_enrollment_udid")
        batch_op.drop_index(batch_op.f("ix_device_enrollment_town_id"))
        batch_op.drop_index(batch_op.f("ix_device_enrollment_tablet_id"))
        batch_op.drop_index("ix_device_enrollment_fingerprint")

    op.drop_table("device_enrollment")
    with op.batch_alter_table("cart_slot", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cart_slot_town_id"))
        batch_op.drop_index(batch_op.f("ix_cart_slot_cart_id"))

    op.drop_table("cart_slot")
    with op.batch_alter_table("tablet", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tablet_town_id"))
        batch_op.drop_index(batch_op.f("ix_tablet_school_id"))
        batch_op.drop_index(batch_op.f("ix_tablet_class_id"))

    op.drop_table("tablet")
    with op.batch_alter_table("pupil", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pupil_town_id"))
        batch_op.drop_index(batch_op.f("ix_pupil_school_id"))
        batch_op.drop_index("ix_pupil_name")
        batch_op.drop_index("ix_pupil_level")
        batch_op.drop_index("ix_pupil_ine")
        batch_op.drop_index(batch_op.f("ix_pupil_class_id"))

    op.drop_table("pupil")
    with op.batch_alter_table("school_class", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_school_class_town_id"))
        batch_op.drop_index(batch_op.f("ix_school_class_school_id"))

    op.drop_table("school_class")
    with op.batch_alter_table("roster_import", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_import_town_id"))

    op.drop_table("roster_import")
    with op.batch_alter_table("cart", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cart_town_id"))
        batch_op.drop_index(batch_op.f("ix_cart_school_id"))

    op.drop_table("cart")
    with op.batch_alter_table("bundle_assignment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bundle_assignment_town_id"))
        batch_op.drop_index(batch_op.f("ix_bundle_assignment_bundle_id"))

    op.drop_table("bundle_assignment")
    op.drop_table("bundle_app")
    with op.batch_alter_table("account_grant", schema=None) as batch_op:
        batch_op.drop_index("ix_account_grant_town")
        batch_op.drop_index(batch_op.f("ix_account_grant_account_id"))

    op.drop_table("account_grant")
    with op.batch_alter_table("web_filter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_web_filter_town_id"))

    op.drop_table("web_filter")
    with op.batch_alter_table("town_floor", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_town_floor_town_id"))

    op.drop_table("town_floor")
    with op.batch_alter_table("school", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_school_town_id"))

    op.drop_table("school")
    with op.batch_alter_table("safety_switch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_safety_switch_town_id"))

    op.drop_table("safety_switch")
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_event_town")
        batch_op.drop_index("ix_audit_event_subject")

    op.drop_table("audit_event")
    with op.batch_alter_table("artefact", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_artefact_town_id"))

    op.drop_table("artefact")
    with op.batch_alter_table("app_bundle", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_app_bundle_town_id"))

    op.drop_table("app_bundle")
    with op.batch_alter_table("app", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_app_town_id"))

    op.drop_table("app")
    op.drop_table("town")
    op.drop_table("push_certificate")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_outbox_waiting", sqlite_where=sa.text("lease_until IS NULL"), postgresql_where=sa.text("lease_until IS NULL")
        )
        batch_op.drop_index("ix_outbox_due")

    op.drop_table("outbox")
    op.drop_table("command_body")
    with op.batch_alter_table("channel_note", schema=None) as batch_op:
        batch_op.drop_index("ix_channel_note_udid")

    op.drop_table("channel_note")
    op.drop_table("certificate_authority")
    op.drop_table("account")
