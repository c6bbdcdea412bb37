"""All SQL of notices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, delete, func, or_, select
from sqlalchemy.orm import Session

from cartable.alarms import Alarm, AlarmKind
from cartable.keyset import fetch_page, fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import PERMISSIONS, Permission
from mdm.accounts.models import Account, AccountRole
from mdm.notices.models import Notice, NoticeAddress, NoticeChoice, NoticeLevel, Webhook


class NoticeRepository:
    """Reads and changes notices and their recipients."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_alarms(self, alarm_ids: Collection[UUID]) -> Sequence[Alarm]:
        return self.session.scalars(select(Alarm).where(Alarm.id.in_(alarm_ids)).order_by(Alarm.raised_at, Alarm.id)).all()

    def list_recipients(
        self, town_id: UUID | None, permissions_needed: Collection[Permission], now: datetime
    ) -> list[tuple[Account, NoticeLevel]]:
        """List the active people with one of these permissions in a town or a school of it, each with what they have chosen.

        Without a town: those who have it for the whole server.
        """
        roles = [role for role, permissions in PERMISSIONS.items() if permissions & frozenset(permissions_needed)]
        is_valid = or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now)
        holders = select(AccountRole.account_id).where(AccountRole.town_id == town_id, AccountRole.role.in_(roles), is_valid)
        statement = (
            select(Account, NoticeChoice.level)
            .outerjoin(NoticeChoice, NoticeChoice.account_id == Account.id)
            .where(Account.active, Account.id.in_(holders))
            .order_by(Account.id)
        )
        return [(account, level or NoticeLevel.ALL) for account, level in self.session.execute(statement)]

    def list_addresses(self, town_id: UUID) -> Sequence[NoticeAddress]:
        return self.session.scalars(
            select(NoticeAddress).where(NoticeAddress.town_id == town_id).order_by(NoticeAddress.id)
        ).all()

    def list_address_page(self, town_id: UUID, page: PageRequest) -> Page[NoticeAddress]:
        statement = select(NoticeAddress).where(NoticeAddress.town_id == town_id)
        return fetch_scalar_page(self.session, statement, page, NoticeAddress.id)

    def list_webhooks(self, town_id: UUID) -> Sequence[Webhook]:
        return self.session.scalars(select(Webhook).where(Webhook.town_id == town_id).order_by(Webhook.id)).all()

    def list_webhook_page(self, town_id: UUID, page: PageRequest) -> Page[Webhook]:
        return fetch_scalar_page(self.session, select(Webhook).where(Webhook.town_id == town_id), page, Webhook.id)

    def get_last_sent(self, recipient_id: UUID, kind: AlarmKind) -> datetime | None:
        statement = select(func.max(Notice.sent_at)).where(Notice.recipient_id == recipient_id, Notice.kind == kind)
        return self.session.scalar(statement)

    def get_waiting_due(self, recipient_id: UUID, kind: AlarmKind) -> datetime | None:
        """Return when the notices of this kind that wait for a recipient are due."""
        statement = select(func.min(Notice.due_at)).where(Notice.recipient_id == recipient_id, Notice.kind == kind)
        return self.session.scalar(statement.where(Notice.sent_at.is_(None), Notice.failed_at.is_(None)))

    def list_unsent(self, notice: Notice) -> Sequence[Row[Notice, Alarm]]:
        """List the notices that go into one mail with this one: same recipient, town and kind."""
        statement = select(Notice, Alarm).join(Alarm, Alarm.id == Notice.alarm_id)
        return self.session.execute(
            statement.where(Notice.recipient_id == notice.recipient_id, Notice.recipient_kind == notice.recipient_kind)
            .where(Notice.kind == notice.kind, Notice.town_id == notice.town_id, Notice.sent_at.is_(None))
            .order_by(Alarm.raised_at, Notice.id)
        ).all()

    def list_by_town(self, town_id: UUID, page: PageRequest) -> Page[tuple[Notice, Alarm]]:
        statement = select(Notice, Alarm).join(Alarm, Alarm.id == Notice.alarm_id).where(Notice.town_id == town_id)
        return fetch_page(self.session, statement, page, Notice.due_at, Notice.id, descending=True)

    def delete_before(self, instant: datetime) -> None:
        """Delete the notices that were sent, or given up, before an instant."""
        self.session.execute(delete(Notice).where(or_(Notice.sent_at < instant, Notice.failed_at < instant)))
