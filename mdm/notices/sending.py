"""Sending notices by mail and webhook. Nothing is sent inside a transaction; what fails is tried again with longer waits, then parked."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from cartable.alarms import Alarm
from cartable.http_client import Unreachable, send_request
from cartable.i18n import DEFAULT_LANGUAGE, ENGLISH, find_language
from cartable.outbox import OutboxRow
from cartable.outbox_leases import complete_jobs, record_failure
from cartable.outgoing import open_client
from cartable.settings import Settings, SmtpSecurity
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from enrollment.places.zones import PARIS
from mdm.accounts.models import Account
from mdm.notices import rules
from mdm.notices.models import Notice, NoticeAddress, RecipientKind, Webhook
from mdm.notices.repository import NoticeRepository

log = structlog.get_logger()
#: Seconds for each step of a conversation with the mail server.
SMTP_TIMEOUT = 20


class DeliveryFailure(Exception):
    """A notice was not accepted. The text is the reason for people: a status or the kind of fault, with no address in it."""


class WebhookRequest(NamedTuple):
    """A webhook that is ready to be sent."""

    url: str
    secret: str
    message_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one job sends, and the notices that are sent by it."""

    message: EmailMessage | WebhookRequest | None
    notice_ids: tuple[UUID, ...]


def send_notice(runtime: Runtime, row: OutboxRow) -> None:
    """Send the notice of a job by mail or webhook, with those that go into the same mail."""
    with runtime.open_unit_of_work() as work:
        delivery = _prepare(work, UUID(row.key))
    failure = deliver(runtime, delivery.message)
    with runtime.open_unit_of_work() as work:
        notices = [notice for key in delivery.notice_ids if (notice := work.session.get(Notice, key)) is not None]
        if failure is None:
            for notice in notices:
                notice.sent_at, notice.last_error = work.now, None
            complete_jobs(work.session, [row])
            return
        is_parked = record_failure(work.session, row, work.now, failure)
        for notice in notices:
            notice.last_error, notice.failed_at = failure[:200], work.now if is_parked else None
    log.warning("notice.parked" if is_parked else "notice.failed", notice=row.key, reason=failure)


def _prepare(work: UnitOfWork, notice_id: UUID) -> Delivery:
    """Return what is to be sent. Nothing, when it was sent with another notice, or its recipient is gone."""
    notice = work.session.get(Notice, notice_id)
    if notice is None or notice.sent_at is not None:
        return Delivery(None, ())
    if notice.recipient_kind is RecipientKind.WEBHOOK:
        return _prepare_webhook(work, notice)
    rows = NoticeRepository(work.session).list_unsent(notice)
    town = work.session.get(Town, notice.town_id) if notice.town_id else None
    recipients, language_code = _find_mailbox(work, notice)
    if not recipients:
        return Delivery(None, ())
    mail = rules.build_mail(
        [alarm for _, alarm in rows],
        sender=work.settings.mail_from,
        recipients=recipients,
        language=find_language(language_code) or DEFAULT_LANGUAGE,
        place=town.name if town else None,
        zone=ZoneInfo(town.time_zone if town else PARIS),
        url=work.settings.public_url,
        now=work.now,
    )
    return Delivery(mail, tuple(each.id for each, _ in rows))


def _prepare_webhook(work: UnitOfWork, notice: Notice) -> Delivery:
    webhook = work.session.get(Webhook, notice.recipient_id)
    if webhook is None:
        return Delivery(None, ())
    alarm = work.session.get_one(Alarm, notice.alarm_id)
    request = WebhookRequest(webhook.url, webhook.secret, f"msg_{notice.id.hex}", rules.build_webhook_body(alarm, ENGLISH))
    return Delivery(request, (notice.id,))


def _find_mailbox(work: UnitOfWork, notice: Notice) -> tuple[Sequence[str], str]:
    """Return the addresses of the recipient of a mail, and the language to write in. None when the recipient is gone."""
    if notice.recipient_kind is RecipientKind.OPERATOR_ADDRESS:
        return work.settings.alarm_emails, DEFAULT_LANGUAGE.code
    if notice.recipient_kind is RecipientKind.ADDRESS:
        address = work.session.get(NoticeAddress, notice.recipient_id)
        return ([address.email], address.language) if address else ([], "")
    account = work.session.get(Account, notice.recipient_id)
    return ([account.email], account.language) if account and account.email and account.active else ([], "")


def deliver(runtime: Runtime, message: EmailMessage | WebhookRequest | None) -> str | None:
    """Send what is prepared. Returns why it failed, None when it was accepted or there was nothing to send."""
    try:
        if isinstance(message, EmailMessage):
            send_mail(runtime.settings, message)
        elif message is not None:
            post_webhook(runtime, message, allow_private=runtime.settings.allow_private_addresses)
    except DeliveryFailure as failure:
        return str(failure)
    return None


def send_mail(settings: Settings, mail: EmailMessage) -> None:
    """Hand a mail over to the mail server. Raises `DeliveryFailure`."""
    context = ssl.create_default_context(cafile=str(settings.smtp_ca) if settings.smtp_ca else None)
    try:
        with _connect(settings, context) as server:
            if settings.smtp_security is SmtpSecurity.STARTTLS:
                server.starttls(context=context)
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password)
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({str(code) for code, _ in error.recipients.values()})
        raise DeliveryFailure(f"recipient refused ({', '.join(codes)})") from error
    except smtplib.SMTPResponseException as error:
        raise DeliveryFailure(f"{type(error).__name__} ({error.smtp_code})") from error
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise DeliveryFailure(type(error).__name__) from error


def _connect(settings: Settings, context: ssl.SSLContext) -> smtplib.SMTP:
    if settings.smtp_security is SmtpSecurity.TLS:
        return smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=SMTP_TIMEOUT, context=context)
    return smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=SMTP_TIMEOUT)


def post_webhook(runtime: Runtime, request: WebhookRequest, *, allow_private: bool) -> None:
    """Post a webhook, signed where it has a secret. Raises `DeliveryFailure`."""
    headers = rules.sign_webhook(request.secret, request.message_id, request.body, runtime.clock.now())
    with open_client(allow_private=allow_private) as client:
        try:
            response = send_request(client, "POST", request.url, content=request.body, headers=headers)
        except Unreachable as error:
            raise DeliveryFailure(str(error)) from error
    if not 200 <= response.status < 300:
        raise DeliveryFailure(f"status {response.status}")
