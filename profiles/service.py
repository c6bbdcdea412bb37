"""What a town authors: its floor, its web filter, its apps and bundles, and which grade is given which. Never commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.repository import TabletRepository
from profiles.apps import licences
from profiles.apps.models import App, AppBundle, BundleGrant, GrantStanding
from profiles.apps.rules import GRANTABLE
from profiles.catalog.composites import list_authorable_fields
from profiles.effective.repository import PolicyRepository, decide_again
from profiles.errors import AlreadyExists, AppNotFound, BadApp, BadHost, BadSetting, BundleNotFound, LicencesShort, ListTooLong
from profiles.filters.models import WebFilter
from profiles.filters.rules import MAX_BUILT_IN
from profiles.policy.baseline import DEFAULT_FLOOR
from profiles.policy.errors import BadTarget
from profiles.policy.kinds import LayerKind
from profiles.policy.models import TownFloor
from profiles.policy.places import check_target, tablets_of

MAX_HOSTS = MAX_BUILT_IN
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")
_BUNDLE_ID = re.compile(r"[A-Za-z0-9.\-]{3,155}$")


def read_floor(work: UnitOfWork, actor: Actor, town_id: UUID) -> dict[str, Any]:
    """The settings of the town's floor."""
    actor.require_permission(Permission.SEE, town_id)
    row = PolicyRepository(work.session).floors([town_id]).get(town_id)
    return dict(row.settings) if row else dict(DEFAULT_FLOOR)


def write_floor(work: UnitOfWork, actor: Actor, town_id: UUID, settings: dict[str, Any]) -> TownFloor:
    """Save a new version of the floor. Raises `BadSetting` with the field named; the former versions stay."""
    actor.require_permission(Permission.AUTHOR, town_id)
    for key, value in settings.items():
        known = list_authorable_fields().get(key)
        problem = "unknown setting" if known is None else known.describe_problem(value)
        if problem:
            raise BadSetting(field=key[:80], why=problem)
    repository = PolicyRepository(work.session)
    current = repository.floors([town_id]).get(town_id)
    number = current.version + 1 if current else 1
    audit.record_event(work, actor, "floor.write", "town", town_id, town_id=town_id, version=number, keys=sorted(settings))
    row = TownFloor(town_id=town_id, version=number, settings=settings, written_by=actor.account_id, written_at=work.now)
    work.session.add(row)
    _decide_town(work, town_id)
    return row


def read_filter(work: UnitOfWork, actor: Actor, town_id: UUID) -> WebFilter | None:
    """The town's web filter; None: the default one."""
    actor.require_permission(Permission.SEE, town_id)
    return PolicyRepository(work.session).filters([town_id]).get(town_id)


def write_filter(
    work: UnitOfWork, actor: Actor, town_id: UUID, *, auto_filter: bool, denied: Sequence[str], permitted: Sequence[str]
) -> WebFilter:
    """Save the town's filter. Raises `BadHost`, `ListTooLong`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    lists = {"denied": _hosts(denied, "denied"), "permitted": _hosts(permitted, "permitted")}
    row = PolicyRepository(work.session).filters([town_id]).get(town_id) or WebFilter(town_id=town_id)
    audit.record_event(work, actor, "filter.write", "town", town_id, town_id=town_id, **{k: len(v) for k, v in lists.items()})
    row.auto_filter, row.denied, row.permitted, row.updated_at = auto_filter, lists["denied"], lists["permitted"], work.now
    work.session.add(row)
    _decide_town(work, town_id)
    return row


def _hosts(entries: Sequence[str], field: str) -> list[str]:
    hosts = sorted({entry.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/") for entry in entries})
    for host in hosts:
        if not _HOST.match(host):
            raise BadHost(host=host[:80], field=field)
    if len(hosts) > MAX_HOSTS:
        raise ListTooLong(field=field, maximum=MAX_HOSTS)
    return hosts


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
    """Enter an app into the town's catalogue. Raises `BadApp`, `AlreadyExists`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    if not _BUNDLE_ID.match(bundle_identifier):
        raise BadApp(field="bundle_identifier")
    if app_store_id is not None and manifest_url is not None:
        raise BadApp(field="app_store_id")
    if manifest_url is not None and not manifest_url.startswith("https://"):
        raise BadApp(field="manifest_url")
    if PolicyRepository(work.session).app_by_identifier(town_id, bundle_identifier) is not None:
        raise AlreadyExists(field="bundle_identifier")
    app = App(
        town_id=town_id, name=name, bundle_identifier=bundle_identifier, app_store_id=app_store_id, manifest_url=manifest_url
    )
    work.session.add(app)
    work.session.flush()
    audit.record_event(work, actor, "app.create", "app", app.id, town_id=town_id, bundle_identifier=bundle_identifier)
    return app


