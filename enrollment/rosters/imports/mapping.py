"""Column mappings: the fields that a person assigns to the columns of files, for one school or for the whole town. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import check_uai
from enrollment.rosters.errors import ForbiddenColumn, UnknownField
from enrollment.rosters.files.columns import (
    IGNORE,
    ColumnOverrides,
    ColumnStatus,
    FileKind,
    get_field_aliases,
    is_forbidden_column,
    make_header_key,
)
from enrollment.rosters.imports.repository import ImportRepository
from enrollment.rosters.models import ColumnMapping
from enrollment.rosters.reading import OverridesByKind, describe_file_columns

MAX_COLUMNS, MAX_TITLE = 100, 200


def require_roster_permission(actor: Actor, town_id: UUID) -> None:
    """Raise `Forbidden` for an actor who may import for no school of the town. Each school is checked later, once it is known."""
    if not actor.has_permission_somewhere(Permission.ROSTER, town_id):
        raise Forbidden(permission=Permission.ROSTER.value)


def load_overrides(work: UnitOfWork, town_id: UUID, school_uai: str | None) -> OverridesByKind:
    """Return the mapped columns by kind of file: those of the town, overridden by those of the school."""
    repository = ImportRepository(work.session)
    schools = repository.get_schools_by_uai(town_id, [check_uai(school_uai)[0]]) if school_uai else {}
    overrides: dict[FileKind, dict[str, str]] = {}
    for school_id in (None, *(school.id for school in schools.values())):
        for row in repository.list_mappings(town_id, school_id):
            overrides.setdefault(FileKind(row.kind), {}).update(row.columns)
    return overrides


def load_file_overrides(work: UnitOfWork, actor: Actor, town_id: UUID, school_uai: str | None) -> OverridesByKind:
    """Return the mapped columns with which the actor may look at a file, for `read_columns`. Raises `Forbidden`."""
    require_roster_permission(actor, town_id)
    return load_overrides(work, town_id, school_uai)


def read_columns(
    content: bytes, kind: FileKind | None, overrides: OverridesByKind
) -> tuple[FileKind, list[tuple[str, str | None, ColumnStatus]]]:
    """Return the kind of a file and how each of its columns would be read; it needs no database. Raises `UnreadableRoster`."""
    return describe_file_columns(content, kind=kind, overrides=overrides)


def get_mapping(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None) -> dict[FileKind, ColumnOverrides]:
    """Return the mapping of a school's files, or without a school that of all files of the town. Raises `NotFound`, `Forbidden`."""
    _require_mapping_permission(work, actor, town_id, school_id)
    return {FileKind(row.kind): row.columns for row in ImportRepository(work.session).list_mappings(town_id, school_id)}


def set_mapping(
    work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None, kind: FileKind, field_by_title: dict[str, str]
) -> ColumnMapping:
    """Store the mapping of a school's files, or without a school that of all files of the town. An empty mapping restores the known names.

    Raises `NotFound`, `Forbidden`, `Invalid`, `UnknownField`, and `ForbiddenColumn` for a column whose content is never kept.
    """
    _require_mapping_permission(work, actor, town_id, school_id)
    if len(field_by_title) > MAX_COLUMNS or any(len(title) > MAX_TITLE for title in field_by_title):
        raise Invalid(field="columns")
    for title, field in field_by_title.items():
        if field != IGNORE and field not in get_field_aliases(kind):
            raise UnknownField(field=field[:60])
        if field != IGNORE and is_forbidden_column(title):
            raise ForbiddenColumn(column=title[:60])
    subject = ("town", town_id) if school_id is None else ("school", school_id)
    audit.record_event(work, actor, "roster.mapping", *subject, town_id=town_id, kind=kind.value, columns=len(field_by_title))
    present = {row.kind: row for row in ImportRepository(work.session).list_mappings(town_id, school_id)}
    row = present.get(kind.value) or ColumnMapping(town_id=town_id, school_id=school_id, kind=kind.value)
    row.columns = {make_header_key(title): field for title, field in field_by_title.items()}
    row.updated_by, row.updated_at = actor.account_id, work.now
    work.session.add(row)
    work.session.flush()
    return row


def get_school(work: UnitOfWork, actor: Actor, school_id: UUID) -> School:
    """Return a school that the actor may see. Raises `NotFound`."""
    school = PlaceRepository(work.session).find_school(actor, school_id)
    if school is None:
        raise NotFound
    return school


def _require_mapping_permission(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None) -> None:
    """Check that the actor may map the school's files, or without a school the files of the whole town."""
    if school_id is None:
        actor.require_permission(Permission.AUTHOR, town_id)
        return
    school = get_school(work, actor, school_id)
    if school.town_id != town_id:
        raise NotFound
    actor.require_permission(Permission.ROSTER, town_id, school_id)
