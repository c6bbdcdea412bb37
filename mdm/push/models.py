"""The table of push certificates."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, SealedBytes, UtcDateTime
from cartable.ids import new_id


class PushCertificate(Base):
    """An APNs certificate with its key. `certificate` is empty until Apple has issued it; one row is `active`."""

    __tablename__ = "push_certificate"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    topic: Mapped[str | None] = mapped_column(String(255))
    certificate: Mapped[str | None] = mapped_column(Text)
    private_key: Mapped[bytes] = mapped_column(SealedBytes("push_certificate.private_key"))
    not_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    active: Mapped[bool] = mapped_column(default=False)
    simulated: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
