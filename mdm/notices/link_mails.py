"""Mails the links by which people choose their passwords. Nothing is sent inside a transaction, and a link that was mailed is forgotten."""

from __future__ import annotations

from email.message import EmailMessage
from uuid import UUID

import structlog

from cartable.i18n import DEFAULT_LANGUAGE, find_language
from cartable.outbox import OutboxRow
from cartable.outbox_leases import complete_jobs, record_failure
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.accounts.links import get_mail_address
from mdm.accounts.models import Account, AccountLink, LinkPurpose
from mdm.notices import rules
from mdm.notices.sending import deliver

log = structlog.get_logger()


def send_link_mail(runtime: Runtime, row: OutboxRow) -> None:
    """Mail the link of a job to the owner of the account, and record on it whether the mail was accepted."""
    link_id = UUID(row.key)
    with runtime.open_unit_of_work() as work:
        mail = _prepare(work, link_id)
    failure = deliver(runtime, mail)
    with runtime.open_unit_of_work() as work:
        link = work.session.get(AccountLink, link_id)
        is_parked = failure is not None and record_failure(work.session, row, work.now, failure)
        if failure is None:
            complete_jobs(work.session, [row])
        if link is not None and mail is not None:
            link.mail_error = failure[:200] if failure else None
            link.mailed_at = work.now if failure is None else None
            link.mail_url = link.mail_url if failure and not is_parked else None
    if failure is not None:
        log.warning("link_mail.parked" if is_parked else "link_mail.failed", link=row.key, reason=failure)


def _prepare(work: UnitOfWork, link_id: UUID) -> EmailMessage | None:
    """Return the mail of a link; None when it was used or replaced, has ended, or its account is switched off."""
    link = work.session.get(AccountLink, link_id)
    if link is None or link.mail_url is None or link.expires_at <= work.now:
        return None
    account = work.session.get_one(Account, link.account_id)
    recipient = get_mail_address(account)
    if recipient is None or not account.active:
        return None
    return rules.build_link_mail(
        sender=work.settings.mail_from,
        recipient=recipient,
        language=find_language(account.language) or DEFAULT_LANGUAGE,
        name=account.display_name,
        login=account.login,
        url=link.mail_url,
        until=link.expires_at,
        is_invitation=link.purpose is LinkPurpose.INVITATION,
        now=work.now,
    )
