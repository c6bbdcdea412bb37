"""Which tablets are alike: the situation of each, from facts, policy and what time makes of it; and its settings in a mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from cartable.versions import parse_version
from enrollment.facts import TabletFacts
from enrollment.places.hosts import build_town_url
from enrollment.places.repository import PlaceRepository
from profiles.apps.models import App
from profiles.apps.repository import AppRepository
from profiles.apps.rules import EffectiveApps, compose_apps
from profiles.catalog.merge import Constraint, PolicySource, Resolved, resolve
from profiles.catalog.settings import Setting, load_catalog
from profiles.filters.repository import FilterRepository
from profiles.filters.resolver_access import APPLE_HOSTS, ResolverAccess, list_own_hosts
from profiles.filters.rules import EffectiveFilter, compose_filter
from profiles.policy.baseline import ALLOWED_APPS, BASE_APPS, EXAM_APPS, SINGLE_APP, list_baseline_constraints
from profiles.policy.emergency_card import BLOCKED_APPS, build_card_constraint, build_lock_screen_source
from profiles.policy.kinds import AppUse, PlaceKind, TabletRole
from profiles.policy.lint import list_shown_apps
from profiles.policy.repository import PolicyRepository
from profiles.policy.rules import AppliedDocument, PublishedDocument, PublishedPreset, TabletPlace, apply_documents
from profiles.schedule.guardian_rules import GuardianSites
from profiles.schedule.modes import Mode
from profiles.schedule.service import ModeEvaluation
from profiles.schedule.session_rules import SessionPreset

#: The modes in which guardians' rules tighten. When each is active, the schedule has decided.
GUARDIAN_MODES = frozenset({Mode.HOME, Mode.HOLIDAY, Mode.AFTER_SCHOOL, Mode.TRIP})


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a class session asks for."""

    preset: SessionPreset
    apps: tuple[str, ...]
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a shared configuration may depend on. Nothing personal, unless a document was written for one tablet."""

    town_id: UUID
    documents: tuple[AppliedDocument, ...]
    hidden_apps: tuple[str, ...] = ()
    lesson: Lesson | None = None
    os: tuple[int, ...] | None = None
    supervised: bool | None = None
    #: The class whose lesson it is, and the sites to which guardians limit the child: the address of the web filter depends on them.
    lesson_class: UUID | None = None
    guardian_sites: GuardianSites | None = None
    #: Whether its school gets new filter lists first.
    is_trial: bool = False

    @property
    def settings_key(self) -> tuple[object, ...]:
        """What makes the settings of two situations the same, whatever the systems of the tablets take of them."""
        return (self.town_id, tuple(document.key for document in self.documents), self.hidden_apps, self.lesson)

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two situations the same."""
        return (*self.settings_key, self.os, self.supervised, self.lesson_class, self.guardian_sites, self.is_trial)

    @property
    def rolling_versions(self) -> tuple[UUID, ...]:
        """The versions that are still rolled out: until they have reached everybody, the addresses of their filters are others."""
        versions = (
            version for each in self.documents for version in (each.version, *(preset.version for preset in each.presets))
        )
        return tuple(version.version_id for version in versions if version.stage is not None)


