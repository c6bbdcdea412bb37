"""Compiles situations: content-addressed, rendered once in every mode. Which tablets are in which is in `desired_states`.

Costs the number of situations, not of tablets: tablets that differ in nothing share everything but their mode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from cartable.versions import parse_version
from profiles.apps.tablet_configuration import get_values_location
from profiles.effective.contents import SplitContents, list_wanted_apps
from profiles.effective.situation import (
    PolicyData,
    Situation,
    compose_mode_filter,
)
from profiles.effective.system_updates import find_update_payload
from profiles.filters.payloads import DNS, build_dns_declaration
from profiles.filters.rules import AwayBehaviour
from profiles.render.apple import (
    ProfileContent,
    ProfileDocument,
    render_profile,
    split_by_payload_type,
    split_common_content,
)
from profiles.render.declarations import APP_PREFIX, Declaration, ManagedApp, build_declarations, serialize_canonical
from profiles.render.trial import compute_trial_digest, render_trial
from profiles.schedule.modes import Mode

#: The system from which DNS settings are a declaration, which may fail over.
DNS_DECLARATION_FROM = (27,)
#: The system from which apps may be declared: the first on which a declaration carries the managed configuration of an app.
APP_DECLARATIONS_FROM = (18, 4)


@dataclass(frozen=True, slots=True)
class WantedApp:
    """An app that a tablet should have. Without store id and manifest it is built in: allowed, never installed by the server."""

    app_id: UUID
    bundle_identifier: str
    app_store_id: int | None
    manifest_url: str | None
    #: Where tablets fetch its managed configuration, below `APP_VALUES_PATH`.
    values: str | None = None

    @property
    def is_installed_by_us(self) -> bool:
        return self.app_store_id is not None or self.manifest_url is not None


@dataclass(frozen=True, slots=True)
class DesiredTrial:
    """The profile of a trial: `digest` names what is tried, whatever the profile around it."""

    digest: str
    sha256: str


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What one tablet should be: its mode, and that as one profile, or as a set of declarations where it understands them."""

    mode: Mode
    sha256: str
    identifier: str
    uuid: str
    apps: tuple[WantedApp, ...]
    omitted_settings: tuple[str, ...]
    declaration_set: str | None
    #: The profile that goes by command beside declarations: the payload types that the operator keeps from them.
    companion_sha256: str | None = None
    #: What could cut the tablet off in its mode, while the tablet has not proved it: a profile that removes itself.
    trial: DesiredTrial | None = None
    #: Declarations carry all of it in every mode: there is no profile beside them, and no trial.
    declarations_suffice: bool = False
    #: Whether its apps are among the declarations.
    declares_apps: bool = False
    #: The server tokens of what is declared of apps, by identifier.
    app_tokens: Mapping[str, str] = field(default_factory=dict, hash=False)

    def list_profiles(self) -> list[str]:
        """Return the hashes of the profiles that commands may install."""
        return [sha256 for sha256 in (self.sha256, self.companion_sha256, self.trial and self.trial.sha256) if sha256]


@dataclass(slots=True)
class CompiledSituation:
    """Everything that tablets of one situation share."""

    situation: Situation
    contents: Mapping[Mode, ProfileContent]
    profiles: Mapping[Mode, ProfileDocument]
    apps: tuple[WantedApp, ...] = ()
    declared_profiles: tuple[ProfileDocument, ...] = ()
    companion_profiles: Mapping[Mode, ProfileDocument] = field(default_factory=dict)
    trials: Mapping[Mode, tuple[str, ProfileDocument]] = field(default_factory=dict)
    declared: list[Declaration] = field(default_factory=list)
    #: The address of its declarations.
    set_token: str = ""
    declares_apps: bool = False
    _desired: dict[Mode, DesiredState] = field(default_factory=dict)

    def get_desired_state(self, mode: Mode) -> DesiredState:
        """Return what all tablets of the situation should be in a mode."""
        if mode not in self._desired:
            self._desired[mode] = _build_desired_state(self, mode)
        return self._desired[mode]


