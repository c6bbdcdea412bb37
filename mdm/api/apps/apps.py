"""Endpoints of the catalogue of apps, and of licences."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.reconcile import app_configuration
from mdm.reconcile.licence_waiting import count_waiting_tablets
from profiles.apps import licences, service
from profiles.apps.configuration import MAX_ENTRIES, MAX_KEY, MAX_VALUE, ConfigurationEntry, EntryKind, load_entries

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


class ConfigurationEntryModel(BaseModel):
    """One key of an app's configuration. A list has one text a line; a date is `2026-09-01`. `{{tag}}`, `{{serial}}` and `{{grade}}`
    in texts stand for those of the tablet.
    """

    key: str = Field(min_length=1, max_length=MAX_KEY, examples=["serverURL"])
    kind: EntryKind
    value: str = Field(max_length=MAX_VALUE, examples=["https://classe.example.fr/{{tag}}"])


class AppConfiguration(BaseModel):
    """The managed configuration of an app, in the order of its entries."""

    entries: list[ConfigurationEntryModel] = Field(max_length=MAX_ENTRIES)


class LicenceTotal(BaseModel):
    """How many licences the town owns."""

    total: int = Field(ge=0, le=1_000_000)


class LicencePoolOut(BaseModel):
    """The licences of an app in one account, and how many tablets of each grade wait for one."""

    app_id: UUID
    app: str
    token_id: UUID | None = Field(description="The content token of the account; null where a person has written the total.")
    location: str | None
    total: int
    assigned: int
    reserved: int
    in_grace: int
    held_elsewhere: int = Field(description="Held by serial numbers and people that the town does not know.")
    available: int
    problem: str | None = Field(description="What Apple refused last.")
    waiting: dict[str, int]


@router.post("/apps", response_model=AppOut, status_code=201)
def create_app(body: AppIn, work: WorkDep, actor: ActorDep) -> object:
    """Create an app in the catalogue of a town."""
    return service.create_app(work, actor, **body.model_dump())


@router.get("/apps", response_model=PageOut[AppOut])
def list_apps(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[AppOut]:
    """List the apps of a town. By name."""
    return PageOut.of(service.list_apps(work, actor, town_id, page), AppOut.model_validate)


@router.get("/apps/{app_id}/configuration")
def get_app_configuration(app_id: UUID, work: WorkDep, actor: ActorDep) -> AppConfiguration:
    """Return the managed configuration of an app."""
    app = app_configuration.get_configurable_app(work, actor, app_id)
    return _describe_configuration(app.configuration)


@router.put("/apps/{app_id}/configuration")
def set_app_configuration(app_id: UUID, body: AppConfiguration, work: WorkDep, actor: ActorDep) -> AppConfiguration:
    """Set the managed configuration of an app. Each tablet that has it follows at its next contact."""
    entries = [ConfigurationEntry(each.key, each.kind, each.value) for each in body.entries]
    return _describe_configuration(app_configuration.set_configuration(work, actor, app_id, entries).configuration)


def _describe_configuration(stored: str | None) -> AppConfiguration:
    return AppConfiguration(entries=[ConfigurationEntryModel(**asdict(each)) for each in load_entries(stored)])


@router.put(
    "/apps/{app_id}/licences",
    response_model=LicenceTotal,
)
def set_licences(app_id: UUID, body: LicenceTotal, work: WorkDep, actor: ActorDep) -> object:
    """Set how many licences of an app a town owns. Tablets that waited for one are decided again."""
    return LicenceTotal(total=licences.set_pool_total(work, actor, app_id, body.total).total)


@router.get("/licences", response_model=PageOut[LicencePoolOut])
def list_licences(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[LicencePoolOut]:
    """List the licences of a town. By app and account, with how many tablets wait for one."""
    waiting = count_waiting_tablets(work, actor, town_id)
    pools = paginate(licences.list_pools(work, actor, town_id), page, lambda pool: (pool.app, pool.app_id, str(pool.token_id)))
    return PageOut.of(
        pools,
        lambda pool: LicencePoolOut(**asdict(pool), waiting=waiting.get((pool.app_id, pool.token_id), {})),
    )
