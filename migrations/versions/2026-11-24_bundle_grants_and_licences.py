"""bundle grants and licences"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bundle_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=36), nullable=False),
        sa.Column("standing", sa.String(length=32), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["app_bundle.id"], name=op.f("fk_bundle_grant_bundle_id_app_bundle"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_bundle_grant_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle_grant")),
        sa.UniqueConstraint("bundle_id", "kind", "target", name=op.f("uq_bundle_grant_bundle_id_kind_target")),
    )
    with op.batch_alter_table("bundle_grant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_grant_bundle_id"), ["bundle_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_bundle_grant_town_id"), ["town_id"], unique=False)

    op.create_table(
        "licence_pool",
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_licence_pool_app_id_app"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_licence_pool_town_id_town")),
        sa.PrimaryKeyConstraint("app_id", name=op.f("pk_licence_pool")),
    )
    with op.batch_alter_table("licence_pool", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_licence_pool_town_id"), ["town_id"], unique=False)

    op.create_table(
        "licence",
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("tablet_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("returned", sa.Boolean(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_licence_app_id_app"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tablet_id"], ["tablet.id"], name=op.f("fk_licence_tablet_id_tablet"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_licence_town_id_town")),
        sa.PrimaryKeyConstraint("app_id", "tablet_id", name=op.f("pk_licence")),
    )
    with op.batch_alter_table("licence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_licence_tablet_id"), ["tablet_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_licence_town_id"), ["town_id"], unique=False)

    op.execute(
        "INSERT INTO bundle_grant (id, town_id, bundle_id, kind, target, standing, granted_at, granted_by)"
        " SELECT id, town_id, bundle_id, 'grade', level, 'required', assigned_at, assigned_by FROM bundle_assignment"
    )
    op.drop_table("bundle_assignment")


def downgrade() -> None:
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
        batch_op.create_index(batch_op.f("ix_bundle_assignment_town_id"), ["town_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_bundle_assignment_bundle_id"), ["bundle_id"], unique=False)
    op.execute(
        "INSERT INTO bundle_assignment (id, town_id, bundle_id, level, assigned_at, assigned_by)"
        " SELECT id, town_id, bundle_id, target, granted_at, granted_by FROM bundle_grant WHERE kind = 'grade' AND standing = 'required'"
    )

    with op.batch_alter_table("licence", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_licence_town_id"))
        batch_op.drop_index(batch_op.f("ix_licence_tablet_id"))

    op.drop_table("licence")
    with op.batch_alter_table("licence_pool", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_licence_pool_town_id"))

    op.drop_table("licence_pool")
    with op.batch_alter_table("bundle_grant", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bundle_grant_town_id"))
        batch_op.drop_index(batch_op.f("ix_bundle_grant_bundle_id"))

    op.drop_table("bundle_grant")
