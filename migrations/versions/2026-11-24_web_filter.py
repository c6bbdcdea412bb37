"""web filter"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "filter_category",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("white", sa.Boolean(), nullable=False),
        sa.Column("hosts", sa.Integer(), nullable=False),
        sa.Column("urls", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_filter_category_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_category")),
        sa.UniqueConstraint("town_id", "name", name=op.f("uq_filter_category_town_id_name")),
    )
    with op.batch_alter_table("filter_category", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_filter_category_town_id"), ["town_id"], unique=False)

    op.create_table(
        "filter_delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column(
            "options",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_filter_delivery_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_delivery")),
        sa.UniqueConstraint("town_id", name=op.f("uq_filter_delivery_town_id")),
    )
    with op.batch_alter_table("filter_delivery", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_filter_delivery_town_id"), ["town_id"], unique=False)

    op.create_table(
        "filter_policy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=36), nullable=False),
        sa.Column("mode", sa.String(length=32), nullable=False),
        sa.Column(
            "denied",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "permitted",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "openable",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "categories",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("only_permitted", sa.Boolean(), nullable=False),
        sa.Column("written_by", sa.Uuid(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["town_id"], ["town.id"], name=op.f("fk_filter_policy_town_id_town")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_policy")),
        sa.UniqueConstraint("town_id", "kind", "target", "mode", name=op.f("uq_filter_policy_town_id_kind_target_mode")),
    )
    with op.batch_alter_table("filter_policy", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_filter_policy_town_id"), ["town_id"], unique=False)

    op.create_table(
        "filter_block",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("first", sa.LargeBinary(), nullable=False),
        sa.Column("last", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"], ["filter_category.id"], name=op.f("fk_filter_block_category_id_filter_category"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_block")),
    )
    with op.batch_alter_table("filter_block", schema=None) as batch_op:
        batch_op.create_index("ix_filter_block_first", ["category_id", "first"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("filter_block", schema=None) as batch_op:
        batch_op.drop_index("ix_filter_block_first")

    op.drop_table("filter_block")
    with op.batch_alter_table("filter_policy", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_filter_policy_town_id"))

    op.drop_table("filter_policy")
    with op.batch_alter_table("filter_delivery", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_filter_delivery_town_id"))

    op.drop_table("filter_delivery")
    with op.batch_alter_table("filter_category", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_filter_category_town_id"))

    op.drop_table("filter_category")
