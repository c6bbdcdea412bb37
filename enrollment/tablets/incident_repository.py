"""SQL of incidents of tablets, and of the requests that wait for a second person."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.tablets.models import ApprovalAction, ApprovalRequest, Incident, IncidentKind


class IncidentRepository:
    """Reads incidents and approval requests."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_open_incident(self, tablet_id: UUID) -> Incident | None:
        return self.session.scalar(select(Incident).where(Incident.tablet_id == tablet_id, Incident.closed_at.is_(None)))

    def get_incident_by_loaner(self, loaner_id: UUID) -> Incident | None:
        return self.session.scalar(select(Incident).where(Incident.loaner_id == loaner_id, Incident.closed_at.is_(None)))

    def list_incidents_by_tablet(self, tablet_id: UUID) -> Sequence[Incident]:
        statement = select(Incident).where(Incident.tablet_id == tablet_id)
        return self.session.scalars(statement.order_by(Incident.reported_at.desc(), Incident.id).limit(100)).all()

    def list_incidents(
        self, actor: Actor, town_id: UUID, kind: IncidentKind | None, *, is_open: bool | None, page: PageRequest
    ) -> Page[Incident]:
        statement = select(Incident).where(Incident.town_id == town_id)
        if kind is not None:
            statement = statement.where(Incident.kind == kind)
        if is_open is not None:
            statement = statement.where(Incident.closed_at.is_(None) if is_open else Incident.closed_at.is_not(None))
        statement = actor.restrict(statement, Incident)
        return fetch_scalar_page(self.session, statement, page, Incident.reported_at, Incident.id, descending=True)

    def get_approval_request_for_update(self, actor: Actor, request_id: UUID) -> ApprovalRequest | None:
        statement = select(ApprovalRequest).where(ApprovalRequest.id == request_id).with_for_update(key_share=True)
        return self.session.scalar(actor.restrict(statement, ApprovalRequest))

    def get_open_approval_request(self, tablet_id: UUID, act: ApprovalAction) -> ApprovalRequest | None:
        return self.session.scalar(
            select(ApprovalRequest).where(
                ApprovalRequest.tablet_id == tablet_id, ApprovalRequest.action == act, ApprovalRequest.approved_at.is_(None)
            )
        )

    def list_open_approval_requests(self, tablet_id: UUID) -> Sequence[ApprovalRequest]:
        return self.session.scalars(
            select(ApprovalRequest)
            .where(ApprovalRequest.tablet_id == tablet_id, ApprovalRequest.approved_at.is_(None))
            .order_by(ApprovalRequest.requested_at, ApprovalRequest.id)
        ).all()

    def get_cared_for(self, actor: Actor, incident_id: UUID) -> Incident | None:
        """Return an incident of a tablet that the actor cares for."""
        statement = select(Incident).where(Incident.id == incident_id)
        return self.session.scalar(actor.restrict(statement, Incident, Permission.CARE))
