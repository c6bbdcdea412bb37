"""All SQL of lost cases and position requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from mdm.care.lost_mode.models import LostCase, LostCaseOrigin, PositionRequest


class LostModeRepository:
    """Reads and writes lost cases and position requests."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_open_case(self, tablet_id: UUID) -> LostCase | None:
        return self.session.scalar(select(LostCase).where(LostCase.tablet_id == tablet_id, LostCase.lifted_at.is_(None)))

    def lock_open_case(self, tablet_id: UUID) -> LostCase | None:
        """Return the open case of a tablet as it is now, locked until the commit."""
        statement = select(LostCase).where(LostCase.tablet_id == tablet_id, LostCase.lifted_at.is_(None))
        return self.session.scalar(statement.with_for_update().execution_options(populate_existing=True))

    def get_last_lift(self, tablet_id: UUID) -> datetime | None:
        """Return when the last closed case of a tablet was lifted."""
        return self.session.scalar(select(func.max(LostCase.lifted_at)).where(LostCase.tablet_id == tablet_id))

    def count_reported_since(self, town_id: UUID, since: datetime) -> int:
        """Return how many losses people reported in a town since an instant."""
        statement = select(func.count()).select_from(LostCase)
        reported = (LostCase.town_id == town_id, LostCase.requested_at > since, LostCase.origin == LostCaseOrigin.REPORTED)
        return self.session.scalar(statement.where(*reported)) or 0

    def list_due_cases(self, now: datetime, longest_wait: timedelta, limit: int) -> Sequence[LostCase]:
        """List the open cases whose command is to be sent or looked at again; cases that another worker has locked are skipped.

        An attempt later than after `longest_wait` was stored by a clock that was ahead: it is due.
        """
        is_due = or_(LostCase.next_attempt_at <= now, LostCase.next_attempt_at > now + longest_wait)
        return self.session.scalars(
            select(LostCase)
            .where(LostCase.lifted_at.is_(None), is_due)
            .order_by(LostCase.next_attempt_at, LostCase.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()

    def get_position_request(self, actor: Actor, request_id: UUID) -> Row[PositionRequest, LostCase] | None:
        """Return a visible request with its case. Visibility follows the school of the case."""
        statement = (
            select(PositionRequest, LostCase)
            .join(LostCase, LostCase.id == PositionRequest.case_id)
            .where(PositionRequest.id == request_id)
        )
        return self.session.execute(actor.restrict(statement, LostCase)).one_or_none()

    def list_open_requests(self, actor: Actor, now: datetime, page: PageRequest) -> Page[PositionRequest]:
        """List the visible requests that can still be approved or answered, oldest first."""
        statement = (
            select(PositionRequest)
            .join(LostCase, LostCase.id == PositionRequest.case_id)
            .where(
                PositionRequest.answered_at.is_(None),
                PositionRequest.failure_reason.is_(None),
                PositionRequest.expires_at > now,
                LostCase.lifted_at.is_(None),
            )
        )
        statement = actor.restrict(statement, LostCase, Permission.LOCATE)
        return fetch_scalar_page(self.session, statement, page, PositionRequest.requested_at, PositionRequest.id)

    def list_open_requests_of_case(self, case_id: UUID) -> list[PositionRequest]:
        return list(
            self.session.scalars(
                select(PositionRequest)
                .where(
                    PositionRequest.case_id == case_id,
                    PositionRequest.answered_at.is_(None),
                    PositionRequest.failure_reason.is_(None),
                )
                .order_by(PositionRequest.requested_at, PositionRequest.id)
            )
        )

    def list_requests_of_case(self, case_id: UUID) -> list[PositionRequest]:
        statement = select(PositionRequest).where(PositionRequest.case_id == case_id)
        return list(self.session.scalars(statement.order_by(PositionRequest.requested_at, PositionRequest.id)))

    def purge_positions(self, closed_before: datetime, expired_before: datetime) -> None:
        """Delete the positions of cases closed, and of requests expired, before these instants."""
        closed = select(LostCase.id).where(LostCase.lifted_at <= closed_before)
        self.session.execute(
            update(PositionRequest)
            .where(or_(PositionRequest.case_id.in_(closed), PositionRequest.expires_at <= expired_before))
            .where(PositionRequest.position.is_not(None))
            .values(position=None)
            .execution_options(synchronize_session=False)
        )
