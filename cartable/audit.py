"""The audit trail: who did what to which tablet or pupil's data, in chains that show when an event is changed, removed or added.

An event is recorded in the same transaction as the action, before its effects, and gets its place in a chain just before the commit.
Each town has a chain; events of no town are spread over a few. Details hold ids, never names. Verifying is in `audit_verification`,
what is kept outside the database in `audit_anchors`. See docs/adr/0042-the-audit-trail-is-counted-and-anchored-outside.md.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID
from zlib import crc32

from sqlalchemy import ForeignKey, Index, String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from cartable import locks
from cartable.crypto import Keyring
from cartable.database import Base, BigKey, UtcDateTime, get_insert
from cartable.keyset import fetch_scalar_page
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork

#: The action of an event whose retention time is over: its content is deleted, its place in the chain can still be verified.
PURGED = "purged"
#: Over how many chains the events of no town are spread: sign-ins of different people seldom wait for each other.
SERVER_CHAINS = 8
#: The row of `AuditChain` that counts the chains, so that the removal of a whole chain is noticed.
REGISTRY = "registry"
_UNCHAINED = "unchained audit events"


class AuditEvent(Base):
    """One event. `link` is the HMAC over this row and the previous link of its chain; committed events always have one."""

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
    chain: Mapped[str] = mapped_column(String(40))
    sequence: Mapped[int | None]
    link: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (
        Index("ix_audit_event_town", "town_id", "id"),
        Index("ix_audit_event_subject", "subject_kind", "subject_id", "id"),
        Index("uq_audit_event_chain_sequence", "chain", "sequence", unique=True),
    )


class AuditChain(Base):
    """The end of one chain: the number of its events and the link of the newest. `seal` is an HMAC over both."""

    __tablename__ = "audit_chain"

    chain: Mapped[str] = mapped_column(String(40), primary_key=True)
    sequence: Mapped[int]
    link: Mapped[str] = mapped_column(String(64))
    seal: Mapped[str] = mapped_column(String(64))


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
    """Add the event of an act that changes something. `details` must be serializable as JSON and have no names and no secrets.

    It takes the lock of the town first, so that services which read a state and then change it are alone in their town.
    """
    if town_id is not None:
        locks.lock_town(work, town_id)
    _add_event(work, actor, action, subject_kind, subject_id, town_id, details)


def record_reading(
    work: UnitOfWork, actor: Actor, action: str, subject_kind: str, subject_id: object, *, town_id: UUID, **details: object
) -> None:
    """Add the event of an act that only reads, such as a search by name. No writer of the town waits for it."""
    _add_event(work, actor, action, subject_kind, subject_id, town_id, details)


def _add_event(
    work: UnitOfWork,
    actor: Actor,
    action: str,
    subject_kind: str,
    subject_id: object,
    town_id: UUID | None,
    details: dict[str, object],
) -> None:
    if action == PURGED:
        raise ValueError("an event cannot be recorded as purged, it becomes so later")
    event = AuditEvent(
        town_id=town_id,
        at=work.now,
        actor_id=actor.account_id,
        actor_name=actor.name,
        action=action,
        subject_kind=subject_kind,
        subject_id=str(subject_id),
        details=details,
        chain=select_chain(town_id, str(subject_id)),
    )
    work.session.add(event)
    unchained: list[AuditEvent] = work.session.info.setdefault(_UNCHAINED, [])
    if not unchained:
        work.before_commit.append(chain_events)
    unchained.append(event)


def select_chain(town_id: UUID | None, subject_id: str) -> str:
    """Return the key of the chain of an event: that of its town, or one of the server's."""
    return str(town_id) if town_id is not None else f"server-{crc32(subject_id.encode()) % SERVER_CHAINS}"


def list_chain_keys(town_id: UUID | None) -> list[str]:
    """Return the keys of the chains of a town, or of those of no town."""
    return [str(town_id)] if town_id is not None else [f"server-{number}" for number in range(SERVER_CHAINS)]


def chain_events(work: UnitOfWork) -> None:
    """Give the events of this unit of work, recorded since the last call, their places in their chains.

    It is called last before the commit, and locks the ends of the chains in one order: an end is locked for one write only, and no
    two transactions can wait for each other here. Events of a savepoint that was rolled back are no longer in the session.
    """
    events = [event for event in work.session.info.pop(_UNCHAINED, []) if event in work.session]
    if not events:
        return
    work.session.flush()
    ends = lock_ends(work, {event.chain for event in events})
    for event in events:
        end = ends[event.chain]
        event.sequence = end.sequence + 1
        event.link = compute_link(work.keyring, event, end.link)
        end.sequence, end.link = event.sequence, event.link
    for end in ends.values():
        end.seal = compute_end_seal(work.keyring, end)
    work.session.flush()


def lock_ends(work: UnitOfWork, keys: Collection[str]) -> dict[str, AuditChain]:
    """Return the ends of chains, locked until the commit; chains that do not exist yet are created and counted."""
    ends = _select_ends_for_update(work, keys)
    missing = sorted(key for key in keys if key not in ends)
    if missing:
        created = _insert_missing_ends(work, missing)
        ends |= _select_ends_for_update(work, missing)
        if created and missing != [REGISTRY]:
            registry = lock_ends(work, [REGISTRY])[REGISTRY]
            registry.sequence += created
            registry.seal = compute_end_seal(work.keyring, registry)
    return ends


