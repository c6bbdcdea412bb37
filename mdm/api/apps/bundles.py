"""Apps, bundles, which place is given which, and licences."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.outbox import Topic
from cartable.scope import Permission
from enrollment.places.models import Grade
from mdm.api.deps import ActorDep, WorkDep
from mdm.reconcile.models import AppReason, AppState
from mdm.reconcile.repository import ReconcileRepository
from profiles import service
from profiles.apps import licences
from profiles.apps.apps_and_books.repository import VppRepository
from profiles.apps.apps_and_books.service import install_token
from profiles.apps.models import App, AppBundle, BundleGrant, GrantStanding
from profiles.effective.repository import PolicyRepository
from profiles.policy.kinds import LayerKind
from profiles.policy.places import check_target, tablets_of

router = APIRouter(tags=["bundles"])


class AppIn(BaseModel):
    """An app: from the store, by manifest, or built in when neither is given."""

    town_id: UUID
    name: str = Field(min_length=1, max_length=120, examples=["ScratchJr"])
    bundle_identifier: str = Field(min_length=3, max_length=155, examples=["org.scratchjr.ipad"])
    app_store_id: int | None = Field(None, gt=0, lt=2**53, examples=[895485086])
    manifest_url: str | None = Field(None, max_length=500, examples=[None])


class AppOut(BaseModel):
    """An app of the town's catalogue."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    name: str
    bundle_identifier: str
    app_store_id: int | None
    manifest_url: str | None


class BundleIn(BaseModel):
    """A bundle to make."""

    town_id: UUID
    name: str = Field(min_length=1, max_length=120, examples=["Lire et écrire"])
    app_ids: list[UUID] = Field(max_length=200)


class BundleApps(BaseModel):
    """The apps a bundle shall hold."""

    app_ids: list[UUID] = Field(max_length=200)


class GrantIn(BaseModel):
    """A place to give a bundle to: the town (empty target), a school or class by its id, a grade by its name."""

    kind: LayerKind = Field(examples=["class"])
    target: str = Field("", max_length=36)
    standing: GrantStanding = GrantStanding.REQUIRED
    accept_shortage: bool = Field(False, description="Save although licences are short; the tablets that get none wait.")


class GrantOut(BaseModel):
    """A place that a bundle is given to."""

    model_config = ConfigDict(from_attributes=True)
    kind: LayerKind
    target: str
    standing: GrantStanding


class NeedOut(BaseModel):
    """What giving a bundle would need of one app."""

    model_config = ConfigDict(from_attributes=True)
    app: str
    needed: int
    owned: int
    free: int
    missing: int


class LicenceTotal(BaseModel):
    """How many licences the town owns."""

    total: int = Field(ge=0, le=1_000_000)


class PoolOut(BaseModel):
    """The licences of an app, and how many tablets of each level wait for one."""

    app_id: UUID
    app: str
    total: int
    assigned: int
    reserved: int
    in_grace: int
    available: int
    waiting: dict[str, int]


class TokenIn(BaseModel):
    """A content token, as the file from Apple holds it."""

    content: str = Field(min_length=20, max_length=8192)


class TokenOut(BaseModel):
    """How a content token stands."""

    model_config = ConfigDict(from_attributes=True)
    location: str
    expires: datetime
    checked_at: datetime | None
    problem: str | None


class BundleOut(BaseModel):
    """A bundle, with the places it is given to; `levels` are those of them that are grades."""

    id: UUID
    town_id: UUID
    name: str
    apps: list[AppOut]
    levels: list[Grade]
    grants: list[GrantOut]


class TabletAppOut(BaseModel):
    """One app on one tablet that is not there yet."""

    tablet_id: UUID
    tag: str
    app_id: UUID
    state: AppState
    reason: AppReason
    detail: str | None


class BundleStatus(BaseModel):
    """How far a bundle is: complete tablets, and why the others are not."""

    tablets: int
    complete: int
    reasons: dict[AppReason, int]
    missing: list[TabletAppOut]


@router.post("/apps", response_model=AppOut, status_code=201, operation_id="create_app")
def create_app(body: AppIn, work: WorkDep, actor: ActorDep) -> object:
    """Enter an app into the town's catalogue."""
    return service.create_app(work, actor, **body.model_dump())


