"""Endpoints of policy documents: open, list, draft, preview, publish by stages, stop, restore."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.policy.schemas import (
    ConcernedOut,
    ContentIn,
    DocumentIn,
    DocumentOut,
    DraftIn,
    PreviewOut,
    PublishIn,
    StopIn,
    VersionOut,
)
from profiles.effective.preview import preview
from profiles.policy import documents, life
from profiles.policy.models import PolicyDocument
from profiles.policy.repository import PolicyRepository

router = APIRouter(tags=["policy documents"])
MAX_TABLETS = 1000


@router.put(
    "/policy-documents", response_model=DocumentOut, operation_id="open_policy_document", summary="Open the document of a place"
)
def open_policy_document(body: DocumentIn, work: WorkDep, actor: ActorDep) -> DocumentOut:
    """Return the document of a place; it is created on first use."""
    document = documents.open_document(work, actor, body.town_id, body.place, body.target, body.name)
    return _describe(document, PolicyRepository(work.session).get_live_numbers([document]))


@router.get(
    "/policy-documents",
    response_model=PageOut[DocumentOut],
    operation_id="list_policy_documents",
    summary="List the policy documents of a town",
)
def list_policy_documents(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[DocumentOut]:
    """Return one page of the documents of a town that the caller may see."""
    repository = PolicyRepository(work.session)
    found = repository.list_documents(actor, town_id, page)
    live = repository.get_live_numbers(found.items)
    return PageOut.of(found, lambda document: _describe(document, live))


@router.get(
    "/policy-documents/{document_id}",
    response_model=DocumentOut,
    operation_id="get_policy_document",
    summary="Get a policy document",
)
def get_policy_document(document_id: UUID, work: WorkDep, actor: ActorDep) -> DocumentOut:
    """Return a policy document with the number of its live version."""
    document = documents.get_document(work, actor, document_id)
    return _describe(document, PolicyRepository(work.session).get_live_numbers([document]))


@router.get(
    "/policy-documents/{document_id}/versions",
    response_model=PageOut[VersionOut],
    operation_id="list_policy_document_versions",
    summary="List the versions of a policy document",
)
def list_policy_document_versions(document_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[VersionOut]:
    """Return one page of all versions, the newest first: who wrote them, when, why, and what they hold."""
    document = documents.get_document(work, actor, document_id)
    return PageOut.of(PolicyRepository(work.session).list_versions(document, page), VersionOut.model_validate)


@router.post(
    "/policy-documents/{document_id}/versions",
    response_model=VersionOut,
    status_code=201,
    operation_id="save_policy_document_draft",
    summary="Save a draft of a policy document",
)
def save_policy_document_draft(document_id: UUID, body: DraftIn, work: WorkDep, actor: ActorDep) -> object:
    """Save a new version as a draft. Nothing changes on tablets."""
    return life.save_draft(work, actor, documents.get_document(work, actor, document_id), body.to_draft())


@router.post(
    "/policy-documents/{document_id}/preview",
    response_model=PreviewOut,
    operation_id="preview_policy_document",
    summary="Preview a draft of a policy document",
)
def preview_policy_document(document_id: UUID, body: ContentIn, work: WorkDep, actor: ActorDep) -> PreviewOut:
    """Return what this content would change if it were live: tablets, settings by mode, licences, the web."""
    return PreviewOut.of(preview(work, documents.get_document(work, actor, document_id), body.to_content()))


@router.post(
    "/policy-documents/{document_id}/versions/{number}/publish",
    response_model=VersionOut,
    operation_id="publish_policy_document",
    summary="Publish a version of a policy document",
)
def publish_policy_document(document_id: UUID, number: int, body: PublishIn, work: WorkDep, actor: ActorDep) -> object:
    """Put a version into force for a tablet, a class, a school or all. Publish it again to go further."""
    document = documents.get_document(work, actor, document_id)
    stage = life.Stage(body.stage, body.target)
    return life.publish(work, actor, document, number, stage, reason=body.reason, accept_shortage=body.accept_shortage)


@router.post(
    "/policy-documents/{document_id}/stop",
    response_model=VersionOut,
    operation_id="stop_policy_document_rollout",
    summary="Stop the roll-out of a policy document",
)
def stop_policy_document_rollout(document_id: UUID, body: StopIn, work: WorkDep, actor: ActorDep) -> object:
    """Stop a roll-out: what was in force before is in force again."""
    return life.stop(work, actor, documents.get_document(work, actor, document_id), body.reason)


@router.post(
    "/policy-documents/{document_id}/versions/{number}/restore",
    response_model=VersionOut,
    operation_id="restore_policy_document_version",
    summary="Go back to a version of a policy document",
)
def restore_policy_document_version(document_id: UUID, number: int, work: WorkDep, actor: ActorDep) -> object:
    """Put the content of an earlier version into force at once, as a new version."""
    return life.roll_back(work, actor, documents.get_document(work, actor, document_id), number)


@router.get(
    "/policy-documents/{document_id}/tablets",
    response_model=ConcernedOut,
    operation_id="list_policy_document_tablets",
    summary="List the tablets that a policy document concerns",
)
def list_policy_document_tablets(document_id: UUID, work: WorkDep, actor: ActorDep) -> ConcernedOut:
    """Return the tablets that a policy document concerns: the reverse of "why"."""
    tablet_ids = documents.list_concerned(work, documents.get_document(work, actor, document_id))
    return ConcernedOut(tablets=len(tablet_ids), tablet_ids=tablet_ids[:MAX_TABLETS])


def _describe(document: PolicyDocument, live: dict[UUID, int]) -> DocumentOut:
    return DocumentOut.model_validate(document).model_copy(update={"live": live.get(document.id)})
