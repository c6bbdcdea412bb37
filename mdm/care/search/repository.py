"""All SQL of the search beside that of the names of people."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.people.text import make_label_key
from enrollment.places.models import School, SchoolClass
from enrollment.tablets.models import Loan, Tablet
from profiles.apps.models import App


class SearchRepository:
    """Finds what a text names, within what the actor may see."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_classes(self, actor: Actor, town_id: UUID, year: str, text: str, limit: int) -> Sequence[Row[SchoolClass, str]]:
        """Return the classes of a year whose label has the text, each with the name of its school."""
        statement = (
            select(SchoolClass, School.name)
            .join(School, School.id == SchoolClass.school_id)
            .where(
                SchoolClass.town_id == town_id,
                SchoolClass.school_year == year,
                SchoolClass.label_key.contains(make_label_key(text), autoescape=True),
            )
            .order_by(SchoolClass.label_order, School.name, SchoolClass.id)
        )
        return self.session.execute(actor.restrict(statement, SchoolClass).limit(limit)).all()

    def list_tablets(self, actor: Actor, town_id: UUID, text: str, limit: int) -> Sequence[Tablet]:
        """Return the tablets whose tag or serial number has the text, exact ones first; exact ones of other towns too."""
        text_key = text.strip().upper()
        is_exact = or_(
            Tablet.tag == text_key, Tablet.serial == text_key, Tablet.tag.endswith(f"-{text_key.zfill(5)}", autoescape=True)
        )
        contains = or_(Tablet.tag.contains(text_key, autoescape=True), Tablet.serial.contains(text_key, autoescape=True))
        is_in_town: ColumnElement[bool] = Tablet.town_id == town_id
        statement = select(Tablet).where(or_(and_(is_in_town, contains), Tablet.tag == text_key, Tablet.serial == text_key))
        order = (case((is_exact, 0), else_=1), case((is_in_town, 0), else_=1), Tablet.tag, Tablet.id)
        return self.session.scalars(actor.restrict(statement, Tablet).order_by(*order).limit(limit)).all()

    def list_apps(self, town_id: UUID, text: str, limit: int) -> Sequence[App]:
        pattern = func.lower(App.name).contains(text.strip().lower(), autoescape=True)
        statement = select(App).where(App.town_id == town_id, pattern).order_by(App.name, App.id)
        return self.session.scalars(statement.limit(limit)).all()

    def list_tablets_of_pupils(self, pupil_ids: Collection[UUID]) -> dict[UUID, Tablet]:
        """Return the tablet that each of these pupils has on loan."""
        statement = select(Loan.pupil_id, Tablet).join(Tablet, Tablet.id == Loan.tablet_id)
        rows = self.session.execute(statement.where(Loan.pupil_id.in_(pupil_ids), Loan.closed_at.is_(None)))
        return {pupil_id: tablet for pupil_id, tablet in rows if pupil_id is not None}