def _select_ends_for_update(work: UnitOfWork, keys: Collection[str]) -> dict[str, AuditChain]:
    statement = select(AuditChain).where(AuditChain.chain.in_(keys)).order_by(AuditChain.chain)
    locked = statement.with_for_update().execution_options(populate_existing=True)
    return {end.chain: end for end in work.session.scalars(locked)}


def _insert_missing_ends(work: UnitOfWork, keys: Sequence[str]) -> int:
    """Create ends and return how many: after the newest event, where an end was removed beside the server. The registry shows that."""
    insert = get_insert(work.session.get_bind().dialect.name)
    newest = [_read_newest(work, key) for key in keys]
    rows = [
        {"chain": key, "sequence": sequence, "link": link, "seal": ""} for key, (sequence, link) in zip(keys, newest, strict=True)
    ]
    statement = insert(AuditChain.__table__).values(rows).on_conflict_do_nothing(index_elements=["chain"])
    return len(work.session.execute(statement.returning(AuditChain.__table__.c.chain)).all())


def _read_newest(work: UnitOfWork, chain: str) -> tuple[int, str]:
    statement = select(AuditEvent.sequence, AuditEvent.link).where(AuditEvent.chain == chain, AuditEvent.sequence.is_not(None))
    row = work.session.execute(statement.order_by(AuditEvent.sequence.desc()).limit(1)).one_or_none()
    return (row.sequence or 0, row.link or "") if row is not None else (0, "")


def compute_link(keyring: Keyring, event: AuditEvent, previous: str) -> str:
    """Return the chain link of `event`, computed from its content, its place and the previous link."""
    content = json.dumps(
        [
            previous,
            event.chain,
            event.sequence,
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
    key = keyring.keyed_hash("audit-chain", "audit").encode()
    return hmac.new(key, content.encode(), sha256).hexdigest()


def compute_end_seal(keyring: Keyring, end: AuditChain) -> str:
    """Return the seal of the end of a chain, which only the server can make."""
    return keyring.keyed_hash(f"{end.chain}/{end.sequence}/{end.link}", "audit-end")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list: of one account, of people whose name holds a text, of actions that begin with a text."""

    actor_id: UUID | None = None
    actor_name: str = ""
    action: str = ""


ALL_EVENTS = EventFilter()


def list_events(
    work: UnitOfWork, town_id: UUID, *, wanted: EventFilter = ALL_EVENTS, page: PageRequest = FIRST_PAGE
) -> Page[AuditEvent]:
    """Return events of a town, newest first. Purged events are left out."""
    statement = select(AuditEvent).where(AuditEvent.town_id == town_id, AuditEvent.action != PURGED)
    if wanted.actor_id is not None:
        statement = statement.where(AuditEvent.actor_id == wanted.actor_id)
    if wanted.actor_name:
        statement = statement.where(func.lower(AuditEvent.actor_name).contains(wanted.actor_name.lower(), autoescape=True))
    if wanted.action:
        statement = statement.where(AuditEvent.action.startswith(wanted.action, autoescape=True))
    return fetch_scalar_page(work.session, statement, page, AuditEvent.id, descending=True)


def list_chain_events(work: UnitOfWork, chain: str, after: int, limit: int = 1000) -> Sequence[AuditEvent]:
    """Return the events of a chain after a place in it, in their order, purged ones included."""
    statement = select(AuditEvent).where(AuditEvent.chain == chain, AuditEvent.sequence > after)
    return work.session.scalars(statement.order_by(AuditEvent.sequence).limit(limit)).all()


def list_expired_events(
    work: UnitOfWork, town_id: UUID | None, before: datetime, actions: Collection[str], *, others: bool, limit: int
) -> Sequence[AuditEvent]:
    """Return events of a town before an instant, oldest first: those with `actions`, or with `others` all except those."""
    chain_events(work)
    has_action = AuditEvent.action.not_in(actions) if others else AuditEvent.action.in_(actions)
    statement = select(AuditEvent).where(
        AuditEvent.town_id == town_id, AuditEvent.at < before, AuditEvent.action != PURGED, has_action
    )
    return work.session.scalars(statement.order_by(AuditEvent.id).limit(limit)).all()


def purge_events(work: UnitOfWork, events: Iterable[AuditEvent]) -> None:
    """Delete the content of events. Their links stay, so that the chain can still be verified.

    Each gets a proof made with the server's key, so that nobody else can make an event look purged.
    """
    for event in events:
        event.actor_id, event.actor_name = None, ""
        event.action, event.subject_kind, event.subject_id = PURGED, "", ""
        event.details = compute_purge_proof(work.keyring, event)
    work.session.flush()


def compute_purge_proof(keyring: Keyring, event: AuditEvent) -> dict[str, Any]:
    """Return the details of a purged event: a proof that the server purged it."""
    return {"proof": keyring.keyed_hash(f"{event.chain}/{event.sequence}/{event.link}", "audit-purged")}
