"""The table of requests for apps."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id


class AppRequestState(StrEnum):
    """How far a request is."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    ENDED = "ended"  # it was approved, and its app was taken back


class AppRequest(TownOwned, Base):
    """What somebody who teaches a class asks for it: an app by its name or its page in the App Store, why, and until which day.

    `app_id` is the app of the catalogue that was given, `bundle_id` the bundle of the class that gives it. `answer` is what the
    requester reads.
    """

    __tablename__ = "app_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id", ondelete="CASCADE"), index=True)
    class_id: Mapped[UUID] = mapped_column(ForeignKey("school_class.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    store_link: Mapped[str | None] = mapped_column(String(300))
    reason: Mapped[str] = mapped_column(String(300))
    until: Mapped[date | None]
    state: Mapped[AppRequestState] = mapped_column(EnumText(AppRequestState), default=AppRequestState.ASKED)
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    supported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    app_id: Mapped[UUID | None] = mapped_column(ForeignKey("app.id", ondelete="SET NULL"), index=True)
    bundle_id: Mapped[UUID | None] = mapped_column(ForeignKey("policy_preset.id", ondelete="SET NULL"), index=True)
    answer: Mapped[str | None] = mapped_column(String(300))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
