"""Verbs of documents and presets: open, create, find, list. Never commits; the life of versions is in `life`.

See docs/domain/policy.md#documents.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select

from cartable import audit
from cartable.errors import Forbidden
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.policy.errors import DocumentNotFound, PresetExists, PresetNotFound
from profiles.policy.kinds import PlaceKind, PresetKind
from profiles.policy.models import PolicyDocument, Preset
from profiles.policy.places import check_place, select_document_tablets, select_tablets
from profiles.policy.repository import PolicyRepository, Versioned


def open_document(
    work: UnitOfWork, actor: Actor, town_id: UUID | None, place: PlaceKind, target: str, name: str = ""
) -> PolicyDocument:
    """Return the document of a place; it is created on first use. Raises `UnknownPlace`, `Forbidden`."""
    school_id = check_place(work, town_id, place, target)
    _require_author(actor, town_id, school_id)
    repository = PolicyRepository(work.session)
    document = repository.get_document_of_place(town_id, place, target)
    if document is not None:
        return document
    document = PolicyDocument(town_id=town_id, school_id=school_id, place=place, target=target, name=name, created_at=work.now)
    work.session.add(document)
    work.session.flush()
    audit.record_event(work, actor, "policy.open", "policy_document", document.id, town_id=town_id, place=place.value)
    return document


def create_preset(work: UnitOfWork, actor: Actor, town_id: UUID, kind: PresetKind, name: str) -> Preset:
    """Return a new preset without a version. Raises `PresetExists`, `Forbidden`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    if PolicyRepository(work.session).get_preset_by_name(town_id, kind, name) is not None:
        raise PresetExists(field="name")
    preset = Preset(town_id=town_id, kind=kind, name=name, created_at=work.now)
    work.session.add(preset)
    work.session.flush()
    audit.record_event(work, actor, "preset.create", "preset", preset.id, town_id=town_id, kind=kind.value)
    return preset


def get_document(work: UnitOfWork, actor: Actor, document_id: UUID) -> PolicyDocument:
    """Return a document that the actor may see; everybody sees the operator's. Raises `DocumentNotFound`."""
    document = PolicyRepository(work.session).get_document(document_id)
    if document is None or not (
        document.town_id is None or actor.has_permission(Permission.SEE, document.town_id, document.school_id)
    ):
        raise DocumentNotFound
    return document


def get_preset(work: UnitOfWork, actor: Actor, preset_id: UUID) -> Preset:
    """Return a preset that the actor may see. Raises `PresetNotFound`."""
    preset = PolicyRepository(work.session).get_preset(actor, preset_id)
    if preset is None:
        raise PresetNotFound
    return preset


def require_author_of(actor: Actor, owner: Versioned) -> None:
    """Raise `Forbidden` unless the actor may write versions of a document or preset."""
    _require_author(actor, owner.town_id, owner.school_id if isinstance(owner, PolicyDocument) else None)


def is_author_of(actor: Actor, owner: Versioned) -> bool:
    """Return whether the actor may write versions of a document or preset."""
    try:
        require_author_of(actor, owner)
    except Forbidden:
        return False
    return True


def _require_author(actor: Actor, town_id: UUID | None, school_id: UUID | None) -> None:
    if town_id is not None:
        actor.require_permission(Permission.AUTHOR, town_id, school_id)
    elif not actor.everywhere:
        raise Forbidden(permission="operator")


def select_concerned(work: UnitOfWork, owner: Versioned) -> Select[UUID]:
    """Return a statement: the tablets of a document's place, or of all places whose documents take a preset in."""
    if isinstance(owner, PolicyDocument):
        return select_document_tablets(work, owner)
    return PolicyRepository(work.session).select_any(
        [
            select_tablets(work, owner.town_id if document.town_id else None, document.place, document.target)
            for document in PolicyRepository(work.session).get_published_documents([owner.town_id])
            if any(use.preset_id == owner.id for version in document.versions for use in version.content.presets)
        ]
    )


def list_concerned(work: UnitOfWork, owner: Versioned) -> list[UUID]:
    """Return the tablets that a document or preset concerns."""
    return PolicyRepository(work.session).list_tablets(select_concerned(work, owner))


def list_concerned_page(work: UnitOfWork, owner: Versioned, page: PageRequest) -> Page[UUID]:
    """Return one page of the tablets that a document or preset concerns."""
    return PolicyRepository(work.session).list_tablet_page(select_concerned(work, owner), page)
