"""Endpoints of policy documents: open, list, draft, preview, publish by stages, stop, restore."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.policy.preview_schemas import PreviewOut
from mdm.api.policy.schemas import (
    ContentIn,
    DocumentIn,
    DocumentOut,
    DraftIn,
    PublishIn,
    RolloutOut,
    StopIn,
    UpdateReadinessOut,
    VersionOut,
)
from mdm.reconcile.rollouts import get_rollout
from profiles.effective import publishing
from profiles.effective.preview import preview
from profiles.effective.system_updates import count_readiness
from profiles.policy import documents, life
from profiles.policy.errors import VersionNotFound
from profiles.policy.models import PolicyDocument
from profiles.policy.repository import PolicyRepository

router = APIRouter(tags=["policy documents"])
OsVersionParam = Annotated[str, Query(pattern=r"^[1-9][0-9]?(\.[0-9]{1,3}){1,2}$", max_length=12, examples=["26.2"])]


@router.put("/policy-documents", response_model=DocumentOut)
def open_policy_document(body: DocumentIn, work: WorkDep, actor: ActorDep) -> DocumentOut:
    """Open the document of a place. It is created on first use."""
    document = documents.open_document(work, actor, body.town_id, body.place, body.target, body.name)
    return _describe(document, PolicyRepository(work.session).get_live_numbers([document]))


@router.get(
    "/policy-documents",
    response_model=PageOut[DocumentOut],
)
def list_policy_documents(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[DocumentOut]:
    """List the policy documents of a town. Those that the caller may see."""
    repository = PolicyRepository(work.session)
    documents_page = repository.list_documents(actor, town_id, page)
    live = repository.get_live_numbers(documents_page.items)
    return PageOut.of(documents_page, lambda document: _describe(document, live))


@router.get(
    "/policy-documents/{document_id}",
    response_model=DocumentOut,
)
def get_policy_document(document_id: UUID, work: WorkDep, actor: ActorDep) -> DocumentOut:
    """Get a policy document. With the number of its live version."""
    document = documents.get_document(work, actor, document_id)
    return _describe(document, PolicyRepository(work.session).get_live_numbers([document]))


@router.get(
    "/policy-documents/{document_id}/versions",
    response_model=PageOut[VersionOut],
)
def list_policy_document_versions(document_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[VersionOut]:
    """List the versions of a policy document. The newest first: who wrote them, when, why, and what they hold."""
    document = documents.get_document(work, actor, document_id)
    return PageOut.of(
        PolicyRepository(work.session).list_versions(document, page),
        partial(VersionOut.for_reader, is_author=documents.is_author_of(actor, document)),
    )


@router.post(
    "/policy-documents/{document_id}/versions",
    response_model=VersionOut,
    status_code=201,
)
def create_policy_document_draft(document_id: UUID, body: DraftIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a draft of a policy document. Nothing changes on tablets."""
    return life.save_draft(work, actor, documents.get_document(work, actor, document_id), body.to_draft())


@router.post(
    "/policy-documents/{document_id}/preview",
    response_model=PreviewOut,
)
def preview_policy_document(document_id: UUID, body: ContentIn, work: WorkDep, actor: ActorDep) -> PreviewOut:
    """Preview a draft of a policy document. What it would change if it were live: tablets, settings by mode, licences, the web."""
    return PreviewOut.of(preview(work, documents.get_document(work, actor, document_id), body.to_content()))


@router.get(
    "/policy-documents/{document_id}/update-readiness",
    response_model=UpdateReadinessOut,
)
def count_update_readiness(document_id: UUID, version: OsVersionParam, work: WorkDep, actor: ActorDep) -> object:
    """Count how the tablets of a policy document stand to a version of iPadOS. Before its setting `system.update` requires it."""
    document = documents.get_document(work, actor, document_id)
    return count_readiness(work, documents.select_concerned(work, document), version)


@router.post(
    "/policy-documents/{document_id}/versions/{number}/publish",
    response_model=VersionOut,
)
def publish_policy_document(document_id: UUID, number: int, body: PublishIn, work: WorkDep, actor: ActorDep) -> object:
    """Publish a version of a policy document. For a tablet, a class, a school or all. Publish it again to go further.

    For a whole town it goes by stages, each after the tablets of the former one have checked in under the new rules, unless
    `at_once_reason` says why not. What could cut tablets off is refused or needs `confirmation`.
    """
    document = documents.get_document(work, actor, document_id)
    return publishing.publish(work, actor, document, number, body.to_publication())


@router.get(
    "/policy-documents/{document_id}/rollout",
    response_model=RolloutOut,
)
def get_policy_document_rollout(document_id: UUID, work: WorkDep, actor: ActorDep) -> RolloutOut:
    """Get the roll-out of a policy document. Its stage, and how far the tablets of the stage are."""
    state = get_rollout(work, documents.get_document(work, actor, document_id))
    if state is None:
        raise VersionNotFound
    return RolloutOut.of(state)


@router.post(
    "/policy-documents/{document_id}/stop",
    response_model=VersionOut,
)
def stop_policy_document_rollout(document_id: UUID, body: StopIn, work: WorkDep, actor: ActorDep) -> object:
    """Stop the roll-out of a policy document. What was in force before is in force again."""
    return life.stop(work, actor, documents.get_document(work, actor, document_id), body.reason)


@router.post(
    "/policy-documents/{document_id}/versions/{number}/restore",
    response_model=VersionOut,
)
def restore_policy_document_version(document_id: UUID, number: int, work: WorkDep, actor: ActorDep) -> object:
    """Restore a version of a policy document. Its content goes into force at once, as a new version."""
    return life.roll_back(work, actor, documents.get_document(work, actor, document_id), number)


@router.get(
    "/policy-documents/{document_id}/tablets",
    response_model=PageOut[UUID],
)
def list_policy_document_tablets(document_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[UUID]:
    """List the tablets that a policy document concerns. The reverse of "why"."""
    document = documents.get_document(work, actor, document_id)
    return PageOut.of(documents.list_concerned_page(work, document, page), lambda tablet_id: tablet_id)


def _describe(document: PolicyDocument, live: dict[UUID, int]) -> DocumentOut:
    return DocumentOut.model_validate(document).model_copy(update={"live": live.get(document.id)})
