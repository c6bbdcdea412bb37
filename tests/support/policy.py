"""Policy for tests: one call publishes a version of a place's document, or of a preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.kinds import PlaceKind
from profiles.policy.models import PolicyVersion
from profiles.policy.repository import Versioned


def publish_content(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> PolicyVersion:
    """Publish a content to all tablets of a document or preset."""
    version = life.save_draft(work, SYSTEM, owner, life.Draft(content, reason="for a test"))
    return life.publish(work, SYSTEM, owner, version.number, accept_shortage=True)


def publish_document(
    work: UnitOfWork,
    town_id: UUID | None,
    place: PlaceKind,
    target: str,
    values: Mapping[str, Mapping[str, Any]],
    *,
    locks: Mapping[str, Sequence[str]] | None = None,
    presets: Sequence[PresetUse] = (),
) -> PolicyVersion:
    """Publish a version of the document of a place to all its tablets."""
    document = documents.open_document(work, SYSTEM, town_id, place, target)
    return publish_content(work, document, PolicyContent(values, locks or {}, tuple(presets)))