@dataclass(slots=True)
class PolicyData:
    """The policy in force in some towns, read once; and what was computed from it, kept while it is used."""

    documents: Sequence[PublishedDocument]
    presets: Mapping[UUID, PublishedPreset]
    apps: Mapping[tuple[UUID, str], App]
    groups: Mapping[UUID, frozenset[UUID]]
    #: The address of this server, and the host names of the towns whose tablets reach it at one of their own.
    own_url: str = ""
    town_hosts: Mapping[UUID, str] = field(default_factory=dict)
    #: How tablets reach the resolver of this installation; None where there is none.
    resolver: ResolverAccess | None = None
    _sources: dict[tuple[object, Mode], PolicySource] = field(default_factory=dict)
    _resolved: dict[tuple[object, Mode], dict[str, Resolved]] = field(default_factory=dict)

    def get_url(self, town_id: UUID) -> str:
        """Return the address at which the tablets of a town reach this server."""
        return build_town_url(self.own_url, self.town_hosts.get(town_id))

    def get_server_host(self, town_id: UUID) -> str:
        """Return the host name in that address."""
        return urlsplit(self.get_url(town_id)).hostname or ""

    def get_source(self, document: AppliedDocument, mode: Mode) -> PolicySource:
        """Return what a document sets in a mode."""
        key = (document.key, mode)
        if key not in self._sources:
            self._sources[key] = document.build_source(mode)
        return self._sources[key]

    def get_settings(self, situation: Situation, mode: Mode) -> dict[str, Resolved]:
        """Return the value of every setting of a situation in a mode, with its explanation."""
        key = (situation.settings_key, mode)
        if key not in self._resolved:
            self._resolved[key] = _resolve_settings(situation, self, mode)
        return self._resolved[key]

    def with_document(self, document: PublishedDocument) -> PolicyData:
        """Return the policy with another version of a document in force."""
        others = [each for each in self.documents if each.document_id != document.document_id]
        return replace(self, documents=[*others, document], _sources={}, _resolved={})

    def with_preset(self, preset: PublishedPreset) -> PolicyData:
        """Return the policy with another version of a preset in force."""
        return replace(self, presets={**self.presets, preset.preset_id: preset}, _sources={}, _resolved={})


def load_policy(work: UnitOfWork, facts: Iterable[TabletFacts], town_ids: Iterable[UUID] = ()) -> PolicyData:
    """Return the policy in force for these tablets, and in these towns, in a constant number of queries."""
    tablets = list(facts)
    town_ids = sorted({*town_ids, *(each.town_id for each in tablets)}, key=str)
    repository = PolicyRepository(work.session)
    return PolicyData(
        documents=repository.get_published_documents(town_ids),
        presets=repository.get_published_presets(town_ids),
        apps=AppRepository(work.session).get_apps_by_identifier(town_ids),
        groups=repository.get_groups_by_pupil([each.pupil_id for each in tablets if each.pupil_id]),
        own_url=work.settings.public_url,
        town_hosts=PlaceRepository(work.session).get_hosts(town_ids),
        resolver=_build_resolver_access(work, town_ids),
    )


def _build_resolver_access(work: UnitOfWork, town_ids: Sequence[UUID]) -> ResolverAccess | None:
    """Return how tablets reach the resolver, with the names that no filter closes; None where there is none."""
    settings = work.settings
    if not settings.resolver_url:
        return None
    options = FilterRepository(work.session).list_options(town_ids)
    return ResolverAccess(
        settings.resolver_url,
        settings.resolver_addresses,
        APPLE_HOSTS | list_own_hosts(settings),
        lambda key: work.keyring.keyed_hash(key, "filter address"),
        {each.town_id: frozenset(each.own_hosts) for each in options},
        frozenset(UUID(school_id) for each in options for school_id in each.trial_schools),
    )


def build_tablet_place(facts: TabletFacts, policy: PolicyData) -> TabletPlace:
    """Return where a tablet stands among the places that have documents."""
    return TabletPlace(
        town_id=facts.town_id,
        tablet_id=facts.tablet_id,
        school_id=facts.school_id,
        class_id=facts.class_id,
        pupil_id=facts.pupil_id,
        grade=facts.grade,
        role=TabletRole.STAFF if facts.staff_id else TabletRole.PUPIL if facts.pupil_id else TabletRole.CART,
        groups=policy.groups.get(facts.pupil_id, frozenset()) if facts.pupil_id else frozenset(),
    )


def build_situation(facts: TabletFacts, policy: PolicyData, evaluation: ModeEvaluation) -> Situation:
    """Return the situation of a tablet."""
    session = evaluation.session
    return Situation(
        town_id=facts.town_id,
        documents=apply_documents(policy.documents, policy.presets, build_tablet_place(facts, policy)),
        hidden_apps=tuple(sorted(evaluation.hidden_apps)),
        lesson=Lesson(session.preset, tuple(session.apps), tuple(session.sites)) if session else None,
        os=parse_version(facts.os_version) if facts.os_version else None,
        supervised=facts.supervised,
        lesson_class=session.class_id if session else None,
        guardian_sites=evaluation.guardian_sites,
        is_trial=policy.resolver is not None and facts.school_id in policy.resolver.trial_schools,
    )


