"""All SQL of the return campaign of the leavers' tablets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, delete, exists, func, literal, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cartable.database import get_insert
from cartable.keyset import fetch_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor
from enrollment.rollover.models import ReturnCampaign, ReturnDay, ReturnTablet, RolloverDecision, RolloverLine
from enrollment.tablets.models import Loan, Tablet


def is_still_on_loan() -> ColumnElement[bool]:
    """Return the condition that the loan for which a tablet was added is still open. A later loan is another pupil's."""
    return exists().where(
        Loan.tablet_id == ReturnTablet.tablet_id, Loan.closed_at.is_(None), Loan.opened_at <= ReturnTablet.added_at
    )


class ReturnRepository:
    """Reads and writes return campaigns."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_campaign(self, rollover_id: UUID) -> ReturnCampaign | None:
        return self.session.scalar(select(ReturnCampaign).where(ReturnCampaign.rollover_id == rollover_id))

    def list_days(self, campaign_id: UUID) -> Sequence[ReturnDay]:
        statement = select(ReturnDay).where(ReturnDay.campaign_id == campaign_id)
        return self.session.scalars(statement.order_by(ReturnDay.day, ReturnDay.school_id, ReturnDay.id)).all()

    def delete_days(self, campaign_id: UUID, school_ids: Collection[UUID]) -> None:
        self.session.execute(delete(ReturnDay).where(ReturnDay.campaign_id == campaign_id, ReturnDay.school_id.in_(school_ids)))

    def add_tablets_of_leavers(self, campaign: ReturnCampaign, now: datetime) -> None:
        """Add the tablets of the present leavers to the campaign, in one statement; tablets already in it are not changed."""
        table = ReturnTablet.__table__
        source = (
            select(
                literal(campaign.id, table.c.campaign_id.type), Loan.tablet_id, RolloverLine.school_id,
                RolloverLine.class_before, literal(now, table.c.added_at.type), RolloverLine.town_id,
            )
            .join(Loan, (Loan.pupil_id == RolloverLine.pupil_id) & Loan.closed_at.is_(None))
            .where(RolloverLine.rollover_id == campaign.rollover_id, RolloverLine.decision == RolloverDecision.LEAVER)
        )  # fmt: skip
        insert = get_insert(self.session.get_bind().dialect.name)
        columns = ["campaign_id", "tablet_id", "school_id", "class_id", "added_at", "town_id"]
        self.session.execute(insert(ReturnTablet).from_select(columns, source).on_conflict_do_nothing())

    def list_tablets(self, actor: Actor, campaign_id: UUID) -> Sequence[Row[ReturnTablet, Tablet, bool]]:
        """Return all tablets of a campaign, each with whether it is still on loan, by school and tag."""
        statement = _select_campaign_tablets(actor, campaign_id)
        return self.session.execute(statement.order_by(ReturnTablet.school_id, Tablet.tag, Tablet.id)).all()

    def list_tablets_page(self, actor: Actor, campaign_id: UUID, page: PageRequest) -> Page[tuple[ReturnTablet, Tablet, bool]]:
        """Return one page of what `list_tablets` returns."""
        statement = _select_campaign_tablets(actor, campaign_id)
        return fetch_page(self.session, statement, page, ReturnTablet.school_id, Tablet.tag, Tablet.id)

    def list_tablets_of_leavers(self, actor: Actor, rollover_id: UUID, page: PageRequest) -> Page[tuple[Tablet, UUID]]:
        """Return the tablets that leavers still hold, by tag, each with the school to which it is returned."""
        statement = (
            select(Tablet, RolloverLine.school_id)
            .join(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .join(RolloverLine, RolloverLine.pupil_id == Loan.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, RolloverLine.decision == RolloverDecision.LEAVER)
        )
        return fetch_page(self.session, actor.restrict(statement, RolloverLine), page, Tablet.tag, Tablet.id)

    def count_tablets_of_leavers(self, actor: Actor, rollover_id: UUID) -> int:
        statement = (
            select(func.count(Loan.tablet_id))
            .join(RolloverLine, RolloverLine.pupil_id == Loan.pupil_id)
            .where(Loan.closed_at.is_(None), RolloverLine.rollover_id == rollover_id)
            .where(RolloverLine.decision == RolloverDecision.LEAVER)
        )
        return self.session.scalar(actor.restrict(statement, RolloverLine)) or 0

    def select_returned_tablets(self, town_id: UUID) -> Select[UUID]:
        """Return the statement that selects the returned tablets of open campaigns."""
        return (
            select(ReturnTablet.tablet_id)
            .join(ReturnCampaign, ReturnCampaign.id == ReturnTablet.campaign_id)
            .where(ReturnTablet.town_id == town_id, ReturnCampaign.opened_at.is_not(None), ReturnCampaign.closed_at.is_(None))
            .where(~exists().where(Loan.tablet_id == ReturnTablet.tablet_id, Loan.closed_at.is_(None)))
        )


def _select_campaign_tablets(actor: Actor, campaign_id: UUID) -> Select[ReturnTablet, Tablet, bool]:
    statement = select(ReturnTablet, Tablet, is_still_on_loan()).join(Tablet, Tablet.id == ReturnTablet.tablet_id)
    return actor.restrict(statement.where(ReturnTablet.campaign_id == campaign_id), ReturnTablet)
