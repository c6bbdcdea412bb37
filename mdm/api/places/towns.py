"""Endpoints of towns: the operator creates them, a town's administrator says what it is called and where it is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from enrollment.places import service, towns
from enrollment.places.zones import HolidayZone
from mdm.accounts import operators
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.schedule import authoring

router = APIRouter(tags=["places"])
_ZONE_OF_TIME = "Without it, that of the holiday zone."
_MESSAGE = "Shown on a lost tablet. Without it, a sentence that names the town."


class TownOut(BaseModel):
    """A town."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    slug: str
    tag_prefix: str = Field(description="What the town's inventory tags begin with.")
    host: str | None = Field(
        description="The name at which the town's tablets reach the server. Without it that of the installation."
    )
    zone: HolidayZone
    time_zone: str
    support_phone: str | None = Field(description="Shown on a lost tablet, for who finds it.")
    lost_message: str | None = Field(description=_MESSAGE)


class TownIn(BaseModel):
    """A new town."""

    name: str = Field(max_length=200, examples=["Belleville-sur-Craie"])
    slug: str | None = Field(None, max_length=80, examples=["belleville"], description="Short name; without it made of the name.")
    tag_prefix: str | None = Field(None, max_length=20, examples=["BEL"], description="Without it made of the short name.")
    host: str | None = Field(
        None, max_length=260, examples=["tablets.belleville.example"],
        description="The name at which the town's tablets reach the server, for ever. Without it that of the installation.",
    )  # fmt: skip
    zone: HolidayZone = HolidayZone.C
    time_zone: str | None = Field(None, max_length=40, examples=["Indian/Reunion"], description=_ZONE_OF_TIME)
    support_phone: str | None = Field(None, max_length=80, examples=["+33 1 23 45 67 89"])
    lost_message: str | None = Field(None, max_length=1000, description=_MESSAGE)


class TownUpdateIn(BaseModel):
    """What a town is called, and what its lost tablets show."""

    name: str = Field(max_length=200, examples=["Belleville-sur-Craie"])
    support_phone: str | None = Field(None, max_length=80, examples=["+33 1 23 45 67 89"])
    lost_message: str | None = Field(None, max_length=1000, description=_MESSAGE)


class FirstAdministratorIn(BaseModel):
    """Who administers a new town."""

    login: str = Field(min_length=2, max_length=200, examples=["claire.morel@belleville.example"])
    display_name: str = Field(min_length=1, max_length=200, examples=["Claire Morel"])
    email: str | None = Field(None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")
    language: str = Field("fr", max_length=16, description="The language in which the person is written to.")


class FirstAdministratorOut(BaseModel):
    """The link by which the administrator chooses a password. It is shown only here."""

    account_id: UUID
    url: str
    expires_at: datetime


class TownZonesIn(BaseModel):
    """Where a town is in the calendar and on the clock."""

    zone: HolidayZone
    time_zone: str | None = Field(None, max_length=40, examples=["Indian/Reunion"], description=_ZONE_OF_TIME)


@router.get("/towns")
def list_towns(work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[TownOut]:
    """List the towns in which the caller has a role.

    The operator sees every town, though nothing in it.
    """
    return PageOut.of(paginate(service.list_towns(work, actor), page, lambda town: (town.id,)), TownOut.model_validate)


@router.post("/towns", response_model=TownOut, status_code=201)
def create_town(body: TownIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a town.

    Only the operator may, who then creates its first administrator.
    """
    return towns.create_town(work, actor, **body.model_dump())


@router.post("/towns/{town_id}/administrators", response_model=FirstAdministratorOut, status_code=201)
def create_first_administrator(
    town_id: UUID, body: FirstAdministratorIn, work: WorkDep, actor: ActorDep
) -> FirstAdministratorOut:
    """Create the first administrator of a town.

    Only the operator may, while the town has none. The link is shown only here: pass it on.
    """
    link = operators.appoint_administrator(work, actor, town_id, **body.model_dump())
    return FirstAdministratorOut(account_id=link.account.id, url=link.url, expires_at=link.expires_at)


@router.put("/towns/{town_id}", response_model=TownOut)
def update_town(town_id: UUID, body: TownUpdateIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the name of a town, and what its lost tablets show.

    Tablets that are lost already keep what they show.
    """
    return towns.update_town(work, actor, town_id, **body.model_dump())


@router.put("/towns/{town_id}/zones", response_model=TownOut)
def set_town_zones(town_id: UUID, body: TownZonesIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the holiday zone and the time zone of a town.

    Modes, deadlines and papers follow them at once.
    """
    return authoring.set_town_zones(work, actor, town_id, zone=body.zone, time_zone=body.time_zone)
