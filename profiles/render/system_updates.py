"""Which tablets a required version of iPadOS concerns, and the declaration that enforces it. Pure.

See docs/domain/declarations.md#system-updates.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from cartable.versions import parse_version
from profiles.catalog.fields import Version

SYSTEM_UPDATE = "system.update"
#: The system from which a declaration enforces an update. Nothing updates older ones from afar: a person does it in Settings.
ENFORCED_FROM: Version = (17,)


class UpdateReadiness(StrEnum):
    """How a tablet stands to a required version."""

    UP_TO_DATE = "up_to_date"
    BEHIND = "behind"  # it is updated at the deadline
    UNSUPPORTED = "unsupported"  # its system is too old to be updated by a declaration, or it is not supervised
    UNKNOWN = "unknown"  # it has not reported its system yet


def assess_readiness(required: Version, os: Version | None, *, supervised: bool | None) -> UpdateReadiness:
    """Return how a tablet with this system stands to a required version. A supervision that is not known excludes nothing."""
    if os is None:
        return UpdateReadiness.UNKNOWN
    if not is_older(os, required):
        return UpdateReadiness.UP_TO_DATE
    return UpdateReadiness.UNSUPPORTED if os < ENFORCED_FROM or supervised is False else UpdateReadiness.BEHIND


def is_older(version: Version, other: Version) -> bool:
    """Return whether a version comes before another: 26 is 26.0."""
    length = max(len(version), len(other))
    return _pad(version, length) < _pad(other, length)


def _pad(version: Version, length: int) -> Version:
    return (*version, *(0,) * (length - len(version)))


def build_update_payload(
    update: Mapping[str, Any] | None, os: Version | None, *, supervised: bool | None
) -> dict[str, Any] | None:
    """Return the payload that makes a tablet install an update; None where nothing is required, or where it has or cannot have it.

    A tablet installs exactly the version that is named, so one that has a later one must not get the declaration.
    """
    if update is None:
        return None
    if assess_readiness(parse_version(update["version"]), os, supervised=supervised) is not UpdateReadiness.BEHIND:
        return None
    payload = {"TargetOSVersion": update["version"], "TargetLocalDateTime": update["deadline"]}
    return payload | ({"DetailsURL": update["details_url"]} if "details_url" in update else {})
