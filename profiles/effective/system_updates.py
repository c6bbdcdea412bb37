"""The version of iPadOS that tablets must have: what a situation asks for, and how the tablets of a place stand to a version. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from cartable.unit_of_work import UnitOfWork
from cartable.versions import parse_version
from profiles.effective.repository import CompiledRepository
from profiles.effective.situation import PolicyData, Situation
from profiles.render.system_updates import SYSTEM_UPDATE, UpdateReadiness, assess_readiness, build_update_payload
from profiles.schedule.modes import Mode


def find_update_payload(situation: Situation, policy: PolicyData) -> dict[str, Any] | None:
    """Return the payload of the update that tablets of the situation are to install; None where there is none for them."""
    return build_update_payload(_get_required_update(situation, policy), situation.os, supervised=situation.supervised)


def is_update_unsupported(situation: Situation, policy: PolicyData) -> bool:
    """Return whether an update is required that cannot be enforced on tablets of the situation."""
    update = _get_required_update(situation, policy)
    if update is None:
        return False
    readiness = assess_readiness(parse_version(update["version"]), situation.os, supervised=situation.supervised)
    return readiness is UpdateReadiness.UNSUPPORTED


def _get_required_update(situation: Situation, policy: PolicyData) -> Mapping[str, Any] | None:
    """Return the value of the setting, which is the same in all modes."""
    resolved = policy.get_settings(situation, Mode.SCHOOL).get(SYSTEM_UPDATE)
    update: Mapping[str, Any] | None = resolved.value if resolved is not None else None
    return update


def count_readiness(work: UnitOfWork, tablets: Select[UUID], version: str) -> dict[UpdateReadiness, int]:
    """Return how many of these tablets stand in which way to a version of iPadOS, in one query."""
    required = parse_version(version)
    counts: Counter[UpdateReadiness] = Counter()
    for os_version, supervised, count in CompiledRepository(work.session).count_systems(tablets):
        os = parse_version(os_version) if os_version else None
        counts[assess_readiness(required, os, supervised=supervised)] += count
    return {readiness: counts[readiness] for readiness in UpdateReadiness}
