"""All SQL of policy: floor, filter, apps, bundles, artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cartable.outbox import Topic
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from profiles.apps.models import App, AppBundle, BundleApp, BundleGrant
from profiles.apps.rules import Granted
from profiles.effective.models import Artefact, DeclarationSet
from profiles.filters.models import WebFilter
from profiles.policy.kinds import LayerKind
from profiles.policy.models import TownFloor


class PolicyRepository:
    """Reads and writes what towns author, and what was compiled from it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def floors(self, town_ids: Sequence[UUID]) -> dict[UUID, TownFloor]:
        """The newest floor of each town."""
        newest = (
            select(TownFloor.town_id, func.max(TownFloor.version).label("version"))
            .where(TownFloor.town_id.in_(town_ids))
            .group_by(TownFloor.town_id)
            .subquery()
        )
        rows = self.session.scalars(
            select(TownFloor).join(newest, (newest.c.town_id == TownFloor.town_id) & (newest.c.version == TownFloor.version))
        )
        return {row.town_id: row for row in rows}

    def filters(self, town_ids: Sequence[UUID]) -> dict[UUID, WebFilter]:
        return {row.town_id: row for row in self.session.scalars(select(WebFilter).where(WebFilter.town_id.in_(town_ids)))}

    def grants(self, town_ids: Sequence[UUID]) -> list[Granted]:
        """Every app that a place of these towns is given."""
        rows = self.session.execute(
            select(BundleGrant, BundleApp.app_id)
            .join(BundleApp, BundleApp.bundle_id == BundleGrant.bundle_id)
            .where(BundleGrant.town_id.in_(town_ids))
        )
        return [Granted(grant.town_id, grant.kind, grant.target, grant.standing, app_id) for grant, app_id in rows]

    def apps_by_id(self, town_ids: Sequence[UUID]) -> dict[UUID, App]:
        """Every app of these towns."""
        return {app.id: app for app in self.session.scalars(select(App).where(App.town_id.in_(town_ids)))}

    def known_artefacts(self, hashes: Sequence[str]) -> set[str]:
        """Those of the hashes under which something is stored already."""
        return set(self.session.scalars(select(Artefact.sha256).where(Artefact.sha256.in_(hashes))))

    def known_sets(self, hashes: Sequence[str]) -> set[str]:
        """Those of the declaration sets that are stored already."""
        return set(self.session.scalars(select(DeclarationSet.sha256).where(DeclarationSet.sha256.in_(hashes))))

    def add_artefact(self, row: Artefact) -> None:
        """Store a profile; another worker may have been faster with the very same."""
        self._add_once(Artefact, row)

    def add_set(self, row: DeclarationSet) -> None:
        """Store a set of declarations; another worker may have been faster with the very same."""
        self._add_once(DeclarationSet, row)

    def _add_once(self, model: Any, row: Any) -> None:
        insert: Any = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        values = {column.key: getattr(row, column.key) for column in model.__table__.columns}
        self.session.execute(insert(model).values(values).on_conflict_do_nothing())

    def app(self, actor: Actor, app_id: UUID) -> App | None:
        return self.session.scalar(actor.restrict(select(App).where(App.id == app_id), App))

    def apps(self, actor: Actor, town_id: UUID) -> Sequence[App]:
        statement = select(App).where(App.town_id == town_id).order_by(App.name, App.id)
        return self.session.scalars(actor.restrict(statement, App)).all()

    def apps_of_town(self, town_id: UUID, app_ids: Sequence[UUID]) -> Sequence[App]:
        return self.session.scalars(select(App).where(App.town_id == town_id, App.id.in_(app_ids)).order_by(App.id)).all()

    def app_by_identifier(self, town_id: UUID, identifier: str) -> App | None:
        return self.session.scalar(select(App).where(App.town_id == town_id, App.bundle_identifier == identifier))

    def bundle(self, actor: Actor, bundle_id: UUID) -> AppBundle | None:
        return self.session.scalar(actor.restrict(select(AppBundle).where(AppBundle.id == bundle_id), AppBundle))

    def bundle_by_name(self, town_id: UUID, name: str) -> AppBundle | None:
        return self.session.scalar(select(AppBundle).where(AppBundle.town_id == town_id, AppBundle.name == name))

    def bundles(self, actor: Actor, town_id: UUID) -> Sequence[AppBundle]:
        statement = select(AppBundle).where(AppBundle.town_id == town_id).order_by(AppBundle.name, AppBundle.id)
        return self.session.scalars(actor.restrict(statement, AppBundle)).all()

    def apps_of_bundles(self, bundle_ids: Sequence[UUID]) -> Sequence[Row[UUID, App]]:
        return self.session.execute(
            select(BundleApp.bundle_id, App)
            .join(App, App.id == BundleApp.app_id)
            .where(BundleApp.bundle_id.in_(bundle_ids))
            .order_by(App.name, App.id)
        ).all()

    def set_bundle_apps(self, bundle_id: UUID, app_ids: Sequence[UUID]) -> None:
        self.session.execute(delete(BundleApp).where(BundleApp.bundle_id == bundle_id))
        self.session.add_all(BundleApp(bundle_id=bundle_id, app_id=app_id) for app_id in dict.fromkeys(app_ids))

    def grants_of(self, bundle_ids: Sequence[UUID]) -> Sequence[BundleGrant]:
        return self.session.scalars(
            select(BundleGrant)
            .where(BundleGrant.bundle_id.in_(bundle_ids))
            .order_by(BundleGrant.kind, BundleGrant.target, BundleGrant.id)
        ).all()

    def grant(self, bundle_id: UUID, kind: LayerKind, target: str) -> BundleGrant | None:
        return self.session.scalar(
            select(BundleGrant).where(BundleGrant.bundle_id == bundle_id, BundleGrant.kind == kind, BundleGrant.target == target)
        )


def decide_again(work: UnitOfWork, tablets: Select[UUID]) -> None:
    """Ask for a new decision on every selected tablet, in one statement."""
    work.enqueue_selected_jobs(Topic.RECONCILE, tablets)
