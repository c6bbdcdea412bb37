"""SQL of single incidents. Those of a tablet or a town are listed in `repository`."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.tablets.models import Incident


class IncidentRepository:
    """Reads single incidents."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_cared_for(self, actor: Actor, incident_id: UUID) -> Incident | None:
        """Return an incident of a tablet that the actor cares for."""
        statement = select(Incident).where(Incident.id == incident_id)
        return self.session.scalar(actor.restrict(statement, Incident, Permission.CARE))
