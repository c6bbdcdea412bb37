"""Tables of lost mode: lost cases, reports of people who may not turn it on, and position requests."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.tablets.models import Reporter


class LostCaseOrigin(StrEnum):
    """How a lost case began."""

    REPORTED = "reported"
    FOUND_ON_TABLET = "found_on_tablet"  # the tablet was in lost mode, and nobody had reported a loss


class LostCase(TownOwned, Base):
    """One loss. Request and confirmation are separate instants, for enabling lost mode and for lifting it.

    `problem` is the refusal of the last command, to enable lost mode or to lift it; `attempts` counts refusals, and
    `next_attempt_at` is when the command is sent again, or when one without a result is looked at again.
    """

    __tablename__ = "lost_case"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), index=True)
    reason: Mapped[str] = mapped_column(SealedText("lost_case.reason"))
    message: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(40))
    footnote: Mapped[str | None] = mapped_column(String(120))
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lift_requested_by: Mapped[UUID | None]
    lift_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lift_reason: Mapped[str | None] = mapped_column(SealedText("lost_case.lift_reason"))
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    origin: Mapped[LostCaseOrigin] = mapped_column(EnumText(LostCaseOrigin), default=LostCaseOrigin.REPORTED)
    problem: Mapped[str | None] = mapped_column(String(200))
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index(
            "uq_lost_case_open", "tablet_id", unique=True, sqlite_where=lifted_at.is_(None), postgresql_where=lifted_at.is_(None)
        ),
    )


class LossReportState(StrEnum):
    """What has become of a report."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"  # lost mode was requested for the tablet
    DECLINED = "declined"


class LossReport(TownOwned, Base):
    """That a tablet is lost, as a teacher or an agent says. Nothing happens to the tablet until somebody of the helpdesk confirms it."""

    __tablename__ = "loss_report"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), index=True)
    reporter: Mapped[Reporter] = mapped_column(EnumText(Reporter))
    reported_by: Mapped[UUID | None]
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    description: Mapped[str] = mapped_column(SealedText("loss_report.description"))
    place: Mapped[str | None] = mapped_column(String(120))
    happened_on: Mapped[date | None]
    state: Mapped[LossReportState] = mapped_column(EnumText(LossReportState), default=LossReportState.WAITING)
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answer: Mapped[str | None] = mapped_column(SealedText("loss_report.answer"))
    __table_args__ = (
        Index("ix_loss_report_reporter", "reported_by", "reported_at"),
        Index("ix_loss_report_town", "town_id", "state", "reported_at"),
        Index(
            "uq_loss_report_waiting", "tablet_id", unique=True,
            sqlite_where=decided_at.is_(None), postgresql_where=decided_at.is_(None),
        ),
    )  # fmt: skip


class PositionRequest(TownOwned, Base):
    """A request for one position of a lost tablet: requester, reason, approver, and the sealed position until it is purged."""

    __tablename__ = "position_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("lost_case.id"), index=True)
    reason: Mapped[str] = mapped_column(SealedText("position_request.reason"))
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    position: Mapped[str | None] = mapped_column(SealedText("position_request.position"))
    failure_reason: Mapped[str | None] = mapped_column(String(200))
