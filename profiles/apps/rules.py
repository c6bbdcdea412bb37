"""Which apps a tablet should have, may have and must not show, from the grants that concern it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from profiles.apps.models import GrantStanding
from profiles.policy.kinds import LayerKind
from profiles.policy.rules import Place, targets

#: The places that a bundle may be given to.
GRANTABLE = (LayerKind.TOWN, LayerKind.SCHOOL, LayerKind.GRADE, LayerKind.CLASS)


@dataclass(frozen=True, slots=True)
class Granted:
    """One app that a grant gives to a place."""

    town_id: UUID
    kind: LayerKind
    target: str
    standing: GrantStanding
    app_id: UUID


@dataclass(frozen=True, slots=True)
class Apps:
    """What grants make of the apps of a tablet, each in order of its id."""

    required: tuple[UUID, ...]
    available: tuple[UUID, ...]
    banned: tuple[UUID, ...]


def apps_for(grants: Iterable[Granted], place: Place) -> Apps:
    """Banned goes before required, required before available."""
    found: dict[GrantStanding, set[UUID]] = {standing: set() for standing in GrantStanding}
    for grant in grants:
        if grant.town_id == place.town_id and grant.target in targets(grant.kind, place):
            found[grant.standing].add(grant.app_id)
    banned = found[GrantStanding.BANNED]
    required = found[GrantStanding.REQUIRED] - banned
    available = found[GrantStanding.AVAILABLE] - banned - required
    return Apps(*(tuple(sorted(each, key=str)) for each in (required, available, banned)))
