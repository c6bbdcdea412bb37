"""Endpoints of the catalogue of apps, of licences, and of the content token of Apps and Books."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.outbox import Topic
from cartable.paging import paginate
from cartable.scope import Permission
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps import licences, service
from profiles.apps.apps_and_books.repository import AppsAndBooksRepository
from profiles.apps.apps_and_books.service import install_token

router = APIRouter(tags=["apps"])


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


class LicenceTotal(BaseModel):
    """How many licences the town owns."""

    total: int = Field(ge=0, le=1_000_000)


class LicencePoolOut(BaseModel):
    """The licences of an app, and how many tablets of each grade wait for one."""

    app_id: UUID
    app: str
    total: int
    assigned: int
    reserved: int
    in_grace: int
    available: int
    waiting: dict[str, int]


class ContentTokenIn(BaseModel):
    """A content token, as the file from Apple holds it."""

    content: str = Field(min_length=20, max_length=8192)


class ContentTokenOut(BaseModel):
    """The state of a content token; the token itself is never shown."""

    model_config = ConfigDict(from_attributes=True)
    location: str
    expires: datetime
    checked_at: datetime | None
    problem: str | None


@router.post("/apps", response_model=AppOut, status_code=201)
def create_app(body: AppIn, work: WorkDep, actor: ActorDep) -> object:
    """Create an app in the catalogue of a town."""
    return service.create_app(work, actor, **body.model_dump())


@router.get("/apps", response_model=PageOut[AppOut])
def list_apps(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[AppOut]:
    """List the apps of a town. By name."""
    return PageOut.of(service.list_apps(work, actor, town_id, page), AppOut.model_validate)


@router.put(
    "/apps/{app_id}/licences",
    response_model=LicenceTotal,
)
def set_licences(app_id: UUID, body: LicenceTotal, work: WorkDep, actor: ActorDep) -> object:
    """Set how many licences of an app a town owns. Tablets that waited for one are decided again."""
    return LicenceTotal(total=licences.set_pool_total(work, actor, app_id, body.total).total)


@router.get("/licences", response_model=PageOut[LicencePoolOut])
def list_licences(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[LicencePoolOut]:
    """List the licences of a town. By app, with how many tablets wait for one."""
    waiting = ReconcileRepository(work.session).count_waiting_for_licence(actor, town_id)
    pools = paginate(licences.list_pools(work, actor, town_id), page, lambda pool: (pool.app, pool.app_id))
    return PageOut.of(
        pools,
        lambda pool: LicencePoolOut(
            **asdict(pool),
            waiting={str(grade or "-"): count for (app_id, grade), count in waiting.items() if app_id == pool.app_id},
        ),
    )


@router.put(
    "/towns/{town_id}/licence-token",
    response_model=ContentTokenOut,
)
def put_licence_token(town_id: UUID, body: ContentTokenIn, work: WorkDep, actor: ActorDep) -> object:
    """Install the content token of a town. For Apps and Books; licences are compared at once."""
    row = install_token(work, actor, town_id, body.content)
    work.enqueue_job(Topic.LICENCE_SYNC, town_id)
    return row


@router.get(
    "/towns/{town_id}/licence-token",
    response_model=ContentTokenOut | None,
)
def get_licence_token(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Get the state of a town's content token. Where it is from and until when it is valid; never the token itself."""
    actor.require_permission(Permission.SEE, town_id)
    return AppsAndBooksRepository(work.session).get_token(town_id)
