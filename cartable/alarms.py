"""Alarms: what people must learn at once. Each is stored until a person acknowledges it, audited, logged, and enqueued for sending.

An alarm is raised in the same transaction as what it is about. Where it is sent to is the matter of the handler of `Topic.ALARM`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ForeignKey, Index, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from cartable import audit, locks
from cartable.database import Base, EnumText, UtcDateTime
from cartable.errors import NotFound
from cartable.i18n import Language, Message
from cartable.ids import new_id
from cartable.keyset import fetch_scalar_page
from cartable.outbox import Topic
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork

log = structlog.get_logger()


class AlarmSeverity(StrEnum):
    """Whether a person must act now, or look at it today."""

    CRITICAL = "critical"
    WARNING = "warning"


class AlarmKind(StrEnum):
    """What has happened. Each kind has a severity and a sentence for people below."""

    BUDGET_USED_UP = "budget_used_up"
    BUDGET_EXCEEDED = "budget_exceeded"
    BUDGET_EXTENSION_REQUESTED = "budget_extension_requested"
    BUDGET_EXTENSION_APPROVED = "budget_extension_approved"
    BULK_ERASE_REQUESTED = "bulk_erase_requested"
    BULK_ERASE_APPROVED = "bulk_erase_approved"
    BULK_COMMAND_REQUESTED = "bulk_command_requested"
    MANY_MARKED_LOST = "many_marked_lost"
    STOPPED = "stopped"
    ATTEMPT_WHILE_STOPPED = "attempt_while_stopped"
    RELEASE_REQUESTED = "release_requested"
    RELEASED = "released"
    ADMINISTRATOR_CREATED = "administrator_created"
    INVITATION_CODES_GUESSED = "invitation_codes_guessed"
    POLICY_RISK_CONFIRMED = "policy_risk_confirmed"
    POLICY_PUBLISHED_AT_ONCE = "policy_published_at_once"
    ROLLOUT_STOPPED = "rollout_stopped"
    AUDIT_TRAIL_BROKEN = "audit_trail_broken"
    SECOND_FACTOR_GUESSED = "second_factor_guessed"
    DATABASE_RESTORED = "database_restored"
    TABLET_OF_RESTORE = "tablet_of_restore"
    CLOCK_JUMPED = "clock_jumped"
    DELETION_WITHHELD = "deletion_withheld"
    PUSHES_STOPPED = "pushes_stopped"
    JOB_PARKED = "job_parked"
    LICENCE_ACCOUNT_CLAIMED = "licence_account_claimed"
    RESOLVER_AWAY = "resolver_away"
    FILTER_LISTS_WITHHELD = "filter_lists_withheld"
    TABLET_REPORTED_LOST = "tablet_reported_lost"
    TABLET_CLAIMED = "tablet_claimed"


SEVERITIES: dict[AlarmKind, AlarmSeverity] = {
    AlarmKind.BUDGET_USED_UP: AlarmSeverity.WARNING,
    AlarmKind.BUDGET_EXCEEDED: AlarmSeverity.CRITICAL,
    AlarmKind.BUDGET_EXTENSION_REQUESTED: AlarmSeverity.WARNING,
    AlarmKind.BUDGET_EXTENSION_APPROVED: AlarmSeverity.CRITICAL,
    AlarmKind.BULK_ERASE_REQUESTED: AlarmSeverity.WARNING,
    AlarmKind.BULK_ERASE_APPROVED: AlarmSeverity.CRITICAL,
    AlarmKind.BULK_COMMAND_REQUESTED: AlarmSeverity.WARNING,
    AlarmKind.MANY_MARKED_LOST: AlarmSeverity.CRITICAL,
    AlarmKind.STOPPED: AlarmSeverity.CRITICAL,
    AlarmKind.ATTEMPT_WHILE_STOPPED: AlarmSeverity.CRITICAL,
    AlarmKind.RELEASE_REQUESTED: AlarmSeverity.CRITICAL,
    AlarmKind.RELEASED: AlarmSeverity.CRITICAL,
    AlarmKind.ADMINISTRATOR_CREATED: AlarmSeverity.WARNING,
    AlarmKind.INVITATION_CODES_GUESSED: AlarmSeverity.WARNING,
    AlarmKind.POLICY_RISK_CONFIRMED: AlarmSeverity.WARNING,
    AlarmKind.POLICY_PUBLISHED_AT_ONCE: AlarmSeverity.WARNING,
    AlarmKind.ROLLOUT_STOPPED: AlarmSeverity.CRITICAL,
    AlarmKind.AUDIT_TRAIL_BROKEN: AlarmSeverity.CRITICAL,
    AlarmKind.SECOND_FACTOR_GUESSED: AlarmSeverity.CRITICAL,
    AlarmKind.DATABASE_RESTORED: AlarmSeverity.CRITICAL,
    AlarmKind.TABLET_OF_RESTORE: AlarmSeverity.WARNING,
    AlarmKind.CLOCK_JUMPED: AlarmSeverity.CRITICAL,
    AlarmKind.DELETION_WITHHELD: AlarmSeverity.WARNING,
    AlarmKind.PUSHES_STOPPED: AlarmSeverity.CRITICAL,
    AlarmKind.LICENCE_ACCOUNT_CLAIMED: AlarmSeverity.WARNING,
    AlarmKind.JOB_PARKED: AlarmSeverity.WARNING,
    AlarmKind.RESOLVER_AWAY: AlarmSeverity.CRITICAL,
    AlarmKind.FILTER_LISTS_WITHHELD: AlarmSeverity.WARNING,
    AlarmKind.TABLET_REPORTED_LOST: AlarmSeverity.WARNING,
    AlarmKind.TABLET_CLAIMED: AlarmSeverity.WARNING,
}
MESSAGES: dict[AlarmKind, Message] = {
    AlarmKind.BUDGET_USED_UP: Message("Somebody has used up what one person, or the town, may destroy in an hour or a day."),
    AlarmKind.BUDGET_EXCEEDED: Message("Somebody has tried to destroy more than the budget allows."),
    AlarmKind.BUDGET_EXTENSION_REQUESTED: Message("Somebody asks to destroy more than the budget allows."),
    AlarmKind.BUDGET_EXTENSION_APPROVED: Message("More than the usual budget may soon be destroyed, unless somebody cancels it."),
    AlarmKind.BULK_ERASE_REQUESTED: Message("An erase in bulk was requested."),
    AlarmKind.BULK_ERASE_APPROVED: Message("Many tablets will soon be erased, unless somebody cancels it."),
    AlarmKind.BULK_COMMAND_REQUESTED: Message("A command that interrupts many tablets ({tablets}) waits for a second person."),
    AlarmKind.MANY_MARKED_LOST: Message("Many tablets ({tablets}) were marked lost within an hour: each of them is locked."),
    AlarmKind.STOPPED: Message("Everything that cannot be taken back was stopped."),
    AlarmKind.ATTEMPT_WHILE_STOPPED: Message("Somebody has tried to destroy something although it is stopped."),
    AlarmKind.RELEASE_REQUESTED: Message("Somebody asks to release the stop switch."),
    AlarmKind.RELEASED: Message("The stop switch was released."),
    AlarmKind.ADMINISTRATOR_CREATED: Message("A new administrator was made."),
    AlarmKind.INVITATION_CODES_GUESSED: Message("Somebody is guessing invitation codes."),
    AlarmKind.POLICY_RISK_CONFIRMED: Message("Rules that could cut tablets off were confirmed, and go out by stages."),
    AlarmKind.POLICY_PUBLISHED_AT_ONCE: Message("Rules went to many tablets at once, without stages."),
    AlarmKind.ROLLOUT_STOPPED: Message("A roll-out of rules has stopped by itself: tablets failed or fell silent."),
    AlarmKind.AUDIT_TRAIL_BROKEN: Message("The audit trail does not hold: events are missing or changed."),
    AlarmKind.SECOND_FACTOR_GUESSED: Message("Somebody knows the password of an account and is guessing its second factor."),
    AlarmKind.DATABASE_RESTORED: Message(
        "The database was restored from a backup. Commands to erase, lock or remove have expired, and every town is stopped until people release it."
    ),
    AlarmKind.TABLET_OF_RESTORE: Message(
        "A tablet came that had enrolled or renewed after the backup. See the restores of the server."
    ),
    AlarmKind.CLOCK_JUMPED: Message(
        "The server's clock has jumped. Nothing is deleted and nothing expires until it comes back or somebody confirms it."
    ),
    AlarmKind.DELETION_WITHHELD: Message(
        "The retention table would delete unusually much at once. Look at the preview, then start it yourself."
    ),
    AlarmKind.PUSHES_STOPPED: Message("Apple refuses or does not receive our notifications: tablets are not woken."),
    AlarmKind.LICENCE_ACCOUNT_CLAIMED: Message(
        "Another MDM server ({server}) has claimed an Apps and Books account of the town ({location}): no licence is given until a "
        "person takes it over."
    ),
    AlarmKind.JOB_PARKED: Message("A job of the server failed too often and waits for a person."),
    AlarmKind.FILTER_LISTS_WITHHELD: Message(
        "New filter lists wait for a decision: these categories would lose many of their sites: {categories}. The former lists stay in force."
    ),
    AlarmKind.TABLET_REPORTED_LOST: Message("Somebody reports that a tablet is lost, and waits until it is locked."),
    AlarmKind.TABLET_CLAIMED: Message(
        "Another device has tried to enroll as the tablet {tag}, and was refused. The tablet goes on as before."
    ),
    AlarmKind.RESOLVER_AWAY: Message(
        "The DNS resolver that filters the web does not answer: tablets that must use it reach no site, or are not filtered by it."
    ),
}


class Alarm(Base):
    """One alarm of a town, or of the whole server without one. It stays when a person has acknowledged it."""

    __tablename__ = "alarm"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"))
    kind: Mapped[AlarmKind] = mapped_column(EnumText(AlarmKind))
    severity: Mapped[AlarmSeverity] = mapped_column(EnumText(AlarmSeverity))
    details: Mapped[dict[str, Any]]
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[UUID | None]
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index("ix_alarm_town", "town_id", "raised_at", "id"),
        Index(
            "ix_alarm_open",
            "town_id",
            "kind",
            sqlite_where=acknowledged_at.is_(None),
            postgresql_where=acknowledged_at.is_(None),
        ),
    )


class AlarmNotFound(NotFound):
    """No such alarm is visible to the caller."""

    code = "alarm_not_found"
    message = Message("This alarm was not found.")


def describe_alarm(alarm: Alarm, language: Language) -> str:
    """Return the sentence of an alarm for people, with its details filled in."""
    return MESSAGES[alarm.kind].translate(language, **alarm.details)


def raise_alarm(
    work: UnitOfWork,
    town_id: UUID | None,
    kind: AlarmKind,
    *,
    actor: Actor = SYSTEM,
    repeat_after: timedelta | None = None,
    **details: object,
) -> Alarm | None:
    """Store an alarm, audit and log it, enqueue its sending, and return it. Without a town it concerns the whole server.

    With `repeat_after` nothing is raised, and None returned, when an alarm of this town and kind is younger than that: for what is
    noticed again and again. `details` are serialisable as JSON, with neither names nor secrets.
    """
    locks.lock_town(work, town_id)
    if repeat_after is not None and _was_raised_since(work, town_id, kind, work.now - repeat_after):
        return None
    event = f"alarm.{kind.value}"
    audit.record_event(work, actor, event, "town" if town_id else "server", town_id or "", town_id=town_id, **details)
    alarm = Alarm(town_id=town_id, kind=kind, severity=SEVERITIES[kind], details=dict(details), raised_at=work.now)
    work.session.add(alarm)
    work.session.flush()
    log.error(event, town=str(town_id), alarm=str(alarm.id), actor=str(actor.account_id), details=details)
    work.enqueue_job(Topic.ALARM, alarm.id)
    return alarm


def raise_alarm_of_refusal(work: UnitOfWork, town_id: UUID | None, kind: AlarmKind, **options: Any) -> None:
    """Raise an alarm (options as for `raise_alarm`) in a transaction that follows this one, which a refusal is about to roll back."""
    work.follow_ups.setdefault(f"alarm {town_id} {kind.value}", lambda later: raise_alarm(later, town_id, kind, **options))


def list_alarms(
    work: UnitOfWork, actor: Actor, town_id: UUID, *, only_open: bool = False, page: PageRequest = FIRST_PAGE
) -> Page[Alarm]:
    """List the alarms of a town and those of the whole server, newest first. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    statement = select(Alarm).where(or_(Alarm.town_id == town_id, Alarm.town_id.is_(None)))
    if only_open:
        statement = statement.where(Alarm.acknowledged_at.is_(None))
    return fetch_scalar_page(work.session, statement, page, Alarm.raised_at, Alarm.id, descending=True)


