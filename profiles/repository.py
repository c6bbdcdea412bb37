"""All SQL of policy: floor, filter, apps, bundles, artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, String, bindparam, cast, delete, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from enrollment.places.models import Level
from mdm.kit.outbox import OutboxRow, Topic
from mdm.kit.scope import Actor
from mdm.kit.work import Work
from profiles.bundles.models import App, AppBundle, BundleApp, BundleAssignment
from profiles.filters.models import WebFilter
from profiles.layers.models import TownFloor
from profiles.models import Artefact, DeclarationSet


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

    def apps_by_level(self, town_ids: Sequence[UUID]) -> Sequence[Row[UUID, Level, App]]:
        """Every app that a level of a town is given."""
        return self.session.execute(
            select(BundleAssignment.town_id, BundleAssignment.level, App)
            .join(BundleApp, BundleApp.bundle_id == BundleAssignment.bundle_id)
            .join(App, App.id == BundleApp.app_id)
            .where(BundleAssignment.town_id.in_(town_ids))
            .order_by(App.bundle_identifier, App.id)
        ).all()

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
        return self.session.scalar(actor.narrow(select(App).where(App.id == app_id), App))

    def apps(self, actor: Actor, town_id: UUID) -> Sequence[App]:
        statement = select(App).where(App.town_id == town_id).order_by(App.name, App.id)
        return self.session.scalars(actor.narrow(statement, App)).all()

    def apps_of_town(self, town_id: UUID, app_ids: Sequence[UUID]) -> Sequence[App]:
        return self.session.scalars(select(App).where(App.town_id == town_id, App.id.in_(app_ids)).order_by(App.id)).all()

    def app_by_identifier(self, town_id: UUID, identifier: str) -> App | None:
        return self.session.scalar(select(App).where(App.town_id == town_id, App.bundle_identifier == identifier))

    def bundle(self, actor: Actor, bundle_id: UUID) -> AppBundle | None:
        return self.session.scalar(actor.narrow(select(AppBundle).where(AppBundle.id == bundle_id), AppBundle))

    def bundle_by_name(self, town_id: UUID, name: str) -> AppBundle | None:
        return self.session.scalar(select(AppBundle).where(AppBundle.town_id == town_id, AppBundle.name == name))

    def bundles(self, actor: Actor, town_id: UUID) -> Sequence[AppBundle]:
        statement = select(AppBundle).where(AppBundle.town_id == town_id).order_by(AppBundle.name, AppBundle.id)
        return self.session.scalars(actor.narrow(statement, AppBundle)).all()

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

    def assignments(self, bundle_ids: Sequence[UUID]) -> Sequence[BundleAssignment]:
        return self.session.scalars(
            select(BundleAssignment).where(BundleAssignment.bundle_id.in_(bundle_ids)).order_by(BundleAssignment.id)
        ).all()

    def assignment(self, bundle_id: UUID, level: Level) -> BundleAssignment | None:
        return self.session.scalar(
            select(BundleAssignment).where(BundleAssignment.bundle_id == bundle_id, BundleAssignment.level == level)
        )


def decide_again(work: Work, tablets: Select[UUID]) -> None:
    """Ask for a new decision on every selected tablet, in one statement."""
    found = tablets.subquery()
    key = cast(next(iter(found.c)), String)
    now = bindparam(None, work.now, type_=OutboxRow.__table__.c.not_before.type, unique=True)
    topic = bindparam(None, Topic.DECIDE, type_=OutboxRow.__table__.c.topic.type, unique=True)
    # SQLite needs a WHERE here, or it reads ON CONFLICT as a join condition.
    source = select(topic, key, now, now, literal(0)).where(literal(1) == 1)
    insert = postgresql.insert if work.session.get_bind().dialect.name == "postgresql" else sqlite.insert
    work.session.execute(
        insert(OutboxRow).from_select(["topic", "key", "not_before", "created_at", "attempts"], source).on_conflict_do_nothing()
    )
    work.rung.add(Topic.DECIDE)
