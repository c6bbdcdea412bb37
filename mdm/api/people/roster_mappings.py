"""Endpoints of the columns of roster files: how they would be read, the fields there are, and the mappings of a town or school."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from pydantic import BaseModel, Field

from cartable.paging import PageRequest, paginate
from cartable.uploads import read_upload
from enrollment.rosters.files.columns import ColumnStatus, FileKind, get_field_aliases
from enrollment.rosters.files.tables import MAX_BYTES
from enrollment.rosters.imports import mapping
from mdm.api.deps import ActorDep, EarlyActorDep, RuntimeDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.people.roster_uploads import Uai, Upload

router = APIRouter(prefix="/rosters", tags=["rosters"])


class RosterColumnOut(BaseModel):
    """One column of a roster file."""

    title: str
    field: str | None
    standing: ColumnStatus


class RosterColumnsOut(BaseModel):
    """How the columns of a roster file would be read."""

    kind: FileKind
    columns: list[RosterColumnOut]


class RosterFieldOut(BaseModel):
    """One field that a roster can hold."""

    kind: FileKind
    field: str
    known_as: list[str] = Field(description="Column titles, without accents, spaces and capitals.")


class RosterMappingIn(BaseModel):
    """Which column titles mean which fields."""

    kind: FileKind
    columns: dict[str, str] = Field(
        description="Title of a column → field, `-` to leave it out.", examples=[{"Patronyme": "last_name"}]
    )


class RosterMappingOut(BaseModel):
    """The column mapping of one kind of file."""

    kind: FileKind
    columns: dict[str, str]


@router.post("/columns", response_model=RosterColumnsOut)
def inspect_roster_columns(
    runtime: RuntimeDep,
    actor: EarlyActorDep,
    file: Upload,
    town_id: Annotated[UUID, Form()],
    school_uai: Uai = None,
    kind: Annotated[FileKind | None, Form()] = None,
) -> RosterColumnsOut:
    """Show how each column of a roster file would be read.

    Nothing is kept.
    """
    with runtime.open_unit_of_work() as work:
        overrides = mapping.load_file_overrides(work, actor, town_id, school_uai)
    file_kind, columns = read_upload(mapping.read_columns, file.file.read(MAX_BYTES + 1), kind, overrides)
    return RosterColumnsOut(kind=file_kind, columns=[RosterColumnOut(title=t, field=f, standing=s) for t, f, s in columns])


@router.get("/fields")
def list_roster_fields(_actor: ActorDep, page: PageParams) -> PageOut[RosterFieldOut]:
    """List the fields that a roster can hold, with the column titles that are recognised.

    A mapping adds titles.
    """
    fields = [
        RosterFieldOut(kind=kind, field=name, known_as=titles)
        for kind in FileKind
        for name, titles in get_field_aliases(kind).items()
    ]
    return PageOut.of(paginate(fields, page, lambda field: (field.kind, field.field)), lambda field: field)


@router.get("/mappings")
def list_town_roster_mappings(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[RosterMappingOut]:
    """List the column mappings that hold for all roster files of a town."""
    return _build_mappings_page(mapping.get_mapping(work, actor, town_id, None), page)


@router.put("/mappings", response_model=RosterMappingOut)
def set_town_roster_mapping(town_id: UUID, body: RosterMappingIn, work: WorkDep, actor: ActorDep) -> object:
    """Set which column titles mean which fields in all roster files of a town.

    A school's own mapping goes before it.
    """
    return mapping.set_mapping(work, actor, town_id, None, body.kind, body.columns)


@router.get("/mappings/{school_id}")
def list_school_roster_mappings(school_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[RosterMappingOut]:
    """List the column mappings of one school's roster files."""
    school = mapping.get_school(work, actor, school_id)
    return _build_mappings_page(mapping.get_mapping(work, actor, school.town_id, school.id), page)


def _build_mappings_page(mappings: Mapping[FileKind, Mapping[str, str]], page: PageRequest) -> PageOut[RosterMappingOut]:
    return PageOut.of(
        paginate([*mappings.items()], page, lambda row: (row[0],)),
        lambda row: RosterMappingOut(kind=row[0], columns=dict(row[1])),
    )


@router.put("/mappings/{school_id}", response_model=RosterMappingOut)
def set_school_roster_mapping(school_id: UUID, body: RosterMappingIn, work: WorkDep, actor: ActorDep) -> object:
    """Set which column titles mean which fields in one school's roster files.

    What is never kept of a child cannot be mapped.
    """
    school = mapping.get_school(work, actor, school_id)
    return mapping.set_mapping(work, actor, school.town_id, school.id, body.kind, body.columns)
