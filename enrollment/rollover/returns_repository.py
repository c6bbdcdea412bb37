"""All SQL of the return of the leavers' tablets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, delete, exists, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from cartable.scope import Actor
from enrollment.rollover.models import Decision, ReturnCampaign, ReturnDay, ReturnTablet, RolloverLine
from enrollment.tablets.models import Loan, Tablet


def still_out() -> ColumnElement[bool]:
    """Whether the loan that a tablet was listed for goes on. A later one is another pupil's."""
    return exists().where(
        Loan.tablet_id == ReturnTablet.tablet_id, Loan.closed_at.is_(None), Loan.opened_at <= ReturnTablet.listed_at
    )


class ReturnRepository:
    """Reads and writes return campaigns."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def campaign(self, rollover_id: UUID) -> ReturnCampaign | None:
        return self.session.scalar(select(ReturnCampaign).where(ReturnCampaign.rollover_id == rollover_id))

    def days(self, campaign_id: UUID) -> Sequence[ReturnDay]:
        statement = select(ReturnDay).where(ReturnDay.campaign_id == campaign_id)
        return self.session.scalars(statement.order_by(ReturnDay.day, ReturnDay.school_id, ReturnDay.id)).all()

    def clear_days(self, campaign_id: UUID, school_ids: Collection[UUID]) -> None:
        self.session.execute(delete(ReturnDay).where(ReturnDay.campaign_id == campaign_id, ReturnDay.school_id.in_(school_ids)))

    def list_leavers(self, campaign: ReturnCampaign, now: datetime) -> None:
        """Put the tablets of this moment's leavers on the list, in one statement; those on it stay as they are."""
        table = ReturnTablet.__table__
        source = (
            select(
                literal(campaign.id, table.c.campaign_id.type), Loan.tablet_id, RolloverLine.school_id,
                RolloverLine.class_before, literal(now, table.c.listed_at.type), RolloverLine.town_id,
            )
            .join(Loan, (Loan.pupil_id == RolloverLine.pupil_id) & Loan.closed_at.is_(None))
            .where(RolloverLine.rollover_id == campaign.rollover_id, RolloverLine.decision == Decision.LEAVER)
        )  # fmt: skip
        insert = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        columns = ["campaign_id", "tablet_id", "school_id", "class_id", "listed_at", "town_id"]
        self.session.execute(insert(ReturnTablet).from_select(columns, source).on_conflict_do_nothing())

    def listed(self, actor: Actor, campaign_id: UUID) -> Sequence[Row[ReturnTablet, Tablet, bool]]:
        """The tablets on the list, each with whether it is still out, by school and tag."""
        statement = (
            select(ReturnTablet, Tablet, still_out())
            .join(Tablet, Tablet.id == ReturnTablet.tablet_id)
            .where(ReturnTablet.campaign_id == campaign_id)
            .order_by(ReturnTablet.school_id, Tablet.tag, Tablet.id)
        )
        return self.session.execute(actor.restrict(statement, ReturnTablet)).all()

    def leavers(self, actor: Actor, rollover_id: UUID) -> Sequence[Row[Tablet, UUID]]:
        """The tablets that leavers still hold, by tag, each with the school where it is given back."""
        statement = (
            select(Tablet, RolloverLine.school_id)
            .join(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .join(RolloverLine, RolloverLine.pupil_id == Loan.pupil_id)
            .where(RolloverLine.rollover_id == rollover_id, RolloverLine.decision == Decision.LEAVER)
            .order_by(Tablet.tag, Tablet.id)
        )
        return self.session.execute(actor.restrict(statement, RolloverLine)).all()

    def returned(self, town_id: UUID) -> Select[UUID]:
        """Statement: the tablets of open campaigns that are back."""
        return (
            select(ReturnTablet.tablet_id)
            .join(ReturnCampaign, ReturnCampaign.id == ReturnTablet.campaign_id)
            .where(ReturnTablet.town_id == town_id, ReturnCampaign.opened_at.is_not(None), ReturnCampaign.closed_at.is_(None))
            .where(~exists().where(Loan.tablet_id == ReturnTablet.tablet_id, Loan.closed_at.is_(None)))
        )
