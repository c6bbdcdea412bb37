"""Tables of tablets: the inventory, custody (loans, cart slots)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class TabletState(StrEnum):
    """Life cycle of a tablet (schools.md section 8). Evidence hold is not a state but a mark over any of them: what the
    tablet was stays known while it is kept.
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
    """One tablet of the town, known by its serial number for ever; survives every erase and re-enrolment.

    `class_id` is set while a class holds it without naming a pupil; an open loan goes before it.
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
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    evidence_hold: Mapped[bool] = mapped_column(default=False)
    #: A child has used it since it was last erased: no other child is given it before that.
    to_wipe: Mapped[bool] = mapped_column(default=False, server_default=false())
    order_reference: Mapped[str | None] = mapped_column(String(60))
    __table_args__ = (UniqueConstraint("town_id", "tag"), Index("ix_tablet_order", "town_id", "order_reference"))


class Cart(TownOwned, Base):
    """A charging cart with numbered slots."""

    __tablename__ = "cart"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    label: Mapped[str] = mapped_column(String(80))


class CartSlot(TownOwned, Base):
    """One place of a cart; holds at most one tablet."""

    __tablename__ = "cart_slot"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cart_id: Mapped[UUID] = mapped_column(ForeignKey("cart.id"), index=True)
    number: Mapped[int]
    tablet_id: Mapped[UUID | None] = mapped_column(ForeignKey("tablet.id"), unique=True)
    __table_args__ = (UniqueConstraint("cart_id", "number"),)


class Agreement(StrEnum):
    """Where the loan agreement of a pupil stands."""

    WANTED = "wanted"
    SIGNED = "signed"
    REFUSED = "refused"  # the tablet stays at school


class Condition(StrEnum):
    """How a tablet looks when it changes hands."""

    NEW = "new"
    GOOD = "good"
    WORN = "worn"
    DAMAGED = "damaged"


class AccessoryKind(StrEnum):
    """What goes with a tablet; each has its own loss."""

    COVER = "cover"
    KEYBOARD = "keyboard"
    CHARGER = "charger"
    CABLE = "cable"
    PEN = "pen"


class Loan(TownOwned, Base):
    """A tablet in a pupil's hands. One open loan per pupil and per tablet, held by the database.

    `to_confirm`: swapped by a teacher, until a technician confirms.
    """

    __tablename__ = "loan"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"))
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id"))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    agreement: Mapped[Agreement] = mapped_column(EnumText(Agreement), default=Agreement.WANTED, server_default="wanted")
    agreed_on: Mapped[date | None]
    signed_by: Mapped[str | None] = mapped_column(SealedText("loan.signed_by"))
    handed_over_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    condition_out: Mapped[Condition | None] = mapped_column(EnumText(Condition))
    condition_in: Mapped[Condition | None] = mapped_column(EnumText(Condition))
    to_confirm: Mapped[bool] = mapped_column(default=False, server_default=false())
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
        Index("ix_loan_pupil", "pupil_id"),
    )


class LoanAccessory(TownOwned, Base):
    """One accessory handed out with a loan: given, given back, or lost for itself."""

    __tablename__ = "loan_accessory"

    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[AccessoryKind] = mapped_column(EnumText(AccessoryKind), primary_key=True)
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    returned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lost_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IncidentKind(StrEnum):
    """What happened to a tablet (schools.md section 9)."""

    BREAKAGE = "breakage"
    LOSS = "loss"
    THEFT = "theft"


class Cause(StrEnum):
    """Class of a breakage."""

    DROP = "drop"
    LIQUID = "liquid"
    CRUSHED = "crushed"
    CHARGER_PORT = "charger_port"
    SCREEN = "screen"
    BUTTON = "button"
    BATTERY = "battery"
    OTHER = "other"


class Reporter(StrEnum):
    """Who told of an incident (schools.md section 9)."""

    GUARDIAN = "guardian"
    PUPIL = "pupil"
    TEACHER = "teacher"
    HEAD = "head"
    AGENT = "agent"
    HELPDESK = "helpdesk"
    TECHNICIAN = "technician"


class Incident(TownOwned, Base):
    """One breakage, loss or theft. `intentional` is unknown until somebody says so. One is open per tablet at most."""

    __tablename__ = "incident"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), index=True)
    loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id", ondelete="CASCADE"), index=True)
    kind: Mapped[IncidentKind] = mapped_column(EnumText(IncidentKind))
    cause: Mapped[Cause | None] = mapped_column(EnumText(Cause))
    intentional: Mapped[bool | None]
    account: Mapped[str] = mapped_column(SealedText("incident.account"))
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


class PairAct(StrEnum):
    """What needs a second person (schools.md section 8)."""

    HOLD = "hold"
    RELEASE = "release"
    WRITE_OFF = "write_off"


class PairRequest(TownOwned, Base):
    """An act on one tablet that one person asked for and another approves."""

    __tablename__ = "pair_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id"), index=True)
    act: Mapped[PairAct] = mapped_column(EnumText(PairAct))
    reason: Mapped[str] = mapped_column(SealedText("pair_request.reason"))
    asked_by: Mapped[UUID | None]
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DoneOnce(TownOwned, Base):
    """A request that a page may send again when the network failed it: the same answer, no second effect."""

    __tablename__ = "done_once"

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    asked: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    __table_args__ = (Index("ix_done_once_account", "account_id", "at"),)
