"""How far a bundle of apps is: which tablets have all its apps, and why the others do not. Reads only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.reconcile.models import AppReason, AppState
from mdm.reconcile.repository import ReconcileRepository
from profiles.effective.blocked_apps import find_blocking_places
from profiles.effective.bundles import Bundle
from profiles.policy.kinds import AppUse
from profiles.policy.places import select_tablets

#: So many missing apps are listed; the counts hold for all.
MAX_MISSING = 500


@dataclass(frozen=True, slots=True)
class MissingApp:
    """One app that is not on one tablet yet."""

    tablet_id: UUID
    tag: str
    app_id: UUID
    state: AppState
    reason: AppReason
    detail: str | None


@dataclass(frozen=True, slots=True)
class BundleStatus:
    """How many tablets have all apps of a bundle, and why the others do not.

    `blocked` counts by place the tablets for which the rules of that place block an app of the bundle. `undecided` tablets have no
    desired apps yet: they are not enrolled, or were lent a moment ago.
    """

    tablets: int
    complete: int
    undecided: int
    blocked: dict[str, int]
    reasons: dict[AppReason, int]
    missing: list[MissingApp]


def get_bundle_status(work: UnitOfWork, actor: Actor, bundle: Bundle) -> BundleStatus:
    """Return how far a bundle is on the tablets of the places that require it. Apps that come with the system are not counted."""
    town_id = bundle.preset.town_id
    required = [each for each in bundle.assignments if each.use is AppUse.REQUIRED]
    places = [select_tablets(work, town_id, each.place, each.target) for each in required]
    identifiers = {app.id: app.bundle_identifier for app in bundle.apps if app.app_store_id or app.manifest_url}
    app_ids = list(identifiers)
    rows = ReconcileRepository(work.session).list_app_status(actor, town_id, places, app_ids)
    installed: Counter[UUID] = Counter()
    known: dict[UUID, set[UUID]] = {}
    missing = []
    for tablet, app in rows:
        installed[tablet.id] += int(app is not None and app.state is AppState.INSTALLED)
        known.setdefault(tablet.id, set()).update([app.app_id] if app is not None else [])
        if app is not None and app.state is not AppState.INSTALLED:
            missing.append(MissingApp(tablet.id, tablet.tag, app.app_id, app.state, app.reason, app.detail))
    undecided = {tablet_id: set(app_ids) - apps for tablet_id, apps in known.items() if len(apps) < len(app_ids)}
    blocking = find_blocking_places(work, list(undecided), identifiers.values()) if undecided else {}
    blocked = {
        tablet_id: {place for app_id in apps for place in blocking[tablet_id].get(identifiers[app_id], ())}
        for tablet_id, apps in undecided.items()
    }
    return BundleStatus(
        tablets=len(installed),
        complete=sum(count >= len(app_ids) for count in installed.values()),
        undecided=sum(not places for places in blocked.values()),
        blocked=dict(Counter(place for places in blocked.values() for place in sorted(places))),
        reasons=dict(Counter(entry.reason for entry in missing)),
        missing=missing[:MAX_MISSING],
    )
