"""Endpoints of bundles of apps: create, change, assign to places, and how far the tablets are.

A bundle is a preset, and assigning it is a version of the place's document: both are previewed and rolled out by stages there.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from mdm.api.apps.apps import AppOut
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.policy.preview_schemas import LicenceNeedOut
from mdm.reconcile import bundle_status
from mdm.reconcile.models import AppReason, AppState
from profiles.apps import licences
from profiles.effective import bundles
from profiles.effective.bundles import Consent
from profiles.policy.kinds import AppUse, PlaceKind
from profiles.policy.places import check_place, select_tablets

router = APIRouter(tags=["bundles"])


Confirmation = Annotated[str | None, Field(max_length=8, description="The code of the risks that were shown.")]


class BundleIn(BaseModel):
    """A bundle to create."""

    town_id: UUID
    name: str = Field(min_length=1, max_length=120, examples=["Lire et écrire"])
    app_ids: list[UUID] = Field(max_length=200)


class BundleAppsIn(BaseModel):
    """The apps that a bundle shall hold, and why they change."""

    app_ids: list[UUID] = Field(max_length=200)
    reason: str = Field("changed apps", min_length=3, max_length=300)
    accept_shortage: bool = False
    confirmation: Confirmation = None

    def to_consent(self) -> Consent:
        """Return what the caller agrees to."""
        return Consent(self.accept_shortage, self.confirmation)


class AssignmentIn(BaseModel):
    """A place to give a bundle to, and what becomes of its apps there."""

    place: PlaceKind = Field(examples=["grade"])
    target: str = Field("", max_length=36, examples=["CE2"])
    use: AppUse = AppUse.REQUIRED
    reason: str | None = Field(None, min_length=3, max_length=300)
    accept_shortage: bool = Field(False, description="Publish although licences are short; the tablets that get none wait.")
    confirmation: Confirmation = None

    def to_consent(self) -> Consent:
        """Return what the caller agrees to."""
        return Consent(self.accept_shortage, self.confirmation)


class AssignmentOut(BaseModel):
    """A place that a bundle is given to."""

    model_config = ConfigDict(from_attributes=True)
    place: PlaceKind
    target: str
    use: AppUse


class BundleOut(BaseModel):
    """A bundle with its apps and the places that it is given to."""

    id: UUID
    town_id: UUID
    name: str
    apps: list[AppOut]
    assignments: list[AssignmentOut]

    @classmethod
    def of(cls, bundle: bundles.Bundle) -> BundleOut:
        """Return the response that describes a bundle."""
        return cls(
            id=bundle.preset.id,
            town_id=bundle.preset.town_id,
            name=bundle.preset.name,
            apps=[AppOut.model_validate(app) for app in bundle.apps],
            assignments=[AssignmentOut.model_validate(each) for each in bundle.assignments],
        )


class MissingAppOut(BaseModel):
    """One app that is not on one tablet yet."""

    model_config = ConfigDict(from_attributes=True)
    tablet_id: UUID
    tag: str
    app_id: UUID
    state: AppState
    reason: AppReason
    detail: str | None


class BundleStatusOut(BaseModel):
    """How far a bundle is: how many tablets have all its apps, and why the others do not."""

    model_config = ConfigDict(from_attributes=True)
    tablets: int
    complete: int
    undecided: int = Field(description="Tablets whose apps are not decided yet: not enrolled, or lent a moment ago.")
    blocked: dict[str, int] = Field(
        description="By place: the tablets for which the rules of that place block an app of the bundle."
    )
    reasons: dict[AppReason, int]
    missing: list[MissingAppOut]


@router.post("/bundles", response_model=BundleOut, status_code=201)
def create_bundle(body: BundleIn, work: WorkDep, actor: ActorDep) -> BundleOut:
    """Create a bundle of apps. It reaches tablets when it is assigned to a place."""
    return BundleOut.of(bundles.describe_bundle(work, bundles.create_bundle(work, actor, body.town_id, body.name, body.app_ids)))


@router.get("/bundles", response_model=PageOut[BundleOut])
def list_bundles(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[BundleOut]:
    """List the bundles of a town. By name."""
    return PageOut.of(bundles.list_bundles(work, actor, town_id, page), BundleOut.of)


@router.put("/bundles/{preset_id}/apps", response_model=BundleOut)
def change_bundle(preset_id: UUID, body: BundleAppsIn, work: WorkDep, actor: ActorDep) -> BundleOut:
    """Change the apps of a bundle. This publishes a version of the bundle to all tablets that have it."""
    preset = bundles.get_bundle(work, actor, preset_id)
    bundles.change_bundle(work, actor, preset, body.app_ids, reason=body.reason, consent=body.to_consent())
    return BundleOut.of(bundles.describe_bundle(work, preset))


@router.put(
    "/bundles/{preset_id}/assignments",
    response_model=BundleOut,
)
def assign_bundle(preset_id: UUID, body: AssignmentIn, work: WorkDep, actor: ActorDep) -> BundleOut:
    """Assign a bundle to a place. This publishes a version of the place's document: the apps are required, available or blocked there."""
    preset = bundles.get_bundle(work, actor, preset_id)
    bundles.assign_bundle(work, actor, preset, body.place, body.target, body.use, reason=body.reason, consent=body.to_consent())
    return BundleOut.of(bundles.describe_bundle(work, preset))


@router.delete(
    "/bundles/{preset_id}/assignments",
    response_model=BundleOut,
)
def remove_bundle_assignment(
    preset_id: UUID, place: PlaceKind, work: WorkDep, actor: ActorDep, target: str = "", confirmation: str | None = None
) -> BundleOut:
    """Take a bundle from a place. This publishes a version of the place's document without it."""
    preset = bundles.get_bundle(work, actor, preset_id)
    bundles.unassign_bundle(work, actor, preset, place, target, confirmation=confirmation)
    return BundleOut.of(bundles.describe_bundle(work, preset))


@router.get(
    "/bundles/{preset_id}/needs",
    response_model=PageOut[LicenceNeedOut],
)
def preview_bundle_licences(
    preset_id: UUID, place: PlaceKind, work: WorkDep, actor: ActorDep, page: PageParams, target: str = ""
) -> PageOut[LicenceNeedOut]:
    """Preview the licences that a bundle needs in a place. If the place required it, app by app."""
    bundle = bundles.describe_bundle(work, bundles.get_bundle(work, actor, preset_id))
    town_id = bundle.preset.town_id
    check_place(work, town_id, place, target)
    identifiers = [app.bundle_identifier for app in bundle.apps]
    needs = licences.list_needs(work, town_id, identifiers, select_tablets(work, town_id, place, target))
    return PageOut.of(paginate(needs, page, lambda need: (need.app,)), LicenceNeedOut.model_validate)


@router.get(
    "/bundles/{preset_id}/status",
    response_model=BundleStatusOut,
)
def get_bundle_status(preset_id: UUID, work: WorkDep, actor: ActorDep) -> BundleStatusOut:
    """Get how far a bundle is installed. How many tablets of its places have all its apps, and why the others do not; 500 of these at most."""
    bundle = bundles.describe_bundle(work, bundles.get_bundle(work, actor, preset_id))
    return BundleStatusOut.model_validate(bundle_status.get_bundle_status(work, actor, bundle))