def compile_situation(
    work: UnitOfWork, situation: Situation, policy: PolicyData, split: SplitContents, withheld: frozenset[str] = frozenset()
) -> CompiledSituation:
    """Render one situation in every mode, with trials in place of what is withheld. Stores nothing."""
    tried = {
        mode: cutting
        for mode, cutting in split.cutting.items()
        if not cutting.is_empty and compute_trial_digest(cutting) in withheld
    }
    contents = {mode: split.safe[mode] if mode in tried else content for mode, content in split.full.items()}
    town = str(situation.town_id)
    by_digest: dict[str, ProfileDocument] = {}
    profiles = {mode: _render_once(by_digest, town, content) for mode, content in contents.items()}
    apps = tuple(
        WantedApp(app.id, app.bundle_identifier, app.app_store_id, app.manifest_url, get_values_location(app))
        for app in list_wanted_apps(situation, policy)
    )
    compiled = CompiledSituation(situation, contents, profiles, apps)
    compiled.trials = {mode: (compute_trial_digest(cutting), render_trial(town, cutting)) for mode, cutting in tried.items()}
    if is_declarative(work.settings, situation.os):
        compiled.declares_apps = declares_apps(work.settings, situation.os)
        kept = work.settings.profile_payloads
        native = _take_out_declared_dns(situation, policy, contents, kept)
        pairs = {mode: split_by_payload_type(content, kept) for mode, content in native.contents.items()}
        compiled.companion_profiles = {
            mode: _render_once(by_digest, town, beside) for mode, (_, beside) in pairs.items() if not beside.is_empty
        }
        common, own = split_common_content({mode: declared for mode, (declared, _) in pairs.items()})
        base = render_profile(town, common, "base")
        by_mode = {mode: render_profile(town, content, _mode_part_name(content)) for mode, content in own.items()}
        compiled.declared_profiles = tuple({r.sha256: r for r in (base, *by_mode.values()) if r is not None}.values())
        compiled.declared = build_declarations(
            policy.get_url(situation.town_id),
            "Cartable",
            base.sha256 if base else None,
            {mode: rendered.sha256 if rendered else None for mode, rendered in by_mode.items()},
            _list_managed_apps(compiled.apps) if compiled.declares_apps else (),
            native.dns,
            find_update_payload(situation, policy),
        )
        compiled.set_token = _compute_set_token(compiled.declared)
    return compiled


def _compute_set_token(declared: Sequence[Declaration]) -> str:
    return hashlib.sha256(serialize_canonical([[each.identifier, each.server_token] for each in declared])).hexdigest()


@dataclass(frozen=True, slots=True)
class _NativeContents:
    """Contents by mode, without the DNS settings that go as declarations of their own; and these."""

    contents: Mapping[Mode, ProfileContent]
    dns: Mapping[Mode, Mapping[str, Any]]


def _take_out_declared_dns(
    situation: Situation, policy: PolicyData, contents: Mapping[Mode, ProfileContent], kept: Collection[str]
) -> _NativeContents:
    """Take the DNS settings out of the contents where the system has a declaration for them."""
    if DNS in kept or situation.os is None or situation.os < DNS_DECLARATION_FROM:
        return _NativeContents(contents, {})
    dns = {
        mode: build_dns_declaration(
            content.composed_payloads[DNS],
            is_lenient=compose_mode_filter(situation, policy, mode).away_behaviour is AwayBehaviour.LENIENT,
        )
        for mode, content in contents.items()
        if DNS in content.composed_payloads
    }
    return _NativeContents({mode: split_by_payload_type(content, {DNS})[0] for mode, content in contents.items()}, dns)


def is_declarative(settings: Settings, system: tuple[int, ...] | None) -> bool:
    """Return whether tablets with a system are managed by declarations, once they have proved that they apply them."""
    from_version = settings.declarative_from
    return bool(from_version) and system is not None and system >= parse_version(from_version)


def declares_apps(settings: Settings, system: tuple[int, ...] | None) -> bool:
    """Return whether apps are among the declarations of tablets with a system. On older ones they go by commands, with their values."""
    if not settings.declarative_apps or system is None or system < APP_DECLARATIONS_FROM:
        return False
    return is_declarative(settings, system)


def _render_once(by_digest: dict[str, ProfileDocument], town: str, content: ProfileContent) -> ProfileDocument:
    key = content.digest
    if key not in by_digest:
        rendered = render_profile(town, content)
        assert rendered is not None  # a profile for all payloads may be empty, it is still a profile
        by_digest[key] = rendered
    return by_digest[key]


def _mode_part_name(content: ProfileContent) -> str:
    """A profile of a mode has an identifier of its own: while one comes and another goes, neither removes the other."""
    return f"mode.{content.digest[:16]}"


def _list_managed_apps(apps: Iterable[WantedApp]) -> list[ManagedApp]:
    return [
        ManagedApp(app.bundle_identifier, app.app_store_id, app.manifest_url, app.values)
        for app in apps
        if app.app_store_id or app.manifest_url
    ]


def _build_desired_state(compiled: CompiledSituation, mode: Mode) -> DesiredState:
    rendered = compiled.profiles[mode]
    digest, trial = compiled.trials.get(mode, ("", None))
    return DesiredState(
        mode=mode,
        sha256=rendered.sha256,
        identifier=rendered.identifier,
        uuid=rendered.uuid,
        apps=compiled.apps,
        omitted_settings=compiled.contents[mode].omitted_settings,
        declaration_set=compiled.set_token if compiled.declared else None,
        companion_sha256=compiled.companion_profiles[mode].sha256 if mode in compiled.companion_profiles else None,
        trial=DesiredTrial(digest, trial.sha256) if trial is not None else None,
        declarations_suffice=bool(compiled.declared) and not compiled.companion_profiles and not compiled.trials,
        declares_apps=compiled.declares_apps,
        app_tokens={each.identifier: each.server_token for each in compiled.declared if each.identifier.startswith(APP_PREFIX)},
    )
