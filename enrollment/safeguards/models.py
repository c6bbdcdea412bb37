"""Tables of the safeguards: the budget's ledger, its limits and extensions, the stop switch."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, BigKey, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class IrreversibleAct(StrEnum):
    """What a tablet or a child cannot take back, or only with much work. `rules.COSTS` says how much each draws on the budget."""

    ERASE = "erase"
    RETIRE = "retire"  # no state but disposal follows
    DISPOSE = "dispose"  # the tablet is unenrolled at its next contact
    ACTIVATION_LOCK = "activation_lock"  # nobody but Apple opens it without the code
    ERASE_PUPIL = "erase_pupil"  # a child's data
    LIFT = "lift"  # lost mode ends without the tablet in hand
    RETURN_UNSEEN = "return_unseen"  # a return without a scan
    LEAVER = "leaver"  # a pupil who would stay is marked as leaving
    LOCK_OUT = "lock_out"  # a tablet gets settings after which it may hear no repair, or its child may be locked out
    REVOKE = "revoke"  # the certificate without which the server does not know the tablet any more


class BudgetEntry(TownOwned, Base):
    """One drawing on the budget of a town and a person."""

    __tablename__ = "budget_entry"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    account_id: Mapped[UUID]
    act: Mapped[IrreversibleAct] = mapped_column(EnumText(IrreversibleAct))
    cost: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index("ix_budget_entry_at", "town_id", "at"),
        Index("ix_budget_entry_account", "account_id", "at"),
    )


class BudgetLimits(Base):
    """The limits of a town, in tablets; a town without a row has the default ones."""

    __tablename__ = "budget_limits"

    town_id: Mapped[UUID] = mapped_column(ForeignKey("town.id"), primary_key=True)
    person_per_hour: Mapped[int]
    person_per_day: Mapped[int]
    town_per_day: Mapped[int]


class BudgetExtension(TownOwned, Base):
    """More budget for one person on one day: requested by that person, approved by another, valid after a delay unless cancelled."""

    __tablename__ = "budget_extension"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tablets: Mapped[int]
    reason: Mapped[str] = mapped_column(SealedText("budget_extension.reason"))
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    valid_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancelled_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StopSwitch(TownOwned, Base):
    """The stop switch of a town: while `stopped_at` is set, nothing irreversible is done or delivered there.

    One person sets it; its release is requested by one person and approved by another.
    """

    __tablename__ = "stop_switch"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stopped_by: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(String(300))
    release_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    release_requested_by: Mapped[UUID | None]
    release_reason: Mapped[str | None] = mapped_column(String(300))