@router.get("/apps", response_model=list[AppOut], operation_id="list_apps")
def apps(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """The town's catalogue."""
    return service.list_apps(work, actor, town_id)


@router.post("/bundles", response_model=BundleOut, status_code=201, operation_id="create_bundle")
def create(body: BundleIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Make a bundle of apps."""
    return _out(work, service.create_bundle(work, actor, body.town_id, body.name, body.app_ids))


@router.get("/bundles", response_model=list[BundleOut], operation_id="list_bundles")
def listed(town_id: UUID, work: WorkDep, actor: ActorDep) -> list[dict[str, Any]]:
    """The bundles of a town."""
    return [_whole(*each) for each in service.list_bundles(work, actor, town_id)]


@router.put("/bundles/{bundle_id}/apps", response_model=BundleOut, operation_id="change_bundle")
def change(bundle_id: UUID, body: BundleApps, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Give a bundle other apps; the tablets of its grades follow."""
    return _out(work, service.change_bundle(work, actor, bundle_id, body.app_ids))


@router.put("/bundles/{bundle_id}/levels/{level}", response_model=BundleOut, operation_id="assign_bundle")
def assign(bundle_id: UUID, level: Grade, work: WorkDep, actor: ActorDep, accept_shortage: bool = False) -> dict[str, Any]:
    """Give a bundle to a grade. Twice is as good as once."""
    service.assign(work, actor, bundle_id, LayerKind.GRADE, level.value, accept_shortage=accept_shortage)
    return _out(work, service.get_bundle(work, actor, bundle_id))


@router.delete("/bundles/{bundle_id}/levels/{level}", response_model=BundleOut, operation_id="unassign_bundle")
def unassign(bundle_id: UUID, level: Grade, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Take a bundle from a grade."""
    service.unassign(work, actor, bundle_id, LayerKind.GRADE, level.value)
    return _out(work, service.get_bundle(work, actor, bundle_id))


@router.put("/bundles/{bundle_id}/grants", response_model=BundleOut, operation_id="grant_bundle")
def grant(bundle_id: UUID, body: GrantIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Give a bundle to a town, a school, a grade or a class: required, available or banned."""
    service.assign(work, actor, bundle_id, body.kind, body.target, body.standing, accept_shortage=body.accept_shortage)
    return _out(work, service.get_bundle(work, actor, bundle_id))


@router.delete("/bundles/{bundle_id}/grants", response_model=BundleOut, operation_id="revoke_bundle")
def revoke(bundle_id: UUID, kind: LayerKind, work: WorkDep, actor: ActorDep, target: str = "") -> dict[str, Any]:
    """Take a bundle from a place."""
    service.unassign(work, actor, bundle_id, kind, target)
    return _out(work, service.get_bundle(work, actor, bundle_id))


@router.get("/bundles/{bundle_id}/needs", response_model=list[NeedOut], operation_id="preview_bundle")
def needs(bundle_id: UUID, kind: LayerKind, work: WorkDep, actor: ActorDep, target: str = "") -> object:
    """The licences that giving a bundle to a place would need, before it is saved."""
    bundle = service.get_bundle(work, actor, bundle_id)
    check_target(work, bundle.town_id, kind, target)
    return licences.needs(work, bundle, kind, target)


@router.put("/apps/{app_id}/licences", response_model=LicenceTotal, operation_id="set_licences")
def set_licences(app_id: UUID, body: LicenceTotal, work: WorkDep, actor: ActorDep) -> object:
    """Say how many licences of an app the town owns."""
    return LicenceTotal(total=licences.set_total(work, actor, app_id, body.total).total)


@router.put("/towns/{town_id}/licence-token", response_model=TokenOut, operation_id="put_licence_token")
def put_token(town_id: UUID, body: TokenIn, work: WorkDep, actor: ActorDep) -> object:
    """Install the town's content token for Apps and Books; licences are compared at once."""
    row = install_token(work, actor, town_id, body.content)
    work.enqueue_job(Topic.LICENCE_SYNC, town_id)
    return row


@router.get("/towns/{town_id}/licence-token", response_model=TokenOut | None, operation_id="get_licence_token")
def get_token(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """How the town's content token stands. The token itself is never shown."""
    actor.require_permission(Permission.SEE, town_id)
    return VppRepository(work.session).token(town_id)


@router.get("/licences", response_model=list[PoolOut], operation_id="list_licences")
def pools(town_id: UUID, work: WorkDep, actor: ActorDep) -> list[PoolOut]:
    """The licences of a town, and who waits for one."""
    waiting = ReconcileRepository(work.session).count_waiting_for_licence(actor, town_id)
    return [
        PoolOut(**asdict(pool), waiting={str(level or "-"): n for (app_id, level), n in waiting.items() if app_id == pool.app_id})
        for pool in licences.pools(work, actor, town_id)
    ]


@router.get("/bundles/{bundle_id}/status", response_model=BundleStatus, operation_id="get_bundle_status")
def status(bundle_id: UUID, work: WorkDep, actor: ActorDep) -> BundleStatus:
    """Which tablets of the bundle's places have all its apps, and why the others do not."""
    bundle = service.get_bundle(work, actor, bundle_id)
    repository = PolicyRepository(work.session)
    places = [tablets_of(work, bundle.town_id, each.kind, each.target) for each in repository.grants_of([bundle.id])]
    app_ids = [app.id for _, app in repository.apps_of_bundles([bundle.id]) if app.app_store_id or app.manifest_url]
    rows = ReconcileRepository(work.session).list_app_status(actor, bundle.town_id, places, app_ids)
    installed: Counter[UUID] = Counter()
    missing = []
    for tablet, app in rows:
        installed[tablet.id] += int(app is not None and app.state is AppState.INSTALLED)
        if app is not None and app.state is not AppState.INSTALLED:
            missing.append(
                TabletAppOut(
                    tablet_id=tablet.id, tag=tablet.tag, app_id=app.app_id, state=app.state, reason=app.reason, detail=app.detail
                )
            )
    complete = sum(1 for count in installed.values() if count >= len(app_ids))
    reasons = Counter(entry.reason for entry in missing)
    return BundleStatus(tablets=len(installed), complete=complete, reasons=dict(reasons), missing=missing[:500])


def _out(work: WorkDep, bundle: AppBundle) -> dict[str, Any]:
    repository = PolicyRepository(work.session)
    apps = [app for _, app in repository.apps_of_bundles([bundle.id])]
    return _whole(bundle, apps, list(repository.grants_of([bundle.id])))


def _whole(bundle: AppBundle, apps: list[App], grants: list[BundleGrant]) -> dict[str, Any]:
    levels = [Grade(each.target) for each in grants if each.kind is LayerKind.GRADE]
    return {
        "id": bundle.id,
        "town_id": bundle.town_id,
        "name": bundle.name,
        "apps": [AppOut.model_validate(app) for app in apps],
        "levels": sorted(levels, key=lambda level: level.rank),
        "grants": [GrantOut.model_validate(each) for each in grants],
    }
