"""Tables of push certificates, of the state of the sender, and of the responses of APNs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedBytes, UtcDateTime
from cartable.ids import new_id
from mdm.push.rules import StopReason


class PushCertificate(Base):
    """An APNs certificate with its key. `certificate` is empty until Apple has issued it for the `request` (PEM); one row is `active`.

    A certificate that was imported with its key has no request.
    """

    __tablename__ = "push_certificate"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    topic: Mapped[str | None] = mapped_column(String(255))
    certificate: Mapped[str | None] = mapped_column(Text)
    private_key: Mapped[bytes] = mapped_column(SealedBytes("push_certificate.private_key"))
    request: Mapped[str | None] = mapped_column(Text)
    not_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    active: Mapped[bool] = mapped_column(default=False)
    simulated: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PushSenderState(Base):
    """Whether pushes are sent, in one row. While `stopped_at` is set, none is sent but a few at `test_at`, as a test.

    `certificate_id` is the certificate with which the sender stopped: another one is tested at once. `window_*` count the pushes
    and the refused tokens since `window_started_at`. Until `refusals_trusted_until` a mass of refused tokens is taken as true.
    """

    __tablename__ = "push_sender"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stop_reason: Mapped[StopReason | None] = mapped_column(EnumText(StopReason))
    stop_detail: Mapped[str | None] = mapped_column(String(200))
    certificate_id: Mapped[UUID | None] = mapped_column(ForeignKey("push_certificate.id"))
    test_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_tests: Mapped[int] = mapped_column(default=0)
    window_started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    window_sent: Mapped[int] = mapped_column(default=0)
    window_refused: Mapped[int] = mapped_column(default=0)
    refusals_trusted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PushResponseCount(Base):
    """How often APNs has given a response: `reason` is Apple's word, or `Delivered`."""

    __tablename__ = "push_response_count"

    reason: Mapped[str] = mapped_column(String(64), primary_key=True)
    total: Mapped[int] = mapped_column(BigInteger)
