"""Tables of tablets: inventory, carts, loans, incidents, approval requests, idempotency records."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, String, UniqueConstraint, false, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.people.models import Pupil


class TabletState(StrEnum):
    """State of a tablet in its life cycle; `rules.ALLOWED_TRANSITIONS` says which change is allowed.

    An evidence hold is a separate flag, so that the state from before the hold is kept.
    """

    ORDERED = "ordered"
    RECEIVED = "received"
    PREPARED = "prepared"
    STOCK = "stock"
    ASSIGNED = "assigned"
    HANDED_OVER = "handed_over"
    IN_USE = "in_use"
    ABSENT = "absent"
    LOST = "lost"
    STOLEN = "stolen"
    FOUND = "found"
    BROKEN = "broken"
    IN_REPAIR = "in_repair"
    REPAIRED = "repaired"
    LOANER_OUT = "loaner_out"
    RETURNED = "returned"
    STORAGE = "storage"
    RETIRED = "retired"
    DISPOSED = "disposed"
    MISSING_WRITTEN_OFF = "missing_written_off"


class Tablet(TownOwned, Base):
    """One tablet of a town, identified by its serial number; the row stays the same after an erase or a new enrollment.

    `class_id` is set while a class uses the tablet without a named pupil; an open loan takes precedence over it.
    """

    __tablename__ = "tablet"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"), index=True)
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"), index=True)
    serial: Mapped[str] = mapped_column(String(64), unique=True)
    tag: Mapped[str] = mapped_column(String(24))
    state: Mapped[TabletState] = mapped_column(EnumText(TabletState))
    product_name: Mapped[str | None] = mapped_column(String(40))
    model_name: Mapped[str | None] = mapped_column(String(80))
    os_version: Mapped[str | None] = mapped_column(String(24))
    build_version: Mapped[str | None] = mapped_column(String(24))
    supervised: Mapped[bool | None]
    battery_level: Mapped[float | None]
    available_gigabytes: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    evidence_hold: Mapped[bool] = mapped_column(default=False)
    #: A child has used it since the last erase: it must be erased before another child gets it.
    needs_wipe: Mapped[bool] = mapped_column(default=False, server_default=false())
    order_reference: Mapped[str | None] = mapped_column(String(60))
    __table_args__ = (UniqueConstraint("town_id", "tag"), Index("ix_tablet_order", "town_id", "order_reference"))

    @classmethod
    def is_of_class(cls, class_id: UUID) -> ColumnElement[bool]:
        """Return the SQL condition for the tablets on loan to the pupils of a class, and those of the class itself."""
        lent = select(Loan.tablet_id).join(Pupil, Pupil.id == Loan.pupil_id)
        return or_(cls.class_id == class_id, cls.id.in_(lent.where(Loan.closed_at.is_(None), Pupil.class_id == class_id)))


class Cart(TownOwned, Base):
    """A charging cart of a school, with numbered slots."""

    __tablename__ = "cart"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    label: Mapped[str] = mapped_column(String(80))


class CartSlot(TownOwned, Base):
    """One numbered slot of a cart, with at most one tablet."""

    __tablename__ = "cart_slot"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cart_id: Mapped[UUID] = mapped_column(ForeignKey("cart.id"), index=True)
    number: Mapped[int]
    tablet_id: Mapped[UUID | None] = mapped_column(ForeignKey("tablet.id"), unique=True)
    __table_args__ = (UniqueConstraint("cart_id", "number"),)


class AgreementState(StrEnum):
    """Whether the family has signed the loan agreement."""

    PENDING = "pending"
    SIGNED = "signed"
    REFUSED = "refused"  # the tablet stays at school


class Condition(StrEnum):
    """Condition of a tablet when it is handed over or returned."""

    NEW = "new"
    GOOD = "good"
    WORN = "worn"
    DAMAGED = "damaged"


class AccessoryKind(StrEnum):
    """Kind of accessory lent with a tablet; its loss is recorded separately."""

    COVER = "cover"
    KEYBOARD = "keyboard"
    CHARGER = "charger"
    CABLE = "cable"
    PEN = "pen"


class Loan(TownOwned, Base):
    """A tablet lent to a pupil or to a member of staff. Unique indexes allow one open loan per person and one per tablet.

    The holder of a closed loan may have been erased since. `needs_confirmation` is true after a swap until a technician confirms who has which tablet.
    """

    __tablename__ = "loan"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"))
    pupil_id: Mapped[UUID | None] = mapped_column(ForeignKey("pupil.id"))
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff_member.id", ondelete="SET NULL"))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    agreement: Mapped[AgreementState] = mapped_column(
        EnumText(AgreementState), default=AgreementState.PENDING, server_default="pending"
    )
    agreed_on: Mapped[date | None]
    signed_by: Mapped[str | None] = mapped_column(SealedText("loan.signed_by"))
    handed_over_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    condition_out: Mapped[Condition | None] = mapped_column(EnumText(Condition))
    condition_in: Mapped[Condition | None] = mapped_column(EnumText(Condition))
    needs_confirmation: Mapped[bool] = mapped_column(default=False, server_default=false())
    __table_args__ = (
        Index(
            "uq_loan_open_tablet",
            "tablet_id",
            unique=True,
            sqlite_where=closed_at.is_(None),
            postgresql_where=closed_at.is_(None),
        ),
        Index(
            "uq_loan_open_pupil", "pupil_id", unique=True, sqlite_where=closed_at.is_(None), postgresql_where=closed_at.is_(None)
        ),
        Index(
            "uq_loan_open_staff", "staff_id", unique=True, sqlite_where=closed_at.is_(None), postgresql_where=closed_at.is_(None)
        ),
        Index("ix_loan_pupil", "pupil_id"),
        Index("ix_loan_staff", "staff_id"),
        CheckConstraint("pupil_id IS NULL OR staff_id IS NULL", name="one_holder"),
    )

    @property
    def holder_id(self) -> UUID | None:
        """The pupil or the member of staff who has the tablet."""
        return self.pupil_id or self.staff_id


class LoanAccessory(TownOwned, Base):
    """One accessory lent with a loan, with the time it was given, and returned or lost."""

    __tablename__ = "loan_accessory"

    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[AccessoryKind] = mapped_column(EnumText(AccessoryKind), primary_key=True)
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    returned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lost_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IncidentKind(StrEnum):
    """Kind of an incident."""

    BREAKAGE = "breakage"
    LOSS = "loss"
    THEFT = "theft"


class BreakageCause(StrEnum):
    """Cause of a breakage."""

    DROP = "drop"
    LIQUID = "liquid"
    CRUSHED = "crushed"
    CHARGER_PORT = "charger_port"
    SCREEN = "screen"
    BUTTON = "button"
    BATTERY = "battery"
    OTHER = "other"


class Reporter(StrEnum):
    """Role of the person who reported an incident."""

    GUARDIAN = "guardian"
    PUPIL = "pupil"
    TEACHER = "teacher"
    HEAD = "head"
    AGENT = "agent"
    HELPDESK = "helpdesk"
    TECHNICIAN = "technician"


class Incident(TownOwned, Base):
    """One breakage, loss or theft. A tablet has at most one open incident.

    `intentional` is null while unknown. `loan_id` is the loan of the pupil concerned, also after it moved to a loaner.
    """

    __tablename__ = "incident"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), index=True)
    loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id", ondelete="CASCADE"), index=True)
    kind: Mapped[IncidentKind] = mapped_column(EnumText(IncidentKind))
    cause: Mapped[BreakageCause | None] = mapped_column(EnumText(BreakageCause))
    intentional: Mapped[bool | None]
    description: Mapped[str] = mapped_column(SealedText("incident.description"))
    reporter: Mapped[Reporter | None] = mapped_column(EnumText(Reporter))
    place: Mapped[str | None] = mapped_column(SealedText("incident.place"))
    happened_on: Mapped[date | None]
    reported_by: Mapped[UUID | None]
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    receipt_number: Mapped[str | None] = mapped_column(String(40))
    receipt_on: Mapped[date | None]
    insured_on: Mapped[date | None]
    loaner_id: Mapped[UUID | None] = mapped_column(ForeignKey("tablet.id"))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index(
            "uq_incident_open", "tablet_id", unique=True, sqlite_where=closed_at.is_(None), postgresql_where=closed_at.is_(None)
        ),
    )


class ApprovalAction(StrEnum):
    """Action on a tablet that a second person must approve."""

    PLACE_EVIDENCE_HOLD = "place_evidence_hold"
    RELEASE_EVIDENCE_HOLD = "release_evidence_hold"
    WRITE_OFF = "write_off"


class ApprovalRequest(TownOwned, Base):
    """A request for an action on one tablet, made by one person and approved by another."""

    __tablename__ = "approval_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), index=True)
    action: Mapped[ApprovalAction] = mapped_column(EnumText(ApprovalAction))
    reason: Mapped[str] = mapped_column(SealedText("approval_request.reason"))
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IdempotencyRecord(TownOwned, Base):
    """The stored response of a request, returned again when a client repeats the request with the same id.

    `request_hash` is the SHA-256 of the request's fields: the same id with other fields is refused.
    """

    __tablename__ = "idempotency_record"

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    response: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    __table_args__ = (Index("ix_idempotency_record_account", "account_id", "recorded_at"),)
