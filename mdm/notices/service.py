"""Which notices an alarm makes, and what governors enter: own choice, addresses outside, webhooks. Never commits.

Sending is in `sending`. See docs/domain/roles.md#notices.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cartable import audit
from cartable.alarms import Alarm
from cartable.errors import Invalid, NotFound
from cartable.i18n import find_language
from cartable.ids import new_id
from cartable.outbox import Topic
from cartable.outgoing import UnsafeAddress, check_address
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.accounts.models import Account
from mdm.notices import rules
from mdm.notices.errors import UnsafeWebhook
from mdm.notices.models import Notice, NoticeAddress, NoticeChoice, NoticeLevel, RecipientKind, Webhook
from mdm.notices.repository import NoticeRepository

#: The addresses in the settings are one recipient.
OPERATOR_ADDRESSES = UUID(int=0)
KEPT_FOR = timedelta(days=30)
SECRET_BYTES = 32


def plan_notices(work: UnitOfWork, alarm_ids: Sequence[UUID]) -> None:
    """Store a notice of each alarm for each recipient, and enqueue its sending: at once, or with the next digest.

    Mail is left out while the server has no mail server.
    """
    repository = NoticeRepository(work.session)
    for alarm in repository.list_alarms(alarm_ids):
        for kind, recipient_id in _list_recipients(work, alarm):
            due_at = work.now
            if kind is not RecipientKind.WEBHOOK:
                last, waiting = (get(recipient_id, alarm.kind) for get in (repository.get_last_sent, repository.get_waiting_due))
                due_at = rules.compute_due(work.now, last, waiting)
            notice = Notice(
                alarm_id=alarm.id, town_id=alarm.town_id, kind=alarm.kind, recipient_kind=kind, recipient_id=recipient_id, due_at=due_at
            )  # fmt: skip
            work.session.add(notice)
            work.session.flush()
            work.enqueue_job(Topic.NOTICE, notice.id, not_before=due_at)


def _list_recipients(work: UnitOfWork, alarm: Alarm) -> list[tuple[RecipientKind, UUID]]:
    repository = NoticeRepository(work.session)
    recipients: list[tuple[RecipientKind, UUID]] = []
    if work.settings.smtp_host:
        permissions = rules.get_recipient_permissions(alarm.kind, of_town=alarm.town_id is not None)
        recipients += [
            (RecipientKind.ACCOUNT, account.id)
            for account, level in repository.list_recipients(alarm.town_id, permissions, work.now)
            if account.email and rules.is_wanted(level, alarm.severity)
        ]
        if alarm.town_id is not None:
            recipients += [(RecipientKind.ADDRESS, row.id) for row in repository.list_addresses(alarm.town_id)]
        if work.settings.alarm_emails:
            recipients.append((RecipientKind.OPERATOR_ADDRESS, OPERATOR_ADDRESSES))
    if alarm.town_id is not None:
        recipients += [(RecipientKind.WEBHOOK, row.id) for row in repository.list_webhooks(alarm.town_id)]
    return recipients


def get_choice(work: UnitOfWork, account: Account) -> NoticeLevel:
    """Return of which alarms a person is written to."""
    choice = work.session.get(NoticeChoice, account.id)
    return choice.level if choice is not None else NoticeLevel.ALL


def save_choice(work: UnitOfWork, account: Account, *, level: NoticeLevel, email: str, language: str) -> None:
    """Save of which alarms a person is written to, where, and in which language. Raises `Invalid`."""
    email = email.strip()
    if email and ("@" not in email.strip("@") or any(character.isspace() for character in email)):
        raise Invalid(field="email")
    if find_language(language) is None:
        raise Invalid(field="language")
    audit.record_event(work, SYSTEM, "notice.choose", "account", account.id, town_id=None, level=level.value)
    account.email, account.language = email or None, language
    choice = work.session.get(NoticeChoice, account.id)
    if choice is None:
        work.session.add(NoticeChoice(account_id=account.id, level=level, chosen_at=work.now))
    else:
        choice.level, choice.chosen_at = level, work.now
    work.session.flush()


def add_address(work: UnitOfWork, actor: Actor, town_id: UUID, email: str, language: str) -> NoticeAddress:
    """Let a mail address outside the system get every alarm of a town. Raises `Forbidden`, `ReauthenticationRequired`, `Invalid`."""
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    email = email.strip()
    if "@" not in email.strip("@") or any(character.isspace() for character in email):
        raise Invalid(field="email")
    if find_language(language) is None:
        raise Invalid(field="language")
    address_id = new_id()
    audit.record_event(work, actor, "notice.add_address", "notice_address", address_id, town_id=town_id)
    row = NoticeAddress(
        id=address_id, town_id=town_id, email=email, language=language, added_by=actor.account_id, added_at=work.now
    )
    work.session.add(row)
    work.session.flush()
    return row


def add_webhook(work: UnitOfWork, actor: Actor, town_id: UUID, url: str) -> Webhook:
    """Let an address get every alarm of a town as signed JSON; its secret is made here and shown once.

    Raises `Forbidden`, `ReauthenticationRequired`, `UnsafeWebhook`.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    try:
        check_address(url, allow_private=work.settings.allow_private_addresses)
    except UnsafeAddress:
        raise UnsafeWebhook(field="url") from None
    webhook_id = new_id()
    audit.record_event(work, actor, "notice.add_webhook", "webhook", webhook_id, town_id=town_id)
    secret = rules.spell_secret(secrets.token_bytes(SECRET_BYTES))
    row = Webhook(id=webhook_id, town_id=town_id, url=url, secret=secret, added_by=actor.account_id, added_at=work.now)
    work.session.add(row)
    work.session.flush()
    return row


def remove_recipient(work: UnitOfWork, actor: Actor, town_id: UUID, recipient_id: UUID) -> None:
    """Remove an address or a webhook of a town. Raises `Forbidden`, `ReauthenticationRequired`, `NotFound`."""
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    row: NoticeAddress | Webhook | None = work.session.get(NoticeAddress, recipient_id) or work.session.get(Webhook, recipient_id)
    if row is None or row.town_id != town_id:
        raise NotFound
    audit.record_event(work, actor, "notice.remove_recipient", row.__tablename__, row.id, town_id=town_id)
    work.session.delete(row)
    work.session.flush()


def list_addresses(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[NoticeAddress]:
    """List the addresses outside that get the alarms of a town. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    return NoticeRepository(work.session).list_address_page(town_id, page)


def list_webhooks(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[Webhook]:
    """List the webhooks of a town. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    return NoticeRepository(work.session).list_webhook_page(town_id, page)


def list_notices(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[tuple[Notice, Alarm]]:
    """List the notices of a town, newest first: sent, waiting, failed. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    return NoticeRepository(work.session).list_by_town(town_id, page)


def purge_notices(work: UnitOfWork) -> None:
    """Delete notices that were sent, or given up, long ago."""
    NoticeRepository(work.session).delete_before(work.now - KEPT_FOR)
