"""Tables of people who sign in."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id
from cartable.scope import Role


class Account(Base):
    """A person who signs in. `token_epoch` grows to make every token of the account void."""

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(String(200), unique=True)
    display_name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str] = mapped_column(String(200))
    must_change_password: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)
    token_epoch: Mapped[int] = mapped_column(default=0)
    failed_attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AccountGrant(Base):
    """A role in a town or one school, with an optional end."""

    __tablename__ = "account_grant"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(EnumText(Role))
    town_id: Mapped[UUID] = mapped_column(ForeignKey("town.id"))
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (Index("ix_account_grant_town", "town_id", "account_id"),)


class Mission(TownOwned, Base):
    """Days on which a shared technician works in a town. Without a mission today the town is not there for them.

    `visited_on`: the last day of which both sides' audit tells the visit.
    """

    __tablename__ = "mission"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    first_day: Mapped[date]
    last_day: Mapped[date]
    reason: Mapped[str] = mapped_column(String(200))
    given_by: Mapped[UUID | None]
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    visited_on: Mapped[date | None]
