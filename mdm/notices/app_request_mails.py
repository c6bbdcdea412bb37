"""Mails about requests for apps: to who decides while a request waits, to who asked once it is decided.

Each mail is a job of its own, so a refused recipient delays no other and nobody gets a mail twice. It is built when it is sent: what was
decided in the meantime asks nobody for a decision. Nothing is sent inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import structlog

from cartable.i18n import DEFAULT_LANGUAGE, find_language
from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import complete_jobs, record_failure
from cartable.scope import Permission
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import School, SchoolClass, Town
from mdm.accounts.links import get_mail_address
from mdm.accounts.models import Account
from mdm.notices.app_request_texts import RequestFacts, build_request_mail
from mdm.notices.models import NoticeLevel
from mdm.notices.repository import NoticeRepository
from mdm.notices.sending import deliver
from mdm.notices.service import get_choice
from profiles.effective.app_requests.models import AppRequest, AppRequestState
from profiles.effective.app_requests.repository import AppRequestRepository

REQUESTS_PAGE = "/app-requests"
log = structlog.get_logger()


class MailReach(StrEnum):
    """Whether a person is written to about requests for apps, or why not."""

    MAILED = "mailed"
    NO_SERVER = "no_server"
    NO_ADDRESS = "no_address"
    UNWANTED = "unwanted"  # the person has chosen so


class _MailKey(NamedTuple):
    """The request and the account that a mail is about and for. Its text is as long as the key of a job may be: 64 characters."""

    request_id: UUID
    account_id: UUID

    def __str__(self) -> str:
        return self.request_id.hex + self.account_id.hex

    @classmethod
    def parse(cls, key: str) -> _MailKey:
        return cls(UUID(key[:32]), UUID(key[32:]))


def get_mail_reach(work: UnitOfWork, account: Account, level: NoticeLevel | None = None) -> MailReach:
    """Return whether a person is written to about requests for apps. `level` is what the person has chosen, where that is known."""
    if not work.settings.smtp_host:
        return MailReach.NO_SERVER
    if get_mail_address(account) is None:
        return MailReach.NO_ADDRESS
    is_wanted = (level or get_choice(work, account)) is NoticeLevel.ALL
    return MailReach.MAILED if is_wanted else MailReach.UNWANTED


def plan_request_mails(work: UnitOfWork, request_ids: Sequence[UUID]) -> None:
    """Enqueue the mails about requests: one to each person who may decide while they wait, then one to who asked."""
    for request_id in request_ids:
        request = AppRequestRepository(work.session).find_request(request_id)
        if request is not None:
            keys = [_MailKey(request.id, account.id) for account in _list_recipients(work, request)]
            work.enqueue_job(Topic.APP_REQUEST_MAIL, *keys)


def _list_recipients(work: UnitOfWork, request: AppRequest) -> list[Account]:
    """Return who is written to about a request in its present state. Who asked is not asked to decide."""
    if request.state is AppRequestState.ASKED:
        rows = NoticeRepository(work.session).list_recipients(request.town_id, {Permission.AUTHOR}, work.now)
        candidates = [(account, level) for account, level in rows if account.id != request.requested_by]
    else:
        requester = work.session.get(Account, request.requested_by) if request.requested_by else None
        candidates = [(requester, get_choice(work, requester))] if requester is not None and requester.active else []
    return [account for account, level in candidates if get_mail_reach(work, account, level) is MailReach.MAILED]


def send_request_mail(runtime: Runtime, row: OutboxRow) -> None:
    """Send the mail of a job, if it still is for this person."""
    with runtime.open_unit_of_work() as work:
        mail = _prepare(work, _MailKey.parse(row.key))
    failure = deliver(runtime, mail)
    with runtime.open_unit_of_work() as work:
        if failure is None:
            complete_jobs(work.session, [row])
            return
        is_parked = record_failure(work.session, row, work.now, failure)
    log.warning("app_request_mail.parked" if is_parked else "app_request_mail.failed", mail=row.key, reason=failure)


def _prepare(work: UnitOfWork, key: _MailKey) -> EmailMessage | None:
    """Return the mail of a job; None when it is no longer for this person: the request is decided, or the person may not decide now."""
    request = AppRequestRepository(work.session).find_request(key.request_id)
    if request is None:
        return None
    account = next((each for each in _list_recipients(work, request) if each.id == key.account_id), None)
    recipient = get_mail_address(account) if account is not None else None
    if account is None or recipient is None:
        return None
    school_class, school = work.session.get_one(SchoolClass, request.class_id), work.session.get_one(School, request.school_id)
    town = work.session.get_one(Town, request.town_id)
    return build_request_mail(
        RequestFacts(request.state, request.name, school_class.label, school.name, town.name, request.answer),
        sender=work.settings.mail_from,
        recipient=recipient,
        name=account.display_name,
        language=find_language(account.language) or DEFAULT_LANGUAGE,
        url=f"{work.settings.public_url.rstrip('/')}{REQUESTS_PAGE}?town={town.id}",
        now=work.now,
    )