def _pick(*keys: str) -> dict[str, Setting]:
    return {key: load_catalog()[key] for key in keys}


_APP_SETTINGS = _pick(*(use.setting for use in AppUse))
_SHOWN_APP_SETTINGS = _pick(SINGLE_APP, EXAM_APPS)


def _values(resolved: Mapping[str, Resolved]) -> dict[str, object]:
    return {key: each.value for key, each in resolved.items()}


def _resolve_settings(situation: Situation, policy: PolicyData, mode: Mode) -> dict[str, Resolved]:
    """Resolve what the documents set, with what bounds it. What is rendered and what is explained are this one run."""
    sources = [build_lock_screen_source(), *(policy.get_source(document, mode) for document in situation.documents)]
    apps = compose_apps(_values(resolve(sources, (), _APP_SETTINGS)))
    if apps.shown:
        shown = sorted({*BASE_APPS, *apps.shown})
        sources.append(PolicySource("apps", PlaceKind.TOWN.depth, {ALLOWED_APPS: shown}))
    card = build_card_constraint(policy.get_url(situation.town_id), situation.town_id)
    return resolve(sources, [*_list_constraints(situation, sources, apps, mode), card], load_catalog())


def _list_constraints(situation: Situation, sources: Sequence[PolicySource], apps: EffectiveApps, mode: Mode) -> list[Constraint]:
    """Return what bounds the documents in a mode, from the weakest to the strongest."""
    constraints = []
    if situation.hidden_apps and mode in GUARDIAN_MODES:
        constraints.append(Constraint("guardian", {BLOCKED_APPS: list(situation.hidden_apps)}, author="guardian"))
    if situation.lesson is not None and mode is Mode.CLASS_SESSION:
        constraints += _list_lesson_constraints(situation.lesson, apps)
    if apps.blocked:
        constraints.append(Constraint("apps", {BLOCKED_APPS: list(apps.blocked)}))
    shown: frozenset[str] = frozenset()
    if mode is Mode.EXAM:
        shown = frozenset().union(*list_shown_apps(_values(resolve(sources, (), _SHOWN_APP_SETTINGS))).values())
    return [*constraints, *list_baseline_constraints(mode, shown)]


def _list_lesson_constraints(lesson: Lesson, apps: EffectiveApps) -> list[Constraint]:
    """Return the bounds of a lesson: it chooses among the apps of the class; it never adds what the class does not have."""
    match lesson.preset:
        case SessionPreset.SCREENS_DOWN:
            values: dict[str, object] = {ALLOWED_APPS: ["com.apple.webapp"], "allowCamera": False}
        case SessionPreset.FOCUS_APPS:
            chosen = set(lesson.apps) & {*BASE_APPS, *apps.shown}
            values = {ALLOWED_APPS: sorted({*chosen, "com.apple.webapp"})}
        case SessionPreset.FOCUS_SITES:
            values = {ALLOWED_APPS: ["com.apple.mobilesafari", "com.apple.webapp"]}
        case SessionPreset.FREE:
            return []
    return [Constraint("class session", values, author="teacher")]


def compose_mode_filter(situation: Situation, policy: PolicyData, mode: Mode) -> EffectiveFilter:
    """Return the web filter of a situation in a mode, with the hosts that a teacher opened, or to which a lesson or a guardian limits."""
    lesson = situation.lesson if mode is Mode.CLASS_SESSION else None
    sites = lesson.sites if lesson is not None else ()
    is_limited = lesson is not None and lesson.preset is SessionPreset.FOCUS_SITES
    guardian_sites = situation.guardian_sites if mode in GUARDIAN_MODES else None
    return compose_filter(
        _values(policy.get_settings(situation, mode)),
        sites,
        sites if is_limited else None,
        guardian_sites.lists if guardian_sites is not None else (),
    )


def compose_mode_apps(situation: Situation, policy: PolicyData, mode: Mode) -> EffectiveApps:
    """Return the apps of a situation in a mode."""
    return compose_apps(_values(policy.get_settings(situation, mode)))
