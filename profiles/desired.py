"""The desired state of tablets: one compiled, signed profile per situation, and the apps. Content-addressed, with reasons.

Costs the number of situations, not of tablets: tablets that differ in nothing share one artefact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from enrollment.facts import TabletFacts
from enrollment.identity.profile_signing import sign_profile
from enrollment.places.models import Level
from mdm.kit.work import Work
from profiles.bundles.models import App
from profiles.catalog.settings import catalog, version
from profiles.engine.merge import Layer, Resolved, resolve
from profiles.filters.models import WebFilter
from profiles.layers.floor import BASE_APPS, DEFAULT_FLOOR
from profiles.models import Artefact
from profiles.render.apple import Filter, Rendered, render_policy
from profiles.repository import PolicyRepository


@dataclass(frozen=True, slots=True)
class WantedApp:
    """An app that a tablet should have. Without store id and manifest it is built in: allowed, never installed."""

    app_id: UUID
    bundle_identifier: str
    app_store_id: int | None
    manifest_url: str | None

    @property
    def is_installed_by_us(self) -> bool:
        return self.app_store_id is not None or self.manifest_url is not None


@dataclass(frozen=True, slots=True)
class Desired:
    """What one tablet should be."""

    sha256: str
    identifier: str
    uuid: str
    apps: tuple[WantedApp, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a shared configuration may depend on. Nothing personal."""

    town_id: UUID
    level: Level | None
    os: tuple[int, ...] | None
    supervised: bool | None


@dataclass(slots=True)
class Policy:
    """What the towns concerned have authored, read once."""

    floors: dict[UUID, dict[str, object]]
    filters: dict[UUID, WebFilter]
    apps: dict[tuple[UUID, Level], list[App]]


def desired_for(work: Work, facts: Iterable[TabletFacts]) -> dict[UUID, Desired]:
    """Return the desired state of each tablet, in a constant number of queries; new artefacts are stored and signed."""
    tablets = list(facts)
    policy = read_policy(work, sorted({each.town_id for each in tablets}, key=str))
    situations = {each.tablet_id: situation_of(each) for each in tablets}
    compiled = {situation: _compile(policy, situation) for situation in set(situations.values())}
    _store(work, compiled)
    made = {situation: _desired(policy, situation, rendered) for situation, rendered in compiled.items()}
    return {tablet_id: made[situation] for tablet_id, situation in situations.items()}


def explain(work: Work, facts: TabletFacts) -> dict[str, Resolved]:
    """Each setting of a tablet with the layers that won and lost: the same computation as the profile's."""
    return _resolve(read_policy(work, [facts.town_id]), situation_of(facts))


def situation_of(facts: TabletFacts) -> Situation:
    """The situation a tablet is in."""
    os = version(facts.os_version) if facts.os_version else None
    return Situation(facts.town_id, facts.level, os, facts.supervised)


def read_policy(work: Work, town_ids: Sequence[UUID]) -> Policy:
    """Read what these towns authored."""
    repository = PolicyRepository(work.session)
    apps: dict[tuple[UUID, Level], list[App]] = {}
    for town_id, level, app in repository.apps_by_level(town_ids):
        if app not in (known := apps.setdefault((town_id, level), [])):
            known.append(app)
    floors = {town_id: dict(row.settings) for town_id, row in repository.floors(town_ids).items()}
    return Policy(floors, repository.filters(town_ids), apps)


def _resolve(policy: Policy, situation: Situation) -> dict[str, Resolved]:
    layers = [Layer("town floor", 0, policy.floors.get(situation.town_id, DEFAULT_FLOOR))]
    if situation.level is not None:
        apps = policy.apps.get((situation.town_id, situation.level), [])
        allowed = sorted({*BASE_APPS, *(app.bundle_identifier for app in apps)})
        layers.append(Layer(f"bundles of {situation.level.value}", 1, {"allowListedAppBundleIDs": allowed}))
    return resolve(layers, catalog())


def _compile(policy: Policy, situation: Situation) -> Rendered:
    values = {key: resolved.value for key, resolved in _resolve(policy, situation).items()}
    row = policy.filters.get(situation.town_id)
    web = Filter(row.auto_filter, tuple(row.denied), tuple(row.permitted)) if row else Filter(auto=True, denied=(), permitted=())
    return render_policy(str(situation.town_id), values, catalog(), web, os=situation.os, supervised=situation.supervised)


def _store(work: Work, compiled: dict[Situation, Rendered]) -> None:
    wanted = {hash_of(rendered): (situation, rendered) for situation, rendered in compiled.items()}
    known = PolicyRepository(work.session).artefacts(list(wanted))
    for sha256, (situation, rendered) in wanted.items():
        if sha256 not in known:
            work.session.add(
                Artefact(
                    sha256=sha256,
                    town_id=situation.town_id,
                    identifier=rendered.identifier,
                    uuid=rendered.uuid,
                    plain=rendered.plist,
                    signed=sign_profile(work, rendered.plist),
                    created_at=work.now,
                )
            )
    work.session.flush()


def hash_of(rendered: Rendered) -> str:
    """The address of a compiled profile."""
    return hashlib.sha256(rendered.plist).hexdigest()


def _desired(policy: Policy, situation: Situation, rendered: Rendered) -> Desired:
    apps = policy.apps.get((situation.town_id, situation.level), []) if situation.level else []
    wanted = tuple(WantedApp(app.id, app.bundle_identifier, app.app_store_id, app.manifest_url) for app in apps)
    return Desired(hash_of(rendered), rendered.identifier, rendered.uuid, wanted, rendered.left_out)
