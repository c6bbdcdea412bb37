"""Which tablets are alike: the situation of each, from facts, layers, bundles and what time makes of it. Reads; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from profiles.apps.models import App
from profiles.apps.rules import Apps, Granted, apps_for
from profiles.catalog.composites import expand_composites
from profiles.catalog.merge import Layer, Resolved, resolve
from profiles.catalog.settings import load_catalog, parse_version
from profiles.effective.repository import PolicyRepository
from profiles.filters.models import FilterDelivery, WebFilter
from profiles.filters.repository import FilterRepository
from profiles.filters.rules import Effective, Words, compose
from profiles.policy.baseline import BASE_APPS, DEFAULT_FLOOR, MODE_FLOOR
from profiles.policy.kinds import ALWAYS, SESSION_DEPTH, LayerKind, TabletRole
from profiles.policy.repository import LayerRepository
from profiles.policy.rules import Authored, Place, in_force
from profiles.schedule.modes import Mode
from profiles.schedule.service import ModeEvaluation
from profiles.schedule.session_rules import SessionPreset

#: Where guardians' rules are heard: outside school (schools.md section 6). When each holds, `modes` has already said.
GUARDIANS_HEARD = frozenset({Mode.HOME, Mode.HOLIDAY, Mode.AFTER_SCHOOL, Mode.TRIP})


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a class session asks for."""

    preset: SessionPreset
    apps: tuple[str, ...]
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a shared configuration may depend on. Nothing personal, unless a layer was written for one tablet."""

    town_id: UUID
    versions: tuple[Authored, ...]
    apps: Apps
    filters: tuple[Words, ...]
    hidden: tuple[str, ...]
    lesson: Lesson | None
    os: tuple[int, ...] | None
    supervised: bool | None

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two situations the same."""
        versions = tuple(version.version_id for version in self.versions)
        filters = tuple((each.kind, each.target, each.mode) for each in self.filters)
        return (self.town_id, versions, self.apps, filters, self.hidden, self.lesson, self.os, self.supervised)


@dataclass(slots=True)
class Policy:
    """What the towns concerned have authored, read once."""

    floors: Mapping[UUID, Mapping[str, object]]
    filters: Mapping[UUID, WebFilter]
    words: Sequence[Words]
    deliveries: Mapping[UUID, FilterDelivery]
    grants: Sequence[Granted]
    apps: Mapping[UUID, App]
    authored: Sequence[Authored]
    groups: Mapping[UUID, frozenset[UUID]]


def read_policy(work: UnitOfWork, facts: Iterable[TabletFacts], authored: Sequence[Authored] | None = None) -> Policy:
    """Read what these tablets' towns authored, in a constant number of queries. `authored` replaces the layers: a preview."""
    tablets = list(facts)
    town_ids = sorted({each.town_id for each in tablets}, key=str)
    repository, layers = PolicyRepository(work.session), LayerRepository(work.session)
    filters = FilterRepository(work.session)
    return Policy(
        floors={town_id: dict(row.settings) for town_id, row in repository.floors(town_ids).items()},
        filters=repository.filters(town_ids),
        words=filters.words(town_ids),
        deliveries=filters.deliveries(town_ids),
        grants=repository.grants(town_ids),
        apps=repository.apps_by_id(town_ids),
        authored=layers.in_force(town_ids) if authored is None else authored,
        groups=layers.groups_of([each.pupil_id for each in tablets if each.pupil_id]),
    )


def place_of(facts: TabletFacts, policy: Policy) -> Place:
    """Where a tablet stands among the layers."""
    return Place(
        town_id=facts.town_id,
        tablet_id=facts.tablet_id,
        school_id=facts.school_id,
        class_id=facts.class_id,
        pupil_id=facts.pupil_id,
        level=facts.grade,
        role=TabletRole.PUPIL if facts.pupil_id else TabletRole.CART,
        groups=policy.groups.get(facts.pupil_id, frozenset()) if facts.pupil_id else frozenset(),
    )


