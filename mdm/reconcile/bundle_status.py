"""How far a bundle of apps is: which tablets have all its apps, and why the others do not. Reads only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.reconcile.models import AppReason, AppState
from mdm.reconcile.repository import ReconcileRepository
from profiles.effective.bundles import Bundle
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
    """How many tablets have all apps of a bundle, and why the others do not. `undecided` tablets have no desired apps yet:
    they are not enrolled, or were lent a moment ago.
    """

    tablets: int
    complete: int
    undecided: int
    reasons: dict[AppReason, int]
    missing: list[MissingApp]


def get_bundle_status(work: UnitOfWork, actor: Actor, bundle: Bundle) -> BundleStatus:
    """Return how far a bundle is on the tablets of its places. Apps that come with the system are not counted."""
    town_id = bundle.preset.town_id
    places = [select_tablets(work, town_id, each.place, each.target) for each in bundle.assignments]
    app_ids = [app.id for app in bundle.apps if app.app_store_id or app.manifest_url]
    rows = ReconcileRepository(work.session).list_app_status(actor, town_id, places, app_ids)
    installed: Counter[UUID] = Counter()
    known: Counter[UUID] = Counter()
    missing = []
    for tablet, app in rows:
        installed[tablet.id] += int(app is not None and app.state is AppState.INSTALLED)
        known[tablet.id] += int(app is not None)
        if app is not None and app.state is not AppState.INSTALLED:
            missing.append(MissingApp(tablet.id, tablet.tag, app.app_id, app.state, app.reason, app.detail))
    return BundleStatus(
        tablets=len(installed),
        complete=sum(count >= len(app_ids) for count in installed.values()),
        undecided=sum(count < len(app_ids) for count in known.values()),
        reasons=dict(Counter(entry.reason for entry in missing)),
        missing=missing[:MAX_MISSING],
    )
