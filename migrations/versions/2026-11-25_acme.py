"""acme: accounts, orders, spent nonces, attestations; the path of challenges and certificates"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010_acme"
down_revision = "0010_desk"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acme_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("thumbprint", sa.String(length=43), nullable=False),
        sa.Column(
            "jwk",
            sa.JSON().with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acme_account")),
        sa.UniqueConstraint("thumbprint", name=op.f("uq_acme_account_thumbprint")),
    )
    op.create_table(
        "acme_nonce",
        sa.Column("value", sa.String(length=43), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("value", name=op.f("pk_acme_nonce")),
    )
    with op.batch_alter_table("acme_nonce", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_acme_nonce_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "acme_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("challenge_id", sa.Uuid(), nullable=False),
        sa.Column("identifier", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("validated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=160), nullable=True),
        sa.Column("key_sha256", sa.String(length=64), nullable=True),
        sa.Column("serial", sa.String(length=64), nullable=True),
        sa.Column("udid", sa.String(length=64), nullable=True),
        sa.Column("os_version", sa.String(length=24), nullable=True),
        sa.Column("sep_version", sa.String(length=24), nullable=True),
        sa.Column("certificate_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["acme_account.id"], name=op.f("fk_acme_order_account_id_acme_account")),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["device_certificate.id"], name=op.f("fk_acme_order_certificate_id_device_certificate")
        ),
        sa.ForeignKeyConstraint(["challenge_id"], ["scep_challenge.id"], name=op.f("fk_acme_order_challenge_id_scep_challenge")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acme_order")),
    )
    with op.batch_alter_table("acme_order", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_acme_order_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_acme_order_certificate_id"), ["certificate_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_acme_order_challenge_id"), ["challenge_id"], unique=False)
        batch_op.create_index("ix_acme_order_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "device_attestation",
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("udid", sa.String(length=64), nullable=False),
        sa.Column("os_version", sa.String(length=24), nullable=True),
        sa.Column("sep_version", sa.String(length=24), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["device_certificate.id"], name=op.f("fk_device_attestation_certificate_id_device_certificate")
        ),
        sa.PrimaryKeyConstraint("certificate_id", name=op.f("pk_device_attestation")),
    )
    with op.batch_alter_table("device_certificate", schema=None) as batch_op:
        batch_op.add_column(sa.Column("path", sa.String(length=32), server_default="scep", nullable=False))
        batch_op.add_column(sa.Column("attested", sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table("scep_challenge", schema=None) as batch_op:
        batch_op.add_column(sa.Column("path", sa.String(length=32), server_default="scep", nullable=False))
        batch_op.add_column(sa.Column("udid", sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("scep_challenge", schema=None) as batch_op:
        batch_op.drop_column("udid")
        batch_op.drop_column("path")

    with op.batch_alter_table("device_certificate", schema=None) as batch_op:
        batch_op.drop_column("attested")
        batch_op.drop_column("path")

    op.drop_table("device_attestation")
    with op.batch_alter_table("acme_order", schema=None) as batch_op:
        batch_op.drop_index("ix_acme_order_expires_at")
        batch_op.drop_index(batch_op.f("ix_acme_order_challenge_id"))
        batch_op.drop_index(batch_op.f("ix_acme_order_certificate_id"))
        batch_op.drop_index(batch_op.f("ix_acme_order_account_id"))

    op.drop_table("acme_order")
    with op.batch_alter_table("acme_nonce", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_acme_nonce_expires_at"))

    op.drop_table("acme_nonce")
    op.drop_table("acme_account")
