"""Tables of identity: certificate authorities, one-time challenges, device certificates, attestations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedBytes, UtcDateTime
from cartable.ids import new_id
from enrollment.identity.errors import ChallengeProblem


class CertificateAuthority(Base):
    """A device CA. Exactly one is `issuing`; the others stay trusted. Without `private_key` it is with the process `cartable signer`.

    `is_foreign`: the CA of another server, from which a town moved here. It never issues, and of its certificates only those are
    accepted that came with the town.
    """

    __tablename__ = "certificate_authority"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    private_key: Mapped[bytes | None] = mapped_column(SealedBytes("certificate_authority.private_key"))
    issuing: Mapped[bool] = mapped_column(default=True)
    is_foreign: Mapped[bool] = mapped_column(default=False, server_default=false())
    not_after: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdentityProtocol(StrEnum):
    """The protocol by which a tablet obtains its certificate, and later renews it."""

    SCEP = "scep"
    ACME = "acme"


class ChallengePurpose(StrEnum):
    """Why a challenge was created."""

    ENROLLMENT = "enrollment"
    RENEWAL = "renewal"


class IdentityChallenge(Base):
    """A one-time secret for one certificate of an invitation or a tablet: SCEP's challenge, or ACME's ClientIdentifier.

    It is valid for its own protocol only: otherwise a tablet could evade attestation. After its use it stores the public key:
    the same key may retry until `expires_at`. `udid` is set when the device is known. `refusal` is the last one of a device that
    offered the challenge in vain, which happens when one downloaded profile is installed on two tablets.
    """

    __tablename__ = "identity_challenge"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    protocol: Mapped[IdentityProtocol] = mapped_column(
        EnumText(IdentityProtocol), default=IdentityProtocol.SCEP, server_default="scep"
    )
    purpose: Mapped[ChallengePurpose] = mapped_column(EnumText(ChallengePurpose))
    invitation_id: Mapped[UUID | None] = mapped_column(ForeignKey("invitation.id"), index=True)
    tablet_id: Mapped[UUID | None] = mapped_column(ForeignKey("tablet.id"), index=True)
    udid: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_key_sha256: Mapped[str | None] = mapped_column(String(64))
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[ChallengeProblem | None] = mapped_column(EnumText(ChallengeProblem))
    certificate_id: Mapped[UUID | None]


class DeviceCertificate(Base):
    """A certificate that our CA has issued. `tablet_id` is set at the issue of a renewal, else at the first Authenticate.

    `attested`: Apple has attested that the key is in the device (`DeviceAttestation`). `renew_from`: from when on a new one is
    ordered, if the tablet still uses this one. An issued certificate proves nothing: the tablet may never have received it, so
    only the one that is pinned in its enrollment counts.
    """

    __tablename__ = "device_certificate"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    protocol: Mapped[IdentityProtocol] = mapped_column(
        EnumText(IdentityProtocol), default=IdentityProtocol.SCEP, server_default="scep"
    )
    attested: Mapped[bool] = mapped_column(default=False, server_default=false())
    ca_id: Mapped[UUID] = mapped_column(ForeignKey("certificate_authority.id"))
    serial_hex: Mapped[str] = mapped_column(String(40), unique=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    der: Mapped[bytes] = mapped_column(LargeBinary)
    key_sha256: Mapped[str] = mapped_column(String(64))
    transaction_id: Mapped[str | None] = mapped_column(String(128), index=True)
    invitation_id: Mapped[UUID | None] = mapped_column(ForeignKey("invitation.id"))
    tablet_id: Mapped[UUID | None] = mapped_column(ForeignKey("tablet.id"), index=True)
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    not_after: Mapped[datetime] = mapped_column(UtcDateTime)
    renew_from: Mapped[datetime] = mapped_column(UtcDateTime)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revocation_reason: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        Index("ix_device_certificate_not_after", "not_after"),
        Index("ix_device_certificate_renew_from", "renew_from"),
    )


class DeviceAttestation(Base):
    """What Apple has attested about the device with a certificate's key. The certificate is valid for this device only."""

    __tablename__ = "device_attestation"

    certificate_id: Mapped[UUID] = mapped_column(ForeignKey("device_certificate.id"), primary_key=True)
    serial: Mapped[str] = mapped_column(String(64))
    udid: Mapped[str] = mapped_column(String(64))
    os_version: Mapped[str | None] = mapped_column(String(24))
    sep_version: Mapped[str | None] = mapped_column(String(24))
    attested_at: Mapped[datetime] = mapped_column(UtcDateTime)