def situation_of(facts: TabletFacts, policy: Policy, timed: ModeEvaluation) -> Situation:
    """The situation of a tablet."""
    place, session = place_of(facts, policy), timed.session
    return Situation(
        town_id=facts.town_id,
        versions=in_force(policy.authored, place),
        apps=apps_for(policy.grants, place),
        filters=tuple(words for words in policy.words if any(words.concerns(place, mode) for mode in Mode)),
        hidden=tuple(sorted(timed.hidden_apps)),
        lesson=Lesson(session.preset, tuple(session.apps), tuple(session.sites)) if session else None,
        os=parse_version(facts.os_version) if facts.os_version else None,
        supervised=facts.supervised,
    )


def layers_of(situation: Situation, policy: Policy, mode: Mode) -> list[Layer]:
    """Every opinion on a situation in a mode, ready to be merged."""
    layers = [version.layer(mode) for version in situation.versions]
    if not any(version.kind is LayerKind.OPERATOR for version in situation.versions):
        layers.append(Layer("operator", LayerKind.OPERATOR.depth, DEFAULT_FLOOR, binding=True))
    town = LayerKind.TOWN.depth
    if mode in MODE_FLOOR:
        layers.append(Layer(f"mode {mode.value}", LayerKind.OPERATOR.depth, MODE_FLOOR[mode], binding=True))
    if situation.town_id in policy.floors:
        layers.append(Layer("town floor", town, expand_composites(policy.floors[situation.town_id]), binding=True))
    bundles = _identifiers(policy, (*situation.apps.required, *situation.apps.available))
    if bundles:
        layers.append(Layer("app bundles", town, {"allowListedAppBundleIDs": sorted({*BASE_APPS, *bundles})}))
    banned = _identifiers(policy, situation.apps.banned)
    if banned:
        layers.append(Layer("banned apps", town, {"blockedAppBundleIDs": banned}, binding=True))
    if situation.hidden and mode in GUARDIANS_HEARD:
        layers.append(
            Layer("guardian", SESSION_DEPTH, {"blockedAppBundleIDs": list(situation.hidden)}, binding=True, author="guardian")
        )
    if situation.lesson is not None and mode is Mode.CLASS_SESSION:
        layers += _lesson(situation.lesson, bundles)
    return layers


def filter_in(situation: Situation, policy: Policy, mode: Mode) -> Effective:
    """The web filter of a situation in a mode: what the town and all places say, and what a teacher opened."""
    said = [words for words in situation.filters if words.mode in (ALWAYS, mode.value)]
    town = policy.filters.get(situation.town_id)
    if town is not None:
        own = Words(
            situation.town_id,
            LayerKind.TOWN,
            "",
            ALWAYS,
            frozenset(town.denied),
            frozenset(town.permitted),
            frozenset(),
            {},
            False,
        )
        said.append(own)
    opened = situation.lesson.sites if situation.lesson is not None and mode is Mode.CLASS_SESSION else ()
    return compose(said, opened)


def _identifiers(policy: Policy, app_ids: Iterable[UUID]) -> list[str]:
    return sorted(policy.apps[app_id].bundle_identifier for app_id in app_ids)


def _lesson(lesson: Lesson, bundles: list[str]) -> list[Layer]:
    """A lesson chooses among the apps of the class; it never adds what the class does not have."""
    match lesson.preset:
        case SessionPreset.SCREENS_DOWN:
            values = {"allowListedAppBundleIDs": ["com.apple.webapp"], "allowCamera": False}
        case SessionPreset.FOCUS_APPS:
            values = {"allowListedAppBundleIDs": sorted(set(lesson.apps) & {*BASE_APPS, *bundles} | {"com.apple.webapp"})}
        case SessionPreset.FOCUS_SITES:
            values = {"allowListedAppBundleIDs": ["com.apple.mobilesafari", "com.apple.webapp"]}
        case SessionPreset.FREE:
            return []
    return [Layer("class session", SESSION_DEPTH, values, author="teacher")]


def resolved(situation: Situation, policy: Policy, mode: Mode) -> dict[str, Resolved]:
    """The value of every setting in a mode, with its reasons: what is rendered and what "why" tells are this one run."""
    return resolve(layers_of(situation, policy, mode), load_catalog())
