"""The audit trail: who did what to which tablet or pupil's data, chained by HMAC so that a gap or a change is detected.

An event is recorded in the same transaction as the action, before its effects. Details hold ids, never names.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, mapped_column

from cartable import locks
from cartable.database import Base, BigKey, UtcDateTime
from cartable.keyset import fetch_scalar_page
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork

#: The action of an event whose retention time is over: its content is deleted, its place in the chain can still be verified.
PURGED = "purged"


class AuditEvent(Base):
    """One event. `link` is the HMAC over this row and the previous link of the same town."""

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(64))
    subject_kind: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, Any]]
    link: Mapped[str] = mapped_column(String(64))
    __table_args__ = (
        Index("ix_audit_event_town", "town_id", "id"),
        Index("ix_audit_event_subject", "subject_kind", "subject_id", "id"),
    )


def record_event(
    work: UnitOfWork,
    actor: Actor,
    action: str,
    subject_kind: str,
    subject_id: object,
    *,
    town_id: UUID | None,
    **details: object,
) -> None:
    """Add an event to the trail. `details` must be serializable as JSON and have no names and no secrets."""
    if action == PURGED:
        raise ValueError("an event cannot be recorded as purged, it becomes so later")
    locks.lock_town(work, town_id)
    previous = work.session.scalar(
        select(AuditEvent.link).where(AuditEvent.town_id == town_id).order_by(AuditEvent.id.desc()).limit(1)
    )
    event = AuditEvent(
        town_id=town_id,
        at=work.now,
        actor_id=actor.account_id,
        actor_name=actor.name,
        action=action,
        subject_kind=subject_kind,
        subject_id=str(subject_id),
        details=details,
        link="",
    )
    event.link = compute_link(work, event, previous or "")
    work.session.add(event)
    work.session.flush()


def compute_link(work: UnitOfWork, event: AuditEvent, previous: str) -> str:
    """Return the chain link of `event`, computed from its content and the previous link."""
    content = json.dumps(
        [
            previous,
            str(event.town_id),
            event.at.isoformat(),
            str(event.actor_id),
            event.actor_name,
            event.action,
            event.subject_kind,
            event.subject_id,
            event.details,
        ],
        sort_keys=True,
        ensure_ascii=False,
    )
    key = work.keyring.keyed_hash("audit-chain", "audit").encode()
    return hmac.new(key, content.encode(), sha256).hexdigest()


def list_events(
    work: UnitOfWork, town_id: UUID, *, actor_id: UUID | None = None, page: PageRequest = FIRST_PAGE
) -> Page[AuditEvent]:
    """Return events of a town, newest first; with `actor_id`, those of one person. Purged events are left out."""
    statement = select(AuditEvent).where(AuditEvent.town_id == town_id, AuditEvent.action != PURGED)
    if actor_id is not None:
        statement = statement.where(AuditEvent.actor_id == actor_id)
    return fetch_scalar_page(work.session, statement, page, AuditEvent.id, descending=True)


def verify_chain(work: UnitOfWork, town_id: UUID | None) -> int | None:
    """Verify the chain of a town. Return the id of the first event that does not fit, or None."""
    previous = ""
    for event in work.session.scalars(select(AuditEvent).where(AuditEvent.town_id == town_id).order_by(AuditEvent.id)):
        if event.action == PURGED:
            is_valid = event.details == _compute_purge_proof(work, event)
        else:
            is_valid = event.link == compute_link(work, event, previous)
        if not is_valid:
            return event.id
        previous = event.link
    return None


def list_expired_events(
    work: UnitOfWork, town_id: UUID | None, before: datetime, actions: Collection[str], *, others: bool, limit: int
) -> Sequence[AuditEvent]:
    """Return events of a chain before an instant, oldest first: those with `actions`, or with `others` all except those."""
    has_action = AuditEvent.action.not_in(actions) if others else AuditEvent.action.in_(actions)
    statement = select(AuditEvent).where(
        AuditEvent.town_id == town_id, AuditEvent.at < before, AuditEvent.action != PURGED, has_action
    )
    return work.session.scalars(statement.order_by(AuditEvent.id).limit(limit)).all()


def purge_events(work: UnitOfWork, events: Sequence[AuditEvent]) -> None:
    """Delete the content of events. Their links stay, so that the chain can still be verified.

    Each gets a proof made with the server's key, so that nobody else can make an event look purged.
    """
    for event in events:
        event.actor_id, event.actor_name = None, ""
        event.action, event.subject_kind, event.subject_id = PURGED, "", ""
        event.details = _compute_purge_proof(work, event)
    work.session.flush()


def _compute_purge_proof(work: UnitOfWork, event: AuditEvent) -> dict[str, Any]:
    return {"proof": work.keyring.keyed_hash(f"{event.town_id}/{event.id}/{event.link}", "audit-purged")}
