"""Verbs of the catalogue of apps. Never commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from cartable import audit
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.apps.apps_and_books.service import enqueue_syncs_of_town
from profiles.apps.errors import AppExists, BadApp
from profiles.apps.models import App
from profiles.apps.repository import AppRepository

_BUNDLE_ID = re.compile(r"[A-Za-z0-9.\-]{3,155}$")
#: The number alone, or the end of an address such as https://apps.apple.com/fr/app/name/id1234567890.
_STORE_ID = re.compile(r"(?:^|/id)([0-9]{1,15})(?:\?.*)?$", re.ASCII)


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
    if app_store_id is not None:
        enqueue_syncs_of_town(work, town_id)
    return app


def parse_store_id(text: str) -> int | None:
    """Return the App Store's number in what a person typed: the number, or the address of the app's page. None for an empty text.

    Raises `BadApp`.
    """
    digits = _STORE_ID.search(text.strip())
    if digits is None and text.strip():
        raise BadApp(field="app_store_id")
    return int(digits[1]) if digits else None


def list_apps(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest) -> Page[App]:
    """Return one page of the town's catalogue."""
    return AppRepository(work.session).list_apps(actor, town_id, page)


def list_all_apps(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[App]:
    """Return the town's whole catalogue, by name."""
    return AppRepository(work.session).list_all_apps(actor, town_id)
