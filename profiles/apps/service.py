"""Verbs of the catalogue of apps. Never commits."""

from __future__ import annotations

import re
from uuid import UUID

from cartable import audit
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.apps.errors import AppExists, BadApp
from profiles.apps.models import App
from profiles.apps.repository import AppRepository

_BUNDLE_ID = re.compile(r"[A-Za-z0-9.\-]{3,155}$")


def create_app(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    *,
    name: str,
    bundle_identifier: str,
    app_store_id: int | None,
    manifest_url: str | None,
) -> App:
    """Return a new app of the town's catalogue. Raises `BadApp`, `AppExists`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    if not _BUNDLE_ID.match(bundle_identifier):
        raise BadApp(field="bundle_identifier")
    if app_store_id is not None and manifest_url is not None:
        raise BadApp(field="app_store_id")
    if manifest_url is not None and not manifest_url.startswith("https://"):
        raise BadApp(field="manifest_url")
    if AppRepository(work.session).list_known_identifiers(town_id, {bundle_identifier}):
        raise AppExists(field="bundle_identifier")
    app = App(
        town_id=town_id, name=name, bundle_identifier=bundle_identifier, app_store_id=app_store_id, manifest_url=manifest_url
    )
    work.session.add(app)
    work.session.flush()
    audit.record_event(work, actor, "app.create", "app", app.id, town_id=town_id, bundle_identifier=bundle_identifier)
    return app


def list_apps(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest) -> Page[App]:
    """Return one page of the town's catalogue."""
    return AppRepository(work.session).list_apps(actor, town_id, page)
