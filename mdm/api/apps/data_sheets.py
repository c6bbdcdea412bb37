"""Endpoints of data-protection sheets: what an app does with personal data, and what the data protection officer decides."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.apps.data_sheets import service
from profiles.apps.data_sheets.models import AppVerdict, DataProtectionSheet, LegalBasis
from profiles.apps.data_sheets.service import SheetFacts
from profiles.apps.errors import DataSheetNotFound
from profiles.apps.models import App

router = APIRouter(tags=["apps"])


class DataProtectionSheetIn(BaseModel):
    """What an app does with personal data."""

    publisher: str = Field(min_length=1, max_length=160, examples=["Éditions du Préau"])
    purpose: str = Field(min_length=1, max_length=500, examples=["Apprendre à lire"])
    data_categories: str = Field(min_length=1, max_length=500, examples=["prénom, classe, résultats des exercices"])
    hosting_country: str = Field(min_length=1, max_length=80, examples=["France"])
    legal_basis: LegalBasis = Field(examples=["public_task"])
    retention: str = Field(min_length=1, max_length=300, examples=["jusqu'à la fin de l'année scolaire"])
    uses_gar: bool = Field(False, description="Pupils come through the Gestionnaire d'accès aux ressources.")
    agreement_signed_on: date | None = Field(None, description="When the agreement of article 28 GDPR was signed.")
    agreement_reference: str | None = Field(None, max_length=200, examples=["RGPD-2026-014"])


class AppVerdictIn(BaseModel):
    """What the data protection officer decides."""

    verdict: AppVerdict = Field(examples=["allowed_with_conditions"])
    conditions: str | None = Field(None, max_length=500, examples=["sans compte nominatif"])


class DataProtectionSheetOut(DataProtectionSheetIn):
    """The sheet of an app. Without a verdict nobody has decided on these facts."""

    model_config = ConfigDict(from_attributes=True)
    app_id: UUID
    verdict: AppVerdict | None
    conditions: str | None
    reviewed_on: date | None
    changed_at: datetime


class AppSheetOut(BaseModel):
    """An app of a town with its sheet; null where nobody has written one."""

    app_id: UUID
    app: str
    sheet: DataProtectionSheetOut | None

    @classmethod
    def of(cls, row: tuple[App, DataProtectionSheet | None]) -> AppSheetOut:
        """Return the response that describes an app with its sheet."""
        app, sheet = row
        return cls(app_id=app.id, app=app.name, sheet=DataProtectionSheetOut.model_validate(sheet) if sheet is not None else None)


@router.get("/data-protection-sheets", response_model=PageOut[AppSheetOut])
def list_data_protection_sheets(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[AppSheetOut]:
    """List the apps of a town with their data-protection sheets. By name."""
    rows = [(row[0], row[1]) for row in service.list_sheets(work, actor, town_id)]
    return PageOut.of(paginate(rows, page, lambda row: (row[0].name, row[0].id)), AppSheetOut.of)


@router.get("/apps/{app_id}/data-protection-sheet", response_model=DataProtectionSheetOut)
def get_data_protection_sheet(app_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Get the data-protection sheet of an app."""
    sheet = service.find_sheet(work, actor, app_id)
    if sheet is None:
        raise DataSheetNotFound
    return sheet


@router.put("/apps/{app_id}/data-protection-sheet", response_model=DataProtectionSheetOut)
def save_data_protection_sheet(app_id: UUID, body: DataProtectionSheetIn, work: WorkDep, actor: ActorDep) -> object:
    """Save what an app does with personal data. Where it changes, the verdict is open again, unless the app is refused."""
    return service.save_sheet(work, actor, app_id, SheetFacts(**body.model_dump()))


@router.put("/apps/{app_id}/data-protection-sheet/verdict", response_model=DataProtectionSheetOut)
def set_app_verdict(app_id: UUID, body: AppVerdictIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the verdict of the data protection officer. A refused app is given to nobody any more."""
    return service.decide_verdict(work, actor, app_id, body.verdict, body.conditions)
