"""All SQL of the catalogue of apps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor
from profiles.apps.models import App


class AppRepository:
    """Reads and writes the apps of towns."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_apps_by_identifier(self, town_ids: Sequence[UUID]) -> dict[tuple[UUID, str], App]:
        """Return every app of these towns, by town and bundle identifier."""
        rows = self.session.scalars(select(App).where(App.town_id.in_(town_ids)))
        return {(app.town_id, app.bundle_identifier): app for app in rows}

    def get_app(self, actor: Actor, app_id: UUID) -> App | None:
        return self.session.scalar(actor.restrict(select(App).where(App.id == app_id), App))

    def list_apps(self, actor: Actor, town_id: UUID, page: PageRequest) -> Page[App]:
        """Return one page of the apps of a town, by name."""
        statement = actor.restrict(select(App).where(App.town_id == town_id), App)
        return fetch_scalar_page(self.session, statement, page, App.name, App.id)

    def list_all_apps(self, actor: Actor, town_id: UUID) -> Sequence[App]:
        """Return every app of a town that the actor may see, by name."""
        statement = select(App).where(App.town_id == town_id).order_by(App.name, App.id)
        return self.session.scalars(actor.restrict(statement, App)).all()

    def list_town_apps(self, town_id: UUID) -> Sequence[App]:
        """Return every app of a town, by name, for a class session: whoever starts one need not see the town's catalogue."""
        return self.session.scalars(select(App).where(App.town_id == town_id).order_by(App.name, App.id)).all()

    def list_apps_with_ids(self, town_id: UUID, app_ids: Sequence[UUID]) -> Sequence[App]:
        return self.session.scalars(select(App).where(App.town_id == town_id, App.id.in_(app_ids)).order_by(App.id)).all()

    def list_apps_with_identifiers(self, town_id: UUID, identifiers: Collection[str]) -> Sequence[App]:
        """Return the apps of a town with these bundle identifiers, by name."""
        statement = select(App).where(App.town_id == town_id, App.bundle_identifier.in_(identifiers))
        return self.session.scalars(statement.order_by(App.name, App.id)).all()

    def list_known_identifiers(self, town_id: UUID, identifiers: Collection[str]) -> set[str]:
        """Return those of the bundle identifiers that are in the town's catalogue."""
        if not identifiers:
            return set()
        statement = select(App.bundle_identifier).where(App.town_id == town_id, App.bundle_identifier.in_(identifiers))
        return set(self.session.scalars(statement))
