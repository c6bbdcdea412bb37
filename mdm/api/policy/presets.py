"""Endpoints of presets: create, list, draft, preview, publish by stages, stop, restore."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from fastapi import APIRouter

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.policy.preview_schemas import PreviewOut
from mdm.api.policy.schemas import (
    ContentIn,
    DraftIn,
    PresetIn,
    PresetOut,
    PublishIn,
    RolloutOut,
    StopIn,
    VersionOut,
)
from mdm.reconcile.rollouts import get_rollout
from profiles.effective import publishing
from profiles.effective.preview import preview
from profiles.policy import documents, life
from profiles.policy.errors import VersionNotFound
from profiles.policy.kinds import PresetKind
from profiles.policy.models import Preset
from profiles.policy.repository import PolicyRepository

router = APIRouter(tags=["presets"])


@router.post("/presets", response_model=PresetOut, status_code=201)
def create_preset(body: PresetIn, work: WorkDep, actor: ActorDep) -> PresetOut:
    """Create a preset. It has no version yet; documents take it in by its id."""
    return _describe(documents.create_preset(work, actor, body.town_id, body.kind, body.name), {})


@router.get("/presets", response_model=PageOut[PresetOut])
def list_presets(
    town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, kind: PresetKind | None = None
) -> PageOut[PresetOut]:
    """List the presets of a town. Of all kinds or of one."""
    repository = PolicyRepository(work.session)
    presets = repository.list_presets(actor, town_id, kind, page)
    live = repository.get_live_numbers(presets.items)
    return PageOut.of(presets, lambda preset: _describe(preset, live))


@router.get("/presets/{preset_id}", response_model=PresetOut)
def get_preset(preset_id: UUID, work: WorkDep, actor: ActorDep) -> PresetOut:
    """Get a preset. With the number of its live version."""
    preset = documents.get_preset(work, actor, preset_id)
    return _describe(preset, PolicyRepository(work.session).get_live_numbers([preset]))


@router.get(
    "/presets/{preset_id}/versions",
    response_model=PageOut[VersionOut],
)
def list_preset_versions(preset_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[VersionOut]:
    """List the versions of a preset. The newest first: who wrote them, when, why, and what they hold."""
    preset = documents.get_preset(work, actor, preset_id)
    return PageOut.of(
        PolicyRepository(work.session).list_versions(preset, page),
        partial(VersionOut.for_reader, is_author=documents.is_author_of(actor, preset)),
    )


@router.post(
    "/presets/{preset_id}/versions",
    response_model=VersionOut,
    status_code=201,
)
def create_preset_draft(preset_id: UUID, body: DraftIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a draft of a preset. Nothing changes on tablets."""
    return life.save_draft(work, actor, documents.get_preset(work, actor, preset_id), body.to_draft())


@router.post(
    "/presets/{preset_id}/preview",
    response_model=PreviewOut,
)
def preview_preset(preset_id: UUID, body: ContentIn, work: WorkDep, actor: ActorDep) -> PreviewOut:
    """Preview a draft of a preset. What it would change if it were live: tablets, settings by mode, licences, the web."""
    return PreviewOut.of(preview(work, documents.get_preset(work, actor, preset_id), body.to_content()))


@router.post(
    "/presets/{preset_id}/versions/{number}/publish",
    response_model=VersionOut,
)
def publish_preset(preset_id: UUID, number: int, body: PublishIn, work: WorkDep, actor: ActorDep) -> object:
    """Publish a version of a preset. For a tablet, a class, a school or all. Publish it again to go further.

    In use, it goes by stages, each after the tablets of the former one have checked in under the new rules, unless
    `at_once_reason` says why not. What could cut tablets off is refused or needs `confirmation`.
    """
    preset = documents.get_preset(work, actor, preset_id)
    return publishing.publish(work, actor, preset, number, body.to_publication())


@router.get(
    "/presets/{preset_id}/rollout",
    response_model=RolloutOut,
)
def get_preset_rollout(preset_id: UUID, work: WorkDep, actor: ActorDep) -> RolloutOut:
    """Get the roll-out of a preset. Its stage, and how far the tablets of the stage are."""
    state = get_rollout(work, documents.get_preset(work, actor, preset_id))
    if state is None:
        raise VersionNotFound
    return RolloutOut.of(state)


@router.post(
    "/presets/{preset_id}/stop",
    response_model=VersionOut,
)
def stop_preset_rollout(preset_id: UUID, body: StopIn, work: WorkDep, actor: ActorDep) -> object:
    """Stop the roll-out of a preset. What was in force before is in force again."""
    return life.stop(work, actor, documents.get_preset(work, actor, preset_id), body.reason)


@router.post(
    "/presets/{preset_id}/versions/{number}/restore",
    response_model=VersionOut,
)
def restore_preset_version(preset_id: UUID, number: int, work: WorkDep, actor: ActorDep) -> object:
    """Restore a version of a preset. Its content goes into force at once, as a new version."""
    return life.roll_back(work, actor, documents.get_preset(work, actor, preset_id), number)


@router.get(
    "/presets/{preset_id}/tablets",
    response_model=PageOut[UUID],
)
def list_preset_tablets(preset_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[UUID]:
    """List the tablets that a preset concerns. Through the documents that take it in."""
    preset = documents.get_preset(work, actor, preset_id)
    return PageOut.of(documents.list_concerned_page(work, preset, page), lambda tablet_id: tablet_id)


def _describe(preset: Preset, live: dict[UUID, int]) -> PresetOut:
    return PresetOut.model_validate(preset).model_copy(update={"live": live.get(preset.id)})
