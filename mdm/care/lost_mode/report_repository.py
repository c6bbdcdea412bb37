"""All SQL of reports of losses."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.tablets.models import Tablet
from mdm.care.lost_mode.models import LossReport, LossReportState


class LossReportRepository:
    """Reads reports of losses."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_tablets_by_tag(self, town_ids: Collection[UUID], tag: str) -> list[Tablet]:
        """Return the tablets with this tag in these towns, which differ in their tags unless two towns chose the same letters."""
        statement = select(Tablet).where(Tablet.town_id.in_(town_ids), Tablet.tag == tag)
        return list(self.session.scalars(statement.order_by(Tablet.id)))

    def get_waiting(self, tablet_id: UUID) -> LossReport | None:
        """Return the report of a tablet that nobody has decided."""
        return self.session.scalar(select(LossReport).where(LossReport.tablet_id == tablet_id, LossReport.decided_at.is_(None)))

    def get_visible(self, actor: Actor, report_id: UUID) -> LossReport | None:
        """Return a report of a tablet that the actor cares for."""
        statement = select(LossReport).where(LossReport.id == report_id)
        return self.session.scalar(actor.restrict(statement, LossReport, Permission.CARE))

    def lock(self, report: LossReport) -> None:
        """Read the report again and lock it until the commit: of two people who decide it, the second sees the first."""
        self.session.refresh(report, with_for_update=True)

    def count_waiting_of(self, account_id: UUID | None) -> int:
        """Return how many reports of an account wait."""
        condition = (LossReport.reported_by == account_id) & LossReport.decided_at.is_(None)
        return self.session.scalar(select(func.count()).select_from(LossReport).where(condition)) or 0

    def count_waiting(self, actor: Actor) -> int:
        """Return how many reports wait for somebody like the actor."""
        statement = select(func.count()).select_from(LossReport).where(LossReport.decided_at.is_(None))
        return self.session.scalar(actor.restrict(statement, LossReport, Permission.CARE)) or 0

    def list_reports(self, actor: Actor, state: LossReportState | None, page: PageRequest) -> Page[tuple[LossReport, Tablet]]:
        """List the reports of tablets that the actor cares for, in one state or in any, the oldest first."""
        statement = select(LossReport, Tablet).join(Tablet, Tablet.id == LossReport.tablet_id)
        statement = actor.restrict(statement, LossReport, Permission.CARE)
        if state is not None:
            statement = statement.where(LossReport.state == state)
        return fetch_page(self.session, statement, page, LossReport.reported_at, LossReport.id)

    def list_own_reports(self, account_id: UUID | None, page: PageRequest) -> Page[tuple[LossReport, Tablet]]:
        """List the reports of an account, the newest first."""
        statement = select(LossReport, Tablet).join(Tablet, Tablet.id == LossReport.tablet_id)
        statement = statement.where(LossReport.reported_by == account_id)
        return fetch_page(self.session, statement, page, LossReport.reported_at, LossReport.id, descending=True)