def list_server_alarms(work: UnitOfWork, actor: Actor, page: PageRequest = FIRST_PAGE) -> Page[Alarm]:
    """List the alarms of the whole server, newest first. Raises `Forbidden` for anybody but the operator."""
    actor.require_operator()
    statement = select(Alarm).where(Alarm.town_id.is_(None))
    return fetch_scalar_page(work.session, statement, page, Alarm.raised_at, Alarm.id, descending=True)


def list_open_alarms(work: UnitOfWork, town_ids: Collection[UUID], limit: int = 20) -> Sequence[Alarm]:
    """List the alarms of these towns and of the whole server that nobody has acknowledged, newest first; without a town none.

    The caller has checked that the person governs these towns.
    """
    if not town_ids:
        return []
    statement = select(Alarm).where(or_(Alarm.town_id.in_(town_ids), Alarm.town_id.is_(None)), Alarm.acknowledged_at.is_(None))
    return work.session.scalars(statement.order_by(Alarm.raised_at.desc(), Alarm.id).limit(limit)).all()


def acknowledge_alarm(work: UnitOfWork, actor: Actor, alarm_id: UUID) -> Alarm:
    """Record that a person has taken note of an alarm, and return it. Raises `AlarmNotFound`.

    An alarm of the whole server is acknowledged by the operator only.
    """
    is_permitted = actor.build_visibility(Alarm, Permission.GOVERN)
    if actor.operates():
        is_permitted = or_(is_permitted, Alarm.town_id.is_(None))
    alarm = work.session.scalar(select(Alarm).where(Alarm.id == alarm_id, is_permitted).with_for_update())
    if alarm is None:
        raise AlarmNotFound
    if alarm.acknowledged_at is None:
        alarm.acknowledged_by, alarm.acknowledged_at = actor.account_id, work.now
        work.session.flush()
        audit.record_event(work, actor, "alarm.acknowledge", "alarm", alarm.id, town_id=alarm.town_id, kind=alarm.kind.value)
    return alarm


def acknowledge_settled_alarms(work: UnitOfWork, actor: Actor, town_id: UUID, kind: AlarmKind, **details: object) -> None:
    """Acknowledge the open alarms of a town and kind that have these details: the actor has dealt with what they are about."""
    statement = select(Alarm).where(Alarm.town_id == town_id, Alarm.kind == kind, Alarm.acknowledged_at.is_(None))
    for alarm in work.session.scalars(statement.with_for_update()):
        if details.items() <= alarm.details.items():
            alarm.acknowledged_by, alarm.acknowledged_at = actor.account_id, work.now
            audit.record_event(work, actor, "alarm.acknowledge", "alarm", alarm.id, town_id=town_id, kind=kind.value)
    work.session.flush()


def _was_raised_since(work: UnitOfWork, town_id: UUID | None, kind: AlarmKind, since: datetime) -> bool:
    statement = select(Alarm.id).where(Alarm.town_id == town_id, Alarm.kind == kind, Alarm.raised_at > since)
    return work.session.scalar(statement.limit(1)) is not None
