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


def downgrade() -> None:
    with op.batch_alter_table("school_class", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_school_class_town_id"))
        batch_op.drop_index(batch_op.f("ix_school_class_school_id"))

    op.drop_table("school_class")
    with op.batch_alter_table("bundle_assignment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bundle_assignment_town_id"))
        batch_op.drop_index(batch_op.f("ix_bundle_assignment_bundle_id"))

    op.drop_table("bundle_assignment")
    op.drop_table("bundle_app")
    with op.batch_alter_table("web_filter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_web_filter_town_id"))

    op.drop_table("web_filter")
    with op.batch_alter_table("town_floor", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_town_floor_town_id"))

    op.drop_table("town_floor")
    with op.batch_alter_table("school", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_school_town_id"))

    op.drop_table("school")
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
