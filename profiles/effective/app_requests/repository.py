"""All SQL of requests for apps."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from enrollment.places.models import School, SchoolClass
from profiles.effective.app_requests.models import AppRequest, AppRequestState
from profiles.policy.models import Preset

RequestRow = Row[AppRequest, SchoolClass, School]


class AppRequestRepository:
    """Reads requests for apps."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_request(self, request_id: UUID) -> AppRequest | None:
        return self.session.get(AppRequest, request_id)

    def list_requests(self, town_id: UUID) -> Sequence[RequestRow]:
        """Return the requests of a town with class and school: what waits first, then the newest."""
        statement = (
            select(AppRequest, SchoolClass, School)
            .join(SchoolClass, SchoolClass.id == AppRequest.class_id)
            .join(School, School.id == AppRequest.school_id)
            .where(AppRequest.town_id == town_id)
            .order_by((AppRequest.state == AppRequestState.ASKED).desc(), AppRequest.requested_at.desc(), AppRequest.id)
        )
        return self.session.execute(statement).all()

    def list_given_apps(self, class_id: UUID) -> set[UUID]:
        """Return the apps that approved requests give a class."""
        statement = select(AppRequest.app_id).where(AppRequest.class_id == class_id, AppRequest.state == AppRequestState.APPROVED)
        return {app_id for app_id in self.session.scalars(statement) if app_id is not None}

    def find_bundle(self, class_id: UUID) -> Preset | None:
        """Return the bundle that gives a class the apps it asked for; None before the first one."""
        statement = select(Preset).join(AppRequest, AppRequest.bundle_id == Preset.id).where(AppRequest.class_id == class_id)
        return self.session.scalars(statement.order_by(AppRequest.decided_at.desc()).limit(1)).first()