def create_bundle(work: UnitOfWork, actor: Actor, town_id: UUID, name: str, app_ids: Sequence[UUID]) -> AppBundle:
    """Make a bundle. Raises `AlreadyExists`, `AppNotFound`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    if PolicyRepository(work.session).bundle_by_name(town_id, name) is not None:
        raise AlreadyExists(field="name")
    bundle = AppBundle(town_id=town_id, name=name, created_at=work.now)
    work.session.add(bundle)
    work.session.flush()
    audit.record_event(work, actor, "bundle.create", "bundle", bundle.id, town_id=town_id)
    _fill(work, bundle, app_ids)
    return bundle


def change_bundle(work: UnitOfWork, actor: Actor, bundle_id: UUID, app_ids: Sequence[UUID]) -> AppBundle:
    """Give a bundle other apps; every tablet of its grades follows. Raises `BundleNotFound`, `AppNotFound`."""
    bundle = get_bundle(work, actor, bundle_id)
    actor.require_permission(Permission.AUTHOR, bundle.town_id)
    audit.record_event(work, actor, "bundle.change", "bundle", bundle.id, town_id=bundle.town_id, apps=[str(a) for a in app_ids])
    _fill(work, bundle, app_ids)
    for grant in PolicyRepository(work.session).grants_of([bundle.id]):
        decide_place(work, bundle.town_id, grant.kind, grant.target)
    return bundle


def _fill(work: UnitOfWork, bundle: AppBundle, app_ids: Sequence[UUID]) -> None:
    repository = PolicyRepository(work.session)
    if len(repository.apps_of_town(bundle.town_id, app_ids)) != len(set(app_ids)):
        raise AppNotFound(field="app_ids")
    repository.set_bundle_apps(bundle.id, app_ids)
    work.session.flush()


def get_bundle(work: UnitOfWork, actor: Actor, bundle_id: UUID) -> AppBundle:
    """Return a bundle the actor may see. Raises `BundleNotFound`."""
    bundle = PolicyRepository(work.session).bundle(actor, bundle_id)
    if bundle is None:
        raise BundleNotFound
    return bundle


def assign(
    work: UnitOfWork,
    actor: Actor,
    bundle_id: UUID,
    kind: LayerKind,
    target: str,
    standing: GrantStanding = GrantStanding.REQUIRED,
    *,
    accept_shortage: bool = False,
) -> BundleGrant:
    """Give a bundle to a place of its town. Giving it twice changes nothing.

    Raises `BundleNotFound`, `BadTarget`, and `LicencesShort` unless the shortage is accepted: then the tablets that get none wait.
    """
    bundle = get_bundle(work, actor, bundle_id)
    actor.require_permission(Permission.AUTHOR, bundle.town_id)
    if kind not in GRANTABLE:
        raise BadTarget(field="kind")
    check_target(work, bundle.town_id, kind, target)
    if standing is GrantStanding.REQUIRED and not accept_shortage:
        short = [need for need in licences.needs(work, bundle, kind, target) if need.missing]
        if short:
            raise LicencesShort(place=target or kind.value, apps=[asdict(need) for need in short], **asdict(short[0]))
    repository = PolicyRepository(work.session)
    found = repository.grant(bundle.id, kind, target)
    if found is not None and found.standing is standing:
        return found
    audit.record_event(
        work,
        actor,
        "bundle.grant",
        "bundle",
        bundle.id,
        town_id=bundle.town_id,
        kind=kind.value,
        target=target,
        standing=standing.value,
    )
    if found is None:
        found = BundleGrant(
            town_id=bundle.town_id, bundle_id=bundle.id, kind=kind, target=target, standing=standing, granted_at=work.now,
            granted_by=actor.account_id,
        )  # fmt: skip
        work.session.add(found)
    found.standing = standing
    work.session.flush()
    decide_place(work, bundle.town_id, kind, target)
    return found


def unassign(work: UnitOfWork, actor: Actor, bundle_id: UUID, kind: LayerKind, target: str) -> None:
    """Take a bundle from a place; its apps leave the tablets unless another grant wants them."""
    bundle = get_bundle(work, actor, bundle_id)
    actor.require_permission(Permission.AUTHOR, bundle.town_id)
    found = PolicyRepository(work.session).grant(bundle.id, kind, target)
    if found is not None:
        audit.record_event(
            work, actor, "bundle.revoke", "bundle", bundle.id, town_id=bundle.town_id, kind=kind.value, target=target
        )
        work.session.delete(found)
        work.session.flush()
        decide_place(work, bundle.town_id, kind, target)


def decide_place(work: UnitOfWork, town_id: UUID, kind: LayerKind, target: str) -> None:
    """Every tablet of a place is decided again, in one statement."""
    decide_again(work, tablets_of(work, town_id, kind, target))


def _decide_town(work: UnitOfWork, town_id: UUID) -> None:
    decide_again(work, TabletRepository(work.session).select_by_town(town_id))


def list_bundles(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[tuple[AppBundle, list[App], list[BundleGrant]]]:
    """The bundles of a town, with their apps and the places they are given to."""
    repository = PolicyRepository(work.session)
    bundles = repository.bundles(actor, town_id)
    ids = [bundle.id for bundle in bundles]
    apps: dict[UUID, list[App]] = {}
    for bundle_id, app in repository.apps_of_bundles(ids):
        apps.setdefault(bundle_id, []).append(app)
    grants: dict[UUID, list[BundleGrant]] = {}
    for grant in repository.grants_of(ids):
        grants.setdefault(grant.bundle_id, []).append(grant)
    return [(each, apps.get(each.id, []), grants.get(each.id, [])) for each in bundles]


def list_apps(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[App]:
    """The town's catalogue of apps."""
    return PolicyRepository(work.session).apps(actor, town_id)
