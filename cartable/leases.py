"""Named leases in the database: at most one process at a time does what a name stands for, and another takes over when it dies."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import String, delete, update
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, UtcDateTime, get_insert
from cartable.unit_of_work import UnitOfWork


class NamedLease(Base):
    """Who may do what `name` stands for, and until when."""

    __tablename__ = "named_lease"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


def acquire_lease(work: UnitOfWork, name: str, holder: str, duration: timedelta) -> bool:
    """Take or renew the lease `name` for `holder`. Returns False while another holder has it."""
    insert = get_insert(work.session.get_bind().dialect.name)
    statement = insert(NamedLease).values(name=name, holder=holder, expires_at=work.now + duration)
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": statement.excluded.holder, "expires_at": statement.excluded.expires_at},
        where=(NamedLease.holder == holder) | (NamedLease.expires_at < work.now),
    ).returning(NamedLease.name)
    return work.session.execute(statement).first() is not None


def renew_named_leases(work: UnitOfWork, holder: str, duration: timedelta) -> None:
    """Let all leases of `holder` last for `duration` from now on."""
    work.session.execute(update(NamedLease).where(NamedLease.holder == holder).values(expires_at=work.now + duration))


def release_leases(work: UnitOfWork, holder: str) -> None:
    """Give back all leases of `holder`."""
    work.session.execute(delete(NamedLease).where(NamedLease.holder == holder))
